/* address_space.h: the ranges of addresses that are ours, made when they are first needed, and which pages of them are
 * assigned. No memory lies behind an address for being assigned: extents.h.
 *
 * Each compute device has an arena range for everything that the driver can map, and a pinned range where host memory
 * cannot be mapped.
 */
#ifndef VS_ADDRESS_SPACE_H
#define VS_ADDRESS_SPACE_H

#include "pages.h"

/* The compute device's range of this kind (ARENA or PINNED). The larger of 64 GiB and twice what weights for it may
 * take, local memory and all that the policy lends; less where that is refused. On failure *range is NULL. Inside
 * vs_driver_enter on the device's context; any thread; waits for no device. */
CUresult vs_addresses_range(const struct vs_compute *compute, enum vs_range_kind kind, struct vs_range **range);

/* `bytes` (a multiple of the page) of consecutive addresses that nobody has. CUDA_ERROR_OUT_OF_MEMORY when the range is
 * used up. Any thread. */
CUresult vs_addresses_take(struct vs_range *range, size_t bytes, CUdeviceptr *address);

/* Gives such addresses back, or some of them: nothing may be mapped there. */
void vs_addresses_return(struct vs_range *range, CUdeviceptr address, size_t bytes);

#endif
