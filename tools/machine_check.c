/*
 * A policy against a machine. See machine_check.h. The planner itself says what it says about devices and shares: it is
 * given one weight, just as large as all that the section speaks of.
 */
#include "machine_check.h"

#include "../policy/values/size.h"

#include <math.h>

#define GIB ((uint64_t)1 << 30) /* a model where only its parts are spoken of; what is there for who takes the rest */

struct check {
    const struct vs_policy *policy;
    const struct vs_machine *machine;
    struct vs_plan_machine_device devices[VS_MACHINE_DEVICES_MAX + 1];
    struct vs_plan_machine for_plan;
    struct vs_device_id compute;
    struct vs_source source; /* the policy, for what has no line */
    struct vs_diags *diags;
};

static const struct vs_plan_machine_device *find(const struct check *check, struct vs_device_id device)
{
    for (size_t i = 0; i < check->for_plan.count; i++)
        if (vs_device_equal(check->for_plan.devices[i].id, device))
            return &check->for_plan.devices[i];
    return NULL;
}

/* Bytes of a device, 0 where it is not there. */
static uint64_t memory_of(const struct check *check, struct vs_device_id device)
{
    const struct vs_plan_machine_device *found = find(check, device);
    return found ? found->total_bytes : 0;
}

/* The most that the device can lend, for messages too: a small BAR1 shows only a part of it. */
static uint64_t lendable_of(const struct check *check, struct vs_device_id device)
{
    const struct vs_plan_machine_device *found = find(check, device);
    return found ? vs_plan_lendable_bytes(found) : 0;
}

/* The most of it that a plan puts there: less what is not lent of the host's memory. */
static uint64_t room_of(const struct check *check, struct vs_device_id device)
{
    uint64_t bytes = lendable_of(check, device);
    uint64_t reserve_bytes = device.family == VS_DEVICE_CPU ? check->policy->host_reserve_bytes : 0;
    return bytes > reserve_bytes ? bytes - reserve_bytes : 0;
}

/* A value's place. `source` is made for it, and has to live as long; where nothing is known of it, the policy is meant.
 */
static struct vs_place place_of(const struct check *check, struct vs_said_at at, struct vs_source *source)
{
    *source = (struct vs_source){.name = at.name ? at.name : check->source.name};
    return (struct vs_place){source, at.line, at.column};
}

static bool is_there(const struct check *check, struct vs_device_id device, struct vs_said_at at, const char *what)
{
    struct vs_source source;
    if (memory_of(check, device))
        return true;
    int count = check->machine->device_count;
    vs_diag_add(check->diags, VS_ERROR, place_of(check, at, &source), "`%s` %s, and the machine has no such device",
        vs_device_format(device).text, what);
    vs_diag_hint(
        check->diags, count == 1 ? "it has `cuda:0` and `cpu`" : "it has `cuda:0` to `cuda:%d`, and `cpu`", count - 1);
    return false;
}

static void check_donor(const struct check *check, const struct vs_donor *donor)
{
    bool is_host = donor->device.family == VS_DEVICE_CPU;
    struct vs_source source;
    uint64_t bytes = memory_of(check, donor->device), room_bytes = room_of(check, donor->device);
    if (!is_there(check, donor->device, donor->at, "is to lend memory") || !donor->is_limited ||
        donor->limit_bytes <= room_bytes)
        return;
    vs_diag_add(check->diags, VS_WARNING, place_of(check, donor->at, &source), "`%s` is to lend up to %s, and %s %s",
        vs_device_format(donor->device).text, vs_size_text((double)donor->limit_bytes).text,
        room_bytes < bytes ? "can lend" : "has", vs_size_text((double)room_bytes).text);
    if (is_host && check->machine->host_is_assumed)
        vs_diag_hint(check->diags,
            "%s are assumed of the host, of which `host-reserve` keeps %s; 24gb+host:96gb, or `host:` in a file, tells "
            "the machine's own",
            vs_size_text((double)bytes).text, vs_size_text((double)check->policy->host_reserve_bytes).text);
    else if (is_host && room_bytes < bytes)
        vs_diag_hint(check->diags, "of %s, `host-reserve` keeps %s for the program itself and what else runs there",
            vs_size_text((double)bytes).text, vs_size_text((double)check->policy->host_reserve_bytes).text);
    else
        vs_diag_hint(check->diags, room_bytes < bytes
                                       ? "other devices can map no more of it (`bar1` of the machine)"
                                       : "it lends what it has; leave room there for what else runs on it");
}

struct reserve {
    const char *key;
    bool is_said; /* else it is what is kept where nothing is said */
    uint64_t bytes;
    struct vs_said_at at;
    struct vs_device_id device; /* of whose memory it is kept */
    const char *hint;           /* where it is said */
};

static void check_reserve(const struct check *check, const struct reserve *reserve)
{
    struct vs_source source;
    uint64_t bytes = memory_of(check, reserve->device);
    if (!bytes || reserve->bytes < bytes)
        return;
    vs_diag_add(check->diags, reserve->is_said ? VS_ERROR : VS_WARNING, place_of(check, reserve->at, &source),
        "%s`%s` of %s leaves nothing of `%s`, which has %s, to weights", reserve->is_said ? "" : "the usual ",
        reserve->key, vs_size_text((double)reserve->bytes).text, vs_device_format(reserve->device).text,
        vs_size_text((double)bytes).text);
    vs_diag_hint(check->diags, "%s", reserve->is_said ? reserve->hint : "say how much is to stay free there");
}

static void check_reserves(const struct check *check)
{
    const struct vs_policy *policy = check->policy;
    const struct vs_device_id cpu = {.family = VS_DEVICE_CPU};
    const struct reserve compute = {"compute-reserve", policy->has_compute_reserve, policy->compute_reserve_bytes,
        policy->compute_reserve_at, check->compute, "1.5gb is enough for most models"};
    const struct reserve host = {"host-reserve", policy->has_host_reserve, policy->host_reserve_bytes,
        policy->host_reserve_at, cpu, "2gb is enough where nothing else runs on the machine"};
    check_reserve(check, &compute);
    check_reserve(check, &host); /* whatever the donors, `cpu` takes what they cannot */
}

/* How large a model has to be for every share of the section to count. */
static uint64_t bytes_spoken_of(const struct check *check, const struct vs_policy_section *section)
{
    double bytes = 0;
    if (section->sharing == VS_SHARING_VIRTUAL_VRAM && !section->virtual_vram.is_part)
        return section->virtual_vram.size.bytes;
    if (section->sharing == VS_SHARING_VIRTUAL_VRAM) /* of a model that nobody knows: small enough to be lent */
        return 1 << 20;
    if (section->sharing != VS_SHARING_DISTORCH)
        return GIB;
    const struct vs_distorch *distorch = &section->distorch;
    for (size_t i = 0; i < distorch->count; i++) {
        double amount = distorch->shares[i].amount;
        if (distorch->form == VS_DISTORCH_BYTES)
            bytes += amount;
        else if (distorch->form == VS_DISTORCH_FRACTION)
            bytes += amount * (double)memory_of(check, distorch->shares[i].device);
    }
    if (distorch->form == VS_DISTORCH_VIRTUAL)
        bytes = ldexp(distorch->virtual_gb, 30);
    else if (distorch->form != VS_DISTORCH_FRACTION)
        bytes += (double)GIB;
    return bytes < 0x1p60 ? (uint64_t)bytes : (uint64_t)1 << 60; /* as far as a plan counts */
}

/* DisTorch's own order passes nothing on: what a device cannot hold does not fit. */
static void check_shares(const struct check *check, const struct vs_policy_section *section)
{
    const struct vs_distorch *distorch = &section->distorch;
    struct vs_source source;
    struct vs_place place = place_of(check, section->sharing_at, &source);
    if (section->sharing != VS_SHARING_DISTORCH || section->order != VS_ORDER_DISTORCH ||
        distorch->form != VS_DISTORCH_BYTES)
        return;
    for (size_t i = 0; i < distorch->count; i++) {
        struct vs_device_id device = distorch->shares[i].device;
        uint64_t bytes = lendable_of(check, device);
        if (!bytes || distorch->shares[i].amount <= (double)bytes)
            continue;
        vs_diag_add(check->diags, VS_WARNING, place, "`%s` is to take %s, and %s %s", vs_device_format(device).text,
            vs_size_text(distorch->shares[i].amount).text, bytes < memory_of(check, device) ? "can lend" : "has",
            vs_size_text((double)bytes).text);
        vs_diag_hint(check->diags, "a model that is large enough to fill it will not fit; ask for less");
    }
}

/* The largest model that there is room for: on the compute device, on those that have shares, and on `cpu`, which takes
 * what these pass on. */
static double most_bytes_of(const struct check *check, const struct vs_plan *plan, const struct vs_distorch *allocation)
{
    const struct vs_device_id cpu = {.family = VS_DEVICE_CPU};
    double bytes = (double)plan->devices[0].capacity_bytes;
    bool is_passed_to_cpu = plan->order != VS_ORDER_DISTORCH;
    for (size_t d = 1; d < plan->device_count; d++)
        for (size_t i = 0; i < allocation->count; i++)
            if (vs_device_equal(allocation->shares[i].device, plan->devices[d].id)) {
                bytes += plan->devices[d].dropped ? 0 : (double)plan->devices[d].capacity_bytes;
                is_passed_to_cpu &= !vs_device_equal(plan->devices[d].id, cpu);
            }
    return bytes + (is_passed_to_cpu ? (double)room_of(check, cpu) : 0);
}

/* What shares ask for beyond what their devices hold once everything was passed on. */
static double unfit_bytes_of(const struct vs_plan *plan)
{
    double bytes = 0;
    for (size_t d = 0; d < plan->device_count; d++)
        if (plan->devices[d].quota_bytes > plan->devices[d].capacity_bytes)
            bytes += (double)(plan->devices[d].quota_bytes - plan->devices[d].capacity_bytes);
    return bytes;
}

static void check_room(const struct check *check, const struct vs_policy_section *section, const struct vs_plan *plan,
    const struct vs_distorch *allocation)
{
    struct vs_source source;
    struct vs_place place = place_of(check, section->sharing_at, &source);
    double most_bytes = most_bytes_of(check, plan, allocation), bytes = (double)plan->total_bytes;
    if (plan->short_bytes) /* the planner's last word, to which its hint did not know this */
        vs_diag_hint(check->diags,
            "`%s` keeps what it can of the rest: models of up to %s fit; ask for less, or name more donors",
            vs_device_format(check->compute).text, vs_size_text(most_bytes).text);
    if (plan->short_bytes || plan->order == VS_ORDER_DISTORCH || unfit_bytes_of(plan) < 1)
        return;
    vs_diag_add(check->diags, VS_WARNING, place,
        "a model for which all of this counts has %s and does not fit: models of up to %s do", vs_size_text(bytes).text,
        vs_size_text(most_bytes).text);
    vs_diag_hint(check->diags, "name more donors, or let them lend more");
}

static void check_section(const struct check *check, const struct vs_policy_section *section)
{
    uint64_t bytes = bytes_spoken_of(check, section);
    const uint64_t shape[] = {1, bytes};
    const struct vs_plan_tensor tensor = {.name = "linear.weight", .shape = shape, .rank = 2, .bytes = bytes};
    struct vs_section_wish wish;
    struct vs_plan plan;
    check_shares(check, section);
    vs_section_wish(check->policy, section, section->part, bytes, check->compute, &wish);
    vs_wish_point_at_share(section, &wish.wish);
    if (vs_plan(&tensor, 1, &wish.wish, &check->for_plan, &plan, check->diags))
        return;
    if (wish.wish.allocation)
        check_room(check, section, &plan, wish.wish.allocation);
    vs_plan_free(&plan);
}

static struct vs_device_id compute_of(const struct vs_settings *settings)
{
    return settings->policy.has_compute ? settings->policy.compute : vs_settings_first_device(settings);
}

void vs_wish_point_at_share(const struct vs_policy_section *section, struct vs_plan_wish *wish)
{
    if (!wish->line) /* of an option, which is pointed at as a whole */
        return;
    for (size_t i = 0; i < section->rule_count; i++)
        if (section->rules[i].line == section->line) /* all in one line: it is not known which of them is meant */
            return;
    wish->share_line = section->sharing_at.line;
    wish->share_column = section->sharing_at.column;
}

static void check_compute_and_seen(const struct check *check, const struct vs_settings *settings)
{
    const struct vs_policy *policy = &settings->policy;
    struct vs_said_at first_at = settings->device_count ? settings->device_at[0] : (struct vs_said_at){0};
    is_there(check, check->compute, policy->has_compute ? policy->compute_at : first_at, "is to compute");
    for (size_t i = 0; i < settings->device_count; i++)
        if (!vs_device_equal(settings->devices[i], check->compute))
            is_there(check, settings->devices[i], settings->device_at[i], "is to be seen by the program");
}

/* Begins a check with the devices that the program is to see. In place, since it points into itself. */
static void begin(
    struct check *check, const struct vs_settings *settings, const struct vs_machine *machine, struct vs_diags *diags)
{
    const char *name = settings->policy.name;
    *check = (struct check){.policy = &settings->policy,
        .machine = machine,
        .compute = compute_of(settings),
        .source = {.name = name ? name : "the policy"},
        .diags = diags};
    check->for_plan = vs_machine_for_plan(machine, check->compute, check->devices);
    check_compute_and_seen(check, settings);
}

int vs_machine_check_devices(
    const struct vs_settings *settings, const struct vs_machine *machine, struct vs_diags *diags)
{
    const struct vs_policy *policy = &settings->policy;
    size_t errors_before = diags->error_count;
    struct check check;
    begin(&check, settings, machine, diags);
    for (size_t i = 0; policy->has_donors && i < policy->donor_count; i++)
        is_there(&check, policy->donors[i].device, policy->donors[i].at, "is to lend memory");
    return diags->error_count == errors_before ? 0 : -1;
}

void vs_machine_check(const struct vs_settings *settings, const struct vs_machine *machine, struct vs_diags *diags)
{
    const struct vs_policy *policy = &settings->policy;
    size_t errors_before = diags->error_count;
    struct check check;
    begin(&check, settings, machine, diags);
    for (size_t i = 0; policy->has_donors && i < policy->donor_count; i++)
        check_donor(&check, &policy->donors[i]);
    check_reserves(&check);
    for (size_t i = 0; diags->error_count == errors_before && i < policy->section_count; i++)
        check_section(&check, &policy->sections[i]);
}

bool vs_machine_idle_device(
    const struct vs_settings *settings, const struct vs_machine *machine, struct vs_device_id *device)
{
    const struct vs_policy *policy = &settings->policy;
    struct vs_device_id compute = compute_of(settings);
    bool asks_donors = false;
    for (size_t i = 0; i < policy->section_count; i++)
        asks_donors |= policy->sections[i].sharing == VS_SHARING_VIRTUAL_VRAM;
    if (policy->has_donors || !asks_donors || (int)compute.ordinal >= machine->device_count)
        return false;
    for (int k = 0; k < machine->device_count; k++) {
        *device = (struct vs_device_id){.family = VS_DEVICE_CUDA, .ordinal = (unsigned)k};
        bool is_named = vs_device_equal(*device, compute) || vs_policy_names_device(policy, *device);
        for (size_t i = 0; i < settings->device_count; i++)
            is_named |= vs_device_equal(settings->devices[i], *device);
        if (!is_named && vs_machine_can_map(machine, compute.ordinal, (size_t)k))
            return true;
    }
    return false;
}
