/* check_launch_memory.c: memory that is taken without being asked for, and a device filled to the brim. */
#include "blas.h"
#include "context.h"
#include "vmm.h"

CHECK(context_takes_memory, "[observed: pytorch/pytorch 107667]", "a context takes memory of its device",
    "context_memory")
{
    size_t available, total;
    use_device(0);
    OK(cuMemGetInfo(&available, &total));
    EXPECT(available < total);
    new_context(0);
    EXPECT(free_bytes() < available);
}

CHECK(module_memory, "[assumed; doc: programming guide, lazy loading]",
    "modules take memory of the device when a kernel of theirs is launched first, at least five hundred do",
    "module_memory")
{
    enum { MODULES = 512 };
    CUdeviceptr memory;
    use_device(0);
    OK(cuMemAlloc(&memory, MIB));
    OK(launch_store(store_kernel(), memory, 1, NULL));
    OK(cuCtxSynchronize());
    size_t available = free_bytes();
    for (int i = 0; i < MODULES; i++)
        OK(launch_store(store_kernel(), memory, 1, NULL));
    OK(cuCtxSynchronize());
    NEVER(free_bytes() >= available);
}

CHECK(library_memory, "[observed: NVIDIA/TensorRT-LLM 8533, which logs it]",
    "a handle of cuBLAS takes memory of its device", "library_memory")
{
    blas_function("cublasCreate_v2");
    use_device(0);
    size_t available = free_bytes();
    blas_handle();
    NEVER(free_bytes() >= available);
}

enum { LARGEST = 64 };

/* All of the current device's memory, in pieces that get smaller, down to one page of 2 MiB. Returns their number. */
static int fill_device(CUdeviceptr pieces[LARGEST])
{
    size_t available, total, taken = 0;
    int count = 0;
    OK(cuMemGetInfo(&available, &total));
    for (size_t bytes = (size_t)1 << 40; bytes >= 2 * MIB; bytes /= 2)
        while (count < LARGEST && cuMemAlloc(&pieces[count], bytes) == CUDA_SUCCESS) {
            count++;
            taken += bytes;
            EXPECT(taken <= total);
        }
    EXPECT(count < LARGEST);
    return count;
}

CHECK(device_filled, "[doc: cudaMalloc]", "a full device refuses allocations, until something is freed",
    "device_capacity")
{
    CUdeviceptr pieces[LARGEST], one_more;
    use_device(0);
    int count = fill_device(pieces);
    EXPECT(count > 0);
    FAILS(cuMemAlloc(&one_more, 2 * MIB), CUDA_ERROR_OUT_OF_MEMORY);
    OK(cuMemFree(pieces[count - 1]));
    OK(cuMemAlloc(&one_more, 2 * MIB));
    fill(one_more, 1, 2 * MIB);
    expect_filled(one_more, 1, 2 * MIB);
}

CHECK(device_filled_vmm, "[header: cuMemCreate, CUDA_ERROR_OUT_OF_MEMORY]",
    "a full device refuses a handle, and what is mapped stays as it is", "device_capacity")
{
    size_t unit = need_vmm();
    CUdeviceptr pieces[LARGEST];
    CUmemGenericAllocationHandle handle;
    CUmemAllocationProp properties = memory_at(CU_MEM_LOCATION_TYPE_DEVICE, 0);
    CUdeviceptr address = reserve_and_map(unit, &handle);
    OK(allow_device(0, address, unit));
    fill(address, 9, unit);
    int count = fill_device(pieces);
    FAILS(cuMemCreate(&handle, unit, &properties, 0), CUDA_ERROR_OUT_OF_MEMORY);
    expect_filled(address, 9, unit);
    OK(cuMemFree(pieces[count - 1]));
    OK(cuMemCreate(&handle, unit, &properties, 0));
}

CHECK(device_filled_launch, "[observed: pytorch/pytorch 107667, cudf-spark 11694, gpuowl 5]",
    "the first launch of a module on a full device works or says out of memory, and works when memory was freed")
{
    CUdeviceptr pieces[LARGEST];
    use_device(0);
    CUfunction kernel = store_kernel();
    int count = fill_device(pieces);
    CUresult result = launch_store(kernel, pieces[0], 1, NULL);
    EXPECT(result == CUDA_SUCCESS || result == CUDA_ERROR_OUT_OF_MEMORY);
    OK(cuCtxSynchronize());
    for (int i = 1; i < count; i++)
        OK(cuMemFree(pieces[i]));
    OK(launch_store(kernel, pieces[0], 1, NULL));
    OK(cuCtxSynchronize());
}
