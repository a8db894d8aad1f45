/* real_machine.h: the machine that is there, as policies speak of it: devices by their names there, how much memory
 * they have, and which of them the compute device can use. */
#ifndef VS_REAL_MACHINE_H
#define VS_REAL_MACHINE_H

#include "../policy/plan/plan.h"
#include "compute.h"
#include "home.h"

enum { VS_REAL_DEVICES_MAX = VS_DEVICE_ORDINAL_MAX + 2 }; /* every GPU that has a name, and cpu */

/* Where the bytes of a weight live that is planned for `id`. */
struct vs_home vs_real_home(struct vs_device_id id, const struct vs_compute *compute);

struct vs_real_machine {
    struct vs_plan_machine_device devices[VS_REAL_DEVICES_MAX];
    size_t count;
};

/* The machine for a plan with this compute device. Asks the driver for attributes only: touches no other device's
 * context. Any thread. */
void vs_real_machine_describe(const struct vs_compute *compute, struct vs_real_machine *machine);

/* A device is not to be planned with: it has just failed. `why` lives as long as the process. Of a failure that lasts,
 * the first reason is told from then on. */
void vs_real_machine_exclude(struct vs_real_machine *machine, struct vs_device_id id, const char *why, bool lasting);

#endif
