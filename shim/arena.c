/* arena.c: see arena.h. Spans in a list: some for each home, and one for each large allocation. Who gives a span memory
 * has claimed it (span_claims.h). */
#include "arena.h"

#include <pthread.h>
#include <stdlib.h>

#include "access.h"
#include "address_space.h"
#include "driver.h"
#include "extents.h"
#include "failed_devices.h"
#include "locks.h"
#include "log.h"
#include "span_claims.h"
#include "stats.h"

#define MOST_SPAN_BYTES ((size_t)8 << 30) /* of addresses that are kept together */

static size_t whole_pages(size_t bytes)
{
    return (bytes + VS_PAGE_BYTES - 1) / VS_PAGE_BYTES * VS_PAGE_BYTES;
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t most(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* --- Taking, with vs_arena_lock held ------------------------------------------------------------------------------ */

/* A span of this sort and home in which there is room, and the block that was taken there; claimed. Waits for those
 * that have it: with two spans where one would do, both would be half empty. */
static struct vs_block *take(
    const struct vs_arena_request *request, enum vs_span_sort sort, const struct vs_backing *backing)
{
    struct vs_block *block = NULL;
    struct vs_span *span = vs_span_list;
    while (span && !block) {
        bool fits = span->sort == sort && span->backing == backing && span->compute == request->compute &&
                    vs_home_equal(span->home, request->home);
        if (fits && span->claimed && sort != VS_SPAN_OWN) {
            vs_span_await_claims();
            span = vs_span_list;
            continue;
        }
        if (fits && !span->claimed)
            block = vs_span_take(span, request->bytes, &request->order);
        span = span->next;
    }
    if (block)
        block->span->claimed = true;
    return block;
}

/* --- Memory for a block of a claimed span ------------------------------------------------------------------------- */

/* How much to get where `needed` bytes are missing: with room for what else is wanted, as far as `room` goes. */
static size_t piece_bytes(const struct vs_span *span, size_t needed, size_t expected, size_t room)
{
    if (span->sort == VS_SPAN_OWN || needed >= VS_SHARED_BYTES)
        return needed;
    return least(room, most(needed, least(whole_pages(expected), VS_SHARED_BYTES)));
}

/* The whole span gets one piece where blocks must not run from one into the next. */
static CUresult bind_piece(const struct vs_span *span, size_t page, size_t needed, size_t expected)
{
    CUdeviceptr address = span->range->base + page * VS_PAGE_BYTES;
    CUresult result = CUDA_ERROR_OUT_OF_MEMORY;
    size_t room = 0, most_room = span->address + span->bytes - address;
    while (room < most_room && vs_page_home_of(span->range, page + room / VS_PAGE_BYTES).kind == VS_HOME_NONE)
        room += VS_PAGE_BYTES;
    needed = least(needed, room);
    size_t wanted = span->range->kind == VS_RANGE_PINNED ? room : piece_bytes(span, needed, expected, room);
    result = vs_extents_bind(span->range, address, wanted, span->home, span->backing);
    if (result == CUDA_ERROR_OUT_OF_MEMORY && wanted > needed && span->range->kind != VS_RANGE_PINNED)
        result = vs_extents_bind(span->range, address, needed, span->home, span->backing);
    return result;
}

static CUresult bind_block(const struct vs_block *block, size_t expected)
{
    const struct vs_span *span = block->span;
    CUdeviceptr address = vs_block_address(block);
    size_t page = vs_page_of(span->range, address);
    size_t end = vs_page_of(span->range, address + block->extent - 1) + 1;
    CUresult result = CUDA_SUCCESS;
    for (; page < end && result == CUDA_SUCCESS; page++) {
        CUdeviceptr begin = span->range->base + page * VS_PAGE_BYTES;
        size_t before = begin > address ? begin - address : 0; /* of what is expected, there is memory for that */
        if (vs_page_home_of(span->range, page).kind == VS_HOME_NONE)
            result = bind_piece(span, page, (end - page) * VS_PAGE_BYTES, expected > before ? expected - before : 0);
    }
    return result;
}

/* --- Allocating --------------------------------------------------------------------------------------------------- */

/* How many addresses are kept together: memory follows as it is needed, but for pinned ranges. */
static size_t span_bytes(const struct vs_arena_request *request, enum vs_span_sort sort, enum vs_range_kind kind)
{
    size_t needed = whole_pages(request->bytes), expected = whole_pages(request->expected_bytes);
    if (sort == VS_SPAN_OWN)
        return needed;
    if (kind == VS_RANGE_PINNED)
        return most(needed, least(expected, VS_SHARED_BYTES));
    return most(needed, least(expected + VS_SHARED_BYTES, MOST_SPAN_BYTES));
}

static CUresult get_range(const struct vs_compute *compute, enum vs_range_kind kind, struct vs_range **range)
{
    struct vs_driver_scope scope;
    CUresult result = vs_driver_enter(&scope, compute->context);
    if (result != CUDA_SUCCESS)
        return result;
    result = vs_addresses_range(compute, kind, range);
    vs_driver_leave(&scope);
    return result;
}

/* A span of addresses, not in the list. */
static CUresult create_span(const struct vs_arena_request *request, enum vs_span_sort sort,
    const struct vs_backing *backing, struct vs_span **created)
{
    struct vs_range *range;
    CUdeviceptr address;
    CUresult result = get_range(request->compute, backing->range, &range);
    if (result != CUDA_SUCCESS)
        return result;
    size_t bytes = span_bytes(request, sort, range->kind);
    result = vs_addresses_take(range, bytes, &address);
    if (result == CUDA_ERROR_OUT_OF_MEMORY && bytes > whole_pages(request->bytes)) {
        bytes = whole_pages(request->bytes);
        result = vs_addresses_take(range, bytes, &address);
    }
    if (result != CUDA_SUCCESS)
        return result;
    struct vs_span *span = vs_span_create(range, address, bytes, sort);
    if (!span) {
        vs_addresses_return(range, address, bytes);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    span->compute = request->compute;
    span->home = request->home;
    span->backing = backing;
    *created = span;
    return CUDA_SUCCESS;
}

/* A block of a claimed span; where there is none with room, of a new one. */
static CUresult take_or_create(const struct vs_arena_request *request, enum vs_span_sort sort,
    const struct vs_backing *backing, struct vs_block **block)
{
    struct vs_span *span;
    pthread_mutex_lock(&vs_arena_lock);
    *block = take(request, sort, backing);
    pthread_mutex_unlock(&vs_arena_lock);
    if (*block)
        return CUDA_SUCCESS;
    CUresult result = create_span(request, sort, backing, &span);
    if (result != CUDA_SUCCESS)
        return result;
    pthread_mutex_lock(&vs_arena_lock);
    span->next = vs_span_list;
    vs_span_list = span;
    span->claimed = true;
    *block = vs_span_take(span, request->bytes, NULL);
    if (!*block)
        vs_span_unclaim(span);
    pthread_mutex_unlock(&vs_arena_lock);
    return *block ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

static CUresult allocate_from(
    const struct vs_arena_request *request, const struct vs_backing *backing, CUdeviceptr *address)
{
    struct vs_block *block;
    CUresult result = take_or_create(request, vs_span_sort_of(request->bytes), backing, &block);
    if (result != CUDA_SUCCESS)
        return result;
    result = bind_block(block, request->expected_bytes);
    pthread_mutex_lock(&vs_arena_lock);
    struct vs_span *span = block->span;
    *address = vs_block_address(block);
    if (result != CUDA_SUCCESS)
        vs_block_release(block);
    vs_span_unclaim(span);
    pthread_mutex_unlock(&vs_arena_lock);
    return result;
}

CUresult vs_arena_allocate(const struct vs_arena_request *request, CUdeviceptr *address)
{
    CUresult result = CUDA_ERROR_NOT_SUPPORTED;
    const struct vs_backing *backing;
    bool full = false;
    while ((backing = vs_backing_proved(request->compute, request->home, NULL, &full))) {
        result = allocate_from(request, backing, address);
        if (result == CUDA_ERROR_OUT_OF_MEMORY &&
            vs_backing_runs_short(backing, request->compute, request->home, request->bytes))
            continue;
        if (result == CUDA_SUCCESS || vs_failure_of(result) != VS_FAILURE_LASTING)
            return result;
        vs_backing_refuse(backing, request->home, vs_driver_error(result));
    }
    return full ? CUDA_ERROR_OUT_OF_MEMORY : result;
}

/* --- Looking up, and freeing -------------------------------------------------------------------------------------- */

static struct vs_allocation describe(const struct vs_block *block)
{
    CUdeviceptr base = vs_block_address(block);
    const struct vs_range *range = block->span->range;
    return (struct vs_allocation){
        base, block->asked_bytes, vs_page_home_of(range, vs_page_of(range, base)), block->span->compute};
}

bool vs_arena_find(CUdeviceptr address, struct vs_allocation *found)
{
    if (!vs_pages_may_own(address))
        return false;
    pthread_mutex_lock(&vs_arena_lock);
    const struct vs_block *block = vs_block_at(address);
    bool ours = block && block->state == VS_BLOCK_LIVE;
    if (ours)
        *found = describe(block);
    pthread_mutex_unlock(&vs_arena_lock);
    return ours;
}

bool vs_arena_retire(CUdeviceptr base, struct vs_retirement *retirement, struct vs_allocation *retired)
{
    if (!vs_pages_may_own(base))
        return false;
    pthread_mutex_lock(&vs_arena_lock);
    struct vs_block *block = vs_block_at(base);
    bool ours = block && block->state == VS_BLOCK_LIVE && vs_block_address(block) == base;
    if (ours) {
        *retired = describe(block);
        vs_block_retire(block, retirement);
    }
    pthread_mutex_unlock(&vs_arena_lock);
    return ours;
}

void vs_arena_set_order(struct vs_retirement *retirement, const struct vs_stream_order *order)
{
    pthread_mutex_lock(&vs_arena_lock);
    retirement->order = *order;
    pthread_mutex_unlock(&vs_arena_lock);
}

void vs_arena_release(struct vs_retirement *retirement)
{
    pthread_mutex_lock(&vs_arena_lock);
    while (retirement->blocks) {
        struct vs_span *span = retirement->blocks->span;
        vs_block_release(retirement->blocks);
        if (span->claimed)
            continue; /* who has claimed it sees to the rest */
        span->claimed = true;
        vs_span_unclaim(span);
    }
    pthread_mutex_unlock(&vs_arena_lock);
}

/* --- Reset -------------------------------------------------------------------------------------------------------- */

/* With vs_arena_lock held. */
static struct vs_span *claim_span_of(int compute_ordinal)
{
    struct vs_span *span = vs_span_list;
    while (span && (span->compute->ordinal != compute_ordinal || span->claimed)) {
        if (span->compute->ordinal != compute_ordinal) {
            span = span->next;
            continue;
        }
        vs_span_await_claims();
        span = vs_span_list;
    }
    if (span)
        span->claimed = true;
    return span;
}

/* Everything in a claimed span is free from here on. */
static void free_blocks(struct vs_span *span)
{
    struct vs_block *block = span->blocks;
    while (block) {
        if (block->state == VS_BLOCK_LIVE)
            vs_stats_freed(describe(block).home, block->asked_bytes);
        if (block->state == VS_BLOCK_LIVE || block->state == VS_BLOCK_RETIRED) {
            vs_block_release(block);
            block = span->blocks; /* it may be gone */
            continue;
        }
        block = block->next;
    }
}

void vs_arena_drop(int compute_ordinal)
{
    bool idle = false;
    struct vs_span *span;
    pthread_mutex_lock(&vs_arena_lock);
    while ((span = claim_span_of(compute_ordinal))) {
        if (!idle) {
            pthread_mutex_unlock(&vs_arena_lock);
            vs_access_synchronize(span->compute);
            pthread_mutex_lock(&vs_arena_lock);
        }
        idle = true;
        free_blocks(span);
        vs_span_unclaim(span);
    }
    pthread_mutex_unlock(&vs_arena_lock);
}

/* --- Telling ------------------------------------------------------------------------------------------------------ */

void vs_arena_tell(void)
{
    size_t count, bytes, used = 0;
    if (!vs_log_enabled(VS_LOG_DEBUG))
        return;
    pthread_mutex_lock(&vs_arena_lock);
    for (const struct vs_span *span = vs_span_list; span; span = span->next)
        for (const struct vs_block *block = span->blocks; block; block = block->next)
            used += block->state == VS_BLOCK_LIVE ? block->asked_bytes : 0;
    pthread_mutex_unlock(&vs_arena_lock);
    vs_extents_count(&count, &bytes);
    vs_log(VS_LOG_DEBUG, "arena", "%.1f MB of weights in %.1f MB of memory, mapped in %zu pieces",
        (double)used / (1 << 20), (double)bytes / (1 << 20), count);
}
