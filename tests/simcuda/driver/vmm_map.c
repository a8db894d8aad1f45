/* vmm_map.c: mapping handles at reserved addresses, and who may use the mappings. Rules: cuda.h at cuMemMap,
 * cuMemUnmap, cuMemSetAccess, cuMemGetAccess. None of these calls waits for the device. */
#include "address.h"
#include "api.h"
#include "rules.h"
#include "schedule.h"
#include "trace.h"
#include "vmm.h"

/* Whether [address, address + bytes) lies in one reservation. */
static bool is_reserved(CUdeviceptr address, size_t bytes)
{
    const struct sim_reservation *reservation = sim_reservation_find(address);
    return reservation != NULL && address - reservation->start <= reservation->bytes &&
           bytes <= reservation->bytes - (address - reservation->start);
}

/* Whether whole mappings, one next to the other, make up exactly the range. */
static bool is_whole_mappings(CUdeviceptr address, size_t bytes)
{
    CUdeviceptr end = address + bytes;

    if (bytes == 0 || end < address)
        return false;
    while (address < end) {
        const struct sim_range *range = sim_range_find(address);
        if (range == NULL || range->kind != SIM_MAPPING || range->start != address)
            return false;
        address += range->bytes;
    }
    return address == end;
}

CUresult sim_cuMemMap(
    CUdeviceptr address, size_t bytes, size_t offset, CUmemGenericAllocationHandle number, unsigned long long flags)
{
    struct sim_handle *handle = sim_handle_of(number);
    const struct sim_range *next;
    struct sim_range *range;

    if (handle == NULL || flags != 0 || (offset != 0 && SIM_RULE(map_offset)) || bytes == 0 ||
        bytes % SIM_PAGE_BYTES != 0 || address % SIM_PAGE_BYTES != 0 || bytes > handle->bytes ||
        !is_reserved(address, bytes))
        return CUDA_ERROR_INVALID_VALUE;
    next = sim_range_from(address);
    if (next != NULL && next->start < address + bytes)
        return CUDA_ERROR_INVALID_VALUE; /* something is mapped there */
    range = sim_range_add(address, bytes, SIM_MAPPING);
    if (range == NULL)
        return CUDA_ERROR_OUT_OF_MEMORY;
    range->owner = handle;
    range->location = handle->block.location;
    range->alias = sim_physical_alias(&handle->block);
    handle->mappings++;
    sim_trace_memory("map", address, bytes, range->location, &handle->id);
    return CUDA_SUCCESS;
}

/* Unmapping is not stream-ordered: work that is still queued would meet the hole, or whatever is mapped there next. */
static void judge_pending_work(CUdeviceptr address, size_t bytes)
{
    const struct sim_op *op = sim_pending_use(address, bytes);
    if (op != NULL)
        sim_raise(op->context, CUDA_ERROR_ILLEGAL_ADDRESS,
            "illegal address: %s takes away %zu bytes at %#llx while %s, queued in stream %llu of cuda:%d, may use "
            "them",
            sim_call_name(), bytes, address, op->call, (unsigned long long)op->stream->id, op->context->device);
}

CUresult sim_cuMemUnmap(CUdeviceptr address, size_t bytes)
{
    CUdeviceptr end = address + bytes;

    if (!is_whole_mappings(address, bytes))
        return CUDA_ERROR_INVALID_VALUE;
    judge_pending_work(address, bytes);
    while (address < end) {
        struct sim_range *range = sim_range_find(address);
        struct sim_handle *handle = range->owner;
        if (range->readable & SIM_ACCESS_CPU)
            sim_physical_hide(range->start, range->bytes);
        sim_trace_memory("unmap", range->start, range->bytes, range->location, &handle->id);
        address += range->bytes;
        sim_range_remove(range);
        handle->mappings--;
        sim_handle_settle(handle);
    }
    return CUDA_SUCCESS;
}

/* The bit of a location in access masks; an error where it cannot be given access to memory at `memory_location`. */
static CUresult bit_for(const CUmemLocation *location, int memory_location, uint32_t *bit)
{
    switch ((int)location->type) {
    case CU_MEM_LOCATION_TYPE_DEVICE:
        if (!sim_is_device(location->id))
            return CUDA_ERROR_INVALID_DEVICE;
        *bit = (uint32_t)1 << location->id;
        if (memory_location == SIM_HOST) {
            const struct sim_device_description *device = &sim.devices[location->id].description;
            return device->vmm && device->host_vmm ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
        }
        /* Without a peer path the driver answers so ("invalid device ordinal" in public reports). */
        if (location->id != memory_location && !sim.machine.peer_access[location->id][memory_location] &&
            SIM_RULE(mapping_needs_peers))
            return CUDA_ERROR_INVALID_DEVICE;
        return CUDA_SUCCESS;
    case CU_MEM_LOCATION_TYPE_HOST:
    case CU_MEM_LOCATION_TYPE_HOST_NUMA:
        *bit = SIM_ACCESS_CPU;
        return memory_location == SIM_HOST ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    default:
        return CUDA_ERROR_INVALID_VALUE;
    }
}

static CUresult check_descriptor(const CUmemAccessDesc *descriptor, CUdeviceptr address, CUdeviceptr end)
{
    const CUmemAccess_flags flags = descriptor->flags;
    uint32_t bit;

    if (flags != CU_MEM_ACCESS_FLAGS_PROT_NONE && flags != CU_MEM_ACCESS_FLAGS_PROT_READ &&
        flags != CU_MEM_ACCESS_FLAGS_PROT_READWRITE)
        return CUDA_ERROR_INVALID_VALUE;
    while (address < end) {
        const struct sim_range *range = sim_range_find(address);
        CUresult result = bit_for(&descriptor->location, range->location, &bit);
        if (result != CUDA_SUCCESS)
            return result;
        address += range->bytes;
    }
    return CUDA_SUCCESS;
}

static CUresult apply(struct sim_range *range, const CUmemAccessDesc *descriptor)
{
    const struct sim_handle *handle = range->owner;
    struct sim_block mapped = {handle->block.location, handle->block.offset, range->bytes};
    uint32_t readable = range->readable, writable = range->writable;
    uint32_t bit = 0;

    bit_for(&descriptor->location, range->location, &bit);
    range->readable &= ~bit;
    range->writable &= ~bit;
    if (descriptor->flags != CU_MEM_ACCESS_FLAGS_PROT_NONE)
        range->readable |= bit;
    if (descriptor->flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE)
        range->writable |= bit;
    if (((readable ^ range->readable) | (writable ^ range->writable)) & SIM_ACCESS_CPU) {
        bool good = range->readable & SIM_ACCESS_CPU
                        ? sim_physical_expose(&mapped, range->start, (range->writable & SIM_ACCESS_CPU) != 0)
                        : sim_physical_hide(range->start, range->bytes);
        if (!good) {
            range->readable = readable;
            range->writable = writable;
            return CUDA_ERROR_OUT_OF_MEMORY;
        }
    }
    return CUDA_SUCCESS;
}

/* All descriptors are judged before the first one acts. */
CUresult sim_cuMemSetAccess(CUdeviceptr address, size_t bytes, const CUmemAccessDesc *descriptors, size_t count)
{
    CUdeviceptr end = address + bytes;

    if (descriptors == NULL || count == 0 || !is_whole_mappings(address, bytes))
        return CUDA_ERROR_INVALID_VALUE;
    for (size_t i = 0; i < count; i++) {
        CUresult result = check_descriptor(&descriptors[i], address, end);
        if (result != CUDA_SUCCESS)
            return result;
    }
    while (address < end) {
        struct sim_range *range = sim_range_find(address);
        for (size_t i = 0; i < count; i++) {
            CUresult result = apply(range, &descriptors[i]);
            if (result != CUDA_SUCCESS)
                return result;
        }
        address += range->bytes;
    }
    return CUDA_SUCCESS;
}

CUresult sim_cuMemGetAccess(unsigned long long *flags, const CUmemLocation *location, CUdeviceptr address)
{
    const struct sim_range *range = sim_range_find(address);
    uint32_t bit;

    if (flags == NULL || location == NULL || range == NULL || range->kind != SIM_MAPPING)
        return CUDA_ERROR_INVALID_VALUE;
    if (location->type == CU_MEM_LOCATION_TYPE_DEVICE && sim_is_device(location->id))
        bit = (uint32_t)1 << location->id;
    else if (location->type == CU_MEM_LOCATION_TYPE_HOST || location->type == CU_MEM_LOCATION_TYPE_HOST_NUMA)
        bit = SIM_ACCESS_CPU;
    else
        return location->type == CU_MEM_LOCATION_TYPE_DEVICE ? CUDA_ERROR_INVALID_DEVICE : CUDA_ERROR_INVALID_VALUE;
    *flags = range->writable & bit   ? CU_MEM_ACCESS_FLAGS_PROT_READWRITE
             : range->readable & bit ? CU_MEM_ACCESS_FLAGS_PROT_READ
                                     : CU_MEM_ACCESS_FLAGS_PROT_NONE;
    return CUDA_SUCCESS;
}
