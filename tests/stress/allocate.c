/* allocate.c: allocations of all kinds. */
#include <stdio.h>

#include "operations.h"
#include "order.h"
#include "report.h"
#include "shadow.h"
#include "world.h"

#define OWNED_BYTES_MAX (128 * MIB)
#define OWNED_USUALLY   48

/* cuda_runtime_api.h declares these only where a program is built for per-thread default streams. */
cudaError_t cudaMallocAsync_ptsz(void **pointer, size_t bytes, cudaStream_t stream);

static int from_default_pool(void **pointer, size_t bytes, int device, cudaStream_t stream)
{
    cudaMemPool_t pool;
    cudaError_t result = cudaDeviceGetDefaultMemPool(&pool, device);
    return result == cudaSuccess ? (int)cudaMallocFromPoolAsync(pointer, bytes, pool, stream) : (int)result;
}

/* NAME(how, in stream order, call), in terms of pointer, bytes, device and stream. */
#define WAYS(NAME)                                                                                                     \
    NAME(cudaMalloc, false, cudaMalloc(pointer, bytes))                                                                \
    NAME(cudaMallocAsync, true, cudaMallocAsync(pointer, bytes, stream))                                               \
    NAME(cudaMallocAsync_ptsz, true, cudaMallocAsync_ptsz(pointer, bytes, stream))                                     \
    NAME(cudaMallocFromPoolAsync, true, from_default_pool(pointer, bytes, device, stream))                             \
    NAME(cuMemAlloc, false, cuMemAlloc((CUdeviceptr *)pointer, bytes))                                                 \
    NAME(cuMemAllocAsync, true, cuMemAllocAsync((CUdeviceptr *)pointer, bytes, stream))

#define DEFINE(how, in_order, call)                                                                                    \
    static int by_##how(void **pointer, size_t bytes, int device, cudaStream_t stream)                                 \
    {                                                                                                                  \
        (void)device;                                                                                                  \
        (void)stream;                                                                                                  \
        return (int)(call);                                                                                            \
    }
WAYS(DEFINE)

#define ENTRY(how, in_order, call) {#how, in_order, by_##how},
static const struct way {
    const char *name;
    bool in_order;
    int (*call)(void **pointer, size_t bytes, int device, cudaStream_t stream);
} ways[] = {WAYS(ENTRY)};
#define WAY_COUNT (sizeof ways / sizeof *ways)

/* A weight of an open load, an activation of a weight's size, or of any size: small ones mostly. */
static size_t choose_bytes(struct worker *worker)
{
    if (worker->wanted_count > 0 && chance(worker, 80))
        return worker->wanted[--worker->wanted_count];
    if (chance(worker, 15))
        return weight_bytes(worker);
    if (chance(worker, 4))
        return 1 + below(worker, 5 * MIB);
    return 1 + below(worker, chance(worker, 50) ? 4 * KIB : 200 * KIB);
}

/* NULL where the worker has enough. */
static struct allocation *allocate_by(struct worker *worker, const struct way *way, size_t bytes, int device, int slot)
{
    void *pointer = NULL;
    if (worker->owned_count == OWNED_MAX || worker->owned_bytes + bytes > OWNED_BYTES_MAX)
        return NULL;
    cudaStream_t stream = stream_of(worker, slot);
    TRY_NAMED(worker, way->name, way->call(&pointer, bytes, device, stream));
    if (!pointer)
        fail(worker, NULL, "%s of %zu bytes gave no address", way->name, bytes);
    struct allocation *allocation = adopt(worker, pointer, bytes, device, way->in_order, way->in_order ? slot : DONE);
    note(worker, allocation, "%s of %zu bytes in stream %d", way->name, bytes, slot);
    expect_own_pointer(worker, allocation);
    fill_whole(worker, allocation);
    look_where_it_lies(worker, allocation);
    return allocation;
}

struct allocation *allocate(struct worker *worker, size_t bytes, int device)
{
    const struct way *way = &ways[below(worker, WAY_COUNT)];
    int slot = any_slot(worker, device);
    if (way->call == by_cudaMallocAsync_ptsz)
        while (worker->slots[slot].kind == SLOT_LEGACY) /* 0 is the per-thread stream there */
            slot = any_slot(worker, device);
    return allocate_by(worker, way, bytes, device, slot);
}

struct allocation *allocate_in_order(struct worker *worker, size_t bytes, int slot)
{
    const struct way *way = ways;
    while (way->call != by_cudaMallocAsync)
        way++;
    return allocate_by(worker, way, bytes, worker->slots[slot].device, slot);
}

void do_allocate(struct worker *worker)
{
    size_t bytes = choose_bytes(worker);
    int device = chance(worker, 80) ? 0 : (int)below(worker, (uint64_t)device_count);
    bool enough = worker->wanted_count == 0 && worker->owned_count > OWNED_USUALLY;
    if (enough || !allocate(worker, bytes, device))
        do_release(worker);
}
