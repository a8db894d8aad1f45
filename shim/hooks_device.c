/* hooks_device.c: what the program asks about pointers and devices. Wherever its bytes live, an allocation of ours is
 * device memory of the compute device, as the program asked for it, and so is what it has mapped itself (guest.h); of
 * that the driver tells the truth while it is at home. */
#include "arena.h"
#include "below.h"
#include "compute.h"
#include "driver.h"
#include "guest_map.h"
#include "hook.h"
#include "host_ahead.h"
#include "log.h"
#include "retire.h"

/* The device of what the program has mapped itself; NULL: nothing is there. Lock-free: while it moves, too. */
static const struct vs_compute *device_of_mapped(CUdeviceptr address)
{
    const struct vs_range *range = vs_range_of(address);
    if (!range || range->kind != VS_RANGE_GUEST ||
        vs_page_home_of(range, vs_page_of(range, address)).kind == VS_HOME_NONE)
        return NULL;
    return range->compute;
}

cudaError_t vs_cudaPointerGetAttributes(
    const struct vs_cudart *real, struct cudaPointerAttributes *attributes, const void *pointer)
{
    struct vs_allocation allocation;
    const struct vs_compute *compute = device_of_mapped((CUdeviceptr)pointer);
    cudaError_t result = real->cudaPointerGetAttributes(attributes, pointer);
    if (compute && result == cudaSuccess && attributes->type == cudaMemoryTypeDevice &&
        attributes->device == compute->ordinal)
        return result;
    if (compute && (result != cudaSuccess || attributes->type == cudaMemoryTypeUnregistered)) { /* it moves */
        struct vs_guest_held held = vs_guest_hold((CUdeviceptr)pointer);
        result = real->cudaPointerGetAttributes(attributes, pointer);
        compute = held.extent ? compute : NULL;
        vs_guest_let_go(held);
    }
    if (vs_arena_find((CUdeviceptr)pointer, &allocation))
        compute = allocation.compute;
    if (result != cudaSuccess || !compute)
        return result;
    /* Field by field: CUDA 12's structure is shorter than the one that this file is compiled with. */
    attributes->type = cudaMemoryTypeDevice;
    attributes->device = compute->ordinal;
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

/* What is the same of it wherever it lies: most of what is asked, so nobody waits for a page that moves. */
static bool answer_anywhere(CUpointer_attribute attribute, CUdeviceptr address, void *data, CUresult *result)
{
    const struct vs_compute *compute = device_of_mapped(address);
    if (!compute)
        return false;
    *result = CUDA_SUCCESS;
    switch (attribute) {
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
        *(unsigned *)data = CU_MEMORYTYPE_DEVICE;
        return true;
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
        *(int *)data = compute->ordinal;
        return true;
    default:
        return false;
    }
}

/* The same of what the program has mapped itself and does not lie at home. */
static bool answer_mapped(const struct vs_extent *extent, CUpointer_attribute attribute, void *data, CUresult *result)
{
    const struct vs_guest_mapping *mapping = extent->mapping;
    *result = CUDA_SUCCESS;
    switch (attribute) {
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
        *(unsigned *)data = CU_MEMORYTYPE_DEVICE;
        return true;
    case CU_POINTER_ATTRIBUTE_HOST_POINTER:
        *(void **)data = NULL;
        *result = CUDA_ERROR_INVALID_VALUE;
        return true;
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
        *(int *)data = extent->range->compute->ordinal;
        return true;
    case CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES:
        *(unsigned long long *)data = mapping->properties->requestedHandleTypes;
        return true;
    case CU_POINTER_ATTRIBUTE_MAPPING_BASE_ADDR:
        *(CUdeviceptr *)data = mapping->address;
        return true;
    case CU_POINTER_ATTRIBUTE_MAPPING_SIZE:
        *(size_t *)data = mapping->bytes;
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
    if (data && answer_anywhere(attribute, address, data, &result))
        return result;
    struct vs_guest_held held = vs_guest_hold(address);
    if (!data || !held.extent || held.at_home || !answer_mapped(held.extent, attribute, data, &result))
        result = real->cuPointerGetAttribute(data, attribute, address);
    vs_guest_let_go(held);
    return result;
}

CUresult vs_cuPointerGetAttributes(
    const struct vs_libcuda *real, unsigned count, CUpointer_attribute *attributes, void **data, CUdeviceptr address)
{
    struct vs_allocation allocation;
    struct vs_guest_held held = vs_guest_hold(address);
    CUresult result = real->cuPointerGetAttributes(count, attributes, data, address);
    bool ours = vs_arena_find(address, &allocation);
    for (unsigned i = 0; i < count && result == CUDA_SUCCESS; i++) {
        CUresult ignored; /* this form answers NULL where the single form fails */
        if (data[i] && ours)
            answer_attribute(&allocation, attributes[i], address, data[i], &ignored);
        else if (data[i] && held.extent && !held.at_home)
            answer_mapped(held.extent, attributes[i], data[i], &ignored);
    }
    vs_guest_let_go(held);
    return result;
}

CUresult vs_cuMemGetAddressRange_v2(
    const struct vs_libcuda *real, CUdeviceptr *base, size_t *bytes, CUdeviceptr address)
{
    struct vs_allocation allocation;
    struct vs_guest_held held = vs_guest_hold(address);
    CUresult result = CUDA_SUCCESS;
    if (held.extent && !held.at_home) {
        allocation.base = held.extent->mapping->address;
        allocation.bytes = held.extent->mapping->bytes;
    } else if (!vs_arena_find(address, &allocation)) {
        result = real->cuMemGetAddressRange_v2(&allocation.base, &allocation.bytes, address);
    }
    vs_guest_let_go(held);
    if (base && result == CUDA_SUCCESS)
        *base = allocation.base;
    if (bytes && result == CUDA_SUCCESS)
        *bytes = allocation.bytes;
    return result;
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
