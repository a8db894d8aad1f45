/* check_vmm_host.c: virtual memory management with memory of the host. */
#include "cpu.h"
#include "vmm.h"

#include <string.h>

/* Host memory mapped to new addresses, without access. */
static CUdeviceptr map_host(size_t *bytes, int *node)
{
    CUmemGenericAllocationHandle handle;
    *node = need_host_vmm(bytes);
    CUmemAllocationProp properties = memory_at(CU_MEM_LOCATION_TYPE_HOST_NUMA, *node);
    CUdeviceptr address = reserve(*bytes);
    OK(cuMemCreate(&handle, *bytes, &properties, 0));
    OK(cuMemMap(address, *bytes, 0, handle, 0));
    return address;
}

CHECK(host_current_node, "[header: cuMemCreate]", "memory cannot be created at the \"current\" NUMA node",
    "host_current_node")
{
    size_t unit;
    need_host_vmm(&unit);
    CUmemAllocationProp properties = memory_at(CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT, 0);
    CUmemGenericAllocationHandle handle;
    FAILS(cuMemCreate(&handle, unit, &properties, 0), CUDA_ERROR_INVALID_VALUE);
}

CHECK(host_node_negative, "[header: cuMemCreate; observed: NVIDIA/cuda-python 2694]", "-1 is no NUMA node", "host_node")
{
    size_t unit;
    need_host_vmm(&unit);
    CUmemAllocationProp properties = memory_at(CU_MEM_LOCATION_TYPE_HOST_NUMA, -1);
    CUmemGenericAllocationHandle handle;
    FAILS(cuMemCreate(&handle, unit, &properties, 0), CUDA_ERROR_INVALID_VALUE);
}

CHECK(host_not_exported, "[header: cuMemCreate]", "memory at the host location cannot ask for a file descriptor",
    "host_not_exported")
{
    size_t unit;
    need_host_vmm(&unit);
    SKIP_UNLESS(device_attribute(0, CU_DEVICE_ATTRIBUTE_HOST_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED),
        "needs the host location without a NUMA node");
    CUmemAllocationProp properties = memory_at(CU_MEM_LOCATION_TYPE_HOST, 0);
    CUmemGenericAllocationHandle handle;
    OK(cuMemCreate(&handle, unit, &properties, 0));
    properties.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
    FAILS(cuMemCreate(&handle, unit, &properties, 0), CUDA_ERROR_INVALID_VALUE);
}

CHECK(host_device_access, "[header: cuMemSetAccess]", "a device with access uses host memory like its own")
{
    size_t bytes;
    int node;
    CUdeviceptr address = map_host(&bytes, &node);
    OK(allow_device(0, address, bytes));
    OK(cuMemsetD8(address, 7, bytes));
    OK(cuCtxSynchronize());
    OK(launch_store(store_kernel(), address, 1, NULL));
    OK(cuCtxSynchronize());
}

CHECK(host_needs_device_access, "[header: cuMemMap]",
    "a kernel without access to mapped host memory breaks the context", "map_without_access")
{
    size_t bytes;
    int node;
    SKIP_UNLESS(!device_attribute(0, CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS),
        "needs a device that cannot use the CPU's mappings");
    CUdeviceptr address = map_host(&bytes, &node);
    OK(allow(CU_MEM_LOCATION_TYPE_HOST_NUMA, node, address, bytes));
    OK(launch_store(store_kernel(), address, 1, NULL));
    FAILS(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
}

CHECK(host_takes_no_device_memory, "[header: cuMemCreate]", "memory of the host takes none of the device's")
{
    int node;
    size_t unit;
    node = need_host_vmm(&unit);
    CUmemAllocationProp properties = memory_at(CU_MEM_LOCATION_TYPE_HOST_NUMA, node);
    CUmemGenericAllocationHandle handle;
    size_t before = free_bytes();
    OK(cuMemCreate(&handle, 64 * unit, &properties, 0));
    CUdeviceptr address = reserve(64 * unit);
    OK(cuMemMap(address, 64 * unit, 0, handle, 0));
    OK(allow_device(0, address, 64 * unit));
    EXPECT(free_bytes() + 16 * unit > before); /* page tables may take a little */
}

CHECK(host_cpu_access, "[header: cuMemSetAccess; assumed: a fault without it]",
    "the CPU reaches mapped host memory only after access was set for the host", "host_cpu_access")
{
    size_t bytes;
    int node;
    CUdeviceptr address = map_host(&bytes, &node);
    OK(allow_device(0, address, bytes));
    OK(cuMemsetD8(address, 9, bytes));
    OK(cuCtxSynchronize());
    EXPECT(!cpu_can_read(address));
    OK(allow(CU_MEM_LOCATION_TYPE_HOST_NUMA, node, address, bytes));
    EXPECT(cpu_can_read(address));
    EXPECT(((unsigned char *)address)[bytes - 1] == 9);
    memset((void *)address, 3, bytes);
    expect_filled(address, 3, bytes);
}

CHECK(host_cpu_access_on_device, "[header: cuMemSetAccess]", "the host cannot be given access to device memory",
    "host_access_on_device")
{
    size_t unit;
    int node = need_host_vmm(&unit);
    CUmemGenericAllocationHandle handle;
    CUdeviceptr address = reserve_and_map(unit, &handle);
    FAILS_SOMEHOW(allow(CU_MEM_LOCATION_TYPE_HOST_NUMA, node, address, unit));
}

CHECK(host_cpu_access_in_part, "[header: cuMemSetAccess]",
    "the host cannot be given access to a range of which a part is device memory, and gets none to the rest",
    "access_of_each_mapping")
{
    size_t unit;
    int node = need_host_vmm(&unit);
    CUmemAllocationProp properties = memory_at(CU_MEM_LOCATION_TYPE_HOST_NUMA, node);
    CUmemGenericAllocationHandle handle;
    CUdeviceptr address = reserve(2 * unit);
    OK(cuMemCreate(&handle, unit, &properties, 0));
    OK(cuMemMap(address, unit, 0, handle, 0));
    OK(cuMemMap(address + unit, unit, 0, create_on(0, unit), 0));
    FAILS_SOMEHOW(allow(CU_MEM_LOCATION_TYPE_HOST_NUMA, node, address, 2 * unit));
    NEVER(cpu_can_read(address));
    OK(allow(CU_MEM_LOCATION_TYPE_HOST_NUMA, node, address, unit));
    EXPECT(cpu_can_read(address));
}

CHECK(host_beside_device, "[header: cuMemMap]", "device and host memory may lie beside each other in one reservation")
{
    size_t unit;
    int node = need_host_vmm(&unit);
    CUmemAllocationProp properties = memory_at(CU_MEM_LOCATION_TYPE_HOST_NUMA, node);
    CUmemGenericAllocationHandle handle;
    CUdeviceptr address = reserve(2 * unit);
    OK(cuMemMap(address, unit, 0, create_on(0, unit), 0));
    OK(cuMemCreate(&handle, unit, &properties, 0));
    OK(cuMemMap(address + unit, unit, 0, handle, 0));
    OK(allow_device(0, address, unit));
    OK(allow_device(0, address + unit, unit));
    OK(cuMemsetD8(address, 1, unit));
    OK(cuMemsetD8(address + unit, 2, unit));
    OK(cuCtxSynchronize());
}
