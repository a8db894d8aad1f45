/* failed_devices.h: the devices that a load goes on without, and for how long. */
#ifndef VS_FAILED_DEVICES_H
#define VS_FAILED_DEVICES_H

#include <cuda.h>
#include <stdbool.h>

#include "../policy/plan/plan.h"

enum vs_failure {
    VS_FAILURE_LASTING, /* it cannot be used by this process */
    VS_FAILURE_FULL,    /* it lacks memory at the moment */
    VS_FAILURE_NOW,     /* another error, which need not come again: the next load tries the device anew */
};

struct vs_failed_device {
    struct vs_device_id id;
    const char *why; /* lives as long as the process */
    enum vs_failure failure;
};

struct vs_failed_devices {
    struct vs_failed_device list[VS_PLAN_DEVICES_MAX];
    size_t count;
};

/* What a driver's error says about whoever was asked for memory. Lasting are those that say that it does not have such
 * memory at all, or not for us. */
enum vs_failure vs_failure_of(CUresult error);

/* NULL where the device has not failed. */
const struct vs_failed_device *vs_failed_find(const struct vs_failed_devices *failed, struct vs_device_id id);

/* Notes a device that has not failed yet; false where it has: its first failure stays. */
bool vs_failed_add(struct vs_failed_devices *failed, struct vs_failed_device device);

/* Whether a device has failed that may be of use again. */
bool vs_failed_any_for_now(const struct vs_failed_devices *failed);

#endif
