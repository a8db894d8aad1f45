/*
 * The planner's steps. See plan.h.
 */
#include "plan_internal.h"

#include <stdlib.h>
#include <string.h>

static int out_of_memory(struct vs_planner *planner)
{
    vs_diag_out_of_memory(planner->diags);
    return -1;
}

static int make_room(struct vs_planner *planner)
{
    struct vs_plan *plan = planner->plan;
    size_t count = planner->count + 1; /* none of the blocks is empty */
    plan->tensor_count = planner->count;
    plan->places = calloc(count, sizeof *plan->places);
    plan->execution = calloc(count, sizeof *plan->execution);
    planner->by_name = calloc(count, sizeof *planner->by_name);
    planner->free = calloc(count, sizeof *planner->free);
    if (!plan->places || !plan->execution || !planner->by_name || !planner->free)
        return out_of_memory(planner);
    for (size_t i = 0; i < planner->count; i++) {
        plan->places[i].reason = VS_REASON_NONE;
        plan->places[i].module = VS_PLAN_NO_MODULE;
    }
    return 0;
}

/* Tensors that files hold and the program does not load are placed, and counted nowhere. */
static void set_unused_aside(struct vs_planner *planner)
{
    struct vs_plan *plan = planner->plan;
    for (size_t i = 0; i < planner->count; i++) {
        const char *name = planner->tensors[i].name;
        for (size_t u = 0; planner->table && u < planner->table->unused_count; u++)
            if (strlen(name) > planner->prefix_length &&
                !strcmp(name + planner->prefix_length, planner->table->unused[u]))
                vs_planner_place(planner, i, 0, VS_REASON_UNUSED);
        if (plan->places[i].reason == VS_REASON_NONE)
            plan->total_bytes += planner->tensors[i].bytes;
    }
}

/* Places what the policy places by name, and what is too small to be moved; collects the rest, in execution order. */
static uint64_t place_pinned(struct vs_planner *planner)
{
    const struct vs_plan_wish *wish = planner->wish;
    struct vs_plan *plan = planner->plan;
    uint64_t free_bytes = 0;
    for (size_t k = 0; k < planner->count; k++) {
        size_t i = plan->execution[k], device = 0, rule;
        uint64_t bytes = planner->tensors[i].bytes;
        if (plan->places[i].reason != VS_REASON_NONE)
            continue;
        rule = vs_rule_of(wish->rules, wish->rule_count, planner->tensors[i].name, planner->tensors[i].prefix_bytes);
        if (rule < wish->rule_count) {
            if (!wish->rules[rule].on_compute)
                device = vs_planner_device(planner, wish->rules[rule].device);
            plan->places[i].rule = (uint32_t)rule;
            vs_planner_place(planner, i, device, VS_REASON_RULE);
        } else if (wish->on) {
            device = vs_planner_device(planner, planner->on);
            vs_planner_place(planner, i, device, VS_REASON_ON);
        } else if (!wish->allocation) {
            vs_planner_place(planner, i, device, VS_REASON_STAYS);
        } else if (plan->order == VS_ORDER_SPREAD && bytes < VS_PLAN_SMALL_BYTES) {
            vs_planner_place(planner, i, device, VS_REASON_SMALL);
        } else {
            planner->free[planner->free_count++] = (uint32_t)i;
            free_bytes += bytes;
            continue;
        }
        planner->devices[device].pinned_bytes += bytes;
    }
    return free_bytes;
}

static int place_free(struct vs_planner *planner)
{
    static int (*const orders[])(struct vs_planner *) = {
        [VS_ORDER_SPREAD] = vs_planner_spread,
        [VS_ORDER_DISTORCH] = vs_planner_distorch,
        [VS_ORDER_LISTED] = vs_planner_listed,
    };
    return planner->wish->allocation ? orders[planner->plan->order](planner) : 0;
}

/* Sums, and what lies beyond a device's capacity, in the order of execution. */
static void add_up(struct vs_planner *planner)
{
    struct vs_plan *plan = planner->plan;
    for (size_t k = 0; k < planner->count; k++) {
        size_t i = plan->execution[k];
        struct vs_plan_place *place = &plan->places[i];
        struct vs_plan_device *device = &plan->devices[place->device];
        if (place->reason == VS_REASON_UNUSED)
            continue;
        device->placed_bytes += planner->tensors[i].bytes;
        device->tensor_count++;
        place->unfit = planner->tensors[i].bytes && device->placed_bytes > device->capacity_bytes;
    }
    for (size_t d = 0; d < plan->device_count; d++) {
        struct vs_plan_device *device = &plan->devices[d];
        double asked = planner->devices[d].asked_bytes;
        device->quota_bytes = asked < 0x1p63 ? (uint64_t)asked : UINT64_MAX;
        if (device->placed_bytes > device->capacity_bytes)
            device->unfit_bytes = device->placed_bytes - device->capacity_bytes;
        plan->unfit_bytes += device->unfit_bytes;
    }
}

static int make_plan(struct vs_planner *planner)
{
    struct vs_plan *plan = planner->plan;
    if (make_room(planner) || vs_planner_find_devices(planner))
        return -1;
    vs_planner_sort_names(planner);
    if (vs_planner_find_table(planner))
        return -1;
    set_unused_aside(planner);
    if (vs_planner_order_execution(planner))
        return -1;
    bool by_modules = plan->order == VS_ORDER_DISTORCH && planner->wish->allocation;
    if (by_modules && !planner->table) {
        plan->approximate = true;
        if (vs_planner_guess_modules(planner))
            return -1;
    }
    if (vs_planner_order_as_learned(planner))
        return -1;
    if (by_modules && vs_planner_measure_modules(planner))
        return -1;
    if (planner->wish->allocation && vs_planner_share_out(planner))
        return -1;
    uint64_t free_bytes = place_pinned(planner);
    vs_planner_deduct_pinned(planner, free_bytes);
    if (place_free(planner))
        return -1;
    add_up(planner);
    return 0;
}

int vs_plan(const struct vs_plan_tensor *tensors, size_t count, const struct vs_plan_wish *wish,
    const struct vs_plan_machine *machine, struct vs_plan *plan, struct vs_diags *diags)
{
    struct vs_planner planner = {.tensors = tensors,
        .count = count,
        .wish = wish,
        .machine = machine,
        .plan = plan,
        .source = {.name = wish->source},
        .diags = diags};
    *plan = (struct vs_plan){.order = wish->order == VS_ORDER_DEFAULT ? VS_ORDER_SPREAD : wish->order};
    int result = make_plan(&planner);
    if (planner.table == &planner.builtin) /* the plan's module names are the table's */
        plan->table = planner.builtin;
    else
        vs_module_table_free(&planner.builtin);
    free(planner.by_name);
    free(planner.free);
    if (result)
        vs_plan_free(plan);
    return result;
}

void vs_plan_free(struct vs_plan *plan)
{
    free(plan->places);
    free(plan->execution);
    free(plan->modules);
    vs_module_table_free(&plan->table);
    *plan = (struct vs_plan){0};
}
