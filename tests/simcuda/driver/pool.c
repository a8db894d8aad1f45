/* pool.c: chunks and blocks of memory pools; see pool.h. The calls are in pool_calls.c. */
#include "pool.h"
#include "address.h"
#include "knowledge.h"
#include "objects.h"
#include "schedule.h"

#include <stdlib.h>
#include <string.h>

#define BLOCK_ALIGNMENT ((size_t)512)
/* What a real driver takes at least when a pool grows. */
#define CHUNK_BYTES (32 * SIM_MIB)

static CUmemoryPool pools;
static size_t unobserved_total; /* over all chunks: most waits find nothing to do */

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
    if (pool->reserved > pool->reserved_high)
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
    unobserved_total -= chunk->unobserved_count;
    sim_physical_give(&chunk->block);
    sim_address_give(chunk->start, chunk->block.bytes);
    sim_extents_destroy(&chunk->free);
    free(chunk->unobserved);
    free(chunk);
}

/* Gives empty chunks back until `keep` bytes are reserved; those with unobserved frees too, where the driver itself
 * waited. */
static void trim(CUmemoryPool pool, uint64_t keep, bool all_done)
{
    struct sim_chunk *chunk = pool->chunks;

    while (chunk != NULL && pool->reserved > keep) {
        struct sim_chunk *next = chunk->next;
        if (chunk->live == 0 && (all_done || chunk->unobserved_count == 0) &&
            pool->reserved - chunk->block.bytes >= keep)
            free_chunk(chunk);
        chunk = next;
    }
}

static struct sim_range *take_from_chunks(CUmemoryPool pool, size_t bytes)
{
    for (struct sim_chunk *chunk = pool->chunks; chunk != NULL; chunk = chunk->next) {
        uint64_t start;
        struct sim_range *range;
        size_t rounded = round_up(bytes, BLOCK_ALIGNMENT);
        if (!sim_extents_take(&chunk->free, rounded, BLOCK_ALIGNMENT, &start))
            continue;
        range = sim_range_add(start, bytes, SIM_POOL_BLOCK);
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
    return NULL;
}

/* From what is there, else from a new chunk: a usual one, then one that is just large enough. */
static struct sim_range *take(CUmemoryPool pool, size_t bytes)
{
    struct sim_range *range = take_from_chunks(pool, bytes);

    if (range == NULL &&
        ((bytes < CHUNK_BYTES && grow(pool, CHUNK_BYTES)) || grow(pool, round_up(bytes, SIM_PAGE_BYTES))))
        range = take_from_chunks(pool, bytes);
    return range;
}

struct sim_range *sim_pool_take(CUmemoryPool pool, CUstream stream, size_t bytes, CUresult *result)
{
    struct sim_range *range = NULL;

    *result = CUDA_ERROR_OUT_OF_MEMORY;
    if (bytes > sim_physical_capacity(pool->device))
        return NULL;
    range = take(pool, bytes);
    if (range == NULL) {
        sim_drain(stream, sim_last_sequence()); /* frees queued before in this stream */
        range = take(pool, bytes);
    }
    if (range == NULL && pool->reuse[2]) {
        sim_drain_context(stream->context); /* "internal dependencies": the driver waits for frees of other streams */
        range = take(pool, bytes);
    }
    if (range == NULL) {
        trim(pool, 0, true); /* empty chunks that are each too small */
        range = take(pool, bytes);
    }
    if (range != NULL)
        *result = CUDA_SUCCESS;
    return range;
}

void sim_pool_block_free(struct sim_range *range)
{
    struct sim_chunk *chunk = range->owner;
    CUmemoryPool pool = chunk->pool;
    size_t rounded = round_up(range->bytes, BLOCK_ALIGNMENT);
    CUdeviceptr start = range->start;

    sim_knowledge_set((uintptr_t)range->alias, range->bytes, SIM_UNKNOWN);
    sim_physical_clear(range->location, range->alias, range->bytes);
    sim_range_remove(range);
    sim_extents_give(&chunk->free, start, rounded);
    chunk->live--;
    pool->used -= rounded;
    if (pool->destroyed && chunk->live == 0) {
        free_chunk(chunk);
        if (pool->chunks == NULL)
            sim_pool_destroy(pool);
    }
}

void sim_pool_note_free(struct sim_chunk *chunk, CUcontext context, uint64_t stream_id, uint64_t sequence)
{
    for (size_t i = 0; i < chunk->unobserved_count; i++) {
        if (chunk->unobserved[i].stream_id == stream_id) {
            chunk->unobserved[i].sequence = sequence;
            return;
        }
    }
    if (chunk->unobserved_count == chunk->unobserved_capacity) {
        size_t more = chunk->unobserved_capacity ? chunk->unobserved_capacity * 2 : 4;
        struct sim_unobserved *grown = realloc(chunk->unobserved, more * sizeof *grown);
        if (grown == NULL)
            return; /* then the free counts at once */
        chunk->unobserved = grown;
        chunk->unobserved_capacity = more;
    }
    chunk->unobserved[chunk->unobserved_count++] = (struct sim_unobserved){context, stream_id, sequence};
    unobserved_total++;
}

CUmemoryPool sim_pool_of_block(const struct sim_range *range)
{
    return ((const struct sim_chunk *)range->owner)->pool;
}

void sim_pool_trim(CUmemoryPool pool, uint64_t keep)
{
    trim(pool, keep, false);
}

void sim_observed(CUcontext context, uint64_t stream_id, uint64_t sequence)
{
    for (CUmemoryPool pool = pools; pool != NULL; pool = pool->next) {
        for (struct sim_chunk *chunk = pool->chunks; unobserved_total > 0 && chunk != NULL; chunk = chunk->next) {
            size_t kept = 0;
            for (size_t i = 0; i < chunk->unobserved_count; i++) {
                struct sim_unobserved *entry = &chunk->unobserved[i];
                bool seen = entry->context == context && entry->sequence <= sequence &&
                            (stream_id == SIM_ALL_STREAMS || entry->stream_id == stream_id);
                if (!seen)
                    chunk->unobserved[kept++] = *entry;
            }
            unobserved_total -= chunk->unobserved_count - kept;
            chunk->unobserved_count = kept;
        }
        if (pool->reserved > pool->release_threshold)
            trim(pool, pool->release_threshold, false);
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
            sim_pool_block_free(range);
        range = after;
    }
    for (CUmemoryPool pool = pools; pool != NULL; pool = pool->next)
        if (pool->device == device)
            trim(pool, 0, true);
}
