/* spans.c: see spans.h. Blocks stand in a list by address. A page's record names the first block in it that is not
 * free, so that a block is found by its address without a walk through the span. */
#include "spans.h"

#include <stdlib.h>

#define BLOCK_ALIGNMENT ((size_t)512) /* PyTorch aligns its own blocks so; cudaMalloc promises 256 */

static size_t round_up(size_t bytes, size_t granule)
{
    return (bytes + granule - 1) / granule * granule;
}

enum vs_span_sort vs_span_sort_of(size_t bytes)
{
    size_t pages = round_up(bytes, VS_PAGE_BYTES);
    if (pages - bytes > bytes / 100 * 3)
        return VS_SPAN_PACKED;
    return pages > VS_SHARED_BYTES ? VS_SPAN_OWN : VS_SPAN_WHOLE;
}

size_t vs_span_extent_of(enum vs_span_sort sort, size_t bytes)
{
    return round_up(bytes, sort == VS_SPAN_PACKED ? BLOCK_ALIGNMENT : VS_PAGE_BYTES);
}

/* --- Spans -------------------------------------------------------------------------------------------------------- */

struct vs_span *vs_span_create(struct vs_range *range, CUdeviceptr address, size_t bytes, enum vs_span_sort sort)
{
    struct vs_span *span = calloc(1, sizeof *span);
    struct vs_block *block = calloc(1, sizeof *block);
    if (!span || !block) {
        free(span);
        free(block);
        return NULL;
    }
    *span = (struct vs_span){
        .range = range, .address = address, .bytes = bytes, .sort = sort, .blocks = block, .search = block};
    *block = (struct vs_block){.span = span, .extent = bytes};
    return span;
}

bool vs_span_is_empty(const struct vs_span *span)
{
    return span->blocks->state == VS_BLOCK_FREE && !span->blocks->next;
}

/* --- Pages' records ----------------------------------------------------------------------------------------------- */

struct pages {
    size_t first, end;
};

/* Of the range. */
static struct pages pages_of(const struct vs_block *block)
{
    CUdeviceptr address = vs_block_address(block);
    const struct vs_range *range = block->span->range;
    return (struct pages){vs_page_of(range, address), vs_page_of(range, address + block->extent - 1) + 1};
}

/* The block is not free from here on. */
static void enter(struct vs_block *block)
{
    struct pages pages = pages_of(block);
    for (size_t page = pages.first; page < pages.end; page++) {
        struct vs_block *known = block->span->range->owners[page];
        if (!known || known->offset > block->offset)
            block->span->range->owners[page] = block;
    }
}

/* It is about to be free. */
static void leave(struct vs_block *block)
{
    struct vs_block *heir = block->next;
    while (heir && heir->state == VS_BLOCK_FREE)
        heir = heir->next;
    size_t heir_page = heir ? pages_of(heir).first : SIZE_MAX;
    struct pages pages = pages_of(block);
    for (size_t page = pages.first; page < pages.end; page++)
        if (block->span->range->owners[page] == block)
            block->span->range->owners[page] = page >= heir_page ? heir : NULL;
}

struct vs_block *vs_block_at(CUdeviceptr address)
{
    const struct vs_range *range = vs_range_of(address);
    struct vs_block *block = range ? range->owners[vs_page_of(range, address)] : NULL;
    while (block && vs_block_address(block) + block->extent <= address)
        block = block->next;
    return block && block->state != VS_BLOCK_FREE && vs_block_address(block) <= address ? block : NULL;
}

/* --- Cutting and uniting ------------------------------------------------------------------------------------------ */

static void link_retired(struct vs_block *block, struct vs_retirement *retirement)
{
    block->retirement = retirement;
    block->previous_retired = NULL;
    block->next_retired = retirement->blocks;
    if (retirement->blocks)
        retirement->blocks->previous_retired = block;
    retirement->blocks = block;
}

static void unlink_retired(struct vs_block *block)
{
    if (block->previous_retired)
        block->previous_retired->next_retired = block->next_retired;
    else
        block->retirement->blocks = block->next_retired;
    if (block->next_retired)
        block->next_retired->previous_retired = block->previous_retired;
    block->retirement = NULL;
}

/* Cuts a block in two at `extent`, if that is within; the second is what the first was. False without memory. */
static bool cut(struct vs_block *block, size_t extent)
{
    if (block->extent == extent)
        return true;
    struct vs_block *rest = malloc(sizeof *rest);
    if (!rest)
        return false;
    if (block->retirement)
        leave(block);
    *rest = *block;
    rest->previous = block;
    rest->offset += extent;
    rest->extent -= extent;
    rest->retirement = NULL;
    if (rest->next)
        rest->next->previous = rest;
    block->next = rest;
    block->extent = extent;
    if (block->retirement) {
        link_retired(rest, block->retirement);
        enter(rest);
        enter(block);
    }
    return true;
}

/* Takes the following block into this one, which is free, as that is. */
static void swallow(struct vs_block *block)
{
    struct vs_block *next = block->next;
    block->extent += next->extent;
    block->unsettled |= next->unsettled;
    block->next = next->next;
    if (next->next)
        next->next->previous = block;
    if (block->span->search == next)
        block->span->search = block;
    free(next);
}

static void look_from(struct vs_block *block)
{
    struct vs_span *span = block->span;
    if (!span->search || block->offset < span->search->offset)
        span->search = block;
}

/* Not yet united with its neighbours. */
static void make_free(struct vs_block *block)
{
    if (block->retirement)
        unlink_retired(block);
    leave(block);
    block->state = VS_BLOCK_FREE;
    block->unsettled = true;
    look_from(block);
}

void vs_block_release(struct vs_block *block)
{
    make_free(block);
    if (block->next && block->next->state == VS_BLOCK_FREE)
        swallow(block);
    if (block->previous && block->previous->state == VS_BLOCK_FREE)
        swallow(block->previous);
}

void vs_block_retire(struct vs_block *block, struct vs_retirement *retirement)
{
    block->state = VS_BLOCK_RETIRED;
    link_retired(block, retirement);
    look_from(block);
}

void vs_block_lose(struct vs_block *block)
{
    block->state = VS_BLOCK_LOST;
    enter(block);
}

struct vs_block *vs_span_unsettled(struct vs_span *span)
{
    struct vs_block *block = span->blocks;
    while (block && (block->state != VS_BLOCK_FREE || !block->unsettled))
        block = block->next;
    return block;
}

void vs_span_free(struct vs_span *span)
{
    size_t first = vs_page_of(span->range, span->address);
    for (size_t page = first; page < first + span->bytes / VS_PAGE_BYTES; page++)
        span->range->owners[page] = NULL;
    while (span->blocks) {
        struct vs_block *block = span->blocks;
        span->blocks = block->next;
        if (block->retirement)
            unlink_retired(block);
        free(block);
    }
    free(span);
}

/* --- Taking ------------------------------------------------------------------------------------------------------- */

static bool can_take(const struct vs_block *block, const struct vs_stream_order *order)
{
    return block->state == VS_BLOCK_FREE ||
           (block->state == VS_BLOCK_RETIRED && order && vs_stream_order_equal(&block->retirement->order, order));
}

/* The last block of the run of those that can be taken, no further than `offset`. */
static struct vs_block *end_of_run(struct vs_block *block, const struct vs_stream_order *order, size_t offset)
{
    while (block->offset + block->extent < offset && block->next && can_take(block->next, order))
        block = block->next;
    return block;
}

/* Whether all pages there have no memory yet, or memory of the span's home. Else *behind is the end of one that has
 * other memory: it was moved. */
static bool is_at_home(const struct vs_span *span, size_t offset, size_t extent, size_t *behind)
{
    size_t first = vs_page_of(span->range, span->address + offset);
    size_t last = vs_page_of(span->range, span->address + offset + extent - 1);
    for (size_t page = first; page <= last; page++) {
        struct vs_home home = vs_page_home_of(span->range, page);
        if (home.kind == VS_HOME_NONE || vs_home_equal(home, span->home))
            continue;
        *behind = span->range->base + (page + 1) * VS_PAGE_BYTES - span->address;
        return false;
    }
    return true;
}

/* The block that ends behind `offset`, from this one on. */
static struct vs_block *reach(struct vs_block *block, size_t offset)
{
    while (block && block->offset + block->extent <= offset)
        block = block->next;
    return block;
}

/* Makes [offset, offset + extent), which blocks that can be taken cover from `first` on, one live block. NULL without
 * memory. */
static struct vs_block *carve(struct vs_block *first, size_t offset, size_t extent)
{
    first = reach(first, offset);
    if (first && first->offset < offset)
        first = cut(first, offset - first->offset) ? first->next : NULL;
    struct vs_block *last = reach(first, offset + extent - 1);
    if (!first || !last || !cut(last, offset + extent - last->offset))
        return NULL;
    if (first->retirement)
        make_free(first);
    for (struct vs_block *next = first->next; next && first->extent < extent; next = first->next) {
        if (next->retirement)
            make_free(next);
        swallow(first);
    }
    first->state = VS_BLOCK_LIVE;
    first->unsettled = false;
    enter(first);
    return first;
}

static void narrow_search(struct vs_span *span)
{
    while (span->search && (span->search->state == VS_BLOCK_LIVE || span->search->state == VS_BLOCK_LOST))
        span->search = span->search->next;
}

struct vs_block *vs_span_take(struct vs_span *span, size_t bytes, const struct vs_stream_order *order)
{
    size_t extent = vs_span_extent_of(span->sort, bytes);
    if (span->sort == VS_SPAN_OWN && extent != span->bytes)
        return NULL;
    narrow_search(span);
    for (struct vs_block *block = span->search; block; block = block->next) {
        if (!can_take(block, order))
            continue;
        struct vs_block *first = block;
        size_t offset = first->offset, behind;
        block = end_of_run(block, order, offset + extent); /* what begins later in it is shorter */
        while (offset + extent <= block->offset + block->extent) {
            if (is_at_home(span, offset, extent, &behind)) {
                struct vs_block *taken = carve(first, offset, extent);
                if (taken)
                    taken->asked_bytes = bytes;
                return taken;
            }
            offset = behind;
            block = end_of_run(block, order, offset + extent);
        }
    }
    return NULL;
}
