/* visible_variable.c: see visible_variable.h. */
#include "visible_variable.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../policy/language/settings.h"
#include "activate.h"
#include "gpu_count.h"

extern char **environ;

static const struct vs_said environment = {.variable = vs_variable_of_process};

/* --- At start ----------------------------------------------------------------------------------------------------- */

static char *at_start; /* the user's value, as far as no parent has kept another one */
static bool noted;

static bool are_equal(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

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

void vs_variable_start(void)
{
    static atomic_bool done;
    if (atomic_exchange(&done, true) || !vs_configured())
        return;
    const char *now = getenv(VS_VARIABLE_VISIBLE);
    at_start = now ? strdup(now) : NULL;
    noted = at_start || !now;
    if (vs_setting_in_force(&environment, VS_SETTING_DEVICES).text ||
        vs_setting_in_force(&environment, VS_SETTING_DONORS).text)
        narrow();
}

/* A library whose constructor uses CUDA may come to the same before this one does. */
__attribute__((constructor)) static void start(void)
{
    vs_variable_start();
}

/* --- Whose it is -------------------------------------------------------------------------------------------------- */

const char *vs_variable_of_user(void)
{
    const char *kept = getenv(VS_VARIABLE_USER_VISIBLE);
    if (kept)
        return vs_visible_kept(kept);
    return noted ? at_start : getenv(VS_VARIABLE_VISIBLE);
}

bool vs_variable_is_kept(void)
{
    return getenv(VS_VARIABLE_USER_VISIBLE);
}

bool vs_variable_is_programs(void)
{
    if (vs_variable_is_kept())
        return !is_ours();
    return noted && !are_equal(getenv(VS_VARIABLE_VISIBLE), at_start);
}

void vs_variable_keep(void)
{
    if (!vs_variable_is_kept())
        setenv(VS_VARIABLE_USER_VISIBLE, vs_visible_keep(vs_variable_of_user()), 1);
}

/* --- Widened ------------------------------------------------------------------------------------------------------ */

/* Both variables, so that a child that is started in between takes the value for ours. `before` outlives the call, and
 * so does each line of it: a forked child may have to put them back. */
static const char *const names[] = {VS_VARIABLE_VISIBLE, VS_VARIABLE_SET_VISIBLE};
enum { NAMES = sizeof names / sizeof *names };
static char *before[NAMES]; /* "NAME=value"; NULL: not set */
static atomic_bool widened;

static bool remember(void)
{
    for (int i = 0; i < NAMES; i++) {
        const char *now = getenv(names[i]);
        if (now && asprintf(&before[i], "%s=%s", names[i], now) < 0)
            return false;
    }
    return true;
}

static void put_back(int i)
{
    if (before[i])
        setenv(names[i], strchr(before[i], '=') + 1, 1);
    else
        unsetenv(names[i]);
}

CUresult vs_variable_widen(const char *value, CUresult (*init)(unsigned flags))
{
    bool both = is_ours();
    if (!remember())
        return CUDA_ERROR_OUT_OF_MEMORY;
    atomic_store(&widened, true);
    if (both)
        setenv(VS_VARIABLE_SET_VISIBLE, value, 1);
    setenv(VS_VARIABLE_VISIBLE, value, 1);
    CUresult result = init(0);
    for (int i = 0; i < NAMES; i++)
        put_back(i);
    atomic_store(&widened, false);
    return result;
}

void vs_variable_restore(void)
{
    if (!atomic_load(&widened))
        return;
    for (int i = 0; i < NAMES; i++) {
        size_t length = strlen(names[i]);
        char **to = environ;
        for (char **from = environ; from && *from; from++) {
            if (strncmp(*from, names[i], length) != 0 || (*from)[length] != '=')
                *to++ = *from;
            else if (before[i])
                *to++ = before[i];
        }
        if (to)
            *to = NULL;
    }
}
