/* spans.h: stretches of addresses that are handed out in blocks. Only bookkeeping: whether memory lies behind an
 * address is extents.h's to know, and arena.c's to see to.
 *
 * A span is for memory of one home, and of one sort of blocks. Its addresses may be many more than it has memory for:
 * memory follows as blocks are taken, and so blocks lie side by side wherever its pieces end. A block may run from one
 * piece into the next, but in a pinned range.
 *
 * Everything here is protected by vs_arena_lock, which the caller holds. A span is changed beyond that, by getting or
 * losing memory, by whoever has claimed it, without the lock.
 */
#ifndef VS_SPANS_H
#define VS_SPANS_H

#include "backing.h"
#include "stream_order.h"

enum vs_block_state {
    VS_BLOCK_FREE,
    VS_BLOCK_LIVE,
    VS_BLOCK_RETIRED, /* freed by the program, perhaps still in use by work that is under way */
    VS_BLOCK_LOST,    /* its memory could not be unmapped: its addresses must not be used again */
};

/* What blocks wait for that were freed: retire.c's. */
struct vs_retirement {
    struct vs_retirement *next;
    const struct vs_compute *compute;
    CUevent event;                /* NULL: all work of the device must be done, and could not be waited for yet */
    struct vs_stream_order order; /* whose later work may use the memory at once */
    struct vs_block *blocks;
};

struct vs_block {
    struct vs_block *next, *previous; /* in the span, by address */
    struct vs_span *span;
    size_t offset, extent; /* in the span; multiples of the sort's granule */
    size_t asked_bytes;
    enum vs_block_state state;
    bool unsettled; /* FREE: there may be memory behind it that nobody needs */
    struct vs_retirement *retirement;
    struct vs_block *next_retired, *previous_retired; /* of the same retirement */
};

/* Memory is shared in pieces of so much: where it is mapped piece by piece, 60 us each are paid once for all (PyTorch's
 * note on expandable segments). */
#define VS_SHARED_BYTES ((size_t)32 << 20)

/* How blocks lie in their span. */
enum vs_span_sort {
    VS_SPAN_OWN,    /* one block, larger than what is shared, of whole pages */
    VS_SPAN_WHOLE,  /* blocks that fill whole pages, or nearly: each can move alone */
    VS_SPAN_PACKED, /* blocks that share pages */
};

struct vs_span {
    struct vs_span *next;
    const struct vs_compute *compute;
    struct vs_home home;
    struct vs_range *range;
    const struct vs_backing *backing;
    CUdeviceptr address;
    size_t bytes;
    enum vs_span_sort sort;
    bool claimed; /* somebody gives it memory, or takes some away */
    bool left;    /* ... and has left that to who moves some of it (span_claims.h) */
    struct vs_block *blocks;
    struct vs_block *search; /* no block before it can be taken; NULL: none at all */
};

/* The sort for a request, and the bytes that its block takes. */
enum vs_span_sort vs_span_sort_of(size_t bytes);
size_t vs_span_extent_of(enum vs_span_sort sort, size_t bytes);

/* A span of addresses with one free block; not in any list, not claimed. NULL without memory. */
struct vs_span *vs_span_create(struct vs_range *range, CUdeviceptr address, size_t bytes, enum vs_span_sort sort);
/* With its blocks, whatever they are. */
void vs_span_free(struct vs_span *span);
bool vs_span_is_empty(const struct vs_span *span);

/* Takes a live block for `bytes`: of what is free and at the span's home, or without memory; and of what was retired in
 * the same `order` (NULL: none). NULL where there is no such place, or no memory. */
struct vs_block *vs_span_take(struct vs_span *span, size_t bytes, const struct vs_stream_order *order);

/* The block that is not free and holds this address, in whichever span; NULL: none. */
struct vs_block *vs_block_at(CUdeviceptr address);
static inline CUdeviceptr vs_block_address(const struct vs_block *block)
{
    return block->span->address + block->offset;
}

/* Live -> retired, as one that waits for `retirement`. */
void vs_block_retire(struct vs_block *block, struct vs_retirement *retirement);
/* Live or retired -> free. It is united with its free neighbours: gone by then, perhaps. */
void vs_block_release(struct vs_block *block);
/* A free block that may have memory behind it which nobody needs, or NULL. */
struct vs_block *vs_span_unsettled(struct vs_span *span);
/* Free -> lost. */
void vs_block_lose(struct vs_block *block);

#endif
