/*
 * The variables of the program. See hand_down.h.
 */
#include "hand_down.h"

#include "../policy/language/visible_devices.h"
#include "../policy/text/file.h"
#include "beside.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char prefix[] = "VRAMSPAN_";

static void set(struct vs_environment *environment, const char *name, char *value)
{
    if (value)
        vs_environment_change(environment, name, value);
    else
        environment->failed = true;
}

static bool ends_in_library(const char *path)
{
    return !strcmp(vs_base_name(path), VS_LIBRARY_NAME);
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat first, second;
    return !stat(a, &first) && !stat(b, &second) && first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

/* Whether an entry of LD_PRELOAD is the library, a copy of it, or a link to it. */
static bool is_library(const char *entry)
{
    const char *named = getenv("VRAMSPAN_LIBRARY");
    char target[PATH_MAX];
    return ends_in_library(entry) || (realpath(entry, target) && ends_in_library(target)) ||
           (named && is_same_file(entry, named));
}

/* LD_PRELOAD with `library` (NULL: nothing) in front, and without others that are ours. NULL out of memory. */
static char *preload_with(const char *library)
{
    const char *before = getenv("LD_PRELOAD");
    struct vs_text list = {0};
    char *copy = strdup(before ? before : ""), *place = NULL;
    vs_text_printf(&list, "%s", library ? library : "");
    for (char *entry = copy ? strtok_r(copy, " :", &place) : NULL; entry; entry = strtok_r(NULL, " :", &place))
        if (!is_library(entry))
            vs_text_printf(&list, "%s%s", list.length ? ":" : "", entry);
    free(copy);
    if (!copy || list.failed)
        vs_text_free(&list);
    return list.data;
}

int vs_hand_down(const char *command, const struct vs_said *said, const char *log, const char *library,
    struct vs_environment *environment)
{
    const char *level = getenv("VRAMSPAN_LOG");
    set(environment, "LD_PRELOAD", preload_with(library));
    for (int i = 0; i < VS_SETTING_COUNT; i++) {
        enum vs_setting setting = (enum vs_setting)i;
        const char *text = vs_setting_in_force(said, setting).text, *name = vs_setting_variable(setting);
        char *path = NULL;
        int error = 0;
        if (!text)
            vs_environment_change(environment, name, NULL);
        else if (setting != VS_SETTING_POLICY)
            set(environment, name, strdup(text));
        else if ((error = vs_absolute_path(text, &path)) == 0) /* the program may change its working folder */
            set(environment, name, path);
        if (error) {
            vs_complain_relative(command, text, error);
            return -1;
        }
    }
    if (log)
        set(environment, "VRAMSPAN_LOG", strdup(log));
    else if (level && !*level)
        vs_environment_change(environment, "VRAMSPAN_LOG", NULL);
    return 0;
}

/* CUDA_VISIBLE_DEVICES, where it is as the library has left it in this process or in a parent. */
static void give_back_devices(struct vs_environment *environment)
{
    const char *now = getenv(VS_VARIABLE_VISIBLE), *ours = getenv(VS_VARIABLE_SET_VISIBLE);
    const char *kept = getenv(VS_VARIABLE_USER_VISIBLE);
    if (!now || !ours || !kept || strcmp(now, ours) != 0)
        return;
    const char *users = vs_visible_kept(kept);
    if (users)
        set(environment, VS_VARIABLE_VISIBLE, strdup(users));
    else
        vs_environment_change(environment, VS_VARIABLE_VISIBLE, NULL);
}

void vs_hand_down_nothing(struct vs_environment *environment)
{
    const char *before = getenv("LD_PRELOAD");
    char *list = before ? preload_with(NULL) : NULL;
    if (before && list && *list)
        set(environment, "LD_PRELOAD", list);
    else if (before) {
        environment->failed |= !list;
        free(list);
        vs_environment_change(environment, "LD_PRELOAD", NULL);
    }
    for (char **variable = environ; *variable; variable++) {
        size_t length = strcspn(*variable, "=");
        if (strncmp(*variable, prefix, sizeof prefix - 1) != 0)
            continue;
        char *name = strndup(*variable, length);
        if (name)
            vs_environment_change(environment, name, NULL);
        environment->failed |= !name;
        free(name);
    }
    give_back_devices(environment);
}
