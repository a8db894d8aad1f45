/* backing.h: mechanisms that provide bytes at an address that the compute device can use.
 *
 * `vmm` maps physical memory of any location (local, peer, host) into a range of ours. `pinned` is page-locked host
 * memory, for machines whose driver has no virtual memory management. A backing's memory belongs to the caller until it
 * gives it back. All functions run inside vs_driver_enter on the compute device's context, may block, and may be called
 * from any thread.
 */
#ifndef VS_BACKING_H
#define VS_BACKING_H

#include <cuda.h>
#include <stdbool.h>
#include <stddef.h>

#include "compute.h"

enum vs_home_kind { VS_HOME_LOCAL, VS_HOME_PEER, VS_HOME_HOST };

/* Where the bytes of an allocation live. `device` is the peer's ordinal (the compute device's for LOCAL). */
struct vs_home {
    enum vs_home_kind kind;
    int device;
};

struct vs_memory {
    const struct vs_backing *backing;
    CUdeviceptr address;
    size_t bytes;                        /* a multiple of the backing's granularity */
    CUmemGenericAllocationHandle handle; /* vmm: where it could not be released after mapping; else 0 */
};

struct vs_backing {
    const char *name;
    /* Whether it can serve `home` for `compute`, as far as the driver's attributes tell; else *why (static text). */
    bool (*serves)(const struct vs_compute *compute, struct vs_home home, const char **why);
    /* At least `bytes` at `home`, readable and writable by the compute device. On failure nothing is left behind. */
    CUresult (*create)(const struct vs_compute *compute, struct vs_home home, size_t bytes, struct vs_memory *memory);
    /* The memory must be out of use by every device. */
    void (*destroy)(struct vs_memory *memory);
};

extern const struct vs_backing vs_backing_vmm, vs_backing_pinned;

/* Whether a backing serves `home`; else *why is the best one's reason (static text). */
bool vs_backing_serves(const struct vs_compute *compute, struct vs_home home, const char **why);

/* Memory of the best backing that serves `home` and gives it; of the host only what it can lend (host_memory.h). One that refuses for any reason but a lack of memory is
 * not asked for that kind of home again: drivers promise what they do not hold (HOST_NUMA in a container without
 * SYS_NICE). */
CUresult vs_backing_create(
    const struct vs_compute *compute, struct vs_home home, size_t bytes, struct vs_memory *memory);

bool vs_home_equal(struct vs_home a, struct vs_home b);

#endif
