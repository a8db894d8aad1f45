/* activate.c: see activate.h. */
#include "activate.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../policy/policy.h"
#include "log.h"
#include "resolve.h"

#define EXIT_CONFIGURATION 78 /* EX_CONFIG of sysexits.h */

static struct vs_policy policy;
static pid_t own_pid;
/* Hooks act from a good policy on for good: what was placed must be found when it is freed. Placing may end earlier. */
static bool acting, placing, seen;

static const char *policy_path(void)
{
    const char *path = getenv("VRAMSPAN_POLICY");
    return path && *path ? path : NULL;
}

bool vs_configured(void)
{
    return policy_path() != NULL;
}

/* In a forked child: CUDA does not survive there, and our locks may be held by threads that do not exist. */
static void leave_child_alone(void)
{
    acting = placing = false;
    vs_resolve_pass_through();
}

/* Gives up on a policy with something in it that is planned, but not placed yet. False: everything can be placed. */
static bool refuses_what_is_not_placed_yet(void)
{
    for (size_t i = 0; i < policy.section_count; i++) {
        const struct vs_policy_section *section = &policy.sections[i];
        const char *what = NULL;
        if (section->sharing == VS_SHARING_VIRTUAL_VRAM)
            what = "virtual-vram";
        else if (section->sharing == VS_SHARING_ON)
            what = "on";
        else if (section->rule_count)
            what = "tensors";
        else if (section->part != VS_PART_ANY && section->part != VS_PART_DIFFUSION)
            what = "part";
        else if (section->order == VS_ORDER_SPREAD && section->sharing == VS_SHARING_DISTORCH)
            what = "order: spread";
        else if (section->sharing == VS_SHARING_DISTORCH && section->distorch.form != VS_DISTORCH_BYTES)
            what = "distorch in parts or fractions";
        else if (section->sharing == VS_SHARING_DISTORCH && section->distorch.has_compute)
            what = "distorch with a `#`";
        if (!what)
            continue;
        vs_give_up("%s, line %zu: %s is planned by `vramspan plan`, the library does not place it yet; use `distorch` "
                   "with bytes",
            section->file, section->line, what);
        return true;
    }
    return false;
}

static void read_policy(void)
{
    const char *path = policy_path();
    struct vs_diags diags = {0};
    if (!path)
        return;
    own_pid = getpid();
    int result = vs_policy_load(path, &policy, &diags);
    vs_log_diagnostics(&diags);
    vs_diags_free(&diags);
    if (result != 0) {
        vs_give_up("the policy %s cannot be read; correct it, or unset VRAMSPAN_POLICY", path);
        return;
    }
    if (policy.section_count == 0) {
        vs_log(VS_LOG_INFO, "policy", "%s names no model: nothing will be placed", path);
        return;
    }
    if (refuses_what_is_not_placed_yet())
        return;
    pthread_atfork(NULL, NULL, leave_child_alone);
    __atomic_store_n(&acting, true, __ATOMIC_RELEASE);
    __atomic_store_n(&placing, true, __ATOMIC_RELEASE);
    vs_log(VS_LOG_INFO, "policy", "%s, %zu model section%s, is in force", path, policy.section_count,
        policy.section_count == 1 ? "" : "s");
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
    return __atomic_load_n(&placing, __ATOMIC_ACQUIRE) ? &policy : NULL;
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
    if (policy.on_error != VS_ON_ERROR_PASSTHROUGH)
        _exit(EXIT_CONFIGURATION); /* exit() would run the program's handlers in the middle of its own call */
    __atomic_store_n(&placing, false, __ATOMIC_RELEASE);
    vs_log(VS_LOG_WARN, "policy", "stepping aside, as on-error: passthrough asks: no weight is placed any more");
}
