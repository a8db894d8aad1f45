/* hooks_device.c: what the program asks about pointers and devices. Wherever its bytes live, an allocation of ours is
 * device memory of the compute device, as the program asked for it. */
#include "arena.h"
#include "below.h"
#include "compute.h"
#include "driver.h"
#include "hook.h"
#include "host_ahead.h"
#include "log.h"
#include "retire.h"

cudaError_t vs_cudaPointerGetAttributes(
    const struct vs_cudart *real, struct cudaPointerAttributes *attributes, const void *pointer)
{
    struct vs_allocation allocation;
    cudaError_t result = real->cudaPointerGetAttributes(attributes, pointer);
    if (result != cudaSuccess || !vs_arena_find((CUdeviceptr)pointer, &allocation))
        return result;
    /* Field by field: CUDA 12's structure is shorter than the one that this file is compiled with. */
    attributes->type = cudaMemoryTypeDevice;
    attributes->device = allocation.compute->ordinal;
    attributes->devicePointer = (void *)pointer;
    attributes->hostPointer = NULL;
    return cudaSuccess;
}

/* Answers an attribute of ours in place of the driver. False where the driver's own answer holds. */
static bool answer_attribute(const struct vs_allocation *allocation, CUpointer_attribute attribute, CUdeviceptr address,
    void *data, CUresult *result)
{
    *result = CUDA_SUCCESS;
    switch (attribute) {
    case CU_POINTER_ATTRIBUTE_CONTEXT:
        *(CUcontext *)data = allocation->compute->context;
        return true;
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
        *(unsigned *)data = CU_MEMORYTYPE_DEVICE;
        return true;
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
        *(CUdeviceptr *)data = address;
        return true;
    case CU_POINTER_ATTRIBUTE_HOST_POINTER: /* device memory has none (CUDA Driver API, cuPointerGetAttribute) */
        *(void **)data = NULL;
        *result = CUDA_ERROR_INVALID_VALUE;
        return true;
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
        *(int *)data = allocation->compute->ordinal;
        return true;
    case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
        *(CUdeviceptr *)data = allocation->base;
        return true;
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
        *(size_t *)data = allocation->bytes;
        return true;
    case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
        *(int *)data = 0;
        return true;
    default:
        return false;
    }
}

CUresult vs_cuPointerGetAttribute(
    const struct vs_libcuda *real, void *data, CUpointer_attribute attribute, CUdeviceptr address)
{
    struct vs_allocation allocation;
    CUresult result;
    if (data && vs_arena_find(address, &allocation) && answer_attribute(&allocation, attribute, address, data, &result))
        return result;
    return real->cuPointerGetAttribute(data, attribute, address);
}

CUresult vs_cuPointerGetAttributes(
    const struct vs_libcuda *real, unsigned count, CUpointer_attribute *attributes, void **data, CUdeviceptr address)
{
    struct vs_allocation allocation;
    CUresult result = real->cuPointerGetAttributes(count, attributes, data, address);
    if (result != CUDA_SUCCESS || !vs_arena_find(address, &allocation))
        return result;
    for (unsigned i = 0; i < count; i++) {
        CUresult ignored; /* this form answers NULL where the single form fails */
        if (data[i])
            answer_attribute(&allocation, attributes[i], address, data[i], &ignored);
    }
    return CUDA_SUCCESS;
}

CUresult vs_cuMemGetAddressRange_v2(
    const struct vs_libcuda *real, CUdeviceptr *base, size_t *bytes, CUdeviceptr address)
{
    struct vs_allocation allocation;
    if (!vs_arena_find(address, &allocation))
        return real->cuMemGetAddressRange_v2(base, bytes, address);
    if (base)
        *base = allocation.base;
    if (bytes)
        *bytes = allocation.bytes;
    return CUDA_SUCCESS;
}

cudaError_t vs_cudaIpcGetMemHandle(const struct vs_cudart *real, cudaIpcMemHandle_t *handle, void *pointer)
{
    struct vs_allocation allocation;
    if (vs_arena_find((CUdeviceptr)pointer, &allocation))
        vs_log(VS_LOG_WARN, "memory",
            "the program exports a weight to another process (cudaIpcGetMemHandle), which placed memory does not "
            "allow; "
            "run it without VRAMSPAN_POLICY");
    return real->cudaIpcGetMemHandle(handle, pointer);
}

cudaError_t vs_cudaDeviceReset(const struct vs_cudart *real)
{
    CUcontext context;
    CUdevice device = -1;
    const struct vs_driver *driver = vs_driver();
    bool known = driver && driver->cuCtxGetCurrent(&context) == CUDA_SUCCESS;
    int ordinal = known ? vs_compute_of(context) : -1;
    if (ordinal >= 0) {
        vs_arena_drop(ordinal);
        vs_host_ahead_drop_device(ordinal);
        vs_retire_drop(ordinal);
        vs_compute_reset(ordinal);
    }
    if (known && driver->cuCtxGetDevice(&device) != CUDA_SUCCESS)
        device = -1;
    cudaError_t result = real->cudaDeviceReset();
    if (result == cudaSuccess)
        vs_below_forget(device);
    return result;
}
