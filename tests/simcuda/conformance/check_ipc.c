/* check_ipc.c: legacy IPC handles, which only memory from cudaMalloc has. */
#include "vmm.h"

CHECK(ipc_malloc, "[doc: cudaIpcGetMemHandle]", "memory from cudaMalloc has an IPC handle")
{
    cudaIpcMemHandle_t ipc;
    void *memory;
    SKIP_UNLESS(device_attribute(0, CU_DEVICE_ATTRIBUTE_IPC_EVENT_SUPPORTED), "needs IPC");
    use_device(0);
    OK(cudaMalloc(&memory, MIB));
    OK(cudaIpcGetMemHandle(&ipc, memory));
}

CHECK(ipc_mapped, "[observed: openucx/ucx 7110, 10065]", "mapped memory has no legacy IPC handle", "ipc_mapping")
{
    size_t unit = need_vmm();
    CUmemGenericAllocationHandle handle;
    cudaIpcMemHandle_t ipc;
    CUdeviceptr address = reserve_and_map(unit, &handle);
    OK(allow_device(0, address, unit));
    FAILS_SOMEHOW(cudaIpcGetMemHandle(&ipc, (void *)address));
}

CHECK(ipc_from_pool, "[observed: openucx/ucx 7110, 10065]", "memory from a pool has no legacy IPC handle", "ipc_pool")
{
    cudaIpcMemHandle_t ipc;
    void *memory;
    SKIP_UNLESS(device_attribute(0, CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED), "needs memory pools");
    use_device(0);
    OK(cudaMallocAsync(&memory, MIB, NULL));
    OK(cudaDeviceSynchronize());
    FAILS_SOMEHOW(cudaIpcGetMemHandle(&ipc, memory));
}

CHECK(ipc_pinned, "[header: cuIpcGetMemHandle]", "pinned host memory has no IPC handle", "ipc_host")
{
    cudaIpcMemHandle_t ipc;
    void *memory;
    use_device(0);
    OK(cudaMallocHost(&memory, MIB));
    FAILS_SOMEHOW(cudaIpcGetMemHandle(&ipc, memory));
}
