/* vmm_handle.c: reservations of addresses, and handles of physical memory; see vmm.h. */
#include "address.h"
#include "api.h"
#include "knowledge.h"
#include "objects.h"
#include "rules.h"
#include "trace.h"
#include "vmm.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- reservations ------------------------------------------------------------------------------------------------- */

static struct sim_reservation *reservations; /* sorted */
static size_t reservation_count, reservation_capacity;

static size_t position_of(CUdeviceptr address)
{
    size_t low = 0, high = reservation_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (reservations[middle].start + reservations[middle].bytes <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct sim_reservation *sim_reservation_find(CUdeviceptr address)
{
    size_t index = position_of(address);
    return index < reservation_count && reservations[index].start <= address ? &reservations[index] : NULL;
}

/* Observed on virtual GPUs (ppl.nn 8, comfy-aimdo 25): where no device has virtual memory management, there are no
 * addresses to be had either. */
static bool no_device_has_vmm(void)
{
    for (int i = 0; i < sim.machine.device_count; i++)
        if (sim.devices[i].description.vmm)
            return false;
    return true;
}

CUresult sim_cuMemAddressReserve(
    CUdeviceptr *address, size_t bytes, size_t alignment, CUdeviceptr hint, unsigned long long flags)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    CUdeviceptr start;
    size_t index;

    if (address == NULL || bytes == 0 || hint % page != 0 || flags != 0)
        return CUDA_ERROR_INVALID_VALUE;
    if (no_device_has_vmm())
        return SIM_REFUSE(vmm_absent_addresses, CUDA_ERROR_NOT_SUPPORTED);
    if (bytes % page != 0)
        return SIM_REFUSE(reserve_pages, CUDA_ERROR_INVALID_VALUE);
    if ((alignment & (alignment - 1)) != 0)
        return SIM_REFUSE(reserve_alignment, CUDA_ERROR_INVALID_VALUE);
    if (reservation_count == reservation_capacity) {
        size_t more = reservation_capacity ? reservation_capacity * 2 : 64;
        struct sim_reservation *grown = realloc(reservations, more * sizeof *grown);
        if (grown == NULL)
            return CUDA_ERROR_OUT_OF_MEMORY;
        reservations = grown;
        reservation_capacity = more;
    }
    start = sim_address_take(bytes, alignment > SIM_PAGE_BYTES ? alignment : SIM_PAGE_BYTES, hint);
    if (start == 0)
        return CUDA_ERROR_OUT_OF_MEMORY;
    index = position_of(start);
    memmove(&reservations[index + 1], &reservations[index], (reservation_count - index) * sizeof *reservations);
    reservations[index] = (struct sim_reservation){start, bytes};
    reservation_count++;
    *address = start;
    return CUDA_SUCCESS;
}

/* Exactly one reservation, and nothing mapped in it. */
CUresult sim_cuMemAddressFree(CUdeviceptr address, size_t bytes)
{
    struct sim_reservation *reservation = sim_reservation_find(address);
    const struct sim_range *range = sim_range_from(address);

    if (reservation == NULL || reservation->start != address || reservation->bytes != bytes)
        return SIM_REFUSE(reservation_exact, CUDA_ERROR_INVALID_VALUE);
    if (range != NULL && range->start < address + bytes)
        return SIM_REFUSE(reservation_unmapped, CUDA_ERROR_INVALID_VALUE);
    memmove(reservation, reservation + 1,
        (size_t)(reservations + reservation_count - (reservation + 1)) * sizeof *reservations);
    reservation_count--;
    sim_address_give(address, bytes);
    return CUDA_SUCCESS;
}

/* --- handles ------------------------------------------------------------------------------------------------------ */

uint64_t sim_handle_id(const struct sim_handle *handle)
{
    return handle->id;
}

unsigned long long sim_handle_types(const struct sim_handle *handle)
{
    return handle->properties.requestedHandleTypes;
}

struct sim_handle *sim_handle_of(CUmemGenericAllocationHandle number)
{
    struct sim_handle *handle = (struct sim_handle *)(uintptr_t)number;
    return sim_object_is(handle, SIM_OBJECT_HANDLE) && handle->references > 0 ? handle : NULL;
}

void sim_handle_settle(struct sim_handle *handle)
{
    if (handle->references > 0 || handle->mappings > 0 || !SIM_RULE(unused_memory_freed) ||
        (handle->exports > 0 && SIM_RULE(export_keeps_memory)))
        return;
    sim_exports_forget(handle);
    sim_knowledge_set((uintptr_t)sim_physical_alias(&handle->block), handle->bytes, SIM_UNKNOWN);
    sim_physical_give(&handle->block);
    sim_object_remove(handle);
    free(handle);
}

/* Where the properties ask for memory; an error where this machine has none of that kind. The rules are cuda.h's at
 * cuMemCreate and CUmemLocationType. */
static CUresult location_of(const CUmemAllocationProp *properties, int *location)
{
    const struct vs_machine_device *device;
    int ordinal = properties->location.id;

    if (properties->type != CU_MEM_ALLOCATION_TYPE_PINNED)
        return CUDA_ERROR_INVALID_VALUE;
    switch ((int)properties->location.type) {
    case CU_MEM_LOCATION_TYPE_DEVICE:
        if (!sim_is_device(ordinal))
            return CUDA_ERROR_INVALID_DEVICE;
        if (!sim.devices[ordinal].description.vmm && SIM_RULE(vmm_absent))
            return CUDA_ERROR_NOT_SUPPORTED;
        *location = ordinal;
        return CUDA_SUCCESS;
    case CU_MEM_LOCATION_TYPE_HOST_NUMA:
        if (ordinal != 0 && SIM_RULE(host_node)) /* one node; -1, which HOST_NUMA_ID may say, is no node */
            return CUDA_ERROR_INVALID_VALUE;
        break;
    case CU_MEM_LOCATION_TYPE_HOST:
        break; /* the id is ignored */
    case CU_MEM_LOCATION_TYPE_HOST_NUMA_CURRENT:
        if (SIM_RULE(host_current_node))
            return CUDA_ERROR_INVALID_VALUE;
        break;
    default:
        return CUDA_ERROR_INVALID_VALUE;
    }
    /* cuda.h says so of the location HOST; of a NUMA node it says nothing, and this is the stricter reading. */
    if (properties->requestedHandleTypes != 0 && SIM_RULE(host_not_exported))
        return CUDA_ERROR_INVALID_VALUE;
    /* The memory belongs to no device: it exists where any device of the machine can map it. */
    for (int i = 0; i < sim.machine.device_count; i++) {
        device = &sim.devices[i].description;
        if (device->vmm && device->host_vmm) {
            *location = SIM_HOST;
            return CUDA_SUCCESS;
        }
    }
    return CUDA_ERROR_NOT_SUPPORTED;
}

CUresult sim_cuMemCreate(
    CUmemGenericAllocationHandle *out, size_t bytes, const CUmemAllocationProp *properties, unsigned long long flags)
{
    const unsigned known_types = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR;
    struct sim_handle *handle;
    int location;
    CUresult result;

    if (out == NULL || properties == NULL || flags != 0)
        return CUDA_ERROR_INVALID_VALUE;
    if (bytes == 0)
        return SIM_REFUSE(create_some_bytes, CUDA_ERROR_INVALID_VALUE);
    if (bytes % SIM_PAGE_BYTES != 0)
        return SIM_REFUSE(create_granularity, CUDA_ERROR_INVALID_VALUE);
    result = location_of(properties, &location);
    if (result != CUDA_SUCCESS)
        return result;
    if ((properties->requestedHandleTypes & ~known_types) != 0)
        return CUDA_ERROR_NOT_PERMITTED; /* a fabric handle needs an IMEX channel, the rest is for Windows */
    handle = calloc(1, sizeof *handle);
    if (handle == NULL)
        return CUDA_ERROR_OUT_OF_MEMORY;
    sim_exports_settle();
    result = sim_physical_take(location, bytes, &handle->block);
    if (result == CUDA_SUCCESS && !sim_object_add(handle, SIM_OBJECT_HANDLE)) {
        sim_physical_give(&handle->block);
        result = CUDA_ERROR_OUT_OF_MEMORY;
    }
    if (result != CUDA_SUCCESS) {
        free(handle);
        return result;
    }
    handle->properties = *properties;
    handle->bytes = bytes;
    handle->id = ++sim.next_id;
    handle->references = 1;
    *out = (CUmemGenericAllocationHandle)(uintptr_t)handle;
    sim_trace_handle("create", handle->id, bytes, location);
    return CUDA_SUCCESS;
}

CUresult sim_cuMemRelease(CUmemGenericAllocationHandle number)
{
    struct sim_handle *handle = sim_handle_of(number);

    if (handle == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    sim_trace_handle("release", handle->id, handle->bytes, handle->block.location);
    if (handle->references == 1 && !SIM_RULE(mapping_keeps_memory))
        sim_handle_unmap(handle);
    handle->references--;
    sim_handle_settle(handle);
    return CUDA_SUCCESS;
}

CUresult sim_cuMemRetainAllocationHandle(CUmemGenericAllocationHandle *out, void *address)
{
    const struct sim_range *range = sim_range_find((CUdeviceptr)address);
    struct sim_handle *handle;

    if (out == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    if (range == NULL || range->kind != SIM_MAPPING)
        return SIM_REFUSE(retain_mapped, CUDA_ERROR_INVALID_VALUE);
    handle = range->owner;
    handle->references += SIM_RULE(retain_counts);
    *out = (CUmemGenericAllocationHandle)(uintptr_t)handle;
    return CUDA_SUCCESS;
}

CUresult sim_cuMemGetAllocationGranularity(
    size_t *bytes, const CUmemAllocationProp *properties, CUmemAllocationGranularity_flags option)
{
    int location;
    CUresult result;

    if (bytes == NULL || properties == NULL ||
        (option != CU_MEM_ALLOC_GRANULARITY_MINIMUM && option != CU_MEM_ALLOC_GRANULARITY_RECOMMENDED))
        return CUDA_ERROR_INVALID_VALUE;
    result = location_of(properties, &location);
    if (result == CUDA_SUCCESS)
        *bytes = SIM_PAGE_BYTES;
    return result;
}

CUresult sim_cuMemGetAllocationPropertiesFromHandle(CUmemAllocationProp *out, CUmemGenericAllocationHandle number)
{
    const struct sim_handle *handle = sim_handle_of(number);

    if (out == NULL || handle == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    *out = handle->properties;
    return CUDA_SUCCESS;
}
