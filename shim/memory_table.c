/* memory_table.c: see memory_table.h. */
#include "memory_table.h"

#include <stdatomic.h>

#include "../policy/text/text.h"
#include "capture.h"
#include "compute.h"
#include "devices.h"
#include "driver.h"
#include "log.h"
#include "stats.h"

static double megabytes(size_t bytes)
{
    return (double)bytes / (1 << 20);
}

static size_t pool_bytes(CUdevice device, CUmemPool_attribute attribute)
{
    CUmemoryPool pool;
    cuuint64_t bytes = 0;
    if (vs_driver()->cuDeviceGetDefaultMemPool(&pool, device) != CUDA_SUCCESS ||
        vs_driver()->cuMemPoolGetAttribute(pool, attribute, &bytes) != CUDA_SUCCESS)
        return 0;
    return bytes;
}

static void add_row(struct vs_text *text, struct vs_home home, size_t total)
{
    struct vs_device_id id = {.family = VS_DEVICE_CPU};
    if (home.kind != VS_HOME_HOST)
        id = vs_devices_id(home.device);
    vs_text_printf(text, "%-12s %14.2f", vs_device_format(id).text, megabytes(vs_stats_bytes(home)));
    if (total)
        vs_text_printf(text, " %14.2f", megabytes(total));
    vs_text_printf(text, "\n");
}

static void render(struct vs_text *text, CUdevice device, size_t asked_bytes)
{
    const struct vs_driver *driver = vs_driver();
    size_t free_bytes = 0, total_bytes = 0;
    int count = 0;
    driver->cuMemGetInfo(&free_bytes, &total_bytes);
    driver->cuDeviceGetCount(&count);
    size_t reserved = pool_bytes(device, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT);
    size_t used = pool_bytes(device, CU_MEMPOOL_ATTR_USED_MEM_CURRENT);
    vs_text_printf(text,
        "vramspan: memory: %.2f MB were asked of %s and refused; %.2f of %.2f MB are free there, and its default pool "
        "holds %.2f MB, %.2f of them in use\n%-12s %14s %14s\n",
        megabytes(asked_bytes), vs_device_format(vs_devices_id(device)).text, megabytes(free_bytes),
        megabytes(total_bytes), megabytes(reserved), megabytes(used), "Device", "Weights (MB)", "Memory (MB)");
    for (int ordinal = 0; ordinal < count; ordinal++) {
        CUdevice other;
        size_t total = 0;
        struct vs_home home = {ordinal == device ? VS_HOME_LOCAL : VS_HOME_PEER, ordinal};
        if (ordinal != device && vs_stats_bytes(home) == 0)
            continue;
        if (driver->cuDeviceGet(&other, ordinal) == CUDA_SUCCESS)
            driver->cuDeviceTotalMem(&total, other);
        add_row(text, home, total);
    }
    add_row(text, (struct vs_home){VS_HOME_HOST, 0}, 0);
}

CUresult vs_memory_table_tell_lack(size_t bytes)
{
    const CUresult result = CUDA_ERROR_OUT_OF_MEMORY;
    static atomic_bool told;
    CUcontext context;
    struct vs_text text = {0};
    if (vs_capture_open() || !vs_driver())
        return result;
    if (vs_driver()->cuCtxGetCurrent(&context) != CUDA_SUCCESS || vs_compute_of(context) < 0)
        return result;
    enum vs_log_level level = atomic_exchange(&told, true) ? VS_LOG_DEBUG : VS_LOG_INFO;
    if (!vs_log_enabled(level))
        return result;
    render(&text, vs_compute_of(context), bytes);
    if (text.data)
        vs_log_text(level, text.data);
    vs_text_free(&text);
    return result;
}
