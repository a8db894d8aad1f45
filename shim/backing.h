/* backing.h: mechanisms that provide memory of some location and put it behind addresses of ours.
 *
 * `vmm` maps physical memory of any location (local, peer, host) into an arena range. `pinned` is page-locked host
 * memory in a pinned range, for machines whose driver has no virtual memory management, or none for the host.
 *
 * Making memory and mapping it are apart, so that a page can get new memory before it loses the old one. All functions
 * of a backing run inside vs_driver_enter on the compute device's context, may block, and may be called from any
 * thread. Bytes are whole pages.
 */
#ifndef VS_BACKING_H
#define VS_BACKING_H

#include "pages.h"

struct vs_backing {
    const char *name;
    enum vs_range_kind range; /* where its memory can lie */
    /* Whether it can serve `home` for `compute`, as far as the driver's attributes tell; else *why (static text). */
    bool (*serves)(const struct vs_compute *compute, struct vs_home home, const char **why);
    /* Memory of that home, which belongs to the caller until vs_backing.release; 0 is a handle, too. */
    CUresult (*create_physical)(
        const struct vs_compute *compute, struct vs_home home, size_t bytes, CUmemGenericAllocationHandle *handle);
    /* Puts it behind free addresses of the range, whole, readable and writable by all that access.h lists. On failure
     * nothing is mapped. The same handle may be mapped at several addresses at once. */
    CUresult (*map)(const struct vs_compute *compute, struct vs_home home, CUdeviceptr address, size_t bytes,
        CUmemGenericAllocationHandle handle);
    /* Gives access again to all that access.h lists by now. */
    CUresult (*allow)(const struct vs_compute *compute, struct vs_home home, CUdeviceptr address, size_t bytes);
    /* Takes exactly one mapping away: out of use by every device. Where it fails, the addresses must not be used again.
     */
    CUresult (*unmap)(CUdeviceptr address, size_t bytes);
    /* The memory goes when it is mapped nowhere any more. */
    void (*release)(CUmemGenericAllocationHandle handle);
};

extern const struct vs_backing vs_backing_vmm, vs_backing_pinned;

/* The best backing that serves `home` and has not refused it; NULL where there is none, and *why is the best one's
 * reason (static text) then. `why` may be NULL. */
const struct vs_backing *vs_backing_for(const struct vs_compute *compute, struct vs_home home, const char **why);

/* The backing is not asked for that home again: it refused for another reason than a lack of memory. Drivers promise
 * what they do not hold (HOST_NUMA in a container without SYS_NICE). `why` lives as long as the process. */
void vs_backing_refuse(const struct vs_backing *backing, struct vs_home home, const char *why);

#endif
