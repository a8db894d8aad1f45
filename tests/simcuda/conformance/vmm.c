/* vmm.c: the helpers of vmm.h. */
#include "vmm.h"

CUmemAllocationProp memory_at(CUmemLocationType type, int id)
{
    return (CUmemAllocationProp){.type = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {.type = type, .id = id}};
}

size_t need_vmm(void)
{
    CUmemAllocationProp properties = memory_at(CU_MEM_LOCATION_TYPE_DEVICE, 0);
    size_t granularity;
    SKIP_UNLESS(device_attribute(0, CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED),
        "needs virtual memory management");
    use_device(0);
    OK(cuMemGetAllocationGranularity(&granularity, &properties, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
    return granularity;
}

int need_host_vmm(size_t *unit)
{
    CUmemAllocationProp properties;
    *unit = need_vmm();
    SKIP_UNLESS(device_attribute(0, CU_DEVICE_ATTRIBUTE_HOST_NUMA_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED),
        "needs virtual memory management of host memory");
    int node = device_attribute(0, CU_DEVICE_ATTRIBUTE_HOST_NUMA_ID);
    node = node < 0 ? 0 : node; /* no NUMA: node 0 (cuda.h, cuMemCreate) */
    properties = memory_at(CU_MEM_LOCATION_TYPE_HOST_NUMA, node);
    OK(cuMemGetAllocationGranularity(unit, &properties, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
    return node;
}

CUmemGenericAllocationHandle create_on(int device, size_t bytes)
{
    CUmemAllocationProp properties = memory_at(CU_MEM_LOCATION_TYPE_DEVICE, device);
    CUmemGenericAllocationHandle handle;
    OK(cuMemCreate(&handle, bytes, &properties, 0));
    return handle;
}

CUdeviceptr reserve(size_t bytes)
{
    CUdeviceptr address;
    OK(cuMemAddressReserve(&address, bytes, 0, 0, 0));
    return address;
}

CUdeviceptr reserve_and_map(size_t bytes, CUmemGenericAllocationHandle *handle)
{
    CUdeviceptr address = reserve(bytes);
    *handle = create_on(0, bytes);
    OK(cuMemMap(address, bytes, 0, *handle, 0));
    return address;
}

CUdeviceptr host_mapping(size_t *bytes, int *node)
{
    CUmemGenericAllocationHandle handle;
    CUdeviceptr address;

    need_vmm();
    SKIP_UNLESS(device_attribute(0, CU_DEVICE_ATTRIBUTE_HOST_NUMA_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED),
        "needs virtual memory management of host memory");
    *node = device_attribute(0, CU_DEVICE_ATTRIBUTE_HOST_NUMA_ID);
    *node = *node < 0 ? 0 : *node; /* no NUMA: node 0 (cuda.h, cuMemCreate) */
    CUmemAllocationProp properties = memory_at(CU_MEM_LOCATION_TYPE_HOST_NUMA, *node);
    OK(cuMemGetAllocationGranularity(bytes, &properties, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
    address = reserve(*bytes);
    OK(cuMemCreate(&handle, *bytes, &properties, 0));
    OK(cuMemMap(address, *bytes, 0, handle, 0));
    return address;
}

CUresult allow(CUmemLocationType type, int id, CUdeviceptr address, size_t bytes)
{
    CUmemAccessDesc access = {.location = {.type = type, .id = id}, .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    return set_access(address, bytes, &access);
}

CUresult set_access(CUdeviceptr address, size_t bytes, const CUmemAccessDesc *access)
{
    CUresult result = cuMemSetAccess(address, bytes, access, 1);
    if (result != CUDA_ERROR_NOT_READY)
        return result;
    result = cuCtxSynchronize();
    return result == CUDA_SUCCESS ? cuMemSetAccess(address, bytes, access, 1) : result;
}

CUresult allow_device(int device, CUdeviceptr address, size_t bytes)
{
    return allow(CU_MEM_LOCATION_TYPE_DEVICE, device, address, bytes);
}
