/*
 * Shares once they are given: the order in which DisTorch2 goes through the devices, what still fits on one, and what
 * is left of each share beside tensors that were placed by name. See plan_internal.h.
 */
#include "plan_internal.h"

#include <string.h>

static int compare_devices(struct vs_device_id a, struct vs_device_id b)
{
    bool a_cpu = a.family == VS_DEVICE_CPU, b_cpu = b.family == VS_DEVICE_CPU;
    if (a_cpu != b_cpu)
        return a_cpu ? 1 : -1;
    return strcmp(vs_device_format(a).text, vs_device_format(b).text);
}

void vs_planner_sort_devices(const struct vs_planner *planner, size_t order[VS_PLAN_DEVICES_MAX])
{
    const struct vs_plan *plan = planner->plan;
    for (size_t i = 0; i < plan->device_count; i++) {
        size_t k = i;
        for (; k > 0 && compare_devices(plan->devices[order[k - 1]].id, plan->devices[i].id) > 0; k--)
            order[k] = order[k - 1];
        order[k] = i;
    }
}

bool vs_planner_has_room(const struct vs_planner *planner, size_t device, uint64_t bytes)
{
    uint64_t used_bytes = planner->devices[device].used_bytes;
    uint64_t capacity_bytes = planner->plan->devices[device].capacity_bytes;
    return used_bytes <= capacity_bytes && bytes <= capacity_bytes - used_bytes;
}

static void cut(struct vs_planner_device *device, uint64_t *excess)
{
    uint64_t bytes = device->share_bytes < *excess ? device->share_bytes : *excess;
    device->share_bytes -= bytes;
    *excess -= bytes;
}

void vs_planner_deduct_pinned(struct vs_planner *planner, uint64_t free_bytes)
{
    size_t count = planner->plan->device_count;
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        struct vs_planner_device *device = &planner->devices[i];
        double left = device->asked_bytes - (double)device->pinned_bytes;
        device->share_bytes = left > 0 ? (uint64_t)left : 0;
        sum += device->share_bytes;
    }
    if (sum < free_bytes) { /* parts of bytes */
        planner->devices[0].share_bytes += free_bytes - sum;
        return;
    }
    /* More was pinned somewhere than was asked of it: who takes the rest gets less, then the last donor, and so on. */
    uint64_t excess = sum - free_bytes;
    for (size_t i = 0; i < count; i++)
        if (planner->devices[i].wildcard)
            cut(&planner->devices[i], &excess);
    for (size_t i = count; i > 0; i--)
        cut(&planner->devices[i - 1], &excess);
}
