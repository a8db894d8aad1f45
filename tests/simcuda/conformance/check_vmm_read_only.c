/* check_vmm_read_only.c: mappings that may be read, not written. */
#include "cpu.h"
#include "vmm.h"

#include <string.h>

/* Gives a location read access; skips where the driver gives none but the whole. */
static void allow_reading(CUmemLocationType type, int id, CUdeviceptr address, size_t bytes)
{
    CUmemAccessDesc access = {.location = {.type = type, .id = id}, .flags = CU_MEM_ACCESS_FLAGS_PROT_READ};
    SKIP_UNLESS(set_access(address, bytes, &access) == CUDA_SUCCESS, "needs a driver that gives read access alone");
}

/* Memory of device 0 filled with 7, at an address where device 0 may read only; `*writable` is another one. */
static CUdeviceptr read_only_mapping(size_t *bytes, CUdeviceptr *writable)
{
    CUmemGenericAllocationHandle handle;
    *bytes = need_vmm();
    CUdeviceptr address = reserve_and_map(*bytes, &handle);
    *writable = reserve(*bytes);
    OK(cuMemMap(*writable, *bytes, 0, handle, 0));
    OK(allow_device(0, *writable, *bytes));
    fill(*writable, 7, *bytes);
    allow_reading(CU_MEM_LOCATION_TYPE_DEVICE, 0, address, *bytes);
    return address;
}

CHECK(access_read_only, "[header: CUmemAccess_flags; assumed: the error]",
    "a kernel that stores to a mapping which its device may only read breaks the context", "kernel_read_only")
{
    size_t bytes;
    CUdeviceptr writable, address = read_only_mapping(&bytes, &writable);
    expect_filled(address, 7, bytes);
    CUfunction kernel = store_kernel();
    OK(launch_store(kernel, writable, 1, NULL));
    OK(cuCtxSynchronize());
    OK(launch_store(kernel, address, 1, NULL));
    FAILS(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
}

/* The call's error, or that of the work that it queued. */
static CUresult outcome(CUresult queued)
{
    return queued != CUDA_SUCCESS ? queued : cuCtxSynchronize();
}

CHECK(fill_read_only, "[header: CUmemAccess_flags; assumed: refused, or a broken context]",
    "a mapping that the device may only read is not filled", "copy_read_only")
{
    size_t bytes;
    CUdeviceptr writable, address = read_only_mapping(&bytes, &writable);
    FAILS_SOMEHOW(outcome(cuMemsetD8(address, 1, bytes)));
}

CHECK(copy_read_only, "[header: CUmemAccess_flags; assumed: refused, or a broken context]",
    "a mapping that the device may only read is copied from, not to", "copy_read_only")
{
    size_t bytes;
    CUdeviceptr memory, writable, address = read_only_mapping(&bytes, &writable);
    OK(cuMemAlloc(&memory, bytes));
    OK(cuMemcpyDtoD(memory, address, bytes));
    expect_filled(memory, 7, bytes);
    FAILS_SOMEHOW(outcome(cuMemcpyDtoD(address, memory, bytes)));
}

/* Mapped host memory filled with 9, which the CPU may only read. */
static CUdeviceptr host_read_only(size_t *bytes)
{
    int node;
    CUdeviceptr address = host_mapping(bytes, &node);
    OK(allow_device(0, address, *bytes));
    fill(address, 9, *bytes);
    allow_reading(CU_MEM_LOCATION_TYPE_HOST_NUMA, node, address, *bytes);
    return address;
}

CHECK(cpu_read_only, "[header: CUmemAccess_flags; assumed: a fault]",
    "the CPU reads mapped host memory with read access, and cannot write it", "cpu_read_only")
{
    size_t bytes;
    CUdeviceptr address = host_read_only(&bytes);
    EXPECT(cpu_can_read(address));
    EXPECT(((unsigned char *)address)[bytes - 1] == 9);
    NEVER(cpu_can_write(address));
    OK(cuMemsetD8(address, 3, bytes)); /* the device still can */
    OK(cuCtxSynchronize());
    EXPECT(((unsigned char *)address)[bytes - 1] == 3);
}
