/* check_vmm_pointer.c: what CUDA tells about addresses of mapped memory. */
#include "vmm.h"

/* An attribute of an address, as the number that it is. */
static unsigned long long attribute_of(CUpointer_attribute attribute, CUdeviceptr address)
{
    unsigned long long value = 0; /* large enough for each attribute that is asked for here */
    OK(cuPointerGetAttribute(&value, attribute, address));
    return value;
}

CHECK(vmm_pointer_attributes, "[doc: cudaPointerGetAttributes]", "mapped device memory is known as device memory")
{
    size_t unit = need_vmm();
    CUmemGenericAllocationHandle handle;
    struct cudaPointerAttributes attributes;
    CUdeviceptr address = reserve_and_map(unit, &handle);
    OK(allow_device(0, address, unit));
    OK(cudaPointerGetAttributes(&attributes, (void *)address));
    EXPECT(attributes.type == cudaMemoryTypeDevice && attributes.device == 0);
}

CHECK(vmm_pointer_context, "[observed: open-mpi/ompi, openucx/ucx]", "mapped memory belongs to no context",
    "mapping_without_context")
{
    size_t unit = need_vmm();
    CUmemGenericAllocationHandle handle;
    CUdeviceptr address = reserve_and_map(unit, &handle), plain;
    OK(allow_device(0, address, unit));
    OK(cuMemAlloc(&plain, MIB));
    EXPECT(attribute_of(CU_POINTER_ATTRIBUTE_CONTEXT, plain) != 0);
    EXPECT(attribute_of(CU_POINTER_ATTRIBUTE_CONTEXT, address) == 0);
}

CHECK(vmm_pointer_range, "[header: cuPointerGetAttribute]",
    "the range of an address is the reservation, its mapping the piece that was mapped")
{
    size_t unit = need_vmm();
    CUdeviceptr address = reserve(4 * unit), inside = address + unit + 100;
    OK(cuMemMap(address, unit, 0, create_on(0, unit), 0));
    OK(cuMemMap(address + unit, 2 * unit, 0, create_on(0, 2 * unit), 0));
    OK(allow_device(0, address, 3 * unit));
    EXPECT(attribute_of(CU_POINTER_ATTRIBUTE_RANGE_START_ADDR, inside) == address);
    EXPECT(attribute_of(CU_POINTER_ATTRIBUTE_RANGE_SIZE, inside) == 4 * unit);
    EXPECT(attribute_of(CU_POINTER_ATTRIBUTE_MAPPING_BASE_ADDR, inside) == address + unit);
    EXPECT(attribute_of(CU_POINTER_ATTRIBUTE_MAPPING_SIZE, inside) == 2 * unit);
}

CHECK(vmm_pointer_block, "[header: CU_POINTER_ATTRIBUTE_MEMORY_BLOCK_ID]",
    "two mappings of one handle are one physical allocation, and two handles are two")
{
    size_t unit = need_vmm();
    CUmemGenericAllocationHandle handle, other;
    CUdeviceptr first = reserve_and_map(unit, &handle), second = reserve(unit), third = reserve_and_map(unit, &other);
    OK(cuMemMap(second, unit, 0, handle, 0));
    EXPECT(attribute_of(CU_POINTER_ATTRIBUTE_MEMORY_BLOCK_ID, first) ==
           attribute_of(CU_POINTER_ATTRIBUTE_MEMORY_BLOCK_ID, second));
    EXPECT(attribute_of(CU_POINTER_ATTRIBUTE_MEMORY_BLOCK_ID, first) !=
           attribute_of(CU_POINTER_ATTRIBUTE_MEMORY_BLOCK_ID, third));
}

CHECK(vmm_pointer_sync_memops, "[observed: openucx/ucx 9895]",
    "mapped memory cannot be told to synchronise its operations", "sync_memops")
{
    size_t unit = need_vmm();
    unsigned on = 1;
    CUmemGenericAllocationHandle handle;
    CUdeviceptr address = reserve_and_map(unit, &handle);
    OK(allow_device(0, address, unit));
    FAILS_SOMEHOW(cuPointerSetAttribute(&on, CU_POINTER_ATTRIBUTE_SYNC_MEMOPS, address));
}

CHECK(vmm_pointer_host, "[observed: open-mpi/ompi 12751]", "mapped host memory is known as host memory")
{
    size_t unit;
    int node = need_host_vmm(&unit);
    CUmemAllocationProp properties = memory_at(CU_MEM_LOCATION_TYPE_HOST_NUMA, node);
    CUmemGenericAllocationHandle handle;
    CUdeviceptr address = reserve(unit);
    OK(cuMemCreate(&handle, unit, &properties, 0));
    OK(cuMemMap(address, unit, 0, handle, 0));
    OK(allow_device(0, address, unit));
    EXPECT((unsigned)attribute_of(CU_POINTER_ATTRIBUTE_MEMORY_TYPE, address) == CU_MEMORYTYPE_HOST);
}
