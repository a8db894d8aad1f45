/* check_peer.c: several devices. */
#include "context.h"
#include "vmm.h"

#include <string.h>

CHECK(peer_self, "[header: cuDeviceCanAccessPeer]", "a device is no peer of itself", "peer_is_another")
{
    int can = 1;
    device_count();
    OK(cuDeviceCanAccessPeer(&can, 0, 0));
    EXPECT(can == 0);
    use_device(0);
    FAILS_SOMEHOW(cudaDeviceEnablePeerAccess(0, 0));
}

CHECK(peer_enabled_twice, "[doc: cudaDeviceEnablePeerAccess]",
    "enabling peer access a second time says that it is enabled already, disabling it a second time that it is not",
    "peer_enabled_once", "peer_disabled_once")
{
    need_peers(0, 1, true);
    use_device(0);
    OK(cudaDeviceEnablePeerAccess(1, 0));
    FAILS(cudaDeviceEnablePeerAccess(1, 0), cudaErrorPeerAccessAlreadyEnabled);
    FAILS(cudaGetLastError(), cudaErrorPeerAccessAlreadyEnabled);
    OK(cudaDeviceDisablePeerAccess(1));
    FAILS(cudaDeviceDisablePeerAccess(1), cudaErrorPeerAccessNotEnabled);
}

CHECK(peer_impossible, "[doc: cudaDeviceEnablePeerAccess]",
    "peer access that the machine does not have cannot be enabled", "peer_possible")
{
    need_peers(0, 1, false);
    use_device(0);
    FAILS(cudaDeviceEnablePeerAccess(1, 0), cudaErrorPeerAccessUnsupported);
}

CHECK(peer_copy, "[doc: cudaMemcpyPeer]", "copies between devices need no peer access")
{
    enum { BYTES = 4 << 20 };
    void *there, *here;
    need_devices(2);
    use_device(1);
    OK(cudaMalloc(&there, BYTES));
    OK(cudaMemset(there, 6, BYTES));
    OK(cudaDeviceSynchronize());
    use_device(0);
    OK(cudaMalloc(&here, BYTES));
    OK(cudaMemcpyPeer(here, 0, there, 1, BYTES));
    expect_filled((CUdeviceptr)here, 6, BYTES);
    OK(cudaMemset(here, 0, BYTES));
    OK(cudaMemcpy(here, there, BYTES, cudaMemcpyDefault));
    expect_filled((CUdeviceptr)here, 6, BYTES);
}

CHECK(peer_store, "[doc: programming guide, peer-to-peer memory access]",
    "a kernel reaches another device's memory while peer access is enabled, and not afterwards",
    "peer_enabled_for_kernels")
{
    void *memory;
    need_peers(0, 1, true);
    use_device(1);
    OK(cudaMalloc(&memory, MIB));
    use_device(0);
    CUfunction kernel = store_kernel();
    OK(cudaDeviceEnablePeerAccess(1, 0));
    OK(launch_store(kernel, (CUdeviceptr)memory, 1, NULL));
    OK(cuCtxSynchronize());
    OK(cudaDeviceDisablePeerAccess(1));
    OK(launch_store(kernel, (CUdeviceptr)memory, 1, NULL));
    FAILS(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
}

CHECK(peer_direction, "[doc: cudaDeviceEnablePeerAccess, access is unidirectional]",
    "peer access that one device enabled does not let the other one's kernels reach back", "peer_one_direction")
{
    void *memory;
    need_peers(0, 1, true);
    use_device(0);
    OK(cudaMalloc(&memory, MIB));
    OK(cudaDeviceEnablePeerAccess(1, 0));
    use_device(1);
    OK(launch_store(store_kernel(), (CUdeviceptr)memory, 1, NULL));
    FAILS(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
}

CHECK(peer_per_context, "[header: cuCtxEnablePeerAccess]",
    "peer access that one context enabled does not let another context of its device use the memory",
    "peer_per_context")
{
    void *memory;
    need_peers(0, 1, true);
    use_device(1);
    OK(cudaMalloc(&memory, MIB));
    use_device(0);
    OK(cudaDeviceEnablePeerAccess(1, 0));
    OK(launch_store(store_kernel(), (CUdeviceptr)memory, 1, NULL));
    OK(cuCtxSynchronize());
    new_context(0);
    OK(launch_store(store_kernel(), (CUdeviceptr)memory, 1, NULL));
    FAILS(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
}

CHECK(peer_one_context, "[header: cuCtxEnablePeerAccess; assumed: the error]",
    "peer access to one context does not let a kernel use what another context of that device allocated",
    "peer_one_context")
{
    CUcontext other;
    CUdeviceptr memory;
    need_peers(0, 1, true);
    use_device(1);
    other = new_context(1);
    OK(cuMemAlloc(&memory, MIB));
    OK(cuCtxPopCurrent(&other));
    use_device(0);
    OK(cudaDeviceEnablePeerAccess(1, 0));
    OK(launch_store(store_kernel(), memory, 1, NULL));
    FAILS(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
}

CHECK(peer_mapped, "[doc: programming guide, virtual memory management]",
    "memory of a peer is mapped and used by setting access, without enabling peer access")
{
    need_peers(0, 1, true);
    size_t unit = need_vmm();
    CUdeviceptr address = reserve(unit);
    OK(cuMemMap(address, unit, 0, create_on(1, unit), 0));
    OK(allow_device(0, address, unit));
    fill(address, 5, unit);
    expect_filled(address, 5, unit);
    OK(launch_store(store_kernel(), address, 1, NULL));
    OK(cuCtxSynchronize());
}

CHECK(peer_mapped_impossible, "[observed: pytorch/pytorch 174030]",
    "access to memory of a device that is no peer is refused", "mapping_needs_peers")
{
    need_peers(0, 1, false);
    size_t unit = need_vmm();
    CUdeviceptr address = reserve(unit);
    OK(cuMemMap(address, unit, 0, create_on(1, unit), 0));
    FAILS(allow_device(0, address, unit), CUDA_ERROR_INVALID_DEVICE);
}

CHECK(peer_mapped_location, "[header: cuMemCreate]", "memory created on another device is taken from there")
{
    need_devices(2);
    size_t unit = need_vmm();
    use_device(1);
    size_t there = free_bytes();
    use_device(0);
    size_t here = free_bytes();
    create_on(1, 64 * unit);
    EXPECT(free_bytes() + 16 * unit > here);
    use_device(1);
    EXPECT(free_bytes() + 64 * unit <= there);
}

CHECK(peer_mapped_per_range, "[doc: programming guide, virtual memory management]",
    "enabling peer access gives no access to mapped memory of the peer", "mapping_access")
{
    need_peers(0, 1, true);
    size_t unit = need_vmm();
    CUdeviceptr address = reserve(unit);
    OK(cuMemMap(address, unit, 0, create_on(1, unit), 0));
    OK(allow_device(1, address, unit));
    OK(cudaDeviceEnablePeerAccess(1, 0));
    OK(launch_store(store_kernel(), address, 1, NULL));
    FAILS(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
}

/* Mapped memory of device 1 that only device 1 has access to, and memory of device 0, whose context is current. */
static CUdeviceptr foreign_mapping(size_t *bytes, void **here)
{
    need_devices(2);
    *bytes = need_vmm();
    CUdeviceptr there = reserve(*bytes);
    OK(cuMemMap(there, *bytes, 0, create_on(1, *bytes), 0));
    OK(allow_device(1, there, *bytes));
    use_device(1);
    fill(there, 7, *bytes);
    use_device(0);
    OK(cudaMalloc(here, *bytes));
    fill((CUdeviceptr)*here, 1, *bytes);
    return there;
}

CHECK(peer_copy_mapped, "[observed: ggml-org/llama.cpp 4606 and 4620, copies of a VMM pool; assumed: refused]",
    "mapped memory is not copied by cudaMemcpyPeerAsync from a device without access to it", "peer_copy_needs_access")
{
    size_t bytes;
    void *here;
    cudaStream_t stream;
    need_peers(0, 1, true); /* without, some machines' copy engines reach it all the same (2x24gb-dma-only) */
    CUdeviceptr there = foreign_mapping(&bytes, &here);
    OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    cudaError_t queued = cudaMemcpyPeerAsync(here, 0, (void *)there, 1, bytes, stream);
    FAILS_SOMEHOW(queued != cudaSuccess ? queued : cudaStreamSynchronize(stream));
}

CHECK(peer_copy_mapped_there, "[doc: programming guide, virtual memory management]",
    "the device that has access copies its mapped memory to another one's")
{
    size_t bytes;
    void *here;
    CUdeviceptr there = foreign_mapping(&bytes, &here);
    use_device(1);
    OK(cudaMemcpyPeer(here, 0, (void *)there, 1, bytes));
    OK(cudaDeviceSynchronize());
    use_device(0);
    expect_filled((CUdeviceptr)here, 7, bytes);
}

/* Pool memory of device 0, filled; the current device is 1 then. */
static void *foreign_pool_memory(size_t bytes)
{
    void *memory;
    need_devices(2);
    SKIP_UNLESS(device_attribute(0, CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED), "needs memory pools");
    use_device(0);
    OK(cudaMallocAsync(&memory, bytes, NULL));
    OK(cudaMemsetAsync(memory, 6, bytes, NULL));
    OK(cudaStreamSynchronize(NULL));
    use_device(1);
    return memory;
}

CHECK(
    peer_copy_pool, "[doc: cudaMemcpyPeerAsync]", "pool memory is copied to another device without access to the pool")
{
    void *here, *there = foreign_pool_memory(MIB);
    OK(cudaMalloc(&here, MIB));
    OK(cudaMemcpyPeerAsync(here, 1, there, 0, MIB, NULL));
    expect_filled((CUdeviceptr)here, 6, MIB);
}

CHECK(peer_pool, "[doc: programming guide, stream-ordered allocator]",
    "a kernel of another device reaches pool memory only with access to the pool, whatever peer access is enabled",
    "pool_access_kernels", "pool_access_not_by_peers")
{
    need_peers(1, 0, true);
    void *memory = foreign_pool_memory(MIB);
    OK(cudaDeviceEnablePeerAccess(0, 0));
    OK(launch_store(store_kernel(), (CUdeviceptr)memory, 1, NULL));
    FAILS(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
}

CHECK(peer_pool_allowed, "[doc: cudaMemPoolSetAccess]",
    "a kernel of another device reaches pool memory that was allocated before access to the pool was set")
{
    cudaMemPool_t pool;
    struct cudaMemAccessDesc access = {
        .location = {.type = cudaMemLocationTypeDevice, .id = 1}, .flags = cudaMemAccessFlagsProtReadWrite};
    need_peers(1, 0, true);
    void *memory = foreign_pool_memory(MIB);
    OK(cudaDeviceGetDefaultMemPool(&pool, 0));
    OK(cudaMemPoolSetAccess(pool, &access, 1));
    OK(launch_store(store_kernel(), (CUdeviceptr)memory, 1, NULL));
    OK(cuCtxSynchronize());
}
