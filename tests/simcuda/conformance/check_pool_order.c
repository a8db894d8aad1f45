/* check_pool_order.c: pool memory in the order of streams: where it may be used and freed, and when it comes back.
 *
 * A GPU does not notice a use that nothing orders behind the allocation, or it does on the day when the addresses were
 * another's before: these checks are for the simulator. */
#include "gate.h"
#include "pool.h"

static void *allocated_in(cudaStream_t stream)
{
    void *memory;
    OK(cudaMallocAsync(&memory, MIB, stream));
    return memory;
}

CHECK(pool_used_unordered, "[doc: stream ordered memory allocator, undefined]",
    "a use in another stream that nothing orders behind the allocation is an illegal access",
    "pool_use_behind_allocation")
{
    need_simulator();
    need_pools();
    cudaStream_t first = independent_stream(), second = independent_stream();
    void *memory = allocated_in(first);
    OK(cudaMemsetAsync(memory, 1, MIB, second));
    FAILS(cudaStreamSynchronize(second), cudaErrorIllegalAddress);
}

CHECK(pool_used_unordered_by_kernel, "[doc: stream ordered memory allocator, undefined]",
    "a kernel in another stream that nothing orders behind the allocation is an illegal access",
    "pool_use_behind_allocation")
{
    need_simulator();
    need_pools();
    cudaStream_t first = independent_stream(), second = independent_stream();
    CUfunction kernel = store_kernel();
    void *memory = allocated_in(first);
    OK(launch_store(kernel, (CUdeviceptr)memory, 1, second));
    FAILS(cudaStreamSynchronize(second), cudaErrorIllegalAddress);
}

CHECK(pool_used_behind_wrong_event, "[doc: stream ordered memory allocator, undefined]",
    "an event that was recorded before the allocation orders nothing behind it", "pool_use_behind_allocation")
{
    need_simulator();
    need_pools();
    cudaStream_t first = independent_stream(), second = independent_stream();
    cudaEvent_t event;
    OK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    OK(cudaFreeAsync(allocated_in(first), first)); /* the stream is known to the pool already */
    OK(cudaEventRecord(event, first));
    void *memory = allocated_in(first);
    OK(cudaStreamWaitEvent(second, event, 0));
    OK(cudaMemsetAsync(memory, 1, MIB, second));
    FAILS(cudaStreamSynchronize(second), cudaErrorIllegalAddress);
}

CHECK(pool_used_after_free, "[doc: stream ordered memory allocator, undefined]",
    "a use behind the free is an illegal access", "illegal_address")
{
    need_simulator();
    need_pools();
    cudaStream_t stream = independent_stream();
    void *memory = allocated_in(stream);
    OK(cudaFreeAsync(memory, stream));
    FAILS_SOMEHOW(cudaMemsetAsync(memory, 1, MIB, stream) ? cudaErrorInvalidValue : cudaStreamSynchronize(stream));
}

CHECK(pool_freed_unordered, "[doc: stream ordered memory allocator, undefined]",
    "a free in another stream that nothing orders behind the allocation is an illegal access",
    "pool_free_behind_allocation")
{
    need_simulator();
    need_pools();
    cudaStream_t first = independent_stream(), second = independent_stream();
    void *memory = allocated_in(first);
    OK(cudaFreeAsync(memory, second));
    FAILS(cudaStreamSynchronize(second), cudaErrorIllegalAddress);
}

CHECK(pool_used_behind_event, "[doc: stream ordered memory allocator]",
    "an event recorded behind the allocation lets another stream use the memory, and a third one that waits for it")
{
    need_pools();
    cudaStream_t first = independent_stream(), second = independent_stream(), third = independent_stream();
    cudaEvent_t event, next;
    OK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    OK(cudaEventCreateWithFlags(&next, cudaEventDisableTiming));
    void *memory = allocated_in(first);
    OK(cudaEventRecord(event, first));
    OK(cudaStreamWaitEvent(second, event, 0));
    OK(cudaMemsetAsync(memory, 1, MIB, second));
    OK(cudaEventRecord(next, second));
    OK(cudaStreamWaitEvent(third, next, 0));
    OK(cudaMemsetAsync(memory, 2, MIB, third));
    OK(cudaFreeAsync(memory, third));
    OK(cudaStreamSynchronize(third));
    OK(cudaDeviceSynchronize());
}

CHECK(pool_used_behind_destroyed_stream, "[doc: stream ordered memory allocator; stream synchronization behavior]",
    "the legacy default stream is behind an allocation in a blocking stream that was destroyed since")
{
    need_pools();
    struct gate gate = {0};
    cudaStream_t stream;
    void *memory;
    OK(cudaStreamCreate(&stream));
    gate_into(stream, &gate); /* so that nothing is done yet when the stream is destroyed */
    OK(cudaMallocAsync(&memory, MIB, stream));
    OK(cudaMemsetAsync(memory, 1, MIB, NULL));
    OK(cudaMemsetAsync(memory, 2, MIB, stream));
    OK(cudaStreamDestroy(stream));
    gate_open(&gate);
    OK(cudaDeviceSynchronize());
    OK(cudaFree(memory));
}

CHECK(pool_used_behind_host, "[doc: stream ordered memory allocator]",
    "where the host has waited for the allocation, all streams may use the memory")
{
    need_pools();
    cudaStream_t first = independent_stream(), second = independent_stream();
    void *memory = allocated_in(first);
    OK(cudaStreamSynchronize(first));
    OK(cudaMemsetAsync(memory, 1, MIB, second));
    OK(cudaStreamSynchronize(second));
    OK(cudaFreeAsync(memory, second));
    memory = allocated_in(first);
    OK(cudaStreamDestroy(first)); /* its work is waited for with the device's */
    OK(cudaDeviceSynchronize());
    OK(cudaMemsetAsync(memory, 1, MIB, second));
    OK(cudaFreeAsync(memory, second));
    OK(cudaStreamSynchronize(second));
}

CHECK(pool_used_behind_query, "[doc: stream ordered memory allocator]",
    "where a query of an event said that the allocation is done, all streams may use the memory")
{
    need_pools();
    cudaStream_t first = independent_stream(), second = independent_stream();
    cudaEvent_t event;
    cudaError_t state;
    OK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    void *memory = allocated_in(first);
    OK(cudaEventRecord(event, first));
    while ((state = cudaEventQuery(event)) == cudaErrorNotReady)
        ;
    OK(state);
    OK(cudaMemsetAsync(memory, 1, MIB, second));
    OK(cudaStreamSynchronize(second));
}

CHECK(pool_used_behind_legacy, "[doc: stream synchronization behavior]",
    "the legacy default stream is behind an allocation in a blocking stream, and a blocking stream behind one in it")
{
    need_pools();
    cudaStream_t first, second;
    OK(cudaStreamCreate(&first));
    OK(cudaStreamCreate(&second));
    void *memory = allocated_in(first);
    OK(cudaMemsetAsync(memory, 1, MIB, NULL));
    OK(cudaMemsetAsync(memory, 2, MIB, second));
    OK(cudaFreeAsync(memory, second));
    memory = allocated_in(NULL);
    OK(cudaMemsetAsync(memory, 3, MIB, first));
    OK(cudaFreeAsync(memory, NULL));
    OK(cudaDeviceSynchronize());
}

/* Frees memory in one stream and allocates as much in another; whether it is the same. */
static bool comes_back(cudaMemPool_t pool, cudaStream_t first, cudaStream_t second, bool event_between)
{
    void *freed, *next;
    cudaEvent_t event;
    set_pool_value(pool, cudaMemPoolAttrReleaseThreshold, UINT64_MAX);
    OK(cudaMallocFromPoolAsync(&freed, 64 * MIB, pool, first));
    OK(cudaFreeAsync(freed, first));
    if (event_between) {
        OK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
        OK(cudaEventRecord(event, first));
        OK(cudaStreamWaitEvent(second, event, 0));
    }
    OK(cudaMallocFromPoolAsync(&next, 64 * MIB, pool, second));
    return freed == next;
}

CHECK(pool_reuse_follows_events, "[header: CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES]",
    "memory freed in another stream does not come back because of an event where the pool must not look at events",
    "pool_reuse_follows_events")
{
    need_pools();
    cudaMemPool_t pool = new_pool(0);
    set_pool_reuse(pool, 0, 0, 0);
    EXPECT(!comes_back(pool, independent_stream(), independent_stream(), true));
}

CHECK(pool_reuse_opportunistic, "[header: CU_MEMPOOL_ATTR_REUSE_ALLOW_OPPORTUNISTIC]",
    "memory freed in another stream does not come back because it happens to be free where the pool must not look",
    "pool_reuse_opportunistic")
{
    need_pools();
    cudaMemPool_t pool = new_pool(0);
    set_pool_reuse(pool, 1, 0, 0);
    EXPECT(!comes_back(pool, independent_stream(), independent_stream(), false));
}

CHECK(pool_reuse_after_wait, "[doc: programming guide, stream-ordered allocator]",
    "memory whose free the host has waited for comes back to any stream, whatever the pool may look at")
{
    need_pools();
    cudaMemPool_t pool = new_pool(0);
    cudaStream_t first = independent_stream();
    void *freed, *next;
    set_pool_reuse(pool, 0, 0, 0);
    set_pool_value(pool, cudaMemPoolAttrReleaseThreshold, UINT64_MAX);
    OK(cudaMallocFromPoolAsync(&freed, 64 * MIB, pool, first));
    OK(cudaFreeAsync(freed, first));
    OK(cudaStreamSynchronize(first));
    uint64_t reserved = pool_value(pool, cudaMemPoolAttrReservedMemCurrent);
    OK(cudaMallocFromPoolAsync(&next, 64 * MIB, pool, independent_stream()));
    EXPECT(pool_value(pool, cudaMemPoolAttrReservedMemCurrent) == reserved);
}

/* Allocates most of the device in one stream, frees it there, and allocates it again in another one. */
static cudaError_t allocate_again(cudaMemPool_t pool)
{
    cudaStream_t first = independent_stream(), second = independent_stream();
    void *memory;
    size_t most = free_bytes() / 4 * 3;
    set_pool_value(pool, cudaMemPoolAttrReleaseThreshold, UINT64_MAX);
    OK(cudaMallocFromPoolAsync(&memory, most, pool, first));
    OK(cudaFreeAsync(memory, first));
    return cudaMallocFromPoolAsync(&memory, most, pool, second);
}

CHECK(pool_reuse_internal, "[header: CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES]",
    "a pool lets a stream wait for another one's free rather than run out of memory")
{
    need_pools();
    OK(allocate_again(new_pool(0)));
}

CHECK(pool_reuse_internal_off, "[header: CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES, undefined when it waits]",
    "a pool that must not wait for another stream's free runs out of memory", "pool_reuse_internal")
{
    need_simulator();
    need_pools();
    cudaMemPool_t pool = new_pool(0);
    set_pool_reuse(pool, 0, 0, 0);
    FAILS(allocate_again(pool), cudaErrorMemoryAllocation);
}
