/* pool.h: memory pools of stream-ordered allocations (cuda.h, CUDA_MALLOC_ASYNC).
 *
 * A pool takes memory from its device in chunks and hands out blocks. A block whose free was executed is held until the
 * program has observed that, by waiting for the stream or for work behind it: meanwhile it is handed out again only
 * where the pool's rules of reuse allow (cuda.h, CU_MEMPOOL_ATTR_REUSE_*), and its chunk is not given back to the
 * device (release threshold, trim). */
#ifndef SIM_POOL_H
#define SIM_POOL_H

#include "extents.h"
#include "range.h"
#include "schedule.h"

/* Memory whose free the program has not observed yet. */
struct sim_held {
    CUdeviceptr start;
    size_t bytes;
    CUcontext context;
    unsigned slot; /* the free, as clocks know it (ordering.h) */
    uint64_t stream_id, sequence;
};

struct sim_chunk {
    CUmemoryPool pool;
    CUdeviceptr start;
    struct sim_block block;
    struct sim_extents free;
    size_t live; /* blocks */
    struct sim_held *held;
    size_t held_count, held_capacity;
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
/* Frees a block now: by the operation `op` of a stream, whose free nobody has observed yet, or without one. */
void sim_pool_block_free(struct sim_range *range, const struct sim_op *op);
CUmemoryPool sim_pool_of_block(const struct sim_range *range);
/* Gives empty, observed chunks back until at most `keep` bytes are reserved. */
void sim_pool_trim(CUmemoryPool pool, uint64_t keep);
void sim_pool_destroy(CUmemoryPool pool);
/* Frees all blocks of the device's pools, whose memory goes with the primary context, and all their chunks. */
void sim_pools_of_device_empty(int device);

#endif
