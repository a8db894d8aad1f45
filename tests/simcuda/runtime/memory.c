/* memory.c: allocation and freeing of device and host memory, and what a pointer is.
 *
 * Sizes of zero and null pointers are the runtime's own affair: it answers them with success before the driver sees
 * them (CUDA Runtime API, cudaMalloc: a size of 0 gives a null pointer; cudaFree: a null pointer is no error). */
#include "context.h"
#include "runtime.h"

#include <stdio.h>

cudaError_t cudaMalloc(void **pointer, size_t bytes)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    if (!pointer)
        return rt_fail(cudaErrorInvalidValue);
    *pointer = NULL;
    return bytes ? rt_leave(RT_DRIVER(cuMemAlloc)((CUdeviceptr *)pointer, bytes)) : cudaSuccess;
}

cudaError_t cudaFree(void *pointer)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    return pointer ? rt_leave(RT_DRIVER(cuMemFree)((CUdeviceptr)pointer)) : cudaSuccess;
}

cudaError_t cudaMallocPitch(void **pointer, size_t *pitch, size_t width, size_t height)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    if (!pointer || !pitch)
        return rt_fail(cudaErrorInvalidValue);
    *pointer = NULL;
    *pitch = 0;
    if (!width || !height)
        return cudaSuccess;
    /* 4 bytes an element: the smallest that the driver takes, and what it takes does not change the pitch (cuda.h). */
    return rt_leave(RT_DRIVER(cuMemAllocPitch)((CUdeviceptr *)pointer, pitch, width, height, 4));
}

cudaError_t cudaMalloc3D(struct cudaPitchedPtr *pitched, struct cudaExtent extent)
{
    if (!pitched)
        return rt_fail(cudaErrorInvalidValue);
    *pitched = (struct cudaPitchedPtr){.xsize = extent.width, .ysize = extent.height};
    return cudaMallocPitch(&pitched->ptr, &pitched->pitch, extent.width, extent.height * extent.depth);
}

cudaError_t cudaHostAlloc(void **pointer, size_t bytes, unsigned int flags)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    if (!pointer)
        return rt_fail(cudaErrorInvalidValue);
    *pointer = NULL;
    return bytes ? rt_leave(RT_DRIVER(cuMemHostAlloc)(pointer, bytes, flags)) : cudaSuccess;
}

cudaError_t cudaMallocHost(void **pointer, size_t bytes)
{
    return cudaHostAlloc(pointer, bytes, cudaHostAllocDefault);
}

cudaError_t cudaFreeHost(void *pointer)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    return pointer ? rt_leave(RT_DRIVER(cuMemFreeHost)(pointer)) : cudaSuccess;
}

cudaError_t cudaMallocManaged(void **pointer, size_t bytes, unsigned int flags)
{
    (void)pointer, (void)flags;
    static bool told;
    if (!told)
        fprintf(stderr,
            "simulated CUDA: cudaMallocManaged of %zu bytes: managed memory is not simulated; use cudaMalloc, or "
            "cudaHostAlloc for memory that the CPU reads too\n",
            bytes);
    told = true;
    return rt_fail(cudaErrorNotSupported);
}

/* Host memory that CUDA does not know is an answer, not an error (CUDA Runtime API, cudaPointerGetAttributes, since
 * 11). The driver's plural query answers it with zeros. */
cudaError_t cudaPointerGetAttributes(struct cudaPointerAttributes *attributes, const void *pointer)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    if (!attributes)
        return rt_fail(cudaErrorInvalidValue);
    CUmemorytype type = 0;
    int ordinal = cudaInvalidDeviceId;
    unsigned managed = 0;
    void *device_pointer = NULL, *host_pointer = NULL;
    CUpointer_attribute names[] = {CU_POINTER_ATTRIBUTE_MEMORY_TYPE, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL,
        CU_POINTER_ATTRIBUTE_IS_MANAGED, CU_POINTER_ATTRIBUTE_DEVICE_POINTER, CU_POINTER_ATTRIBUTE_HOST_POINTER};
    void *values[] = {&type, &ordinal, &managed, &device_pointer, &host_pointer};
    CUresult result =
        RT_DRIVER(cuPointerGetAttributes)(sizeof names / sizeof names[0], names, values, (CUdeviceptr)pointer);
    if (result)
        return rt_leave(result);
    *attributes = (struct cudaPointerAttributes){
        .type = managed                      ? cudaMemoryTypeManaged
                : type == CU_MEMORYTYPE_HOST ? cudaMemoryTypeHost
                : type == 0                  ? cudaMemoryTypeUnregistered
                                             : cudaMemoryTypeDevice,
        .device = type == 0 ? cudaInvalidDeviceId : ordinal,
        .devicePointer = type == 0 ? NULL : device_pointer,
        .hostPointer = type == 0 ? (void *)pointer : host_pointer,
    };
    return cudaSuccess;
}
