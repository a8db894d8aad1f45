/* devices.c: see devices.h. */
#include "devices.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../policy/settings.h"
#include "activate.h"
#include "driver.h"
#include "gpu_count.h"
#include "locks.h"

static const char *variable(void *context, const char *name)
{
    (void)context;
    return getenv(name);
}

static const struct vs_said environment = {.variable = variable};

/* --- At start ----------------------------------------------------------------------------------------------------- */

/* CUDA_VISIBLE_DEVICES is as the library has left it, here or in a parent. */
static bool is_ours(void)
{
    const char *now = getenv(VS_VARIABLE_VISIBLE), *ours = getenv(VS_VARIABLE_SET_VISIBLE);
    return now && ours && strcmp(now, ours) == 0;
}

/* What is wrong with the settings is said when the program turns out to use CUDA. */
static void narrow(void)
{
    const char *kept = getenv(VS_VARIABLE_USER_VISIBLE);
    struct vs_settings settings;
    struct vs_diags diags = {0};
    if (kept && !is_ours())
        return; /* somebody has said what the program is to see */
    int result = vs_settings_load_devices(&environment, &settings, &diags);
    vs_diags_free(&diags);
    struct vs_device_wish wish = vs_settings_device_wish(&settings);
    if (result != 0 || !vs_device_wish_is_apart(&wish))
        return;
    const char *users = kept ? vs_visible_kept(kept) : getenv(VS_VARIABLE_VISIBLE);
    struct vs_visible user;
    struct vs_device_view view;
    char value[VS_VISIBLE_VALUE_BYTES];
    vs_visible_read(users, vs_gpus_listed(), &user);
    vs_device_view_make(&user, NULL, &wish, &view);
    if (view.missing >= 0 || view.seen_count == 0)
        return;
    vs_device_view_value(&view, view.seen_count, value);
    setenv(VS_VARIABLE_USER_VISIBLE, vs_visible_keep(users), 1);
    setenv(VS_VARIABLE_SET_VISIBLE, value, 1);
    setenv(VS_VARIABLE_VISIBLE, value, 1);
}

/* Once. A library whose constructor uses CUDA may come here before the constructor below does. */
__attribute__((constructor)) static void narrow_at_start(void)
{
    static atomic_bool done;
    if (atomic_exchange(&done, true))
        return;
    if (vs_setting_in_force(&environment, VS_SETTING_DEVICES).text ||
        vs_setting_in_force(&environment, VS_SETTING_DONORS).text)
        narrow();
}

/* --- Deciding ----------------------------------------------------------------------------------------------------- */

pthread_mutex_t vs_visible_lock = PTHREAD_MUTEX_INITIALIZER;
static const struct vs_settings *settings_in_force;
static struct vs_device_view view_in_force; /* valid once `state` says so */
/* UNDECIDED; TOGETHER: ordinals are the user's numbers; APART: the view tells; HIDING: and the driver shows donors. */
static atomic_int state;
enum { UNDECIDED, TOGETHER, APART, HIDING };
static atomic_bool started;

void vs_devices_follow(const struct vs_settings *settings)
{
    settings_in_force = settings;
}

void vs_devices_forget(void)
{
    settings_in_force = NULL;
}

static bool is_among(const struct vs_device_wish *wish, int number)
{
    for (size_t i = 0; i < wish->device_count; i++)
        if ((int)wish->devices[i].ordinal == number)
            return true;
    return wish->hides_donors;
}

static struct vs_device_id compute_of(
    const struct vs_policy *policy, const struct vs_policy_section *section, const struct vs_device_view *view)
{
    int first = view->driver.entries[0].number;
    if (policy->has_compute)
        return policy->compute;
    if (section->sharing == VS_SHARING_DISTORCH && section->distorch.has_compute)
        return section->distorch.compute;
    return (struct vs_device_id){VS_DEVICE_CUDA, first < 0 ? VS_DEVICES_NONE : (unsigned)first};
}

/* Gives up where the view cannot be. `own` is what the program has set itself, or NULL. */
static void refuse_what_cannot_be(
    const struct vs_settings *settings, const struct vs_device_view *view, const struct vs_visible *own, size_t machine)
{
    const struct vs_device_wish wish = vs_settings_device_wish(settings);
    const char *now = getenv(VS_VARIABLE_VISIBLE);
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
    if (!own && view->seen_count == 0) {
        vs_give_up("no GPU is left for the program: all of the machine's %zu are to lend memory; take one out of "
                   "VRAMSPAN_DONORS",
            machine);
        return;
    }
    for (size_t i = 0; i < settings->policy.section_count && view->seen_count; i++) {
        struct vs_device_id compute = compute_of(&settings->policy, &settings->policy.sections[i], view);
        int ordinal = vs_device_view_ordinal(view, compute.ordinal);
        if (ordinal >= 0 && ordinal < (int)view->seen_count)
            continue;
        vs_give_up("the program does not see %s, on which it is to compute (" VS_VARIABLE_VISIBLE
                   "=%s); set it as it was at the start, or correct `compute`",
            vs_device_format(compute).text, now ? now : "(not set)");
        return;
    }
}

/* Settles the numbering. Nothing is locked while libraries are loaded (resolve.c says why): threads that race find the
 * same, and the first one's stays. */
static void decide(void)
{
    const struct vs_settings *settings = settings_in_force;
    if (!settings || atomic_load_explicit(&state, memory_order_acquire) != UNDECIDED)
        return;
    narrow_at_start();
    const char *kept = getenv(VS_VARIABLE_USER_VISIBLE);
    const struct vs_device_wish wish = vs_settings_device_wish(settings);
    bool said = vs_device_wish_is_apart(&wish);
    if (!said && !kept) {
        int none = UNDECIDED;
        atomic_compare_exchange_strong(&state, &none, TOGETHER);
        return;
    }
    bool has_own = kept && (!said || !is_ours());
    size_t machine = vs_gpus_managed();
    struct vs_visible user, own;
    struct vs_device_view view;
    vs_visible_read(kept ? vs_visible_kept(kept) : getenv(VS_VARIABLE_VISIBLE), machine, &user);
    vs_visible_read(getenv(VS_VARIABLE_VISIBLE), machine, &own);
    vs_device_view_make(&user, has_own ? &own : NULL, &wish, &view);
    bool hides = view.driver.count > view.seen_count && view.seen_count > 0 && settings->policy.section_count > 0;
    if (!hides)
        view.driver.count = view.seen_count;

    pthread_mutex_lock(&vs_visible_lock);
    bool first = atomic_load(&state) == UNDECIDED;
    if (first) {
        view_in_force = view;
        atomic_store_explicit(&state, hides ? HIDING : APART, memory_order_release);
    }
    pthread_mutex_unlock(&vs_visible_lock);
    if (first)
        refuse_what_cannot_be(settings, &view, has_own ? &own : NULL, machine);
}

/* --- Starting CUDA ------------------------------------------------------------------------------------------------ */

/* Both variables, so that a child that is started in between takes the value for ours. */
static CUresult init_widened(CUresult (*init)(unsigned flags))
{
    const char *now = getenv(VS_VARIABLE_VISIBLE), *ours = getenv(VS_VARIABLE_SET_VISIBLE);
    char *narrowed = now ? strdup(now) : NULL, *set = ours ? strdup(ours) : NULL;
    char widened[VS_VISIBLE_VALUE_BYTES];
    if ((now && !narrowed) || (ours && !set)) {
        free(narrowed);
        free(set);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    vs_device_view_value(&view_in_force, view_in_force.driver.count, widened);
    if (set && is_ours())
        setenv(VS_VARIABLE_SET_VISIBLE, widened, 1);
    setenv(VS_VARIABLE_VISIBLE, widened, 1);
    CUresult result = init(0);
    if (narrowed)
        setenv(VS_VARIABLE_VISIBLE, narrowed, 1);
    else
        unsetenv(VS_VARIABLE_VISIBLE);
    if (set)
        setenv(VS_VARIABLE_SET_VISIBLE, set, 1);
    free(narrowed);
    free(set);
    return result;
}

CUresult vs_devices_init(CUresult (*init)(unsigned flags))
{
    static bool done;
    decide();
    pthread_mutex_lock(&vs_visible_lock);
    bool widen = !done && atomic_load(&state) == HIDING;
    done = true;
    CUresult result = widen ? init_widened(init) : init(0);
    pthread_mutex_unlock(&vs_visible_lock);
    return result;
}

void vs_devices_start(void)
{
    int count;
    if (atomic_load_explicit(&started, memory_order_acquire))
        return;
    decide();
    const struct vs_driver *driver = vs_devices_hiding() ? vs_driver() : NULL;
    if (atomic_exchange(&started, true) || !driver || driver->cuDeviceGetCount(&count) != CUDA_SUCCESS ||
        (size_t)count >= view_in_force.driver.count)
        return;
    vs_give_up(
        "%s cannot be reached to lend memory: of %zu devices CUDA shows %d. Either it is not there, or the program "
        "has started CUDA by a call that vramspan does not see; name the program's devices in VRAMSPAN_DEVICES, and "
        "only devices that are there in VRAMSPAN_DONORS",
        vs_device_format(vs_devices_id(count)).text, view_in_force.driver.count, count);
}

/* --- Answers ------------------------------------------------------------------------------------------------------ */

static bool is_apart(void)
{
    decide(); /* a model may be opened before any call that starts CUDA */
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
