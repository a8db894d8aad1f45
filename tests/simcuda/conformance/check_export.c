/* check_export.c: memory handles as file descriptors. */
#include "vmm.h"

#include <fcntl.h>
#include <stdint.h>
#include <unistd.h>

static const CUmemAllocationHandleType fd_type = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;

/* A handle of device 0 that can be exported; skips where there are none. Sets the granularity. */
static CUmemGenericAllocationHandle create_exportable(size_t *unit, size_t units)
{
    CUmemAllocationProp properties = memory_at(CU_MEM_LOCATION_TYPE_DEVICE, 0);
    CUmemGenericAllocationHandle handle;
    need_vmm();
    SKIP_UNLESS(device_attribute(0, CU_DEVICE_ATTRIBUTE_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR_SUPPORTED),
        "needs handles that can be exported as file descriptors");
    properties.requestedHandleTypes = fd_type;
    OK(cuMemGetAllocationGranularity(unit, &properties, CU_MEM_ALLOC_GRANULARITY_MINIMUM));
    OK(cuMemCreate(&handle, units * *unit, &properties, 0));
    return handle;
}

static int export(CUmemGenericAllocationHandle handle)
{
    int fd = -1;
    OK(cuMemExportToShareableHandle(&fd, handle, fd_type, 0));
    EXPECT(fcntl(fd, F_GETFD) != -1);
    return fd;
}

CHECK(export_not_asked_for, "[doc: programming guide, virtual memory management, shareable handles]",
    "a handle is exported only in the ways that were asked for when it was made", "export_as_asked")
{
    int fd;
    FAILS_SOMEHOW(cuMemExportToShareableHandle(&fd, create_on(0, need_vmm()), fd_type, 0));
}

CHECK(export_imported, "[header: cuMemImportFromShareableHandle; assumed in the process that exported]",
    "an imported handle is the same memory")
{
    size_t unit;
    CUmemGenericAllocationHandle handle = create_exportable(&unit, 1), imported;
    int fd = export(handle);
    CUdeviceptr first = reserve(unit), second = reserve(unit);
    OK(cuMemImportFromShareableHandle(&imported, (void *)(intptr_t)fd, fd_type));
    OK(cuMemMap(first, unit, 0, handle, 0));
    OK(cuMemMap(second, unit, 0, imported, 0));
    OK(allow_device(0, first, unit));
    OK(allow_device(0, second, unit));
    fill(first, 6, unit);
    expect_filled(second, 6, unit);
}

CHECK(export_keeps_memory, "[header: cuMemRelease, cuMemExportToShareableHandle]",
    "memory lives as long as a descriptor that was exported, or a handle that was imported", "export_keeps_memory",
    "import_counts")
{
    size_t unit;
    CUmemGenericAllocationHandle handle = create_exportable(&unit, 64), imported;
    int fd = export(handle);
    size_t taken = free_bytes();
    OK(cuMemRelease(handle));
    EXPECT(free_bytes() < taken + 32 * unit);
    OK(cuMemImportFromShareableHandle(&imported, (void *)(intptr_t)fd, fd_type));
    EXPECT(close(fd) == 0);
    EXPECT(free_bytes() < taken + 32 * unit);
    OK(cuMemRelease(imported));
    EXPECT(free_bytes() >= taken + 32 * unit);
}

CHECK(import_nonsense, "[header: cuMemImportFromShareableHandle, CUDA_ERROR_INVALID_VALUE]",
    "a descriptor that was not exported is not imported", "import_of_export")
{
    CUmemGenericAllocationHandle handle;
    need_vmm();
    int fd = open("/dev/null", O_RDWR);
    EXPECT(fd >= 0);
    FAILS_SOMEHOW(cuMemImportFromShareableHandle(&handle, (void *)(intptr_t)fd, fd_type));
}
