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

CHECK(ipc_opened_here, "[header: cuIpcOpenMemHandle, from another process; observed: openucx/ucx 11603]",
    "an IPC handle is not opened by the process that it comes from", "ipc_open_elsewhere")
{
    cudaIpcMemHandle_t ipc;
    void *memory, *opened;
    SKIP_UNLESS(device_attribute(0, CU_DEVICE_ATTRIBUTE_IPC_EVENT_SUPPORTED), "needs IPC");
    use_device(0);
    OK(cudaMalloc(&memory, MIB));
    OK(cudaIpcGetMemHandle(&ipc, memory));
    FAILS(cudaIpcOpenMemHandle(&opened, ipc, cudaIpcMemLazyEnablePeerAccess), cudaErrorDeviceUninitialized);
}

CHECK(ipc_of_each_kind, "[doc: cudaIpcGetMemHandle; observed: openucx/ucx 7110, 10065]",
    "of three kinds of device memory side by side only that from cudaMalloc has an IPC handle", "ipc_mapping",
    "ipc_pool")
{
    size_t unit = need_vmm();
    CUmemGenericAllocationHandle handle;
    cudaIpcMemHandle_t ipc;
    void *memory, *of_pool;
    SKIP_UNLESS(device_attribute(0, CU_DEVICE_ATTRIBUTE_IPC_EVENT_SUPPORTED) &&
                    device_attribute(0, CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED),
        "needs IPC and memory pools");
    CUdeviceptr mapped = reserve_and_map(unit, &handle);
    OK(allow_device(0, mapped, unit));
    OK(cudaMallocAsync(&of_pool, unit, NULL));
    OK(cudaMalloc(&memory, unit));
    OK(cudaDeviceSynchronize());
    FAILS_SOMEHOW(cudaIpcGetMemHandle(&ipc, (void *)mapped));
    OK(cudaIpcGetMemHandle(&ipc, memory));
    FAILS_SOMEHOW(cudaIpcGetMemHandle(&ipc, of_pool));
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
