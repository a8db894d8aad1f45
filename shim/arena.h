/* arena.h: the allocations that are ours: where their addresses come from, and what is known of an address.
 *
 * Memory is taken from a backing in *spans*, each at one home, and handed out in *blocks*, aligned as cudaMalloc
 * aligns. Most weights of a model are far smaller than a page of 2 MiB, and a page for each would waste gigabytes:
 * those below 4 MiB share spans of 32 MiB; larger ones get a span of just their pages. A span is given back to its
 * backing when its last block is. Looking up a pointer that may be ours takes a lock and walks the spans, which are
 * some hundred.
 */
#ifndef VS_ARENA_H
#define VS_ARENA_H

#include <cuda.h>
#include <stdbool.h>
#include <stddef.h>

#include "pages.h"

struct vs_allocation {
    CUdeviceptr base;
    size_t bytes; /* as the program asked for */
    struct vs_home home;
    const struct vs_compute *compute;
};

/* A block of `bytes` at `home` for `compute`. The error is the driver's (out of memory, usually); nothing is left
 * behind then. May block (creating host pages takes about 0.4 s/GiB). Any thread. */
CUresult vs_arena_allocate(const struct vs_compute *compute, struct vs_home home, size_t bytes, CUdeviceptr *address);

/* The live allocation that `address` lies in; false where it is not ours. */
bool vs_arena_find(CUdeviceptr address, struct vs_allocation *found);

/* The program frees the allocation that begins at `base`: from here on vs_arena_find does not know it, but its memory
 * stays until vs_arena_release. False where no live allocation begins there. */
bool vs_arena_retire(CUdeviceptr base, struct vs_allocation *retired);

/* The memory of a retired allocation is out of use by every device: it may be handed out again. */
void vs_arena_release(CUdeviceptr base);

/* Gives back all spans of a compute device, live blocks included, once its work is done: the device is being reset. */
void vs_arena_drop(int compute_ordinal);

#endif
