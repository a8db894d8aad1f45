/* vmm_map.c: mapping handles at reserved addresses, and who may use the mappings. Rules: cuda.h at cuMemMap,
 * cuMemUnmap, cuMemSetAccess, cuMemGetAccess. None of these calls waits for the device. */
#include "address.h"
#include "api.h"
#include "bar1.h"
#include "refusals.h"
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

/* What mappings make of a range: all of it whole ones, cut at an end, or with a hole somewhere. */
enum cover { COVER_WHOLE, COVER_CUT, COVER_HOLE };

static enum cover cover_of(CUdeviceptr address, size_t bytes)
{
    CUdeviceptr end = address + bytes;
    bool cut = false;

    if (bytes == 0 || end < address)
        return COVER_HOLE;
    while (address < end) {
        const struct sim_range *range = sim_range_find(address);
        if (range == NULL || range->kind != SIM_MAPPING)
            return COVER_HOLE;
        cut = cut || range->start != address;
        address = range->start + range->bytes;
    }
    return cut || address != end ? COVER_CUT : COVER_WHOLE;
}

CUresult sim_cuMemMap(
    CUdeviceptr address, size_t bytes, size_t offset, CUmemGenericAllocationHandle number, unsigned long long flags)
{
    struct sim_handle *handle = sim_handle_of(number);
    const struct sim_range *next;
    struct sim_range *range;

    if (handle == NULL || flags != 0 || (offset != 0 && SIM_RULE(map_offset)) || bytes == 0)
        return CUDA_ERROR_INVALID_VALUE;
    if (bytes % SIM_PAGE_BYTES != 0 || address % SIM_PAGE_BYTES != 0)
        return SIM_REFUSE(map_granularity, CUDA_ERROR_INVALID_VALUE);
    if (bytes > handle->bytes)
        return SIM_REFUSE(map_within_handle, CUDA_ERROR_INVALID_VALUE);
    if (!is_reserved(address, bytes))
        return SIM_REFUSE(map_reserved, CUDA_ERROR_INVALID_VALUE);
    next = sim_range_from(address);
    if (next != NULL && next->start < address + bytes)
        return SIM_REFUSE(map_over_mapped, CUDA_ERROR_INVALID_VALUE);
    range = sim_range_add(address, bytes, SIM_MAPPING);
    if (range == NULL)
        return CUDA_ERROR_OUT_OF_MEMORY;
    range->owner = handle;
    range->location = handle->block.location;
    range->alias = sim_physical_alias(&handle->block);
    handle->mappings++;
    if (!SIM_RULE(map_without_access))
        range->readable = range->writable = ~SIM_ACCESS_CPU;
    if (range->location == SIM_HOST && !SIM_RULE(host_cpu_access))
        sim_physical_expose(&handle->block, range->start, true);
    sim_trace_memory("map", address, bytes, range->location, &handle->id);
    return CUDA_SUCCESS;
}

#define ALL_DEVICES UINT32_MAX

/* Neither unmapping nor withdrawing access is stream-ordered: work that is still queued on one of the devices would
 * meet the hole, or whatever is mapped there next. */
static void judge_pending_work(CUdeviceptr address, size_t bytes, uint32_t devices)
{
    const struct sim_op *op = sim_pending_use(address, bytes, devices);
    if (op != NULL)
        sim_raise(op->context, CUDA_ERROR_ILLEGAL_ADDRESS,
            "illegal address: %s takes away %zu bytes at %#llx while %s, queued in stream %llu of cuda:%d, may use "
            "them",
            sim_call_name(), bytes, address, op->call, (unsigned long long)op->stream->id, op->context->device);
}

/* Takes one mapping away. Its handle may go with it. */
static void unmap(struct sim_range *range)
{
    struct sim_handle *handle = range->owner;

    if ((range->readable & SIM_ACCESS_CPU) || !SIM_RULE(host_cpu_access))
        sim_physical_hide(range->start, range->bytes);
    sim_trace_memory("unmap", range->start, range->bytes, range->location, &handle->id);
    sim_range_remove(range);
    handle->mappings--;
    if (handle->mappings == 0 && !SIM_RULE(reference_keeps_memory))
        sim_physical_clear(handle->block.location, sim_physical_alias(&handle->block), handle->bytes);
    sim_handle_settle(handle);
}

CUresult sim_cuMemUnmap(CUdeviceptr address, size_t bytes)
{
    CUdeviceptr end = address + bytes;
    enum cover cover = cover_of(address, bytes);

    if (cover == COVER_HOLE)
        return SIM_REFUSE(unmap_mapped, CUDA_ERROR_INVALID_VALUE);
    if (cover == COVER_CUT)
        return SIM_REFUSE(unmap_whole, CUDA_ERROR_INVALID_VALUE);
    if (SIM_RULE(unmap_pending))
        judge_pending_work(address, bytes, ALL_DEVICES);
    while (address < end) {
        struct sim_range *range = sim_range_find(address);
        address += range->bytes;
        unmap(range);
    }
    return CUDA_SUCCESS;
}

void sim_handle_unmap(struct sim_handle *handle)
{
    for (struct sim_range *range = sim_range_from(0), *after; range != NULL; range = after) {
        after = sim_range_after(range);
        if (range->kind == SIM_MAPPING && range->owner == handle)
            unmap(range);
    }
}

/* The bit of a location in access masks; an error where it cannot be given access to memory at `memory_location`. */
static CUresult bit_for(const CUmemLocation *location, int memory_location, uint32_t *bit)
{
    switch ((int)location->type) {
    case CU_MEM_LOCATION_TYPE_DEVICE:
        *bit = 0;
        if (!sim_is_device(location->id))
            return SIM_REFUSE(access_device, CUDA_ERROR_INVALID_DEVICE);
        *bit = (uint32_t)1 << location->id;
        if (memory_location == SIM_HOST) {
            const struct vs_machine_device *device = &sim.devices[location->id].description;
            return device->vmm && device->host_vmm ? CUDA_SUCCESS : CUDA_ERROR_INVALID_DEVICE;
        }
        /* Without a peer path the driver answers so ("invalid device ordinal" in public reports). */
        if (location->id != memory_location && !sim.machine.peer_access[location->id][memory_location] &&
            SIM_RULE(mapping_needs_peers))
            return CUDA_ERROR_INVALID_DEVICE;
        return CUDA_SUCCESS;
    case CU_MEM_LOCATION_TYPE_HOST:
    case CU_MEM_LOCATION_TYPE_HOST_NUMA:
        *bit = memory_location == SIM_HOST ? SIM_ACCESS_CPU : 0;
        return memory_location == SIM_HOST ? CUDA_SUCCESS : SIM_REFUSE(host_access_on_device, CUDA_ERROR_INVALID_VALUE);
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
        return SIM_REFUSE(access_flags, CUDA_ERROR_INVALID_VALUE);
    while (address < end) {
        const struct sim_range *range = sim_range_find(address);
        CUresult result = bit_for(&descriptor->location, range->location, &bit);
        if (result != CUDA_SUCCESS)
            return result;
        if (!SIM_RULE(access_of_each_mapping))
            break;
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
    if (descriptor->flags == CU_MEM_ACCESS_FLAGS_PROT_NONE && (readable & bit & ~SIM_ACCESS_CPU) != 0 &&
        SIM_RULE(withdraw_pending))
        judge_pending_work(range->start, range->bytes, bit);
    range->readable &= ~bit;
    range->writable &= ~bit;
    if (descriptor->flags != CU_MEM_ACCESS_FLAGS_PROT_NONE)
        range->readable |= bit;
    if (descriptor->flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE)
        range->writable |= bit;
    if (((readable ^ range->readable) | (writable ^ range->writable)) & SIM_ACCESS_CPU) {
        bool good = range->readable & SIM_ACCESS_CPU
                        ? sim_physical_expose(&mapped, range->start,
                              (range->writable & SIM_ACCESS_CPU) != 0 || !SIM_RULE(cpu_read_only))
                        : sim_physical_hide(range->start, range->bytes);
        if (!good) {
            range->readable = readable;
            range->writable = writable;
            return CUDA_ERROR_OUT_OF_MEMORY;
        }
    }
    return CUDA_SUCCESS;
}

/* Of each mapping of [address, end). */
static CUresult apply_all(CUdeviceptr address, CUdeviceptr end, const CUmemAccessDesc *descriptors, size_t count)
{
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

/* All descriptors are judged before the first one acts. */
CUresult sim_cuMemSetAccess(CUdeviceptr address, size_t bytes, const CUmemAccessDesc *descriptors, size_t count)
{
    CUdeviceptr end = address + bytes;
    enum cover cover = cover_of(address, bytes);

    if (descriptors == NULL || count == 0)
        return CUDA_ERROR_INVALID_VALUE;
    if (cover == COVER_HOLE)
        return SIM_REFUSE(access_mapped, CUDA_ERROR_INVALID_VALUE);
    if (cover == COVER_CUT)
        return SIM_REFUSE(access_whole, CUDA_ERROR_INVALID_VALUE);
    for (size_t i = 0; i < count; i++) {
        CUresult result = check_descriptor(&descriptors[i], address, end);
        if (result != CUDA_SUCCESS && !SIM_RULE(access_all_or_none))
            apply_all(address, end, descriptors, i);
        if (result != CUDA_SUCCESS)
            return result;
    }
    if (!sim_bar1_has_room(address, end, descriptors, count))
        return CUDA_ERROR_OUT_OF_MEMORY;
    if (sim_access_is_not_ready())
        return CUDA_ERROR_NOT_READY;
    return apply_all(address, end, descriptors, count);
}

CUresult sim_cuMemGetAccess(unsigned long long *flags, const CUmemLocation *location, CUdeviceptr address)
{
    const struct sim_range *range = sim_range_find(address);
    uint32_t bit;

    if (flags == NULL || location == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    if (range == NULL || range->kind != SIM_MAPPING)
        return SIM_REFUSE(get_access_mapped, CUDA_ERROR_INVALID_VALUE);
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
