/*
 * Changes to the environment. See environment.h.
 */
#include "environment.h"

#include <stdlib.h>
#include <string.h>

void vs_environment_change(struct vs_environment *environment, const char *name, char *value)
{
    struct vs_environment_change *changes =
        realloc(environment->changes, (environment->count + 1) * sizeof *environment->changes);
    if (changes)
        environment->changes = changes;
    struct vs_environment_change *change = changes ? &changes[environment->count] : NULL;
    if (!change || !(change->name = strdup(name))) {
        environment->failed = true;
        free(value);
        return;
    }
    change->value = value;
    environment->count++;
}

int vs_environment_apply(const struct vs_environment *environment)
{
    for (size_t i = 0; i < environment->count; i++) {
        const char *name = environment->changes[i].name, *value = environment->changes[i].value;
        if (value ? setenv(name, value, 1) : unsetenv(name))
            return -1;
    }
    return environment->failed ? -1 : 0;
}

/* A word as a POSIX shell reads it. */
static void show_word(struct vs_text *text, const char *word)
{
    static const char harmless[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+=/.,:@%";
    if (*word && word[strspn(word, harmless)] == '\0') {
        vs_text_append(text, word, strlen(word));
        return;
    }
    vs_text_append(text, "'", 1);
    for (const char *quote; (quote = strchr(word, '\'')); word = quote + 1) {
        vs_text_append(text, word, (size_t)(quote - word));
        vs_text_append(text, "'\\''", 4);
    }
    vs_text_append(text, word, strlen(word));
    vs_text_append(text, "'", 1);
}

void vs_environment_show(const struct vs_environment *environment, char *const *argv, struct vs_text *text)
{
    vs_text_printf(text, "env");
    for (size_t i = 0; i < environment->count; i++)
        if (!environment->changes[i].value && getenv(environment->changes[i].name))
            vs_text_printf(text, " -u %s", environment->changes[i].name);
    if (argv[0][0] == '-') /* an option, else */
        vs_text_printf(text, " --");
    for (size_t i = 0; i < environment->count; i++) {
        if (!environment->changes[i].value)
            continue;
        vs_text_printf(text, " \\\n    %s=", environment->changes[i].name);
        show_word(text, environment->changes[i].value);
    }
    vs_text_printf(text, " \\\n   ");
    if (strchr(argv[0], '=')) /* a variable to env(1), else */
        vs_text_printf(text, " sh -c 'exec \"$@\"' sh");
    for (; *argv; argv++) {
        vs_text_append(text, " ", 1);
        show_word(text, *argv);
    }
    vs_text_append(text, "\n", 1);
}

void vs_environment_free(struct vs_environment *environment)
{
    for (size_t i = 0; i < environment->count; i++) {
        free(environment->changes[i].name);
        free(environment->changes[i].value);
    }
    free(environment->changes);
    *environment = (struct vs_environment){0};
}
