/* activate.c: see activate.h. */
#include "activate.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../policy/language/policy_files.h"
#include "../policy/language/settings.h"
#include "devices.h"
#include "gate.h"
#include "host_memory.h"
#include "log.h"
#include "models.h"
#include "resolve.h"

#define EXIT_CONFIGURATION 78 /* EX_CONFIG of sysexits.h */

static struct vs_settings settings;
static pid_t own_pid;
/* Hooks act from a good policy on for good: what was placed must be found when it is freed. Placing may end earlier. */
static bool acting, placing, seen;
static bool begun, left_alone; /* reading the policy has begun; ... in a parent, and this is its child */

static const struct vs_said environment = {.variable = vs_variable_of_process};

static enum { UNKNOWN, NO, YES } answer = UNKNOWN; /* of vs_configured */

/* Asked by every process at its start, several times. */
bool vs_configured(void)
{
    int known = (int)__atomic_load_n(&answer, __ATOMIC_RELAXED);
    if (known == UNKNOWN) {
        known = vs_settings_are_said(&environment) ? YES : NO;
        __atomic_store_n(&answer, known, __ATOMIC_RELAXED);
    }
    return known == YES;
}

void vs_stay_out(void)
{
    answer = NO;
    left_alone = true;
}

/* In a forked child of a process that has begun with CUDA: CUDA does not survive there, and our locks may be held by
 * threads that do not exist, in the middle of the first call, too. */
static void leave_child_alone(void)
{
    vs_models_after_fork();
    if (!__atomic_load_n(&begun, __ATOMIC_ACQUIRE))
        return;
    left_alone = true;
    acting = placing = false;
    vs_gate_forget();
    vs_devices_forget();
    vs_resolve_pass_through();
}

static void prepare_for_fork(void)
{
    static bool done;
    if (__atomic_exchange_n(&done, true, __ATOMIC_ACQ_REL))
        return;
    pthread_atfork(vs_models_before_fork, vs_models_after_fork, leave_child_alone);
}

/* Before there are threads, where it can be. */
__attribute__((constructor)) static void prepare(void)
{
    if (vs_configured())
        prepare_for_fork();
}

/* The variable that the first error is in, or NULL. */
static const char *faulty_variable(const struct vs_diags *diags)
{
    size_t first = 0;
    while (first < diags->count && diags->items[first].severity != VS_ERROR)
        first++;
    const char *file = first < diags->count ? diags->items[first].file : NULL;
    for (int i = 0; file && i < VS_SETTING_COUNT; i++)
        if (i != VS_SETTING_POLICY && strcmp(file, vs_setting_variable((enum vs_setting)i)) == 0)
            return vs_setting_variable((enum vs_setting)i);
    return NULL;
}

static void refuse_unreadable(const struct vs_diags *diags)
{
    struct vs_setting_value path = vs_setting_in_force(&environment, VS_SETTING_POLICY);
    const char *variable = faulty_variable(diags);
    char folder[4096];
    if (variable)
        vs_give_up("what %s says cannot be followed; correct it, or unset it", variable);
    else if (path.text)
        vs_give_up("the policy %s cannot be read; correct it, or unset %s", path.text, path.name);
    else if (vs_settings_folder(&environment, folder, sizeof folder) && vs_policy_is_folder(folder))
        vs_give_up("the policies in %s cannot be read; correct them", folder);
    else
        vs_give_up("what VRAMSPAN_* says cannot be read; correct it, or unset it");
}

static void read_policy(void)
{
    const struct vs_policy *policy = &settings.policy;
    struct vs_diags diags = {0};
    if (left_alone || !vs_settings_are_said(&environment)) /* a program may have set it for itself */
        return;
    prepare_for_fork();
    __atomic_store_n(&begun, true, __ATOMIC_RELEASE);
    own_pid = getpid();
    int result = vs_settings_load(&environment, &settings, &diags);
    vs_log_diagnostics(&diags);
    if (result != 0)
        refuse_unreadable(&diags);
    vs_diags_free(&diags);
    if (result != 0)
        return;
    vs_devices_follow(&settings);
    vs_host_memory_keep(policy->host_reserve_bytes);
    if (policy->section_count == 0) {
        if (settings.has_policy)
            vs_log(VS_LOG_INFO, "policy", "%s names no model: nothing will be placed", policy->name);
        return;
    }
    __atomic_store_n(&acting, true, __ATOMIC_RELEASE);
    __atomic_store_n(&placing, true, __ATOMIC_RELEASE);
    vs_log(VS_LOG_INFO, "policy", "%s, %zu model section%s, is in force", policy->name, policy->section_count,
        policy->section_count == 1 ? "" : "s");
}

bool vs_acting(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, read_policy);
    __atomic_store_n(&seen, true, __ATOMIC_RELEASE);
    return __atomic_load_n(&acting, __ATOMIC_ACQUIRE);
}

bool vs_cuda_seen(void)
{
    return __atomic_load_n(&seen, __ATOMIC_ACQUIRE);
}

const struct vs_policy *vs_policy_in_force(void)
{
    return __atomic_load_n(&placing, __ATOMIC_ACQUIRE) ? &settings.policy : NULL;
}

const struct vs_backing_wish *vs_backings_wished(void)
{
    return &settings.backings;
}

void vs_policy_remedy(char remedy[VS_REMEDY_BYTES])
{
    enum vs_setting source = vs_setting_of_shares(&environment);
    if (source != VS_SETTING_COUNT)
        snprintf(remedy, VS_REMEDY_BYTES, "unset %s", vs_setting_variable(source));
    else
        snprintf(remedy, VS_REMEDY_BYTES, "take the policies out of %s", settings.policy.name);
}

bool vs_in_own_process(void)
{
    return getpid() == own_pid;
}

void vs_give_up(const char *format, ...)
{
    char reason[768];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(reason, sizeof reason, format, arguments);
    va_end(arguments);
    vs_log(VS_LOG_ERROR, "policy", "%s", reason);
    if (settings.policy.on_error != VS_ON_ERROR_PASSTHROUGH)
        _exit(EXIT_CONFIGURATION); /* exit() would run the program's handlers in the middle of its own call */
    __atomic_store_n(&placing, false, __ATOMIC_RELEASE);
    vs_log(VS_LOG_WARN, "policy", "stepping aside, as on-error: passthrough asks: no weight is placed any more");
}
