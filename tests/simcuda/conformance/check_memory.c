/* check_memory.c: device allocations, and what CUDA knows of a pointer. */
#include "cpu.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

CHECK(malloc_zero, "[observed: PyTorch, empty tensors]", "cudaMalloc of no bytes succeeds with a null pointer")
{
    void *memory = (void *)1;
    use_device(0);
    OK(cudaMalloc(&memory, 0));
    EXPECT(memory == NULL);
}

CHECK(driver_alloc_zero, "[header: cuMemAlloc]", "cuMemAlloc of no bytes is an error", "alloc_zero_bytes")
{
    CUdeviceptr memory;
    use_device(0);
    FAILS(cuMemAlloc(&memory, 0), CUDA_ERROR_INVALID_VALUE);
}

CHECK(free_null, "[doc: cudaFree]", "freeing a null pointer is no error")
{
    use_device(0);
    OK(cudaFree(NULL));
    OK(cudaFreeHost(NULL));
}

CHECK(free_twice, "[doc: cudaFree]", "freeing device memory a second time is an error", "free_live")
{
    void *memory;
    use_device(0);
    OK(cudaMalloc(&memory, 4096));
    OK(cudaFree(memory));
    FAILS(cudaFree(memory), cudaErrorInvalidValue);
}

CHECK(free_interior, "[header: cuMemFree]", "freeing an address inside an allocation is an error", "free_base")
{
    CUdeviceptr memory;
    use_device(0);
    OK(cuMemAlloc(&memory, 4 * MIB));
    FAILS(cuMemFree(memory + MIB), CUDA_ERROR_INVALID_VALUE);
    OK(cuMemFree(memory));
}

CHECK(malloc_too_large, "[doc: cudaMalloc]", "an allocation larger than the device fails and does no harm",
    "device_capacity")
{
    size_t available, total;
    void *memory;
    use_device(0);
    OK(cudaMemGetInfo(&available, &total));
    FAILS(cudaMalloc(&memory, total + MIB), cudaErrorMemoryAllocation);
    FAILS(cudaGetLastError(), cudaErrorMemoryAllocation);
    OK(cudaMalloc(&memory, MIB));
    OK(cudaFree(memory));
    OK(cudaGetLastError());
}

CHECK(memory_info, "[doc: cudaMemGetInfo]",
    "an allocation takes its bytes from the free memory, and freeing gives them back")
{
    void *memory;
    use_device(0);
    size_t before = free_bytes();
    OK(cudaMalloc(&memory, 256 * MIB));
    size_t during = free_bytes();
    EXPECT(during <= before - 256 * MIB);
    OK(cudaFree(memory));
    EXPECT(free_bytes() >= during + 256 * MIB);
}

CHECK(malloc_aligned, "[doc: programming guide, device memory accesses]",
    "addresses from cudaMalloc are multiples of 256")
{
    use_device(0);
    for (size_t bytes = 1; bytes < 5000; bytes = bytes * 3 + 1) {
        void *memory;
        OK(cudaMalloc(&memory, bytes));
        EXPECT((uintptr_t)memory % 256 == 0);
    }
}

CHECK(address_range, "[header: cuMemGetAddressRange]", "an address inside an allocation leads to its base and size")
{
    CUdeviceptr memory, base;
    size_t bytes;
    use_device(0);
    OK(cuMemAlloc(&memory, 6 * MIB));
    OK(cuMemGetAddressRange(&base, &bytes, memory + 5 * MIB));
    EXPECT(base == memory && bytes == 6 * MIB);
}

CHECK(pointer_device, "[doc: cudaPointerGetAttributes]", "device memory is known as such, with its device")
{
    void *memory;
    struct cudaPointerAttributes attributes;
    int device = device_count() - 1;
    use_device(device);
    OK(cudaMalloc(&memory, MIB));
    OK(cudaSetDevice(0));
    OK(cudaPointerGetAttributes(&attributes, (char *)memory + 4096));
    EXPECT(attributes.type == cudaMemoryTypeDevice);
    EXPECT(attributes.device == device);
    EXPECT(attributes.devicePointer == (char *)memory + 4096);
    EXPECT(attributes.hostPointer == NULL);
}

CHECK(pointer_unregistered, "[doc: cudaPointerGetAttributes]",
    "host memory that CUDA does not know is an answer to the runtime's question, and none to the driver's",
    "pointer_known")
{
    struct cudaPointerAttributes attributes;
    unsigned type;
    char *memory = malloc(4096);
    use_device(0);
    OK(cudaPointerGetAttributes(&attributes, memory));
    EXPECT(attributes.type == cudaMemoryTypeUnregistered);
    OK(cudaGetLastError());
    FAILS(
        cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, (CUdeviceptr)memory), CUDA_ERROR_INVALID_VALUE);
}

CHECK(free_wrong_door, "[doc: cudaFree, cudaFreeHost]",
    "pinned memory is not freed by cudaFree, nor device memory by cudaFreeHost", "free_own_kind")
{
    void *pinned, *memory;
    use_device(0);
    OK(cudaMallocHost(&pinned, MIB));
    OK(cudaMalloc(&memory, MIB));
    FAILS(cudaFree(pinned), cudaErrorInvalidValue);
    FAILS(cudaFreeHost(memory), cudaErrorInvalidValue);
    OK(cudaFreeHost(pinned));
    OK(cudaFree(memory));
}

CHECK(addresses_unified, "[doc: programming guide, unified addressing]",
    "no address is given out twice, whatever device or host memory it names")
{
    enum { EACH = 16 };
    void *addresses[3 * EACH];
    int count = 0, devices = device_count() > 1 ? 2 : 1;
    for (int device = 0; device < devices; device++) {
        use_device(device);
        for (int i = 0; i < EACH; i++)
            OK(cudaMalloc(&addresses[count++], MIB));
    }
    for (int i = 0; i < EACH; i++)
        OK(cudaMallocHost(&addresses[count++], MIB));
    for (int i = 0; i < count; i++)
        for (int k = 0; k < i; k++)
            EXPECT((char *)addresses[i] + MIB <= (char *)addresses[k] ||
                   (char *)addresses[k] + MIB <= (char *)addresses[i]);
}

CHECK(device_memory_hidden, "[doc: programming guide, device memory]", "the CPU does not reach device memory",
    "device_memory_hidden")
{
    CUdeviceptr memory;
    SKIP_UNLESS(!device_attribute(0, CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS_USES_HOST_PAGE_TABLES),
        "needs a device whose memory is apart from the host's");
    use_device(0);
    OK(cuMemAlloc(&memory, MIB));
    fill(memory, 1, MIB);
    EXPECT(!cpu_can_read(memory));
    EXPECT(!cpu_can_read(memory + MIB - 1));
}
