/* guest_map.h: what the program maps, and who may use it: its calls about addresses, answered for virtual handles. Each
 * does what the driver documents of it, with the driver's own errors; `real` are the driver's functions. Any thread;
 * they wait while pages that they are about move.
 */
#ifndef VS_GUEST_MAP_H
#define VS_GUEST_MAP_H

#include "guest.h"

struct vs_libcuda;

/* Whether some address of these may be in a range that the program reserved and mapped virtual handles in. Lock-free.
 */
bool vs_guest_touches(CUdeviceptr address, size_t bytes);

/* Of a virtual handle. */
CUresult vs_guest_map(const struct vs_libcuda *real, CUdeviceptr address, size_t bytes, size_t offset,
    CUmemGenericAllocationHandle number, unsigned long long flags);

/* Of addresses where vs_guest_touches; other mappings may lie among them. */
CUresult vs_guest_unmap(const struct vs_libcuda *real, CUdeviceptr address, size_t bytes);
CUresult vs_guest_set_access(
    const struct vs_libcuda *real, CUdeviceptr address, size_t bytes, const CUmemAccessDesc *descriptors, size_t count);

/* The virtual handle that is mapped at the address, with a reference more. False: none is. */
bool vs_guest_retain(CUdeviceptr address, CUmemGenericAllocationHandle *number);

/* What the program mapped at an address, held: it neither moves nor goes until vs_guest_let_go. */
struct vs_guest_held {
    struct vs_extent *extent; /* NULL: nothing virtual lies there */
    bool at_home;             /* all of it is local and in one piece: what the driver says of it holds */
};
struct vs_guest_held vs_guest_hold(CUdeviceptr address);
void vs_guest_let_go(struct vs_guest_held held);

#endif
