/* bar1.c: what other devices have mapped of a device; see bar1.h. Counted when it is asked for, on machines that have
 * such a limit only. */
#include "bar1.h"

/* The devices that reach allocations of the device through enabled peer access. */
static bool has_enabled_peer(int device)
{
    for (CUcontext context = sim.contexts; context != NULL; context = context->next)
        if (context->active && context->device != device && context->peers[device] != NULL)
            return true;
    return false;
}

static uint32_t others(const struct sim_range *range)
{
    return range->readable & ~((uint32_t)1 << range->location) & ~SIM_ACCESS_CPU;
}

static size_t mapped_bytes(int device)
{
    bool peers = has_enabled_peer(device);
    size_t bytes = 0;

    for (const struct sim_range *range = sim_range_from(0); range != NULL; range = sim_range_after(range))
        if (range->location == device && (range->kind == SIM_ALLOCATION ? peers : others(range) != 0))
            bytes += range->bytes;
    return bytes;
}

bool sim_bar1_is_exceeded(int device)
{
    size_t limit = sim.devices[device].description.bar1_bytes;
    return limit != 0 && mapped_bytes(device) > limit;
}

/* Whether one of the descriptions gives access to a device that is not the memory's own. */
static bool opens(const CUmemAccessDesc *descriptors, size_t count, int location)
{
    for (size_t i = 0; i < count; i++)
        if (descriptors[i].flags != CU_MEM_ACCESS_FLAGS_PROT_NONE &&
            descriptors[i].location.type == CU_MEM_LOCATION_TYPE_DEVICE && descriptors[i].location.id != location)
            return true;
    return false;
}

bool sim_bar1_has_room(CUdeviceptr address, CUdeviceptr end, const CUmemAccessDesc *descriptors, size_t count)
{
    size_t more[VS_MACHINE_DEVICES_MAX] = {0};

    for (const struct sim_range *range = sim_range_from(address); range != NULL && range->start < end;
         range = sim_range_after(range))
        if (range->location != SIM_HOST && others(range) == 0 && opens(descriptors, count, range->location))
            more[range->location] += range->bytes;
    for (int device = 0; device < sim.machine.device_count; device++) {
        size_t limit = sim.devices[device].description.bar1_bytes;
        if (limit != 0 && more[device] != 0 && mapped_bytes(device) + more[device] > limit)
            return false;
    }
    return true;
}
