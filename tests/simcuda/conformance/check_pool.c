/* check_pool.c: stream-ordered allocation and memory pools. */
#include "pool.h"

CHECK(pool_threshold_default, "[header: CU_MEMPOOL_ATTR_RELEASE_THRESHOLD]",
    "a pool keeps nothing by default: its threshold is 0")
{
    EXPECT(pool_value(default_pool(), cudaMemPoolAttrReleaseThreshold) == 0);
}

CHECK(pool_current_is_default, "[doc: cudaDeviceGetMemPool]",
    "a device allocates from its default pool until it is told otherwise")
{
    cudaMemPool_t pool = default_pool(), current;
    OK(cudaDeviceGetMemPool(&current, 0));
    EXPECT(current == pool);
}

CHECK(pool_statistics, "[doc: cudaMemPoolGetAttribute]",
    "a pool's used bytes are those handed out, within the reserved ones")
{
    cudaMemPool_t pool = default_pool();
    void *first, *second;
    OK(cudaMallocAsync(&first, 10 * MIB, NULL));
    OK(cudaMallocAsync(&second, 30 * MIB, NULL));
    uint64_t used = pool_value(pool, cudaMemPoolAttrUsedMemCurrent);
    EXPECT(used >= 40 * MIB && used < 44 * MIB);
    EXPECT(pool_value(pool, cudaMemPoolAttrReservedMemCurrent) >= used);
    OK(cudaFreeAsync(first, NULL));
    OK(cudaStreamSynchronize(NULL));
    EXPECT(pool_value(pool, cudaMemPoolAttrUsedMemCurrent) <= used - 10 * MIB);
    EXPECT(pool_value(pool, cudaMemPoolAttrUsedMemHigh) >= used);
    OK(cudaFreeAsync(second, NULL));
    OK(cudaStreamSynchronize(NULL));
    EXPECT(pool_value(pool, cudaMemPoolAttrUsedMemCurrent) == 0);
}

CHECK(pool_high_reset, "[header: CU_MEMPOOL_ATTR_USED_MEM_HIGH]",
    "a high-water mark is set back to the present by 0, and to nothing else", "pool_high_reset")
{
    cudaMemPool_t pool = default_pool();
    void *memory;
    uint64_t value = 1;
    OK(cudaMallocAsync(&memory, 20 * MIB, NULL));
    OK(cudaFreeAsync(memory, NULL));
    OK(cudaStreamSynchronize(NULL));
    EXPECT(pool_value(pool, cudaMemPoolAttrUsedMemHigh) >= 20 * MIB);
    FAILS(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrUsedMemHigh, &value), cudaErrorInvalidValue);
    set_pool_value(pool, cudaMemPoolAttrUsedMemHigh, 0);
    EXPECT(pool_value(pool, cudaMemPoolAttrUsedMemHigh) == 0);
}

CHECK(pool_reserved_high, "[header: CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH]",
    "a pool tells the most that it had reserved, until that is set back", "pool_reserved_high")
{
    cudaMemPool_t pool = default_pool();
    void *memory;
    OK(cudaMallocAsync(&memory, 128 * MIB, NULL));
    OK(cudaFreeAsync(memory, NULL));
    OK(cudaStreamSynchronize(NULL));
    OK(cudaMemPoolTrimTo(pool, 0));
    EXPECT(pool_value(pool, cudaMemPoolAttrReservedMemCurrent) < 128 * MIB);
    NEVER(pool_value(pool, cudaMemPoolAttrReservedMemHigh) < 128 * MIB);
    set_pool_value(pool, cudaMemPoolAttrReservedMemHigh, 0);
    EXPECT(pool_value(pool, cudaMemPoolAttrReservedMemHigh) == pool_value(pool, cudaMemPoolAttrReservedMemCurrent));
}

CHECK(pool_releases, "[header: CU_MEMPOOL_ATTR_RELEASE_THRESHOLD]",
    "above the threshold a pool gives its unused memory back at the next synchronisation", "pool_releases")
{
    cudaMemPool_t pool = default_pool();
    void *memory;
    OK(cudaMallocAsync(&memory, 128 * MIB, NULL));
    OK(cudaFreeAsync(memory, NULL));
    OK(cudaStreamSynchronize(NULL));
    EXPECT(pool_value(pool, cudaMemPoolAttrReservedMemCurrent) < 128 * MIB);
}

CHECK(pool_keeps, "[header: CU_MEMPOOL_ATTR_RELEASE_THRESHOLD; doc: cudaMemPoolTrimTo]",
    "below the threshold a pool keeps its memory until it is trimmed", "pool_keeps")
{
    cudaMemPool_t pool = default_pool();
    void *memory;
    set_pool_value(pool, cudaMemPoolAttrReleaseThreshold, UINT64_MAX);
    size_t before = free_bytes();
    OK(cudaMallocAsync(&memory, 128 * MIB, NULL));
    OK(cudaFreeAsync(memory, NULL));
    OK(cudaDeviceSynchronize());
    EXPECT(pool_value(pool, cudaMemPoolAttrReservedMemCurrent) >= 128 * MIB);
    EXPECT(free_bytes() + 128 * MIB <= before);
    OK(cudaMemPoolTrimTo(pool, 0));
    EXPECT(pool_value(pool, cudaMemPoolAttrReservedMemCurrent) == 0);
    EXPECT(free_bytes() + MIB > before);
}

CHECK(pool_trim_spares_live, "[doc: cudaMemPoolTrimTo]", "trimming a pool does not touch what is handed out",
    "pool_trim_spares_live")
{
    cudaMemPool_t pool = default_pool();
    void *memory;
    OK(cudaMallocAsync(&memory, 8 * MIB, NULL));
    OK(cudaMemsetAsync(memory, 6, 8 * MIB, NULL));
    OK(cudaMemPoolTrimTo(pool, 0));
    NEVER(pool_value(pool, cudaMemPoolAttrUsedMemCurrent) < 8 * MIB);
    expect_filled((CUdeviceptr)memory, 6, 8 * MIB);
}

CHECK(pool_trim_keeps, "[doc: cudaMemPoolTrimTo]", "trimming leaves at least the bytes that are to be kept")
{
    cudaMemPool_t pool = default_pool();
    void *memory;
    set_pool_value(pool, cudaMemPoolAttrReleaseThreshold, UINT64_MAX);
    OK(cudaMallocAsync(&memory, 256 * MIB, NULL));
    OK(cudaFreeAsync(memory, NULL));
    OK(cudaDeviceSynchronize());
    OK(cudaMemPoolTrimTo(pool, 64 * MIB));
    EXPECT(pool_value(pool, cudaMemPoolAttrReservedMemCurrent) >= 64 * MIB);
}

CHECK(pool_frees_observed, "[header: cuMemPoolTrimTo, \"may\"]",
    "a free counts for trimming once the program has waited for it, and not before", "pool_frees_observed")
{
    need_simulator();
    cudaMemPool_t pool = default_pool();
    void *memory;
    set_pool_value(pool, cudaMemPoolAttrReleaseThreshold, UINT64_MAX);
    OK(cudaMallocAsync(&memory, 64 * MIB, NULL));
    OK(cudaFreeAsync(memory, NULL));
    OK(cudaMemPoolTrimTo(pool, 0));
    EXPECT(pool_value(pool, cudaMemPoolAttrReservedMemCurrent) >= 64 * MIB);
    OK(cudaStreamSynchronize(NULL));
    OK(cudaMemPoolTrimTo(pool, 0));
    EXPECT(pool_value(pool, cudaMemPoolAttrReservedMemCurrent) == 0);
}

CHECK(pool_own, "[doc: cudaMemPoolCreate]", "a pool that the program made has statistics of its own")
{
    cudaMemPool_t usual = default_pool(), own = new_pool(0);
    void *memory;
    OK(cudaMallocFromPoolAsync(&memory, 8 * MIB, own, NULL));
    EXPECT(pool_value(own, cudaMemPoolAttrUsedMemCurrent) >= 8 * MIB);
    EXPECT(pool_value(usual, cudaMemPoolAttrUsedMemCurrent) == 0);
    OK(cudaFreeAsync(memory, NULL));
    OK(cudaStreamSynchronize(NULL));
    EXPECT(pool_value(own, cudaMemPoolAttrUsedMemCurrent) == 0);
    OK(cudaMemPoolDestroy(own));
}

CHECK(pool_made_current, "[doc: cudaDeviceSetMemPool]", "a device allocates from the pool that it was told to")
{
    cudaMemPool_t usual = default_pool(), own = new_pool(0);
    void *memory;
    OK(cudaDeviceSetMemPool(0, own));
    OK(cudaMallocAsync(&memory, 8 * MIB, NULL));
    EXPECT(pool_value(own, cudaMemPoolAttrUsedMemCurrent) >= 8 * MIB);
    EXPECT(pool_value(usual, cudaMemPoolAttrUsedMemCurrent) == 0);
}

CHECK(pool_destroyed_in_use, "[doc: cudaMemPoolDestroy]", "memory from a pool outlives the pool until it is freed")
{
    need_pools();
    cudaMemPool_t own = new_pool(0);
    void *memory;
    size_t before = free_bytes();
    OK(cudaMallocFromPoolAsync(&memory, 64 * MIB, own, NULL));
    OK(cudaStreamSynchronize(NULL));
    OK(cudaMemPoolDestroy(own));
    fill((CUdeviceptr)memory, 3, 64 * MIB);
    expect_filled((CUdeviceptr)memory, 3, 64 * MIB);
    OK(cudaFreeAsync(memory, NULL));
    OK(cudaDeviceSynchronize());
    EXPECT(free_bytes() + 32 * MIB > before);
}

CHECK(pool_of_stream, "[doc: programming guide, stream-ordered allocator]",
    "memory comes from the device of the stream, whatever device is current", "pool_of_stream")
{
    struct cudaPointerAttributes attributes;
    cudaStream_t there;
    void *memory;
    need_devices(2);
    need_pools();
    use_device(1);
    there = independent_stream();
    use_device(0);
    OK(cudaMallocAsync(&memory, MIB, there));
    OK(cudaPointerGetAttributes(&attributes, memory));
    EXPECT(attributes.device == 1);
}

CHECK(pool_memory_freed_by_cuda_free, "[doc: cudaFree]", "memory from a pool may be freed by cudaFree")
{
    cudaMemPool_t pool = default_pool();
    void *memory;
    OK(cudaMallocAsync(&memory, 8 * MIB, NULL));
    OK(cudaStreamSynchronize(NULL));
    OK(cudaFree(memory));
    OK(cudaDeviceSynchronize());
    EXPECT(pool_value(pool, cudaMemPoolAttrUsedMemCurrent) == 0);
}

CHECK(malloc_memory_freed_async, "[doc: programming guide, stream-ordered allocator]",
    "memory from cudaMalloc may be freed by cudaFreeAsync")
{
    void *memory;
    default_pool();
    size_t before = free_bytes();
    OK(cudaMalloc(&memory, 64 * MIB));
    OK(cudaFreeAsync(memory, NULL));
    OK(cudaDeviceSynchronize());
    EXPECT(free_bytes() + MIB > before);
}

CHECK(pool_too_large, "[doc: cudaMallocAsync]",
    "a stream-ordered allocation larger than the device fails and does no harm", "pool_capacity")
{
    size_t available, total;
    void *memory;
    default_pool();
    OK(cudaMemGetInfo(&available, &total));
    FAILS(cudaMallocAsync(&memory, total + MIB, NULL), cudaErrorMemoryAllocation);
    OK(cudaMallocAsync(&memory, MIB, NULL));
    OK(cudaFreeAsync(memory, NULL));
    OK(cudaDeviceSynchronize());
}

CHECK(pool_free_twice, "[assumed; doc: undefined]", "freeing pool memory a second time is refused", "pool_free_live")
{
    void *memory;
    default_pool();
    OK(cudaMallocAsync(&memory, MIB, NULL));
    OK(cudaFreeAsync(memory, NULL));
    OK(cudaDeviceSynchronize());
    FAILS(cudaFreeAsync(memory, NULL), cudaErrorInvalidValue);
}

CHECK(pool_pointer_attributes, "[doc: cudaPointerGetAttributes]", "pool memory is device memory of the pool's device")
{
    struct cudaPointerAttributes attributes;
    void *memory;
    default_pool();
    OK(cudaMallocAsync(&memory, MIB, NULL));
    OK(cudaPointerGetAttributes(&attributes, memory));
    EXPECT(attributes.type == cudaMemoryTypeDevice && attributes.device == 0);
}

CHECK(pool_ipc_refused, "[observed: openucx/ucx 7110]", "pool memory has no legacy IPC handle", "ipc_pool")
{
    cudaIpcMemHandle_t handle;
    void *memory;
    default_pool();
    OK(cudaMallocAsync(&memory, 2 * MIB, NULL));
    OK(cudaStreamSynchronize(NULL));
    FAILS_SOMEHOW(cudaIpcGetMemHandle(&handle, memory));
}
