/* check_host_memory.c: pinned and registered host memory, and how much of it there is. */
#include "cpu.h"
#include "vmm.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* More than any machine has on which the checks of too large requests run. */
#define TOO_MUCH ((size_t)1 << 40)

static void need_less_memory(void)
{
    SKIP_UNLESS((size_t)sysconf(_SC_PHYS_PAGES) * (size_t)sysconf(_SC_PAGESIZE) < TOO_MUCH / 2,
        "needs a machine with less than 512 GiB of memory");
}

CHECK(pinned_too_large, "[doc: cudaHostAlloc]",
    "more pinned memory than the machine has is refused, and that does no harm", "host_capacity")
{
    void *memory;
    need_less_memory();
    use_device(0);
    FAILS(cudaHostAlloc(&memory, TOO_MUCH, cudaHostAllocDefault), cudaErrorMemoryAllocation);
    FAILS(cudaGetLastError(), cudaErrorMemoryAllocation);
    OK(cudaHostAlloc(&memory, MIB, cudaHostAllocDefault));
    memset(memory, 1, MIB);
    expect_filled((CUdeviceptr)memory, 1, MIB);
}

/* More than the one limit that the check below fills, and less than the machines without it have. */
#define NOT_FOR_LIMITED ((size_t)12 << 30)

/* Registers memory that nobody touched, in pieces that get smaller, until no 2 MiB more are possible. Returns how much.
 */
static size_t register_all(char *memory, size_t most_bytes)
{
    size_t taken = 0;
    for (size_t bytes = (size_t)1 << 30; bytes >= 2 * MIB; bytes /= 2)
        while (taken + bytes <= most_bytes && cudaHostRegister(memory + taken, bytes, 0) == cudaSuccess)
            taken += bytes;
    return taken;
}

CHECK(host_budget_shared, "[assumed]",
    "pinned, registered and host-located memory come out of one budget, and give back to it", "host_budget_shared")
{
    size_t unit;
    void *pinned;
    need_simulator(); /* a real machine without free memory is no place for a check */
    int node = need_host_vmm(&unit);
    CUmemAllocationProp properties = memory_at(CU_MEM_LOCATION_TYPE_HOST_NUMA, node);
    CUmemGenericAllocationHandle handle;
    SKIP_UNLESS(cudaHostAlloc(&pinned, NOT_FOR_LIMITED, 0) != cudaSuccess, "needs a machine with little memory");
    char *memory =
        mmap(NULL, NOT_FOR_LIMITED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    EXPECT(memory != MAP_FAILED);
    NEVER(register_all(memory, NOT_FOR_LIMITED) + 1024 * MIB > NOT_FOR_LIMITED);
    FAILS(cudaHostAlloc(&pinned, 2 * MIB, 0), cudaErrorMemoryAllocation);
    FAILS_SOMEHOW(cuMemCreate(&handle, unit, &properties, 0));
    OK(cudaHostUnregister(memory)); /* 1 GiB */
    OK(cudaHostAlloc(&pinned, 256 * MIB, 0));
    OK(cuMemCreate(&handle, 256 * MIB, &properties, 0));
    FAILS(cudaHostRegister(memory, 1024 * MIB, 0), cudaErrorMemoryAllocation);
    OK(cudaFreeHost(pinned));
    FAILS(cudaHostRegister(memory, 1024 * MIB, 0), cudaErrorMemoryAllocation);
    OK(cuMemRelease(handle));
    OK(cudaHostRegister(memory, 1024 * MIB, 0));
    FAILS_SOMEHOW(cuMemCreate(&handle, unit, &properties, 0));
}

CHECK(pinned_memory, "[doc: cudaHostAlloc]", "pinned memory has one address for the CPU and the device")
{
    struct cudaPointerAttributes attributes;
    void *memory, *on_device;
    use_device(0);
    OK(cudaHostAlloc(&memory, MIB, cudaHostAllocDefault));
    memset(memory, 7, MIB);
    OK(cudaPointerGetAttributes(&attributes, memory));
    EXPECT(attributes.type == cudaMemoryTypeHost);
    OK(cudaHostGetDevicePointer(&on_device, memory, 0));
    EXPECT(on_device == memory);
    expect_filled((CUdeviceptr)on_device, 7, MIB);
    OK(cudaFreeHost(memory));
}

CHECK(pinned_for_all_devices, "[header: cuMemHostAlloc, unified addressing]",
    "kernels of every device use pinned memory, whichever device it was allocated for")
{
    void *memory;
    use_device(0);
    OK(cudaHostAlloc(&memory, MIB, cudaHostAllocDefault));
    for (int device = 0; device < device_count(); device++) {
        use_device(device);
        OK(launch_store(store_kernel(), (CUdeviceptr)memory, 1, NULL));
        OK(cuCtxSynchronize());
    }
}

CHECK(register_host, "[header: cuMemHostRegister, cuMemHostUnregister]",
    "host memory is registered once, and unregistered only when it is registered", "register_once",
    "unregister_registered")
{
    struct cudaPointerAttributes attributes;
    void *memory = aligned_alloc(4096, MIB);
    use_device(0);
    OK(cudaHostRegister(memory, MIB, cudaHostRegisterDefault));
    FAILS(cudaHostRegister(memory, MIB, cudaHostRegisterDefault), cudaErrorHostMemoryAlreadyRegistered);
    OK(cudaPointerGetAttributes(&attributes, memory));
    EXPECT(attributes.type == cudaMemoryTypeHost);
    OK(cudaHostUnregister(memory));
    FAILS(cudaHostUnregister(memory), cudaErrorHostMemoryNotRegistered);
    OK(cudaPointerGetAttributes(&attributes, memory));
    EXPECT(attributes.type == cudaMemoryTypeUnregistered);
}

CHECK(register_nothing, "[header: cuMemHostRegister, CUDA_ERROR_INVALID_VALUE]", "no bytes cannot be registered",
    "register_some_bytes")
{
    void *memory = aligned_alloc(4096, MIB);
    use_device(0);
    FAILS_SOMEHOW(cudaHostRegister(memory, 0, cudaHostRegisterDefault));
}

CHECK(register_hole, "[assumed]", "memory with a hole in it cannot be registered", "register_mapped")
{
    char *memory = mmap(NULL, 2 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    use_device(0);
    mprotect(memory + MIB, 4096, PROT_NONE);
    FAILS_SOMEHOW(cudaHostRegister(memory, 2 * MIB, cudaHostRegisterDefault));
    OK(cudaHostRegister(memory, MIB, cudaHostRegisterDefault));
    OK(cudaHostUnregister(memory));
}

CHECK(register_read_only, "[header: CU_MEMHOSTREGISTER_READ_ONLY]",
    "memory that the program can only read is registered with the flag that says so", "register_read_only")
{
    void *memory = mmap(NULL, MIB, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    SKIP_UNLESS(device_attribute(0, CU_DEVICE_ATTRIBUTE_READ_ONLY_HOST_REGISTER_SUPPORTED) &&
                    !device_attribute(0, CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS_USES_HOST_PAGE_TABLES),
        "needs a device that registers read-only memory, and has page tables of its own");
    use_device(0);
    FAILS_SOMEHOW(cudaHostRegister(memory, MIB, cudaHostRegisterDefault));
    OK(cudaHostRegister(memory, MIB, cudaHostRegisterReadOnly));
    OK(cudaHostUnregister(memory));
}

CHECK(unregister_interior, "[header: cuMemHostUnregister]",
    "registered memory is unregistered by the address that was registered", "unregister_base")
{
    char *memory = aligned_alloc(4096, MIB);
    use_device(0);
    OK(cudaHostRegister(memory, MIB, cudaHostRegisterDefault));
    FAILS_SOMEHOW(cudaHostUnregister(memory + MIB / 2));
    OK(cudaHostUnregister(memory));
}

CHECK(register_keeps_bytes, "[header: cuMemHostRegister]",
    "registering memory and letting it go again leaves its bytes and its place alone")
{
    unsigned char *memory = aligned_alloc(4096, MIB);
    use_device(0);
    memset(memory, 3, MIB);
    OK(cudaHostRegister(memory, MIB, cudaHostRegisterDefault));
    expect_filled((CUdeviceptr)memory, 3, MIB);
    memory[MIB - 1] = 4;
    OK(cudaHostUnregister(memory));
    EXPECT(memory[0] == 3 && memory[MIB - 1] == 4);
}

CHECK(device_pointer_unknown, "[header: cuMemHostGetDevicePointer]",
    "memory that was neither pinned nor registered has no device pointer", "host_pointer_known")
{
    CUdeviceptr address;
    void *memory = aligned_alloc(4096, MIB);
    SKIP_UNLESS(!device_attribute(0, CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS),
        "needs a device that cannot use pageable memory");
    use_device(0);
    FAILS_SOMEHOW(cuMemHostGetDevicePointer(&address, memory, 0));
}

CHECK(flags_unknown, "[header: cuMemHostGetFlags]", "only memory from cuMemHostAlloc tells flags", "host_flags_known")
{
    unsigned flags;
    void *memory = aligned_alloc(4096, MIB), *pinned;
    use_device(0);
    OK(cudaHostAlloc(&pinned, MIB, cudaHostAllocPortable));
    OK(cudaHostGetFlags(&flags, pinned));
    EXPECT(flags & cudaHostAllocPortable);
    FAILS_SOMEHOW(cudaHostGetFlags(&flags, memory));
}

CHECK(host_mapped_too_large, "[header: cuMemCreate, CUDA_ERROR_OUT_OF_MEMORY]",
    "a handle for more memory than the machine has is refused", "host_capacity")
{
    size_t unit;
    int node = need_host_vmm(&unit);
    CUmemAllocationProp properties = memory_at(CU_MEM_LOCATION_TYPE_HOST_NUMA, node);
    CUmemGenericAllocationHandle handle;
    need_less_memory();
    FAILS_SOMEHOW(cuMemCreate(&handle, TOO_MUCH, &properties, 0));
    OK(cuMemCreate(&handle, unit, &properties, 0));
}

CHECK(pageable_for_kernels, "[doc: programming guide, unified memory]",
    "kernels use ordinary memory where the device says that they can")
{
    void *memory = aligned_alloc(4096, MIB);
    SKIP_UNLESS(
        device_attribute(0, CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS), "needs a device that can use pageable memory");
    use_device(0);
    memset(memory, 1, MIB);
    OK(launch_store(store_kernel(), (CUdeviceptr)memory, 1, NULL));
    OK(cuCtxSynchronize());
}
