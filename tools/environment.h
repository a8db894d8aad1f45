/*
 * Changes to the environment that are made before a program starts, or shown instead. Names are copied, values are
 * owned. Begins as {0}.
 */
#ifndef VRAMSPAN_TOOLS_ENVIRONMENT_H
#define VRAMSPAN_TOOLS_ENVIRONMENT_H

#include "../policy/text/text.h"

#include <stdbool.h>

struct vs_environment_change {
    char *name;
    char *value; /* NULL: taken away */
};

struct vs_environment {
    struct vs_environment_change *changes;
    size_t count;
    bool failed; /* out of memory */
};

/* Takes `value` (NULL: the variable is taken away). */
void vs_environment_change(struct vs_environment *environment, const char *name, char *value);
/* Makes the changes in this process. Returns 0, or -1 out of memory. */
int vs_environment_apply(const struct vs_environment *environment);
/* Appends a command for a shell that starts `argv` with these changes, whatever the program is called; variables that
 * are not set are not taken away. */
void vs_environment_show(const struct vs_environment *environment, char *const *argv, struct vs_text *text);
void vs_environment_free(struct vs_environment *environment);

#endif
