/*
 * The order `listed`: the devices are filled one after the other, as the policy names them (the compute device first
 * where it does not), along the order of execution. A tensor belongs to the device in whose stretch its middle lies, or
 * to the next one with room.
 */
#include "plan_internal.h"

static bool names_compute(const struct vs_planner *planner)
{
    const struct vs_distorch *allocation = planner->wish->allocation;
    for (size_t i = 0; i < allocation->count; i++)
        if (vs_device_equal(allocation->shares[i].device, planner->wish->compute))
            return true;
    return false;
}

/* The devices' indices as the policy lists them; then those that inherited. */
static size_t list_devices(const struct vs_planner *planner, size_t *list)
{
    const struct vs_distorch *allocation = planner->wish->allocation;
    bool listed[VS_PLAN_DEVICES_MAX] = {false};
    size_t count = 0;
    if (allocation->form == VS_DISTORCH_VIRTUAL || !names_compute(planner))
        list[count++] = 0;
    listed[0] = count > 0;
    for (size_t i = 0; i < allocation->count; i++) {
        size_t device = vs_planner_device(planner, allocation->shares[i].device);
        if (!listed[device] && !planner->plan->devices[device].dropped)
            list[count++] = device;
        listed[device] = true;
    }
    for (size_t device = 0; device < planner->plan->device_count; device++)
        if (!listed[device] && planner->devices[device].donor)
            list[count++] = device;
    return count;
}

int vs_planner_listed(struct vs_planner *planner)
{
    size_t list[VS_PLAN_DEVICES_MAX] = {0}, count = list_devices(planner, list), stretch = 0;
    uint64_t position = 0, end = planner->devices[list[0]].share_bytes;
    for (size_t k = 0; k < planner->free_count; k++) {
        size_t i = planner->free[k];
        uint64_t bytes = planner->tensors[i].bytes;
        while (stretch + 1 < count && position + bytes / 2 >= end)
            end += planner->devices[list[++stretch]].share_bytes;
        size_t chosen = stretch;
        while (chosen + 1 < count && !vs_planner_has_room(planner, list[chosen], bytes))
            chosen++;
        if (!vs_planner_has_room(planner, list[chosen], bytes))
            chosen = stretch;
        vs_planner_place(planner, i, list[chosen], VS_REASON_SHARE);
        position += bytes;
    }
    return 0;
}
