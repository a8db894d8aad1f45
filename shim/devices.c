/* devices.c: see devices.h. */
#include "devices.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../policy/language/settings.h"
#include "activate.h"
#include "driver.h"
#include "gpu_count.h"
#include "locks.h"
#include "visible_variable.h"

/* --- Deciding ----------------------------------------------------------------------------------------------------- */

pthread_mutex_t vs_visible_lock = PTHREAD_MUTEX_INITIALIZER;
static const struct vs_settings *settings_in_force;
static struct vs_device_view view_in_force; /* valid once `state` says so */
/* UNDECIDED; TOGETHER: ordinals are the user's numbers; APART: the view tells; HIDING: and the driver shows donors. */
static atomic_int state;
enum { UNDECIDED, TOGETHER, APART, HIDING };
static atomic_bool checked;

void vs_devices_follow(const struct vs_settings *settings)
{
    settings_in_force = settings;
}

/* Whatever other threads of the parent were at: nothing is asked of the lock or of the driver from here on. */
void vs_devices_forget(void)
{
    settings_in_force = NULL;
    atomic_store(&state, TOGETHER);
    atomic_store(&checked, true);
    vs_variable_restore();
}

static bool is_among(const struct vs_device_wish *wish, int number)
{
    for (size_t i = 0; i < wish->device_count; i++)
        if ((int)wish->devices[i].ordinal == number)
            return true;
    return wish->hides_donors;
}

/* Gives up where the view cannot be. `own` is what the program has set itself, or NULL. */
static void refuse_what_cannot_be(const struct vs_settings *settings, const struct vs_device_view *view,
    const struct vs_visible *own, size_t machine, bool comparable)
{
    const struct vs_device_wish wish = vs_settings_device_wish(settings);
    const char *now = getenv(VS_VARIABLE_VISIBLE);
    if (!comparable && settings->policy.section_count) {
        vs_give_up("which device of the policy the program means by " VS_VARIABLE_VISIBLE
                   "=%s is not known: its own numbers are in the driver's order of speed; set "
                   "CUDA_DEVICE_ORDER=PCI_BUS_ID, or name devices there as at the start, by number or by UUID",
            now ? now : "");
        return;
    }
    if (view->missing >= 0 && is_among(&wish, view->missing)) { /* a policy's own donor passes its share on instead */
        vs_give_up("there is no cuda:%d, which VRAMSPAN_DEVICES or VRAMSPAN_DONORS names: the machine has %zu GPU%s; "
                   "correct them",
            view->missing, machine, machine == 1 ? "" : "s");
        return;
    }
    if (view->conflict >= 0) {
        vs_give_up("the program, or who started it, has set " VS_VARIABLE_VISIBLE
                   "=%s, which names cuda:%d, a device that "
                   "is hidden as a donor; leave that out (in ComfyUI --cuda-device and --default-device), or take the "
                   "device out of VRAMSPAN_DONORS",
            now ? now : "(not set)", view->conflict);
        return;
    }
    if (!own && view->seen_count == 0 && !machine) {
        vs_give_up("which GPUs are left for the program is not known, since nothing tells how many the machine has "
                   "(libnvidia-ml.so.1 does not answer); name the program's in VRAMSPAN_DEVICES");
        return;
    }
    if (!own && view->seen_count == 0) {
        vs_give_up("no GPU is left for the program: all of the machine's %zu are to lend memory; take one out of "
                   "VRAMSPAN_DONORS",
            machine);
        return;
    }
    int number = view->seen_count ? view->driver.entries[0].number : -1;
    const struct vs_device_id first = {VS_DEVICE_CUDA, number < 0 ? VS_DEVICES_NONE : (unsigned)number};
    for (size_t i = 0; i < settings->policy.section_count && view->seen_count; i++) {
        struct vs_device_id compute = vs_section_compute(&settings->policy, &settings->policy.sections[i], first);
        if (compute.ordinal == VS_DEVICES_NONE) {
            vs_give_up("the program computes on a device that no policy can name: the user's own " VS_VARIABLE_VISIBLE
                       " does not hold the first one of %s; correct one of the two",
                now ? now : "");
            return;
        }
        int ordinal = vs_device_view_ordinal(view, compute.ordinal);
        if (ordinal >= 0 && ordinal < (int)view->seen_count)
            continue;
        vs_give_up("the program does not see %s, on which it is to compute (" VS_VARIABLE_VISIBLE
                   "=%s); set it as it was at the start, or correct `compute`",
            vs_device_format(compute).text, now ? now : "(not set)");
        return;
    }
}

/* How many GPUs are there at least, where that is all that is known: those up to the last donor. Entries behind what
 * the machine has would end the driver's list before the donors, which come last. */
static size_t least_machine(const struct vs_device_wish *wish)
{
    size_t least = 0;
    for (size_t i = 0; i < wish->donor_count; i++)
        if (wish->donors[i].device.family == VS_DEVICE_CUDA && wish->donors[i].device.ordinal >= least)
            least = wish->donors[i].device.ordinal + 1;
    return least;
}

/* Brings both lists into one notation, where one names devices by number and the other one by UUID. False where it is
 * not known which are the same. */
static bool are_comparable(struct vs_visible *user, struct vs_visible *own)
{
    char uuids[VS_VISIBLE_MAX][VS_VISIBLE_ENTRY_BYTES] = {{0}};
    const char(*known)[VS_VISIBLE_ENTRY_BYTES] = (const char(*)[VS_VISIBLE_ENTRY_BYTES])uuids;
    if (!user->count || !own->count || vs_visible_is_by_uuid(user) == vs_visible_is_by_uuid(own))
        return true;
    size_t count = vs_gpus_identified(uuids);
    return vs_visible_name_by_uuid(user, known, count) && vs_visible_name_by_uuid(own, known, count);
}

/* Settles the numbering. Nothing is locked while libraries are loaded (resolve.c says why): threads that race find the
 * same, and the first one's stays. */
void vs_devices_settle(void)
{
    const struct vs_settings *settings = settings_in_force;
    if (!settings || atomic_load_explicit(&state, memory_order_acquire) != UNDECIDED)
        return;
    vs_variable_start();
    const struct vs_device_wish wish = vs_settings_device_wish(settings);
    bool said = vs_device_wish_is_apart(&wish), has_own = vs_variable_is_programs();
    if (!said && !has_own && !vs_variable_is_kept()) {
        int none = UNDECIDED;
        atomic_compare_exchange_strong(&state, &none, TOGETHER);
        return;
    }
    has_own |= !said; /* what was set apart by a parent is the child's own where it is told nothing about devices */
    size_t machine = vs_gpus_managed();
    struct vs_visible user, own;
    struct vs_device_view view;
    const char *users = vs_variable_of_user();
    bool all_seen = !users && !has_own && !wish.device_count; /* but for the donors */
    vs_visible_read(users, !machine && all_seen ? least_machine(&wish) : machine, &user);
    vs_visible_read(getenv(VS_VARIABLE_VISIBLE), machine, &own);
    bool comparable = !has_own || are_comparable(&user, &own);
    vs_device_view_make(&user, has_own ? &own : NULL, &wish, &view);
    bool hides = view.driver.count > view.seen_count && view.seen_count > 0 && vs_policy_in_force();
    if (!hides)
        view.driver.count = view.seen_count;

    pthread_mutex_lock(&vs_visible_lock);
    bool first = atomic_load(&state) == UNDECIDED;
    if (first) {
        view_in_force = view;
        if (has_own)
            vs_variable_keep();
        atomic_store_explicit(&state, hides ? HIDING : APART, memory_order_release);
    }
    pthread_mutex_unlock(&vs_visible_lock);
    if (first && (vs_policy_in_force() || !settings->policy.section_count)) /* else it has given up already */
        refuse_what_cannot_be(settings, &view, has_own ? &own : NULL, machine, comparable);
}

/* --- Starting CUDA ------------------------------------------------------------------------------------------------ */

CUresult vs_devices_init(CUresult (*init)(unsigned flags))
{
    static bool done;
    char value[VS_VISIBLE_VALUE_BYTES];
    vs_devices_settle();
    pthread_mutex_lock(&vs_visible_lock);
    bool widen = !done && atomic_load(&state) == HIDING;
    done = true;
    if (widen)
        vs_device_view_value(&view_in_force, view_in_force.driver.count, value);
    CUresult result = widen ? vs_variable_widen(value, init) : init(0);
    pthread_mutex_unlock(&vs_visible_lock);
    return result;
}

static struct vs_device_id first_donor_from(int ordinal)
{
    int seen = (int)view_in_force.seen_count;
    return vs_devices_id(ordinal < seen ? seen : ordinal);
}

void vs_devices_start(void)
{
    vs_devices_settle();
    if (vs_devices_hiding())
        vs_driver();
}

void vs_devices_check(CUresult (*get_count)(int *count))
{
    int count;
    if (!vs_devices_hiding() || atomic_exchange(&checked, true) || get_count(&count) != CUDA_SUCCESS ||
        (size_t)count >= view_in_force.driver.count)
        return;
    vs_give_up(
        "%s cannot be reached to lend memory: of %zu devices CUDA shows %d. Either it is not there, or the program "
        "has started CUDA by a call that vramspan does not see; name the program's devices in VRAMSPAN_DEVICES, and "
        "only devices that are there in VRAMSPAN_DONORS",
        vs_device_format(first_donor_from(count)).text, view_in_force.driver.count, count);
}

/* --- Answers ------------------------------------------------------------------------------------------------------ */

/* Settled by then: devices are asked about once the driver is there (vs_devices_init). Nothing may be decided here,
 * which locks are held around. */
static bool is_apart(void)
{
    return atomic_load_explicit(&state, memory_order_acquire) >= APART;
}

bool vs_devices_hiding(void)
{
    return atomic_load_explicit(&state, memory_order_acquire) == HIDING;
}

bool vs_devices_hides(int ordinal)
{
    return vs_devices_hiding() && ordinal >= (int)view_in_force.seen_count;
}

int vs_devices_seen(int driver_count)
{
    int seen = (int)view_in_force.seen_count;
    return vs_devices_hiding() && driver_count > seen ? seen : driver_count;
}

int vs_devices_ordinal(unsigned number)
{
    int ordinal = is_apart() ? vs_device_view_ordinal(&view_in_force, number) : (int)number;
    return ordinal < 0 ? VS_DEVICES_NONE : ordinal;
}

struct vs_device_id vs_devices_id(int ordinal)
{
    int number = ordinal;
    if (is_apart())
        number = ordinal < (int)view_in_force.driver.count ? view_in_force.driver.entries[ordinal].number : -1;
    return (struct vs_device_id){VS_DEVICE_CUDA, number < 0 ? VS_DEVICES_NONE : (unsigned)number};
}

struct vs_device_id vs_devices_first(void)
{
    return vs_devices_id(0);
}
