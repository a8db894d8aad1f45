/*
 * The options of a command line that say what VRAMSPAN_* says, too: --policy, --virtual-vram, --distorch, --devices,
 * --donors, --compute-reserve, --host-reserve, --on-error. A child parser for the commands that know a policy:
 *
 *     static const struct argp_child children[] = {{.argp = &vs_settings_argp, .group = 1}, {0}};
 *     case ARGP_KEY_INIT: state->child_inputs[0] = &arguments->said;
 *
 * It fills in vs_said.options; an option that is given twice counts as it was given last. Whether values are right is
 * found by vs_settings_load.
 */
#ifndef VRAMSPAN_TOOLS_SETTINGS_OPTIONS_H
#define VRAMSPAN_TOOLS_SETTINGS_OPTIONS_H

#include "../policy/language/settings.h"

#include <argp.h>

/* Its input is a struct vs_said, whose other members stay as they are. */
extern const struct argp vs_settings_argp;

/* The exit status for the errors of a reading: VS_EXIT_USAGE where one is about the value of an option itself, else
 * VS_EXIT_ERRORS. */
int vs_settings_status(const struct vs_diags *diags);

/* Adds the error that no policy is given anywhere, with how to give one; `command` says it ("plan"). */
void vs_settings_refuse_none(const char *command, struct vs_diags *diags);
/* The same on stderr, by itself. Returns the exit status for that. */
int vs_settings_complain_none(const char *command);

#endif
