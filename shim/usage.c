/* usage.c: see usage.h. */
#include "usage.h"

#include <stdatomic.h>
#include <stdio.h>

#include "below.h"
#include "devices.h"
#include "driver.h"
#include "gpu_count.h"
#include "log.h"
#include "stats.h"

#define MEGABYTES(bytes) ((double)(bytes) / (1 << 20))

/* As the management library names it. */
static bool name_device(const struct vs_driver *driver, int ordinal, char text[48])
{
    CUdevice device;
    CUuuid uuid;
    if (driver->cuDeviceGet(&device, ordinal) != CUDA_SUCCESS || driver->cuDeviceGetUuid(&uuid, device) != CUDA_SUCCESS)
        return false;
    int at = snprintf(text, 48, "GPU-");
    for (int i = 0; i < 16; i++)
        at += snprintf(text + at, 48 - (size_t)at, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
            (unsigned)(unsigned char)uuid.bytes[i]);
    return true;
}

static void tell_device(int ordinal, size_t used_bytes)
{
    size_t weights = vs_stats_bytes((struct vs_home){VS_HOME_PEER, ordinal}), below = vs_below_now(ordinal);
    size_t known = weights + below;
    const char *name = vs_device_format(vs_devices_id(ordinal)).text;
    if (used_bytes < known) /* the management library may mean another device */
        vs_log(VS_LOG_WARN, "usage",
            "%s: NVML counts %.1f MB in use, less than the %.1f MB that were allocated there by vramspan and below the "
            "runtime; please report it",
            name, MEGABYTES(used_bytes), MEGABYTES(known));
    else if (known > 0)
        vs_log(VS_LOG_INFO, "usage",
            "%s: NVML counts %.1f MB in use: %.1f MB of weights placed there, %.1f MB allocated below the runtime "
            "(cuBLAS "
            "and others), %.1f MB besides (the program's own, contexts, unfilled pages, other processes)",
            name, MEGABYTES(used_bytes), MEGABYTES(weights), MEGABYTES(below), MEGABYTES(used_bytes - known));
}

void vs_usage_tell_end(void)
{
    for (int ordinal = 0; ordinal < VS_BELOW_DEVICES; ordinal++)
        if (vs_below_most(ordinal) > 0)
            vs_log(VS_LOG_INFO, "end of run",
                "%s: %.1f MB at most were allocated below the runtime, %.1f MB at the end",
                vs_device_format(vs_devices_id(ordinal)).text, MEGABYTES(vs_below_most(ordinal)),
                MEGABYTES(vs_below_now(ordinal)));
}

void vs_usage_tell(void)
{
    static atomic_bool told;
    int count = 0;
    const struct vs_driver *driver = vs_driver();
    if (!vs_log_enabled(VS_LOG_INFO) || atomic_exchange(&told, true) || !driver ||
        driver->cuDeviceGetCount(&count) != CUDA_SUCCESS)
        return;
    for (int ordinal = 0; ordinal < count; ordinal++) {
        char uuid[48];
        size_t used_bytes;
        if (name_device(driver, ordinal, uuid) && vs_gpu_used_bytes(uuid, &used_bytes))
            tell_device(ordinal, used_bytes);
    }
}
