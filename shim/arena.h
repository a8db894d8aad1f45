/* arena.h: the allocations that are ours: where their addresses come from, which memory is put behind them, and what is
 * known of an address.
 *
 * Addresses are assigned first (spans.h), memory is bound to them afterwards (extents.h). Most weights of a model are
 * far smaller than a page of 2 MiB, and a page for each would waste gigabytes: they share pages with others of their
 * home. What fills pages to within 3 % gets pages of its own, so that it can move alone. Memory comes in pieces of 32
 * MiB, or as much as the plan still wants there; what is larger gets a piece for itself. A piece goes back as soon as
 * nothing in it is in use; what is freed beside others that live stays theirs, and is the first to be handed out again.
 * So what is held beyond what is in use is bounded by a piece for each allocation that lives, and is told (debug).
 *
 * Whether an address may be ours, and where its bytes are: pages.h, without a lock. What allocation it belongs to takes
 * one, and an index.
 */
#ifndef VS_ARENA_H
#define VS_ARENA_H

#include "pages.h"
#include "spans.h"

struct vs_allocation {
    CUdeviceptr base;
    size_t bytes;        /* as the program asked for */
    struct vs_home home; /* of its first byte */
    const struct vs_compute *compute;
};

struct vs_arena_request {
    const struct vs_compute *compute;
    struct vs_home home;
    size_t bytes;
    /* How many bytes of this sort (vs_span_sort_of) are wanted there in all, these among them, as far as is known: so
     * much memory may be taken at once. */
    size_t expected_bytes;
    /* Of a stream-ordered allocation: it may get what was freed in the same order, before the work that uses that is
     * done. Else unknown. */
    struct vs_stream_order order;
};

/* Tensors below this are not worth an entry here: they stay with the real allocator. */
#define VS_ARENA_LEAST_BYTES ((size_t)64 << 10)

/* The error is the driver's (out of memory, usually); nothing is left behind then. May block (creating host pages takes
 * about 0.4 s/GiB). Any thread. */
CUresult vs_arena_allocate(const struct vs_arena_request *request, CUdeviceptr *address);

/* The live allocation that `address` lies in; false where it is not ours. */
bool vs_arena_find(CUdeviceptr address, struct vs_allocation *found);

/* The program frees the allocation that begins at `base`: from here on vs_arena_find does not know it, but its memory
 * stays until vs_arena_release, or goes to a later allocation of the same order. False where no live allocation begins
 * there. */
bool vs_arena_retire(CUdeviceptr base, struct vs_retirement *retirement, struct vs_allocation *retired);
/* The retirement's order is known from here on. */
void vs_arena_set_order(struct vs_retirement *retirement, const struct vs_stream_order *order);

/* What the retirement held back is out of use by every device: it may be handed out again, and memory that nobody needs
 * goes back. The retirement holds nothing then. */
void vs_arena_release(struct vs_retirement *retirement);

/* Gives back all memory of a compute device, live allocations included, once its work is done: the device is being
 * reset. */
void vs_arena_drop(int compute_ordinal);

/* A line in the log (debug) on how much memory is held, in how many pieces, and how much of it is in use. */
void vs_arena_tell(void);

#endif
