/*
 * `--machine`, `--simulate`: a description of a machine on a command line, and where machines with a name are found.
 */
#ifndef VRAMSPAN_TOOLS_MACHINE_OPTION_H
#define VRAMSPAN_TOOLS_MACHINE_OPTION_H

#include "../policy/machine/machine.h"

/*
 * Reads what was given to the option of this name: a short form, a file, or the name of a file in `simcuda/machines`
 * beside the command, as it is built, or in `share/vramspan/machines` beside its folder, as it is installed. Returns 0,
 * or -1 with an error added.
 */
int vs_machine_option(const char *option, const char *text, struct vs_machine *machine, struct vs_diags *diags);

#endif
