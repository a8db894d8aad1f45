/* settings_support.c: see settings_support.h. */
#include "settings_support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* An environment: "NAME=value" up to NULL. */
static const char *variable(void *context, const char *name)
{
    size_t length = strlen(name);
    for (const char *const *entry = context; *entry; entry++)
        if (!strncmp(*entry, name, length) && (*entry)[length] == '=')
            return *entry + length + 1;
    return NULL;
}

struct vs_said said_in(const char *const *environment)
{
    return (struct vs_said){.variable = variable, .context = (void *)environment};
}

struct vs_settings load_settings(const struct vs_said *said, int wanted, const char *expected)
{
    struct vs_settings settings;
    struct vs_diags diags = {0};
    int result = vs_settings_load(said, &settings, &diags);
    char *text = rendered(&diags);
    cr_expect_str_eq(text, expected);
    free(text);
    cr_assert_eq(result, wanted);
    return settings;
}

struct vs_settings load_environment(const char *const *environment)
{
    struct vs_said said = said_in(environment);
    return load_settings(&said, 0, "");
}

void expect_refused(const char *const *environment, const char *expected)
{
    struct vs_said said = said_in(environment);
    struct vs_settings settings = load_settings(&said, -1, expected);
    cr_expect(!settings.has_policy && !settings.policy.sections && !settings.device_count);
}

void write_policy(char *path, const char *text)
{
    strcpy(path, "/tmp/vramspan-settings-XXXXXX");
    int descriptor = mkstemp(path);
    cr_assert_geq(descriptor, 0);
    cr_assert_eq(write(descriptor, text, strlen(text)), (ssize_t)strlen(text));
    close(descriptor);
}

const char *joined(char *buffer, const char *a, const char *b)
{
    sprintf(buffer, "%s%s", a, b);
    return buffer;
}
