/* arena.c: see arena.h. Spans in a list (a model makes some hundred), blocks of a span in a list by address. */
#include "arena.h"

#include <pthread.h>
#include <stdlib.h>

#include "address_space.h"
#include "driver.h"
#include "extents.h"
#include "locks.h"
#include "stats.h"

#define SHARED_SPAN_BYTES ((size_t)32 << 20)
#define SHARING_BYTES     ((size_t)4 << 20) /* what is smaller shares: at most an eighth of such a span stays unused */
#define BLOCK_ALIGNMENT   ((size_t)512)     /* PyTorch aligns its own blocks so; cudaMalloc promises 256 */

enum block_state { BLOCK_FREE, BLOCK_LIVE, BLOCK_RETIRED };

struct block {
    struct block *next; /* the following bytes of the span */
    size_t offset, extent;
    size_t asked_bytes;
    enum block_state state;
};

struct span {
    struct span *next;
    const struct vs_compute *compute;
    struct vs_home home;
    struct vs_range *range;
    CUdeviceptr address;
    size_t bytes;
    struct block *blocks;
    size_t used_count; /* blocks that are not free */
};

pthread_mutex_t vs_arena_lock = PTHREAD_MUTEX_INITIALIZER;
static struct span *spans;

/* --- With vs_arena_lock held -------------------------------------------------------------------------------------- */

static struct span *span_of(CUdeviceptr address)
{
    struct span *span = spans;
    while (span && (address < span->address || address >= span->address + span->bytes))
        span = span->next;
    return span;
}

static struct block *block_of(const struct span *span, CUdeviceptr address)
{
    size_t offset = address - span->address;
    struct block *block = span->blocks;
    while (block && offset >= block->offset + block->extent)
        block = block->next;
    return block;
}

/* Cuts `extent` bytes off the front of a free block. False when out of memory. */
static bool cut(struct block *block, size_t extent)
{
    if (block->extent == extent)
        return true;
    struct block *rest = malloc(sizeof *rest);
    if (!rest)
        return false;
    *rest = (struct block){block->next, block->offset + extent, block->extent - extent, 0, BLOCK_FREE};
    block->next = rest;
    block->extent = extent;
    return true;
}

static bool take_block(struct span *span, size_t bytes, CUdeviceptr *address)
{
    size_t extent = (bytes + BLOCK_ALIGNMENT - 1) / BLOCK_ALIGNMENT * BLOCK_ALIGNMENT;
    for (struct block *block = span->blocks; block; block = block->next) {
        if (block->state != BLOCK_FREE || block->extent < extent || !cut(block, extent))
            continue;
        block->state = BLOCK_LIVE;
        block->asked_bytes = bytes;
        span->used_count++;
        *address = span->address + block->offset;
        return true;
    }
    return false;
}

static void merge_free_blocks(struct span *span)
{
    struct block *block = span->blocks;
    while (block->next) {
        struct block *next = block->next;
        if (block->state != BLOCK_FREE || next->state != BLOCK_FREE) {
            block = next;
            continue;
        }
        block->extent += next->extent;
        block->next = next->next;
        free(next);
    }
}

static void unlink_span(struct span *span)
{
    struct span **link = &spans;
    while (*link != span)
        link = &(*link)->next;
    *link = span->next;
}

/* --- Without it --------------------------------------------------------------------------------------------------- */

static void free_span(struct span *span)
{
    while (span->blocks) {
        struct block *next = span->blocks->next;
        free(span->blocks);
        span->blocks = next;
    }
    free(span);
}

/* Gives an unlinked span's memory and addresses back. */
static void destroy_span(struct span *span)
{
    if (vs_extents_unbind(span->range, span->address, span->bytes) == CUDA_SUCCESS)
        vs_addresses_return(span->range, span->address, span->bytes);
    free_span(span);
}

/* Addresses of so many bytes, with memory of this backing. */
static CUresult bind_span(struct span *span, size_t bytes, const struct vs_backing *backing)
{
    span->bytes = bytes;
    CUresult result = vs_addresses_take(span->range, bytes, &span->address);
    if (result != CUDA_SUCCESS)
        return result;
    result = vs_extents_bind(span->range, span->address, bytes, span->home, backing);
    if (result != CUDA_SUCCESS)
        vs_addresses_return(span->range, span->address, bytes);
    return result;
}

/* Memory for a block of `bytes`: with room for others where it is small, just its pages where there is no such room. */
static CUresult get_memory(struct span *span, size_t bytes, const struct vs_backing *backing)
{
    size_t page_bytes = (bytes + VS_PAGE_BYTES - 1) / VS_PAGE_BYTES * VS_PAGE_BYTES;
    struct vs_driver_scope scope;
    CUresult result = vs_driver_enter(&scope, span->compute->context);
    if (result != CUDA_SUCCESS)
        return result;
    result = vs_addresses_range(span->compute, backing->range, &span->range);
    vs_driver_leave(&scope);
    if (result != CUDA_SUCCESS)
        return result;
    result = CUDA_ERROR_OUT_OF_MEMORY;
    if (bytes < SHARING_BYTES)
        result = bind_span(span, SHARED_SPAN_BYTES, backing);
    if (result == CUDA_ERROR_OUT_OF_MEMORY)
        result = bind_span(span, page_bytes, backing);
    return result;
}

static CUresult create_span(const struct vs_compute *compute, struct vs_home home, size_t bytes, struct span **created)
{
    struct span *span = calloc(1, sizeof *span);
    struct block *block = calloc(1, sizeof *block);
    const struct vs_backing *backing;
    bool full = false;
    CUresult result = span && block ? CUDA_ERROR_NOT_SUPPORTED : CUDA_ERROR_OUT_OF_MEMORY;
    while (span && block && (backing = vs_backing_proved(compute, home, NULL, &full))) {
        *span = (struct span){.compute = compute, .home = home, .blocks = block};
        result = get_memory(span, bytes, backing);
        if (result == CUDA_SUCCESS || result == CUDA_ERROR_OUT_OF_MEMORY)
            break;
        vs_backing_refuse(backing, home, vs_driver_error(result));
    }
    if (full)
        result = CUDA_ERROR_OUT_OF_MEMORY;
    if (result != CUDA_SUCCESS) {
        free(block);
        free(span);
        return result;
    }
    block->extent = span->bytes;
    *created = span;
    return CUDA_SUCCESS;
}

CUresult vs_arena_allocate(const struct vs_compute *compute, struct vs_home home, size_t bytes, CUdeviceptr *address)
{
    bool taken = false;
    pthread_mutex_lock(&vs_arena_lock);
    for (struct span *span = spans; span && !taken; span = span->next)
        taken = span->compute == compute && vs_home_equal(span->home, home) && take_block(span, bytes, address);
    pthread_mutex_unlock(&vs_arena_lock);
    if (taken)
        return CUDA_SUCCESS;

    struct span *span;
    CUresult result = create_span(compute, home, bytes, &span);
    if (result != CUDA_SUCCESS)
        return result;
    pthread_mutex_lock(&vs_arena_lock);
    taken = take_block(span, bytes, address); /* before anyone else sees the span */
    if (taken) {
        span->next = spans;
        spans = span;
    }
    pthread_mutex_unlock(&vs_arena_lock);
    if (taken)
        return CUDA_SUCCESS;
    destroy_span(span);
    return CUDA_ERROR_OUT_OF_MEMORY;
}

static struct vs_allocation describe(const struct span *span, const struct block *block)
{
    return (struct vs_allocation){span->address + block->offset, block->asked_bytes, span->home, span->compute};
}

bool vs_arena_find(CUdeviceptr address, struct vs_allocation *found)
{
    if (!vs_pages_may_own(address))
        return false;
    pthread_mutex_lock(&vs_arena_lock);
    struct span *span = span_of(address);
    struct block *block = span ? block_of(span, address) : NULL;
    bool ours = block && block->state == BLOCK_LIVE;
    if (ours)
        *found = describe(span, block);
    pthread_mutex_unlock(&vs_arena_lock);
    return ours;
}

bool vs_arena_retire(CUdeviceptr base, struct vs_allocation *retired)
{
    if (!vs_pages_may_own(base))
        return false;
    pthread_mutex_lock(&vs_arena_lock);
    struct span *span = span_of(base);
    struct block *block = span ? block_of(span, base) : NULL;
    bool ours = block && block->state == BLOCK_LIVE && span->address + block->offset == base;
    if (ours) {
        block->state = BLOCK_RETIRED;
        *retired = describe(span, block);
    }
    pthread_mutex_unlock(&vs_arena_lock);
    return ours;
}

void vs_arena_release(CUdeviceptr base)
{
    pthread_mutex_lock(&vs_arena_lock);
    struct span *span = span_of(base);
    struct block *block = span ? block_of(span, base) : NULL;
    struct span *empty = NULL;
    if (block && block->state == BLOCK_RETIRED) {
        block->state = BLOCK_FREE;
        merge_free_blocks(span);
        if (--span->used_count == 0) {
            unlink_span(span);
            empty = span;
        }
    }
    pthread_mutex_unlock(&vs_arena_lock);
    if (empty)
        destroy_span(empty);
}

static struct span *unlink_span_of(int compute_ordinal)
{
    pthread_mutex_lock(&vs_arena_lock);
    struct span *span = spans;
    while (span && span->compute->ordinal != compute_ordinal)
        span = span->next;
    if (span)
        unlink_span(span);
    pthread_mutex_unlock(&vs_arena_lock);
    return span;
}

void vs_arena_drop(int compute_ordinal)
{
    bool idle = false;
    struct span *span;
    while ((span = unlink_span_of(compute_ordinal))) {
        if (!idle)
            vs_compute_synchronize(span->compute);
        idle = true;
        for (struct block *block = span->blocks; block; block = block->next)
            if (block->state == BLOCK_LIVE)
                vs_stats_freed(span->home, block->asked_bytes);
        destroy_span(span);
    }
}
