/* check_peer.c: several devices. */
#include "vmm.h"

#include <string.h>

CHECK(peer_self, "[header: cuDeviceCanAccessPeer]", "a device is no peer of itself")
{
    int can = 1;
    device_count();
    OK(cuDeviceCanAccessPeer(&can, 0, 0));
    EXPECT(can == 0);
    use_device(0);
    FAILS_SOMEHOW(cudaDeviceEnablePeerAccess(0, 0));
}

CHECK(peer_enabled_twice, "[doc: cudaDeviceEnablePeerAccess]",
    "enabling peer access a second time says that it is enabled already")
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
    "peer access that the machine does not have cannot be enabled")
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
    "a kernel reaches another device's memory while peer access is enabled, in that direction only")
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
    "access to memory of a device that is no peer is refused")
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
