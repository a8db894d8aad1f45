/*
 * What of a policy cannot be honoured on a machine, whatever the model: devices that are not there or cannot be mapped,
 * shares that pass on, sizes beyond the memory there is.
 *
 * What depends on the model (whether it fits) is `vramspan plan`'s to tell.
 */
#ifndef VRAMSPAN_TOOLS_MACHINE_CHECK_H
#define VRAMSPAN_TOOLS_MACHINE_CHECK_H

#include "../policy/language/settings.h"
#include "../policy/machine/machine.h"

/* Adds errors for what stops a plan, warnings for what changes it. */
void vs_machine_check(const struct vs_settings *settings, const struct vs_machine *machine, struct vs_diags *diags);

/* That part of it that no section says: the devices that compute, are seen and lend are there. Returns 0, or -1 with
 * errors added. */
int vs_machine_check_devices(
    const struct vs_settings *settings, const struct vs_machine *machine, struct vs_diags *diags);

/* Lets what the planner says of the section's shares point at the value that asks for them. */
void vs_wish_point_at_share(const struct vs_policy_section *section, struct vs_plan_wish *wish);

/* A GPU that could lend and does not, where donors are asked for and none is named; false: there is none. */
bool vs_machine_idle_device(
    const struct vs_settings *settings, const struct vs_machine *machine, struct vs_device_id *device);

#endif
