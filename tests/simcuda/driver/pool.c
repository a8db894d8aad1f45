/* pool.c: chunks and blocks of memory pools; see pool.h. The calls are in pool_calls.c. */
#include "pool.h"
#include "address.h"
#include "knowledge.h"
#include "objects.h"
#include "ordering.h"
#include "rules.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_ALIGNMENT ((size_t)512)
/* What a real driver takes at least when a pool grows. */
#define CHUNK_BYTES (32 * SIM_MIB)

static CUmemoryPool pools;
static size_t held_total; /* over all chunks: most waits find nothing to do */

static size_t round_up(size_t bytes, size_t unit)
{
    return (bytes + unit - 1) / unit * unit;
}

CUmemoryPool sim_pool_new(int device)
{
    CUmemoryPool pool = calloc(1, sizeof *pool);
    if (pool == NULL || !sim_object_add(pool, SIM_OBJECT_POOL)) {
        free(pool);
        return NULL;
    }
    pool->device = device;
    pool->readable = pool->writable = (uint32_t)1 << device;
    pool->reuse[0] = pool->reuse[1] = pool->reuse[2] = 1;
    pool->next = pools;
    pools = pool;
    return pool;
}

static bool grow(CUmemoryPool pool, size_t bytes)
{
    struct sim_chunk *chunk = calloc(1, sizeof *chunk);

    if (chunk == NULL || sim_physical_take(pool->device, bytes, &chunk->block) != CUDA_SUCCESS) {
        free(chunk);
        return false;
    }
    chunk->start = sim_address_take(chunk->block.bytes, SIM_PAGE_BYTES, 0);
    if (chunk->start == 0 || !sim_extents_give(&chunk->free, chunk->start, chunk->block.bytes)) {
        sim_physical_give(&chunk->block);
        free(chunk);
        return false;
    }
    chunk->pool = pool;
    chunk->next = pool->chunks;
    pool->chunks = chunk;
    pool->reserved += chunk->block.bytes;
    if (pool->reserved > pool->reserved_high && SIM_RULE(pool_reserved_high))
        pool->reserved_high = pool->reserved;
    return true;
}

static void free_chunk(struct sim_chunk *chunk)
{
    struct sim_chunk **link = &chunk->pool->chunks;

    while (*link != chunk)
        link = &(*link)->next;
    *link = chunk->next;
    chunk->pool->reserved -= chunk->block.bytes;
    held_total -= chunk->held_count;
    sim_physical_give(&chunk->block);
    sim_address_give(chunk->start, chunk->block.bytes);
    sim_extents_destroy(&chunk->free);
    free(chunk->held);
    free(chunk);
}

/* Gives empty chunks back until `keep` bytes are reserved; those with unobserved frees too, where the driver itself
 * waited. */
static void trim(CUmemoryPool pool, uint64_t keep, bool all_done)
{
    struct sim_chunk *chunk = pool->chunks;

    while (chunk != NULL && pool->reserved > keep) {
        struct sim_chunk *next = chunk->next;
        if (chunk->live == 0 && (all_done || chunk->held_count == 0 || !SIM_RULE(pool_frees_observed)) &&
            pool->reserved - chunk->block.bytes >= keep)
            free_chunk(chunk);
        chunk = next;
    }
}

/* A block at an address that was taken out of the chunk; gives it back where there is no memory for the book-keeping.
 */
static struct sim_range *hand_out(struct sim_chunk *chunk, CUdeviceptr start, size_t bytes)
{
    CUmemoryPool pool = chunk->pool;
    size_t rounded = round_up(bytes, BLOCK_ALIGNMENT);
    struct sim_range *range = sim_range_add(start, bytes, SIM_POOL_BLOCK);

    if (range == NULL) {
        sim_extents_give(&chunk->free, start, rounded);
        return NULL;
    }
    chunk->live++;
    range->owner = chunk;
    range->location = pool->device;
    range->alias = sim_physical_alias(&chunk->block) + (start - chunk->start);
    range->readable = pool->readable;
    range->writable = pool->writable;
    range->pending = true;
    pool->used += rounded;
    if (pool->used > pool->used_high)
        pool->used_high = pool->used;
    return range;
}

static struct sim_range *take_from_chunks(CUmemoryPool pool, size_t bytes)
{
    uint64_t start;

    for (struct sim_chunk *chunk = pool->chunks; chunk != NULL; chunk = chunk->next)
        if (sim_extents_take(&chunk->free, round_up(bytes, BLOCK_ALIGNMENT), BLOCK_ALIGNMENT, &start))
            return hand_out(chunk, start, bytes);
    return NULL;
}

/* Whether the pool's rules let the stream have memory whose free is done, but was not observed. Its own frees it always
 * can. */
static bool may_reuse(CUmemoryPool pool, const struct sim_held *held, CUstream stream, bool waited)
{
    if (held->stream_id == stream->id || waited)
        return true;
    if (pool->reuse[0] || !SIM_RULE(pool_reuse_follows_events))
        if (held->slot != 0 && sim_ordering_is_behind(stream, held->slot, held->sequence))
            return true;
    return pool->reuse[1] || !SIM_RULE(pool_reuse_opportunistic);
}

static void remove_held(struct sim_chunk *chunk, struct sim_held *held)
{
    *held = chunk->held[--chunk->held_count];
    held_total--;
}

/* From what was freed and not observed; `waited`: the stream waits for the frees of others. */
static struct sim_range *take_held(CUmemoryPool pool, CUstream stream, size_t bytes, bool waited)
{
    size_t rounded = round_up(bytes, BLOCK_ALIGNMENT);

    for (struct sim_chunk *chunk = pool->chunks; held_total > 0 && chunk != NULL; chunk = chunk->next)
        for (size_t i = 0; i < chunk->held_count; i++) {
            struct sim_held *held = &chunk->held[i];
            CUdeviceptr start = held->start;
            if (held->bytes < rounded || !may_reuse(pool, held, stream, waited))
                continue;
            held->start += rounded;
            held->bytes -= rounded;
            if (held->bytes == 0)
                remove_held(chunk, held);
            return hand_out(chunk, start, bytes);
        }
    return NULL;
}

/* From what is there, else from a new chunk: a usual one, then one that is just large enough. */
static struct sim_range *take(CUmemoryPool pool, CUstream stream, size_t bytes, bool waited)
{
    struct sim_range *range = take_from_chunks(pool, bytes);

    if (range == NULL)
        range = take_held(pool, stream, bytes, waited);
    if (range == NULL &&
        ((bytes < CHUNK_BYTES && grow(pool, CHUNK_BYTES)) || grow(pool, round_up(bytes, SIM_PAGE_BYTES))))
        range = take_from_chunks(pool, bytes);
    return range;
}

struct sim_range *sim_pool_take(CUmemoryPool pool, CUstream stream, size_t bytes, CUresult *result)
{
    bool waits = pool->reuse[2] || !SIM_RULE(pool_reuse_internal);
    struct sim_range *range = NULL;

    *result = CUDA_ERROR_OUT_OF_MEMORY;
    if (bytes > sim_physical_capacity(pool->device)) {
        if (SIM_RULE(pool_capacity))
            return NULL;
        bytes = SIM_PAGE_BYTES;
    }
    range = take(pool, stream, bytes, false);
    if (range == NULL) {
        sim_drain(stream, sim_last_sequence()); /* frees queued before in this stream */
        range = take(pool, stream, bytes, false);
    }
    if (range == NULL && waits) {
        sim_drain_context(stream->context); /* "internal dependencies": the driver waits for frees of other streams */
        range = take(pool, stream, bytes, true);
    }
    if (range == NULL) {
        trim(pool, 0, waits); /* empty chunks that are each too small */
        range = take(pool, stream, bytes, waits);
    }
    if (range != NULL)
        *result = CUDA_SUCCESS;
    return range;
}

/* Holds memory until the free by `op` is observed; false without memory for the book-keeping. */
static bool hold(struct sim_chunk *chunk, CUdeviceptr start, size_t bytes, const struct sim_op *op)
{
    for (size_t i = 0; i < chunk->held_count; i++) { /* what one stream frees side by side becomes one piece */
        struct sim_held *held = &chunk->held[i];
        if (held->stream_id != op->stream->id || (held->start + held->bytes != start && start + bytes != held->start))
            continue;
        held->start = held->start < start ? held->start : start;
        held->bytes += bytes;
        held->sequence = op->sequence;
        return true;
    }
    if (chunk->held_count == chunk->held_capacity) {
        size_t more = chunk->held_capacity ? chunk->held_capacity * 2 : 4;
        struct sim_held *grown = realloc(chunk->held, more * sizeof *grown);
        if (grown == NULL)
            return false;
        chunk->held = grown;
        chunk->held_capacity = more;
    }
    chunk->held[chunk->held_count++] =
        (struct sim_held){start, bytes, op->context, sim_ordering_slot(op->stream), op->stream->id, op->sequence};
    held_total++;
    return true;
}

void sim_pool_block_free(struct sim_range *range, const struct sim_op *op)
{
    struct sim_chunk *chunk = range->owner;
    CUmemoryPool pool = chunk->pool;
    size_t rounded = round_up(range->bytes, BLOCK_ALIGNMENT);
    CUdeviceptr start = range->start;

    sim_knowledge_set((uintptr_t)range->alias, range->bytes, SIM_UNKNOWN);
    sim_physical_clear(range->location, range->alias, range->bytes);
    sim_range_remove(range);
    if (op == NULL || !hold(chunk, start, rounded, op))
        sim_extents_give(&chunk->free, start, rounded);
    chunk->live--;
    pool->used -= rounded;
    if (pool->destroyed && chunk->live == 0) {
        free_chunk(chunk);
        if (pool->chunks == NULL)
            sim_pool_destroy(pool);
    }
}

CUmemoryPool sim_pool_of_block(const struct sim_range *range)
{
    return ((const struct sim_chunk *)range->owner)->pool;
}

/* Takes away what is handed out, as no real driver does (SIMCUDA_WEAK=pool_trim_spares_live). */
static void free_blocks(CUmemoryPool pool)
{
    for (struct sim_range *range = sim_range_from(0), *after; range != NULL; range = after) {
        after = sim_range_after(range);
        if (range->kind == SIM_POOL_BLOCK && sim_pool_of_block(range) == pool)
            sim_pool_block_free(range, NULL);
    }
}

void sim_pool_trim(CUmemoryPool pool, uint64_t keep)
{
    if (!SIM_RULE(pool_trim_spares_live))
        free_blocks(pool);
    trim(pool, keep, false);
}

void sim_observed(CUcontext context, uint64_t stream_id, uint64_t sequence)
{
    for (CUmemoryPool pool = pools; pool != NULL; pool = pool->next) {
        for (struct sim_chunk *chunk = pool->chunks; held_total > 0 && chunk != NULL; chunk = chunk->next) {
            for (size_t i = chunk->held_count; i > 0; i--) {
                struct sim_held *held = &chunk->held[i - 1];
                if (held->context != context || held->sequence > sequence ||
                    (stream_id != SIM_ALL_STREAMS && held->stream_id != stream_id))
                    continue;
                sim_extents_give(&chunk->free, held->start, held->bytes);
                remove_held(chunk, held);
            }
        }
        if (pool->reserved > pool->release_threshold && SIM_RULE(pool_releases))
            trim(pool, pool->release_threshold, false);
        else if (!SIM_RULE(pool_keeps))
            trim(pool, 0, false);
    }
}

void sim_pool_destroy(CUmemoryPool pool)
{
    CUmemoryPool *link = &pools;
    bool empty = true;

    if (!pool->destroyed)
        sim_object_remove(pool);
    pool->destroyed = true;
    for (struct sim_chunk *chunk = pool->chunks, *next; chunk != NULL; chunk = next) {
        next = chunk->next;
        if (chunk->live == 0)
            free_chunk(chunk);
        else
            empty = false;
    }
    if (!empty)
        return;
    while (*link != pool)
        link = &(*link)->next;
    *link = pool->next;
    free(pool);
}

void sim_pools_of_device_empty(int device)
{
    struct sim_range *range = sim_range_from(0);

    while (range != NULL) {
        struct sim_range *after = sim_range_after(range);
        if (range->kind == SIM_POOL_BLOCK && range->location == device)
            sim_pool_block_free(range, NULL);
        range = after;
    }
    for (CUmemoryPool pool = pools; pool != NULL; pool = pool->next)
        if (pool->device == device)
            trim(pool, 0, true);
}
