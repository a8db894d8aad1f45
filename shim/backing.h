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

#include "../policy/language/backing_wish.h"
#include "pages.h"

struct vs_backing {
    enum vs_backing_kind kind;
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

/* The place of a home, as VRAMSPAN_BACKENDS calls it. */
static inline enum vs_backing_place vs_backing_place_of(struct vs_home home)
{
    return home.kind == VS_HOME_HOST ? VS_PLACE_HOST : home.kind == VS_HOME_PEER ? VS_PLACE_PEER : VS_PLACE_LOCAL;
}

extern const struct vs_backing vs_backing_vmm, vs_backing_pinned;

/* The best backing that serves `home` by what is known: one that the user wishes, that has not refused it, and that has
 * not failed to prove itself. NULL where there is none; *why is the best one's reason then, and lives as long as the
 * process. `why` may be NULL. Lock-free. */
const struct vs_backing *vs_backing_for(const struct vs_compute *compute, struct vs_home home, const char **why);

/* The best backing that has proved itself for `home`: those that have not been tried yet are, which takes long the
 * first time (proof.h). NULL where there is none; *why tells, and *full (may be NULL) whether it is for a lack of
 * memory at the moment. Any thread, with no lock held. */
const struct vs_backing *vs_backing_proved(
    const struct vs_compute *compute, struct vs_home home, const char **why, bool *full);

/* The backing is not asked for that home again: it refused for a reason that lasts (failed_devices.h). Drivers promise
 * what they do not hold (HOST_NUMA in a container without SYS_NICE). `why` lives as long as the process. */
void vs_backing_refuse(const struct vs_backing *backing, struct vs_home home, const char *why);

/* The backing found no memory for so many bytes there. Where the host has that room, it is the driver that gives no
 * more in this way (drivers with HMM end at about 2 GiB of it; a NUMA node may be full). Where another backing would
 * serve, this one is not asked for the host again then, which is said once, and true is returned. Any thread. */
bool vs_backing_runs_short(
    const struct vs_backing *backing, const struct vs_compute *compute, struct vs_home home, size_t bytes);

#endif
