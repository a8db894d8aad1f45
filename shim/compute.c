/* compute.c: see compute.h. */
#include "compute.h"

#include <pthread.h>
#include <stdatomic.h>

#include "capture.h"
#include "devices.h"
#include "driver.h"
#include "locks.h"
#include "log.h"

#define MAX_DEVICES 64

pthread_mutex_t vs_compute_lock = PTHREAD_MUTEX_INITIALIZER;
static struct vs_compute computes[MAX_DEVICES];
static atomic_bool prepared_devices[MAX_DEVICES]; /* whether computes[ordinal] is filled in */

static bool attribute(CUdevice device, CUdevice_attribute name, int fallback, int *value)
{
    *value = fallback;
    return vs_driver()->cuDeviceGetAttribute(value, name, device) == CUDA_SUCCESS;
}

static CUresult prepare(int ordinal, struct vs_compute *compute)
{
    const struct vs_driver *driver = vs_driver();
    CUresult result = driver->cuDeviceGet(&compute->device, ordinal);
    if (result == CUDA_SUCCESS)
        result = driver->cuDevicePrimaryCtxRetain(&compute->context, compute->device);
    if (result != CUDA_SUCCESS) {
        vs_log(VS_LOG_WARN, "driver", "%s cannot be used: %s", vs_device_format(vs_devices_id(ordinal)).text,
            vs_driver_error(result));
        return result;
    }
    int vmm, host_numa, host, node;
    attribute(compute->device, CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED, 0, &vmm);
    /* Drivers before 13 know HOST_NUMA only, and some answer the question with an error although it works (12.6 to
     * 12.8): an unknown answer counts as yes, the first allocation tells. */
    bool known =
        attribute(compute->device, CU_DEVICE_ATTRIBUTE_HOST_NUMA_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED, 1, &host_numa);
    attribute(compute->device, CU_DEVICE_ATTRIBUTE_HOST_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED, 0, &host);
    attribute(compute->device, CU_DEVICE_ATTRIBUTE_HOST_NUMA_ID, 0, &node);
    compute->ordinal = ordinal;
    compute->vmm = vmm;
    compute->host_vmm = vmm && (!known || host_numa || host);
    compute->host_node = node > 0 ? node : 0; /* -1 on machines without NUMA, where only 0 is accepted */
    return CUDA_SUCCESS;
}

const struct vs_compute *vs_compute_device(int ordinal)
{
    const struct vs_compute *compute;
    return vs_compute_get(ordinal, &compute) == CUDA_SUCCESS ? compute : NULL;
}

CUresult vs_compute_get(int ordinal, const struct vs_compute **found)
{
    if (ordinal < 0 || ordinal >= MAX_DEVICES || !vs_driver())
        return CUDA_ERROR_INVALID_DEVICE;
    struct vs_compute *compute = &computes[ordinal];
    *found = compute;
    if (atomic_load_explicit(&prepared_devices[ordinal], memory_order_acquire))
        return CUDA_SUCCESS;
    struct vs_compute prepared = {0};
    CUresult result = prepare(ordinal, &prepared);
    if (result != CUDA_SUCCESS)
        return result;
    pthread_mutex_lock(&vs_compute_lock);
    bool first = !atomic_load(&prepared_devices[ordinal]);
    if (first) {
        *compute = prepared;
        atomic_store_explicit(&prepared_devices[ordinal], true, memory_order_release);
    }
    pthread_mutex_unlock(&vs_compute_lock);
    if (!first) /* another thread was faster and holds the reference that stays */
        vs_driver()->cuDevicePrimaryCtxRelease(prepared.device);
    return CUDA_SUCCESS;
}

bool vs_compute_has_primary(int ordinal)
{
    const struct vs_driver *driver = vs_driver();
    CUdevice device;
    unsigned flags;
    int active = 0;
    return driver && driver->cuDeviceGet(&device, ordinal) == CUDA_SUCCESS &&
           driver->cuDevicePrimaryCtxGetState(device, &flags, &active) == CUDA_SUCCESS && active;
}

const struct vs_compute *vs_compute_with_stream(int ordinal, CUstream stream)
{
    if (ordinal < 0 || ordinal >= MAX_DEVICES)
        return NULL;
    if (!atomic_load_explicit(&prepared_devices[ordinal], memory_order_acquire) && !vs_compute_has_primary(ordinal))
        return NULL;
    const struct vs_compute *compute = vs_compute_device(ordinal);
    return compute && vs_compute_has_stream(compute, stream) ? compute : NULL;
}

int vs_compute_of(CUcontext context)
{
    for (int ordinal = 0; ordinal < MAX_DEVICES; ordinal++)
        if (atomic_load(&prepared_devices[ordinal]) && computes[ordinal].context == context)
            return ordinal;
    return -1;
}

int vs_device_of(CUcontext context)
{
    struct vs_driver_scope scope;
    CUdevice device = -1;
    CUresult result = vs_driver_enter(&scope, context);
    if (result == CUDA_SUCCESS) {
        result = vs_driver()->cuCtxGetDevice(&device);
        vs_driver_leave(&scope);
    }
    return result == CUDA_SUCCESS ? device : -(int)result;
}

/* After these no work of the device will run any more (CUDA Driver API, CUresult: errors that leave the process or the
 * context unusable). */
bool vs_is_end_of_device(CUresult result)
{
    static const CUresult ends[] = {CUDA_ERROR_DEINITIALIZED, CUDA_ERROR_CONTEXT_IS_DESTROYED,
        CUDA_ERROR_ILLEGAL_ADDRESS, CUDA_ERROR_LAUNCH_FAILED, CUDA_ERROR_LAUNCH_TIMEOUT,
        CUDA_ERROR_HARDWARE_STACK_ERROR, CUDA_ERROR_ILLEGAL_INSTRUCTION, CUDA_ERROR_MISALIGNED_ADDRESS,
        CUDA_ERROR_INVALID_ADDRESS_SPACE, CUDA_ERROR_INVALID_PC, CUDA_ERROR_ASSERT, CUDA_ERROR_ECC_UNCORRECTABLE,
        CUDA_ERROR_NVLINK_UNCORRECTABLE};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ends[i] == result)
            return true;
    return false;
}

CUresult vs_compute_synchronize(const struct vs_compute *compute)
{
    struct vs_driver_scope scope;
    CUresult result = CUDA_ERROR_NOT_READY;
    if (!vs_capture_held_off())
        return result;
    if (vs_driver_enter(&scope, compute->context) == CUDA_SUCCESS) {
        result = vs_driver()->cuCtxSynchronize();
        vs_driver_leave(&scope);
    }
    vs_capture_released();
    return result == CUDA_SUCCESS || vs_is_end_of_device(result) ? result : CUDA_ERROR_NOT_READY;
}

void vs_compute_reset(int ordinal)
{
    if (ordinal < 0 || ordinal >= MAX_DEVICES)
        return;
    pthread_mutex_lock(&vs_compute_lock);
    bool known = atomic_exchange(&prepared_devices[ordinal], false);
    pthread_mutex_unlock(&vs_compute_lock);
    if (known)
        vs_driver()->cuDevicePrimaryCtxRelease(computes[ordinal].device);
}

bool vs_compute_is_current(const struct vs_compute *compute)
{
    CUcontext current;
    return vs_driver()->cuCtxGetCurrent(&current) == CUDA_SUCCESS && current == compute->context;
}

bool vs_compute_has_stream(const struct vs_compute *compute, CUstream stream)
{
    CUcontext context;
    if (!stream || stream == CU_STREAM_LEGACY || stream == CU_STREAM_PER_THREAD)
        return vs_compute_is_current(compute);
    return vs_driver()->cuStreamGetCtx(stream, &context) == CUDA_SUCCESS && context == compute->context;
}
