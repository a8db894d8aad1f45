/* check_vmm_access.c: who may use mapped memory. */
#include "cpu.h"
#include "vmm.h"

CHECK(vmm_no_access_at_first, "[header: cuMemMap]", "a new mapping cannot be accessed before access is set",
    "map_without_access")
{
    size_t unit = need_vmm();
    CUmemGenericAllocationHandle handle;
    CUmemLocation here = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0};
    unsigned long long flags = 99;
    char byte = 1;
    CUdeviceptr address = reserve_and_map(unit, &handle);
    OK(cuMemGetAccess(&flags, &here, address));
    EXPECT(flags == CU_MEM_ACCESS_FLAGS_PROT_NONE);
    FAILS_SOMEHOW(cuMemcpyHtoD(address, &byte, 1));
}

CHECK(vmm_access_of_mapping, "[header: cuMemSetAccess]",
    "access belongs to the mapping: another mapping of the handle has none of it", "map_without_access")
{
    size_t unit = need_vmm();
    CUmemGenericAllocationHandle handle;
    CUmemLocation here = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0};
    unsigned long long flags = 99;
    CUdeviceptr first = reserve_and_map(unit, &handle), second = reserve(unit);
    OK(cuMemMap(second, unit, 0, handle, 0));
    OK(allow_device(0, first, unit));
    OK(cuMemGetAccess(&flags, &here, second));
    EXPECT(flags == CU_MEM_ACCESS_FLAGS_PROT_NONE);
}

CHECK(vmm_access_not_for_cpu, "[doc: programming guide, device memory]",
    "the CPU does not reach device memory that is mapped", "device_memory_hidden")
{
    size_t unit = need_vmm();
    CUmemGenericAllocationHandle handle;
    SKIP_UNLESS(!device_attribute(0, CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS_USES_HOST_PAGE_TABLES),
        "needs a device whose memory is apart from the host's");
    CUdeviceptr address = reserve_and_map(unit, &handle);
    OK(allow_device(0, address, unit));
    fill(address, 1, unit);
    EXPECT(!cpu_can_read(address));
}

CHECK(vmm_access_lost_by_remap, "[header: cuMemUnmap]", "memory mapped again to the same addresses needs access anew",
    "map_without_access")
{
    size_t unit = need_vmm();
    CUmemGenericAllocationHandle handle;
    CUmemLocation here = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0};
    unsigned long long flags = 99;
    CUdeviceptr address = reserve_and_map(unit, &handle);
    OK(allow_device(0, address, unit));
    OK(cuMemGetAccess(&flags, &here, address));
    EXPECT(flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE);
    OK(cuMemUnmap(address, unit));
    OK(cuMemMap(address, unit, 0, handle, 0));
    OK(cuMemGetAccess(&flags, &here, address));
    EXPECT(flags == CU_MEM_ACCESS_FLAGS_PROT_NONE);
}

CHECK(vmm_access_unmapped, "[header: cuMemSetAccess]", "access is set only on ranges that are mapped throughout",
    "access_mapped")
{
    size_t unit = need_vmm();
    CUdeviceptr address = reserve(2 * unit);
    OK(cuMemMap(address, unit, 0, create_on(0, unit), 0));
    FAILS(allow_device(0, address, 2 * unit), CUDA_ERROR_INVALID_VALUE);
    OK(allow_device(0, address, unit));
}

CHECK(vmm_access_whole, "[header: cuMemSetAccess]", "access is set only on whole allocations", "access_whole")
{
    size_t unit = need_vmm();
    CUmemGenericAllocationHandle handle;
    CUdeviceptr address = reserve_and_map(2 * unit, &handle);
    FAILS(allow_device(0, address, unit), CUDA_ERROR_INVALID_VALUE);
}

CHECK(vmm_access_several, "[header: cuMemSetAccess]", "access may be set on several mappings beside each other at once")
{
    size_t unit = need_vmm();
    CUdeviceptr address = reserve(3 * unit);
    for (int i = 0; i < 3; i++)
        OK(cuMemMap(address + (size_t)i * unit, unit, 0, create_on(0, unit), 0));
    OK(allow_device(0, address, 3 * unit));
    fill(address, 8, 3 * unit);
    expect_filled(address, 8, 3 * unit);
}

CHECK(vmm_access_cut, "[header: cuMemSetAccess]", "access is not set on a range that ends inside of an allocation",
    "access_whole")
{
    size_t unit = need_vmm();
    CUdeviceptr address = reserve(3 * unit);
    OK(cuMemMap(address, unit, 0, create_on(0, unit), 0));
    OK(cuMemMap(address + unit, 2 * unit, 0, create_on(0, 2 * unit), 0));
    FAILS(allow_device(0, address, 2 * unit), CUDA_ERROR_INVALID_VALUE);
    OK(allow_device(0, address, 3 * unit));
}

CHECK(vmm_access_unknown_device, "[header: cuMemSetAccess]", "a device that does not exist gets no access",
    "access_device")
{
    size_t unit = need_vmm();
    CUmemGenericAllocationHandle handle;
    CUdeviceptr address = reserve_and_map(unit, &handle);
    FAILS_SOMEHOW(allow_device(device_count(), address, unit));
}

CHECK(vmm_access_unknown_kind, "[header: CUmemAccess_flags]", "access is none, read, or read and write", "access_flags")
{
    size_t unit = need_vmm();
    CUmemGenericAllocationHandle handle;
    CUdeviceptr address = reserve_and_map(unit, &handle);
    CUmemAccessDesc access = {.location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0}, .flags = 2};
    FAILS_SOMEHOW(set_access(address, unit, &access));
}

CHECK(vmm_access_all_or_none, "[assumed]", "of several descriptions of access none acts where one is refused",
    "access_all_or_none")
{
    size_t unit = need_vmm();
    CUmemGenericAllocationHandle handle;
    CUmemLocation here = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0};
    unsigned long long flags = 99;
    CUdeviceptr address = reserve_and_map(unit, &handle);
    CUmemAccessDesc access[2] = {{.location = here, .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE},
        {.location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device_count()},
            .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE}};
    EXPECT(cuMemSetAccess(address, unit, access, 2) != CUDA_SUCCESS);
    OK(cuMemGetAccess(&flags, &here, address));
    NEVER(flags != CU_MEM_ACCESS_FLAGS_PROT_NONE);
}

CHECK(vmm_access_told, "[header: cuMemGetAccess]", "unmapped addresses have no access to tell of", "get_access_mapped")
{
    size_t unit = need_vmm();
    CUmemLocation here = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0};
    unsigned long long flags;
    FAILS_SOMEHOW(cuMemGetAccess(&flags, &here, reserve(unit)));
}

CHECK(vmm_access_withdrawn, "[header: cuMemSetAccess]", "access that was given can be taken away", "illegal_address")
{
    size_t unit = need_vmm();
    CUmemGenericAllocationHandle handle;
    CUdeviceptr address = reserve_and_map(unit, &handle);
    CUmemAccessDesc none = {
        .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0}, .flags = CU_MEM_ACCESS_FLAGS_PROT_NONE};
    CUfunction kernel = store_kernel();
    OK(allow_device(0, address, unit));
    OK(launch_store(kernel, address, 1, NULL));
    OK(cuCtxSynchronize());
    OK(set_access(address, unit, &none));
    OK(launch_store(kernel, address, 1, NULL));
    FAILS(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
}
