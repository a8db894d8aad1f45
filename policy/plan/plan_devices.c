/*
 * Devices and their shares: what a device can hold, and who takes the share of one that cannot lend. See
 * plan_internal.h.
 */
#include "plan_internal.h"

#include <math.h>
#include <stdio.h>

static const struct vs_device_id cpu = {.family = VS_DEVICE_CPU};

/* --- The machine -------------------------------------------------------------------------------------------------- */

static const struct vs_plan_machine_device *find_in_machine(
    const struct vs_plan_machine *machine, struct vs_device_id id)
{
    static const struct vs_plan_machine_device host = {.id = {.family = VS_DEVICE_CPU}};
    for (size_t i = 0; i < machine->count; i++)
        if (vs_device_equal(machine->devices[i].id, id))
            return &machine->devices[i];
    return vs_device_equal(id, cpu) ? &host : NULL;
}

struct vs_place vs_planner_place_of(const struct vs_planner *planner, size_t line)
{
    const struct vs_plan_wish *wish = planner->wish;
    bool is_share = line == wish->line && wish->share_line;
    return (struct vs_place){&planner->source, is_share ? wish->share_line : line, is_share ? wish->share_column : 0};
}

static void tell_missing(
    struct vs_planner *planner, enum vs_severity severity, struct vs_device_id id, size_t line, const char *consequence)
{
    struct vs_text names = {0};
    for (size_t i = 0; i < planner->machine->count; i++)
        if (!vs_device_equal(planner->machine->devices[i].id, cpu))
            vs_text_printf(&names, "%s, ", vs_device_format(planner->machine->devices[i].id).text);
    vs_diag_add(planner->diags, severity, vs_planner_place_of(planner, line),
        "`%s` is not there: the machine has %scpu%s", vs_device_format(id).text, names.data ? names.data : "",
        consequence);
    vs_diag_hint(planner->diags, "name a device that the machine has");
    vs_text_free(&names);
}

static int refuse_missing(struct vs_planner *planner, struct vs_device_id id, size_t line)
{
    tell_missing(planner, VS_ERROR, id, line, "");
    return -1;
}

size_t vs_planner_device(const struct vs_planner *planner, struct vs_device_id id)
{
    size_t i = 0;
    while (!vs_device_equal(planner->plan->devices[i].id, id))
        i++;
    return i;
}

/* The most that a plan may put on a device. DisTorch's order knows no reserves. */
static uint64_t capacity_of(const struct vs_planner *planner, const struct vs_plan_machine_device *found)
{
    uint64_t bytes = vs_plan_lendable_bytes(found), reserve_bytes = 0;
    if (bytes == UINT64_MAX || planner->plan->order == VS_ORDER_DISTORCH)
        return bytes;
    if (vs_device_equal(found->id, cpu))
        reserve_bytes = planner->wish->host_reserve_bytes;
    return bytes > reserve_bytes ? bytes - reserve_bytes : 0;
}

uint64_t vs_planner_capacity(const struct vs_planner *planner, struct vs_device_id id)
{
    return capacity_of(planner, find_in_machine(planner->machine, id));
}

/* The device's index, made if need be. -1 with an error where the machine has none. */
static int add_device(struct vs_planner *planner, struct vs_device_id id, size_t line)
{
    struct vs_plan *plan = planner->plan;
    const struct vs_plan_machine_device *found = find_in_machine(planner->machine, id);
    for (size_t i = 0; i < plan->device_count; i++)
        if (vs_device_equal(plan->devices[i].id, id))
            return (int)i;
    if (!found)
        return refuse_missing(planner, id, line);
    if (plan->device_count == VS_PLAN_DEVICES_MAX) {
        vs_diag_add(planner->diags, VS_ERROR, vs_planner_place_of(planner, line), "more than %d devices are named",
            VS_PLAN_DEVICES_MAX);
        vs_diag_hint(planner->diags, "name the devices that matter; `cpu` takes the rest");
        return -1;
    }
    plan->devices[plan->device_count] = (struct vs_plan_device){
        .id = id, .total_bytes = found->total_bytes, .capacity_bytes = capacity_of(planner, found)};
    planner->devices[plan->device_count] =
        (struct vs_planner_device){.lends_bytes = INFINITY, .unmappable = found->unmappable, .why = found->why};
    return (int)plan->device_count++;
}

/* What is wrong with a device that cannot be mapped, behind its name. */
struct refusal {
    char text[160];
};

static struct refusal refusal_of(const struct vs_planner *planner, size_t device)
{
    struct refusal refusal;
    struct vs_device_name compute = vs_device_format(planner->wish->compute);
    const char *why = planner->devices[device].why;
    if (why)
        snprintf(refusal.text, sizeof refusal.text, "cannot lend memory to `%s` (%s)", compute.text, why);
    else
        snprintf(refusal.text, sizeof refusal.text, "cannot lend memory: `%s` cannot map it", compute.text);
    return refusal;
}

/* A device that the policy names for tensors of its own has nobody to pass them to. */
static int add_named(struct vs_planner *planner, struct vs_device_id id, size_t line)
{
    int device = add_device(planner, id, line);
    if (device <= 0 || !planner->devices[device].unmappable)
        return device < 0 ? -1 : 0;
    vs_diag_add(planner->diags, VS_ERROR, vs_planner_place_of(planner, line), "`on: %s` cannot be had: it %s",
        vs_device_format(id).text, refusal_of(planner, (size_t)device).text);
    vs_diag_hint(planner->diags, "choose another device, or `cpu`");
    return -1;
}

/* The device that takes all of the model. */
static int add_on(struct vs_planner *planner)
{
    const struct vs_plan_wish *wish = planner->wish;
    planner->on = *wish->on;
    if (wish->cpu_for_missing && !find_in_machine(planner->machine, *wish->on)) {
        tell_missing(planner, VS_WARNING, *wish->on, wish->line, "; the text encoder goes to `cpu`");
        planner->on = cpu;
    }
    return add_named(planner, planner->on, wish->line);
}

int vs_planner_find_devices(struct vs_planner *planner)
{
    const struct vs_plan_wish *wish = planner->wish;
    if (add_device(planner, wish->compute, wish->line) < 0)
        return -1;
    struct vs_plan_device *compute = &planner->plan->devices[0];
    if (compute->total_bytes && planner->plan->order != VS_ORDER_DISTORCH) /* which knows no reserve */
        compute->capacity_bytes =
            compute->total_bytes > wish->compute_reserve_bytes ? compute->total_bytes - wish->compute_reserve_bytes : 0;
    planner->devices[0].unmappable = false;
    for (size_t i = 0; wish->allocation && i < wish->allocation->count; i++) {
        const struct vs_distorch_share *share = &wish->allocation->shares[i];
        int device = add_device(planner, share->device, wish->line);
        if (device < 0)
            return -1;
        struct vs_planner_device *named = &planner->devices[device];
        named->donor = device != 0;
        named->wildcard = share->wildcard;
        if (wish->allocation->form != VS_DISTORCH_VIRTUAL || !named->donor)
            continue;
        named->lends_bytes = share->amount;
        if (share->amount < (double)planner->plan->devices[device].capacity_bytes)
            planner->plan->devices[device].capacity_bytes = (uint64_t)share->amount;
    }
    if (wish->on && add_on(planner))
        return -1;
    for (size_t i = 0; i < wish->rule_count; i++)
        if (!wish->rules[i].on_compute && add_named(planner, wish->rules[i].device, wish->rules[i].line))
            return -1;
    return 0;
}

/* --- Who takes what another cannot -------------------------------------------------------------------------------- */

/* The next donor in the policy's order that can lend (and has room, where `room`), at last cpu, which is added if need
 * be; 0 for none. */
static size_t find_heir(struct vs_planner *planner, size_t from, bool room)
{
    struct vs_plan *plan = planner->plan;
    for (size_t i = from + 1; i < plan->device_count; i++)
        if (planner->devices[i].donor && !planner->devices[i].unmappable &&
            (!room || planner->devices[i].asked_bytes < (double)plan->devices[i].capacity_bytes))
            return i;
    const struct vs_plan_machine_device *host = find_in_machine(planner->machine, cpu);
    if (host->unmappable || vs_device_equal(planner->wish->compute, cpu))
        return 0;
    int last = plan->device_count < VS_PLAN_DEVICES_MAX ? add_device(planner, cpu, 0) : 0;
    if (last <= 0 || (size_t)last == from ||
        (room && planner->devices[last].asked_bytes >= (double)plan->devices[last].capacity_bytes))
        return 0;
    planner->devices[last].donor = true;
    return (size_t)last;
}

static int pass_on_unmappable(struct vs_planner *planner)
{
    struct vs_plan *plan = planner->plan;
    for (size_t i = 1; i < plan->device_count; i++) {
        struct vs_planner_device *device = &planner->devices[i];
        if (!device->unmappable || !device->donor)
            continue;
        plan->devices[i].dropped = true;
        if (device->asked_bytes == 0)
            continue;
        struct vs_device_name from = vs_device_format(plan->devices[i].id);
        struct refusal refusal = refusal_of(planner, i);
        size_t heir = find_heir(planner, i, false);
        if (!heir) {
            vs_diag_add(planner->diags, VS_ERROR, vs_planner_place_of(planner, planner->wish->line),
                "`%s` %s, and there is no donor after it that could take its share", from.text, refusal.text);
            vs_diag_hint(planner->diags, "name a donor that can be mapped, or `cpu`");
            return -1;
        }
        planner->devices[heir].asked_bytes += device->asked_bytes;
        planner->devices[heir].wildcard |= device->wildcard;
        device->asked_bytes = 0;
        device->wildcard = false;
        vs_diag_add(planner->diags, VS_WARNING, vs_planner_place_of(planner, planner->wish->line),
            "`%s` %s; its share passes to `%s`", from.text, refusal.text,
            vs_device_format(plan->devices[heir].id).text);
    }
    return 0;
}

/* What is kept free on a device, for messages. */
struct reserve {
    uint64_t bytes; /* 0: nothing */
    const char *key;
    const char *instead; /* of lowering it */
};

static struct reserve reserve_of(const struct vs_planner *planner, size_t device)
{
    if (device == 0)
        return (struct reserve){planner->wish->compute_reserve_bytes, "compute-reserve", "let more leave it"};
    if (vs_device_equal(planner->plan->devices[device].id, cpu))
        return (struct reserve){planner->wish->host_reserve_bytes, "host-reserve", "ask less of it"};
    return (struct reserve){0};
}

/* What a device cannot hold goes to donors with room, in order; then the compute device takes it if it can. What nobody
 * has room for stays where it was, and will not fit. */
static void pass_on_excess(struct vs_planner *planner, size_t from)
{
    const struct vs_plan_device *devices = planner->plan->devices;
    struct vs_planner_device *device = &planner->devices[from];
    const double capacity = (double)devices[from].capacity_bytes, asked = device->asked_bytes;
    struct vs_text heirs = {0};
    size_t heir = from;
    if (asked <= capacity)
        return;
    do {
        heir = find_heir(planner, heir, true);
        double room = heir == from ? 0 : (double)devices[heir].capacity_bytes - planner->devices[heir].asked_bytes;
        double excess = device->asked_bytes - capacity, passed = excess < room ? excess : room;
        if (passed <= 0)
            continue;
        planner->devices[heir].asked_bytes += passed;
        device->asked_bytes -= passed;
        vs_text_printf(&heirs, "%s%.0f MB pass to `%s`", heirs.length ? ", " : "", ceil(ldexp(passed, -20)),
            vs_device_format(devices[heir].id).text);
    } while (heir != 0 && device->asked_bytes > capacity);
    bool is_left = device->asked_bytes > capacity;
    struct reserve reserve = reserve_of(planner, from);
    char kept[64] = "";
    if (reserve.bytes)
        snprintf(kept, sizeof kept, " (`%s` keeps %.0f MB free)", reserve.key, ldexp((double)reserve.bytes, -20));
    if (is_left)
        vs_text_printf(&heirs, "%sfor %.0f MB there is no room", heirs.length ? ", and " : "",
            ceil(ldexp(device->asked_bytes - capacity, -20)));
    vs_diag_add(planner->diags, VS_WARNING, vs_planner_place_of(planner, planner->wish->line),
        "`%s` has room for %.0f MB of weights%s, not for %.0f MB: %s", vs_device_format(devices[from].id).text,
        ldexp(capacity, -20), kept, ldexp(asked, -20), heirs.data ? heirs.data : "the rest passes on");
    if (is_left)
        vs_diag_hint(planner->diags, "name more donors, or let them lend more");
    else if (reserve.bytes)
        vs_diag_hint(planner->diags, "%s, or lower `%s`, if passing on is not meant", reserve.instead, reserve.key);
    else
        vs_diag_hint(planner->diags, "ask less of it, if passing on is not meant");
    vs_text_free(&heirs);
}

/* --- Together ----------------------------------------------------------------------------------------------------- */

/* Limits what was asked for to the model's bytes, in DisTorch2's order; what nobody asked for stays at home. */
static void limit_to_model(struct vs_planner *planner, double left)
{
    size_t order[VS_PLAN_DEVICES_MAX] = {0};
    vs_planner_sort_devices(planner, order);
    for (size_t k = 0; k < planner->plan->device_count; k++) {
        struct vs_planner_device *device = &planner->devices[order[k]];
        device->asked_bytes = device->asked_bytes < left ? (double)(uint64_t)device->asked_bytes : left;
        left -= device->asked_bytes;
    }
    planner->devices[0].asked_bytes += left;
}

/* The bytes that DisTorch2 counts: those of modules, and for virtual VRAM only weights with their biases. */
static double distorch_total(const struct vs_planner *planner)
{
    bool weights = planner->wish->allocation->form == VS_DISTORCH_VIRTUAL;
    return weights ? planner->weight_bytes : planner->module_bytes;
}

int vs_planner_share_out(struct vs_planner *planner)
{
    bool distorch = planner->plan->order == VS_ORDER_DISTORCH;
    double total = distorch ? distorch_total(planner) : (double)planner->plan->total_bytes;
    if (vs_planner_ask(planner, total))
        return -1;
    if (!distorch)
        limit_to_model(planner, total);
    if (pass_on_unmappable(planner))
        return -1;
    for (size_t i = 0; !distorch && i < planner->plan->device_count; i++)
        pass_on_excess(planner, i);
    vs_planner_warn_of_short_donors(planner, total);
    return 0;
}
