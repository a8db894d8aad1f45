/* check_vmm.c: virtual memory management with device memory. */
#include "context.h"
#include "vmm.h"

#include <string.h>

CHECK(vmm_absent, "[doc: programming guide, virtual memory management, query for support]",
    "a device that says so has no virtual memory management", "vmm_absent")
{
    CUmemAllocationProp properties = memory_at(CU_MEM_LOCATION_TYPE_DEVICE, 0);
    CUmemGenericAllocationHandle handle;
    SKIP_UNLESS(!device_attribute(0, CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED),
        "needs a device without virtual memory management");
    use_device(0);
    FAILS_SOMEHOW(cuMemCreate(&handle, 2 * MIB, &properties, 0));
}

CHECK(vmm_absent_addresses, "[observed: ppl.nn 8, comfy-aimdo 25: not supported]",
    "a machine without virtual memory management reserves no addresses", "vmm_absent_addresses")
{
    CUdeviceptr address;
    for (int device = 0; device < device_count(); device++)
        SKIP_UNLESS(!device_attribute(device, CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED),
            "needs a machine without virtual memory management");
    use_device(0);
    FAILS_SOMEHOW(cuMemAddressReserve(&address, 2 * MIB, 0, 0, 0));
}

CHECK(vmm_size_multiple, "[header: cuMemCreate]", "a size that is no multiple of the granularity is refused",
    "create_granularity")
{
    size_t unit = need_vmm();
    CUmemAllocationProp properties = memory_at(CU_MEM_LOCATION_TYPE_DEVICE, 0);
    CUmemGenericAllocationHandle handle;
    FAILS(cuMemCreate(&handle, unit + 4096, &properties, 0), CUDA_ERROR_INVALID_VALUE);
}

CHECK(vmm_size_zero, "[header: cuMemCreate]", "a handle for no bytes is refused", "create_some_bytes")
{
    need_vmm();
    CUmemAllocationProp properties = memory_at(CU_MEM_LOCATION_TYPE_DEVICE, 0);
    CUmemGenericAllocationHandle handle;
    FAILS(cuMemCreate(&handle, 0, &properties, 0), CUDA_ERROR_INVALID_VALUE);
}

CHECK(vmm_reserve, "[header: cuMemAddressReserve]",
    "reserved addresses are whole pages of the host, aligned to a power of two", "reserve_pages", "reserve_alignment")
{
    size_t unit = need_vmm();
    CUdeviceptr address;
    FAILS_SOMEHOW(cuMemAddressReserve(&address, unit + 100, 0, 0, 0));
    FAILS_SOMEHOW(cuMemAddressReserve(&address, unit, 3 * unit, 0, 0));
    OK(cuMemAddressReserve(&address, 4 * unit, 2 * unit, 0, 0));
    EXPECT(address % (2 * unit) == 0);
}

CHECK(vmm_bytes, "[header: cuMemMap, cuMemSetAccess]", "mapped memory with access keeps what is written to it")
{
    size_t unit = need_vmm();
    CUmemGenericAllocationHandle handle;
    CUdeviceptr address = reserve_and_map(2 * unit, &handle);
    OK(allow_device(0, address, 2 * unit));
    fill(address, 5, 2 * unit);
    expect_filled(address, 5, 2 * unit);
}

CHECK(vmm_offset, "[header: cuMemMap]", "an offset into the handle other than 0 is refused", "map_offset")
{
    size_t unit = need_vmm();
    CUdeviceptr address = reserve(2 * unit);
    CUmemGenericAllocationHandle handle = create_on(0, 2 * unit);
    FAILS(cuMemMap(address, unit, unit, handle, 0), CUDA_ERROR_INVALID_VALUE);
}

CHECK(vmm_map_over_mapped, "[header: cuMemMap]", "addresses that are mapped cannot be mapped again", "map_over_mapped")
{
    size_t unit = need_vmm();
    CUmemGenericAllocationHandle handle;
    CUdeviceptr address = reserve_and_map(unit, &handle);
    OK(allow_device(0, address, unit));
    fill(address, 5, unit);
    FAILS_SOMEHOW(cuMemMap(address, unit, 0, create_on(0, unit), 0));
    expect_filled(address, 5, unit);
}

CHECK(vmm_map_multiple, "[header: cuMemMap]", "only whole granules are mapped, at addresses that are granules",
    "map_granularity")
{
    size_t unit = need_vmm();
    CUdeviceptr address = reserve(2 * unit);
    CUmemGenericAllocationHandle handle = create_on(0, unit);
    FAILS(cuMemMap(address + unit / 2, unit, 0, handle, 0), CUDA_ERROR_INVALID_VALUE);
    OK(cuMemMap(address, unit, 0, handle, 0));
}

CHECK(vmm_map_beyond_handle, "[header: cuMemMap]", "no more is mapped than the handle has", "map_within_handle")
{
    size_t unit = need_vmm();
    CUdeviceptr address = reserve(2 * unit);
    FAILS(cuMemMap(address, 2 * unit, 0, create_on(0, unit), 0), CUDA_ERROR_INVALID_VALUE);
}

CHECK(vmm_map_unreserved, "[header: cuMemMap]", "only reserved addresses can be mapped", "map_reserved")
{
    size_t unit = need_vmm();
    CUdeviceptr address = reserve(unit);
    CUmemGenericAllocationHandle handle = create_on(0, 2 * unit);
    FAILS_SOMEHOW(cuMemMap(address, 2 * unit, 0, handle, 0)); /* the second half lies beyond the reservation */
}

CHECK(vmm_unmap_part, "[header: cuMemUnmap]", "a part of a mapping cannot be unmapped", "unmap_whole")
{
    size_t unit = need_vmm();
    CUmemGenericAllocationHandle handle;
    CUdeviceptr address = reserve_and_map(2 * unit, &handle);
    FAILS(cuMemUnmap(address, unit), CUDA_ERROR_INVALID_VALUE);
    FAILS(cuMemUnmap(address + unit, unit), CUDA_ERROR_INVALID_VALUE);
    OK(cuMemUnmap(address, 2 * unit));
}

CHECK(vmm_unmap_several, "[observed: cuda-samples, vectorAddMMAP]",
    "several mappings beside each other are unmapped at once")
{
    size_t unit = need_vmm();
    CUdeviceptr address = reserve(3 * unit);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 3; i++)
            OK(cuMemMap(address + (size_t)i * unit, unit, 0, create_on(0, unit), 0));
        OK(cuMemUnmap(address, 3 * unit));
    }
}

CHECK(vmm_outlives_context, "[header: cuCtxDestroy]",
    "memory from cuMemCreate stays when the context goes that was current")
{
    size_t unit = need_vmm();
    CUmemGenericAllocationHandle handle;
    CUcontext context = new_context(0);
    CUdeviceptr address = reserve_and_map(unit, &handle);
    OK(allow_device(0, address, unit));
    fill(address, 7, unit);
    OK(cuCtxDestroy(context));
    use_device(0);
    expect_filled(address, 7, unit);
}

CHECK(vmm_unmap_unmapped, "[header: cuMemUnmap]", "what is not mapped cannot be unmapped", "unmap_mapped")
{
    size_t unit = need_vmm();
    CUdeviceptr address = reserve(unit);
    FAILS(cuMemUnmap(address, unit), CUDA_ERROR_INVALID_VALUE);
}

CHECK(vmm_address_free, "[header: cuMemAddressFree]",
    "addresses are given back exactly as reserved, and not while mapped", "reservation_exact", "reservation_unmapped")
{
    size_t unit = need_vmm();
    CUmemGenericAllocationHandle handle;
    CUdeviceptr address = reserve_and_map(2 * unit, &handle);
    FAILS_SOMEHOW(cuMemAddressFree(address, 2 * unit));
    OK(cuMemUnmap(address, 2 * unit));
    FAILS(cuMemAddressFree(address, unit), CUDA_ERROR_INVALID_VALUE);
    OK(cuMemAddressFree(address, 2 * unit));
}

CHECK(vmm_shared_bytes, "[header: cuMemMap]", "one handle at two addresses is the same memory")
{
    size_t unit = need_vmm();
    CUmemGenericAllocationHandle handle;
    CUdeviceptr first = reserve_and_map(unit, &handle), second = reserve(unit);
    OK(cuMemMap(second, unit, 0, handle, 0));
    OK(allow_device(0, first, unit));
    OK(allow_device(0, second, unit));
    fill(first, 4, unit);
    expect_filled(second, 4, unit);
}

CHECK(vmm_moved_mapping, "[header: cuMemUnmap, cuMemMap]", "memory keeps its bytes when it is mapped elsewhere",
    "reference_keeps_memory")
{
    size_t unit = need_vmm();
    CUmemGenericAllocationHandle handle;
    CUdeviceptr first = reserve_and_map(unit, &handle), second = reserve(unit);
    OK(allow_device(0, first, unit));
    fill(first, 3, unit);
    OK(cuMemUnmap(first, unit));
    OK(cuMemMap(second, unit, 0, handle, 0));
    OK(allow_device(0, second, unit));
    expect_filled(second, 3, unit);
}

CHECK(vmm_freed_when_unused, "[header: cuMemRelease, cuMemUnmap]",
    "memory is freed when neither a mapping nor a reference is left, and not before", "mapping_keeps_memory",
    "unused_memory_freed")
{
    size_t unit = need_vmm(), bytes = 64 * unit;
    CUmemGenericAllocationHandle handle;
    size_t before = free_bytes();
    CUdeviceptr address = reserve_and_map(bytes, &handle);
    OK(allow_device(0, address, bytes));
    EXPECT(free_bytes() + bytes <= before);
    OK(cuMemRelease(handle)); /* still mapped, still usable */
    EXPECT(free_bytes() + bytes <= before);
    fill(address, 2, bytes);
    expect_filled(address, 2, bytes);
    OK(cuMemUnmap(address, bytes));
    EXPECT(free_bytes() + bytes / 2 > before);
}

CHECK(vmm_retained, "[header: cuMemRetainAllocationHandle]",
    "an address inside a mapping gives its handle, with a reference of its own", "retain_counts", "retain_mapped")
{
    size_t unit = need_vmm(), bytes = 64 * unit;
    CUmemGenericAllocationHandle handle, found;
    size_t before = free_bytes();
    CUdeviceptr address = reserve_and_map(bytes, &handle);
    OK(cuMemRetainAllocationHandle(&found, (void *)(address + unit + 100)));
    EXPECT(found == handle);
    OK(cuMemUnmap(address, bytes));
    OK(cuMemRelease(handle));
    EXPECT(free_bytes() + bytes <= before); /* one reference is left */
    OK(cuMemRelease(found));
    EXPECT(free_bytes() + bytes / 2 > before);
    FAILS(cuMemRetainAllocationHandle(&found, (void *)address), CUDA_ERROR_INVALID_VALUE);
}

CHECK(vmm_properties, "[header: cuMemGetAllocationPropertiesFromHandle]",
    "a handle tells the properties that it was made with")
{
    size_t unit = need_vmm();
    CUmemAllocationProp asked = memory_at(CU_MEM_LOCATION_TYPE_DEVICE, 0), found;
    CUmemGenericAllocationHandle handle;
    asked.requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
    OK(cuMemCreate(&handle, unit, &asked, 0));
    memset(&found, 0xff, sizeof found);
    OK(cuMemGetAllocationPropertiesFromHandle(&found, handle));
    EXPECT(found.type == CU_MEM_ALLOCATION_TYPE_PINNED);
    EXPECT(found.location.type == CU_MEM_LOCATION_TYPE_DEVICE && found.location.id == 0);
    EXPECT(found.requestedHandleTypes == CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR);
}

CHECK(vmm_cuda_free, "[doc: cudaFree]", "cudaFree does not take what cuMemMap mapped", "free_mapping")
{
    size_t unit = need_vmm();
    CUmemGenericAllocationHandle handle;
    CUdeviceptr address = reserve_and_map(unit, &handle);
    OK(allow_device(0, address, unit));
    FAILS(cudaFree((void *)address), cudaErrorInvalidValue);
}

CHECK(vmm_too_large, "[header: cuMemCreate]", "a handle for more memory than the device has is refused",
    "device_capacity")
{
    size_t unit = need_vmm(), available, total;
    CUmemAllocationProp properties = memory_at(CU_MEM_LOCATION_TYPE_DEVICE, 0);
    CUmemGenericAllocationHandle handle;
    OK(cuMemGetInfo(&available, &total));
    FAILS(cuMemCreate(&handle, (total / unit + 1) * unit, &properties, 0), CUDA_ERROR_OUT_OF_MEMORY);
}

CHECK(vmm_kernel_after_unmap, "[assumed]",
    "a kernel that stores to addresses unmapped before its launch breaks the context", "illegal_address")
{
    size_t unit = need_vmm();
    CUmemGenericAllocationHandle handle;
    CUdeviceptr address = reserve_and_map(unit, &handle);
    CUfunction kernel = store_kernel();
    OK(allow_device(0, address, unit));
    OK(launch_store(kernel, address, 1, NULL));
    OK(cuCtxSynchronize());
    OK(cuMemUnmap(address, unit));
    OK(launch_store(kernel, address, 1, NULL));
    FAILS(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
}
