/* load_plan.c: the plan of one part of a load, for the machine as it is now. See load.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "activate.h"
#include "backing.h"
#include "load.h"
#include "load_ahead.h"
#include "locks.h"
#include "log.h"
#include "proof.h"

#define MOST_TOLD 64

/* --- What is said, once ------------------------------------------------------------------------------------------- */

pthread_mutex_t vs_told_lock = PTHREAD_MUTEX_INITIALIZER;
static char *told[MOST_TOLD];
static size_t told_count;

/* Whether these words were said before in this process. When there is no room to remember more, all counts as new. */
static bool was_told(const char *message)
{
    bool found = false;
    pthread_mutex_lock(&vs_told_lock);
    for (size_t i = 0; i < told_count && !found; i++)
        found = strcmp(told[i], message) == 0;
    if (!found && told_count < MOST_TOLD && (told[told_count] = strdup(message)))
        told_count++;
    pthread_mutex_unlock(&vs_told_lock);
    return found;
}

/* Every load of a model is planned, and would warn anew. */
static void say(const struct vs_diags *diags)
{
    struct vs_text text = {0};
    for (size_t i = 0; i < diags->count; i++)
        if (diags->items[i].severity == VS_ERROR || !was_told(diags->items[i].message))
            vs_diag_render(&diags->items[i], &text);
    if (text.data)
        vs_log_text(diags->error_count ? VS_LOG_ERROR : VS_LOG_WARN, text.data);
    vs_text_free(&text);
}

/* --- Devices that lie idle ---------------------------------------------------------------------------------------- */

static bool is_idle(
    const struct vs_policy *policy, const struct vs_plan_machine_device *device, const struct vs_load_part *part)
{
    return device->id.family == VS_DEVICE_CUDA && !device->unmappable &&
           !vs_device_equal(device->id, part->wish.wish.compute) && !vs_policy_names_device(policy, device->id);
}

/* Virtual VRAM goes to `cpu` where nobody names donors. Who has a second GPU may not know that it can lend. */
static void tell_idle(
    const struct vs_policy *policy, const struct vs_load_part *part, const struct vs_real_machine *machine)
{
    if (policy->has_donors || part->named.section->sharing != VS_SHARING_VIRTUAL_VRAM)
        return;
    for (size_t i = 0; i < machine->count; i++) {
        struct vs_device_name name = vs_device_format(machine->devices[i].id);
        char message[160];
        if (!is_idle(policy, &machine->devices[i], part))
            continue;
        snprintf(message, sizeof message,
            "%s could lend its memory: to let it, write `donors: [%s, cpu]` into the policy, or set "
            "VRAMSPAN_DONORS=%s,cpu",
            name.text, name.text, name.text);
        if (!was_told(message))
            vs_log(VS_LOG_INFO, "policy", "%s", message);
        return;
    }
}

/* --- Planning ----------------------------------------------------------------------------------------------------- */

static double megabytes(uint64_t bytes)
{
    return (double)bytes / (1 << 20);
}

static void tell_unfit(const char *path, const struct vs_load_part *part, const struct vs_plan_device *device)
{
    bool computes = vs_device_equal(device->id, part->wish.wish.compute);
    bool is_reserved = computes || device->id.family == VS_DEVICE_CPU;
    struct vs_text text = {0};
    vs_text_printf(&text, "%s: `%s` is to hold %.0f MB of it, and %s %.0f MB: %s", path,
        vs_device_format(device->id).text, megabytes(device->placed_bytes),
        is_reserved ? "has beside the reserve" : "has", megabytes(device->capacity_bytes),
        computes ? "the program may run out of memory; let other devices hold more of it"
                 : "what finds it full goes to another device; let it hold less");
    if (text.data && !was_told(text.data))
        vs_log(VS_LOG_WARN, "placement", "%s", text.data);
    vs_text_free(&text);
}

static void tell_plan(const struct vs_load *load, const struct vs_load_part *part, const struct vs_plan *plan)
{
    const char *path = load->file->path;
    for (size_t d = 0; d < plan->device_count; d++)
        if (plan->devices[d].unfit_bytes)
            tell_unfit(path, part, &plan->devices[d]);
    vs_log(VS_LOG_DEBUG, "placement", "%s: %s is planned%s%s%s", path, vs_part_name(part->named.part),
        plan->model ? " as " : "", plan->model ? plan->model : "",
        plan->approximate ? ", approximately: the order of its modules is not known" : "");
}

/* Of what may change while the plan is made. */
struct snapshot {
    unsigned edition;
    struct vs_failed_devices failed;
};

static void take_snapshot(const struct vs_load_part *part, struct snapshot *snapshot)
{
    pthread_mutex_lock(&vs_placement_lock);
    snapshot->edition = part->edition;
    snapshot->failed = part->failed;
    pthread_mutex_unlock(&vs_placement_lock);
}

/* `with_all`: those that are full, or fail for the moment, keep their shares. */
static int make_plan(const struct vs_load_part *part, const struct snapshot *snapshot, const struct vs_policy *policy,
    const struct vs_compute *compute, bool with_all, struct vs_plan *plan, struct vs_diags *diags)
{
    struct vs_real_machine machine;
    vs_real_machine_describe(compute, &machine);
    for (size_t i = 0; i < snapshot->failed.count; i++) {
        const struct vs_failed_device *failed = &snapshot->failed.list[i];
        if (!with_all || failed->failure == VS_FAILURE_LASTING)
            vs_real_machine_exclude(&machine, failed->id, failed->why, failed->failure == VS_FAILURE_LASTING);
    }
    const struct vs_plan_machine given = {machine.devices, machine.count};
    int result = vs_plan(part->tensors, part->named.tensors->count, &part->wish.wish, &given, plan, diags);
    if (result == 0)
        tell_idle(policy, part, &machine);
    return result;
}

static void tell_failed_for_now(const struct vs_load_part *part, const struct snapshot *snapshot)
{
    struct vs_text names = {0}, text = {0};
    for (size_t i = 0; i < snapshot->failed.count; i++) {
        const struct vs_failed_device *failed = &snapshot->failed.list[i];
        const struct vs_device_name name = vs_device_format(failed->id);
        const char *comma = names.length ? ", " : "";
        if (failed->failure == VS_FAILURE_FULL)
            vs_text_printf(&names, "%s`%s` is full", comma, name.text);
        if (failed->failure == VS_FAILURE_NOW)
            vs_text_printf(&names, "%s`%s` fails at the moment (%s)", comma, name.text, failed->why);
    }
    vs_text_printf(&text,
        "%s, line %zu: %s, and nobody else may have its share: what is left of that stays on `%s`; ask for less, or "
        "let another device lend",
        part->named.section->file, part->named.section->line, names.data ? names.data : "a device is full",
        vs_device_format(part->wish.wish.compute).text);
    if (text.data && !was_told(text.data))
        vs_log(VS_LOG_WARN, "placement", "%s", text.data);
    vs_text_free(&names);
    vs_text_free(&text);
}

/* A device that is full, or fails, at the moment is no reason to end a program whose compute device has room. */
static int make_plan_with_all(const struct vs_load_part *part, const struct snapshot *snapshot,
    const struct vs_policy *policy, const struct vs_compute *compute, struct vs_plan *plan)
{
    struct vs_diags diags = {0};
    bool any = vs_failed_any_for_now(&snapshot->failed);
    int result = any ? make_plan(part, snapshot, policy, compute, true, plan, &diags) : -1;
    if (result == 0)
        tell_failed_for_now(part, snapshot);
    vs_diags_free(&diags);
    return result;
}

/* Each device that the plan gives bytes to proves that it can have them, before the first allocation there; one that
 * gets none is not touched. False where one cannot, which is noted: the plan is to be made again. What the compute
 * device itself cannot provide in ways of ours is allocated as without us. */
static bool prove(
    struct vs_load_part *part, const struct vs_compute *compute, const struct snapshot *snapshot, struct vs_plan *plan)
{
    for (size_t d = 0; d < plan->device_count; d++) {
        struct vs_device_id id = plan->devices[d].id;
        struct vs_home home = vs_real_home(id, compute);
        const char *why;
        bool full = false;
        if (plan->devices[d].placed_bytes == 0 || vs_failed_find(&snapshot->failed, id) ||
            vs_backing_proved(compute, home, &why, &full) || home.kind == VS_HOME_LOCAL)
            continue;
        pthread_mutex_lock(&vs_placement_lock);
        vs_load_exclude(part, (struct vs_failed_device){id, why, full ? VS_FAILURE_FULL : VS_FAILURE_LASTING});
        pthread_mutex_unlock(&vs_placement_lock);
        return false;
    }
    return true;
}

bool vs_load_plan(struct vs_load *load, struct vs_load_part *part, const struct vs_compute *compute)
{
    const struct vs_policy *policy = vs_policy_in_force();
    struct vs_diags diags = {0};
    struct snapshot snapshot;
    struct vs_plan plan;
    if (!policy)
        return false;
    take_snapshot(part, &snapshot);
    int result = make_plan(part, &snapshot, policy, compute, false, &plan, &diags);
    if (result != 0)
        result = make_plan_with_all(part, &snapshot, policy, compute, &plan);
    if (result != 0 || !diags.error_count)
        say(&diags);
    vs_diags_free(&diags);
    if (result != 0) {
        vs_give_up("%s, line %zu: this cannot be had on this machine, for the reason above", part->named.section->file,
            part->named.section->line);
        return false;
    }
    vs_proof_ask_again();
    if (!prove(part, compute, &snapshot, &plan)) {
        vs_plan_free(&plan);
        return true; /* it is still unplanned */
    }
    tell_plan(load, part, &plan);
    struct vs_load_ahead ahead;
    pthread_mutex_lock(&vs_placement_lock);
    bool installed = !part->planned && part->edition == snapshot.edition; /* else another was faster, or knows more */
    if (installed) {
        vs_load_install(load, part, &plan);
        vs_load_ahead_list(part, &ahead);
    }
    pthread_mutex_unlock(&vs_placement_lock);
    if (installed)
        vs_load_ahead_want(part, compute, &ahead);
    vs_plan_free(&plan);
    return true;
}
