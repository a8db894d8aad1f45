/* pool.h: memory pools of stream-ordered allocations (cuda.h, CUDA_MALLOC_ASYNC).
 *
 * A pool takes memory from its device in chunks and hands out blocks. A block can be handed out again when its free was
 * reached in its stream; a chunk goes back to the device (release threshold, trim) only when it is empty and the
 * program has observed, by waiting for the stream, that its frees are done. */
#ifndef SIM_POOL_H
#define SIM_POOL_H

#include "extents.h"
#include "range.h"

/* The last free in a stream that the program has not observed yet. */
struct sim_unobserved {
    CUcontext context;
    uint64_t stream_id, sequence;
};

struct sim_chunk {
    CUmemoryPool pool;
    CUdeviceptr start;
    struct sim_block block;
    struct sim_extents free;
    size_t live; /* blocks */
    struct sim_unobserved *unobserved;
    size_t unobserved_count, unobserved_capacity;
    struct sim_chunk *next;
};

struct CUmemPoolHandle_st {
    int device;
    struct sim_chunk *chunks;
    uint64_t reserved, reserved_high, used, used_high;
    uint64_t release_threshold;
    int reuse[3]; /* follow event dependencies, opportunistic, internal dependencies */
    uint32_t readable, writable;
    bool destroyed; /* goes when its last block does */
    CUmemoryPool next;
};

/* A new pool of the device; NULL without memory. */
CUmemoryPool sim_pool_new(int device);
/* A block of `bytes`, rounded up to 512; marked as pending. Runs queued work where there is no memory otherwise. */
struct sim_range *sim_pool_take(CUmemoryPool pool, CUstream stream, size_t bytes, CUresult *result);
/* Frees a block now. */
void sim_pool_block_free(struct sim_range *range);
/* Notes that a free of this block was executed in the stream, and nobody knows it yet. */
void sim_pool_note_free(struct sim_chunk *chunk, CUcontext context, uint64_t stream_id, uint64_t sequence);
CUmemoryPool sim_pool_of_block(const struct sim_range *range);
/* Gives empty, observed chunks back until at most `keep` bytes are reserved. */
void sim_pool_trim(CUmemoryPool pool, uint64_t keep);
void sim_pool_destroy(CUmemoryPool pool);
/* Frees all blocks of the device's pools, whose memory goes with the primary context, and all their chunks. */
void sim_pools_of_device_empty(int device);

#endif
