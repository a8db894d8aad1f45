/* context.c: the primary contexts that the runtime works in, and the thread's current device.
 *
 * The runtime uses whatever context is current to the thread (CUDA Runtime API, "Interactions with the CUDA Driver
 * API"); where none is, it retains the primary context of the thread's device and makes it current. A retained context
 * is kept until cudaDeviceReset. */
#include "context.h"

#include "rules.h"
#include "runtime.h"

#include <pthread.h>
#include <stdatomic.h>

static pthread_mutex_t retain_lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    _Atomic(CUcontext) context; /* NULL: not retained by this runtime */
} primary[RT_MAX_DEVICES];

static CUresult retain_primary(int device, CUcontext *context)
{
    *context = atomic_load(&primary[device].context);
    if (*context)
        return CUDA_SUCCESS;
    pthread_mutex_lock(&retain_lock);
    CUresult result = CUDA_SUCCESS;
    *context = atomic_load(&primary[device].context);
    if (!*context) {
        CUdevice handle;
        result = RT_DRIVER(cuDeviceGet)(&handle, device);
        if (!result)
            result = RT_DRIVER(cuDevicePrimaryCtxRetain)(context, handle);
        if (!result)
            atomic_store(&primary[device].context, *context);
    }
    pthread_mutex_unlock(&retain_lock);
    return result;
}

static CUresult make_primary_current(int device)
{
    CUcontext context;
    CUresult result = retain_primary(device, &context);
    return result ? result : RT_DRIVER(cuCtxSetCurrent)(context);
}

CUresult rt_context_ensure(void)
{
    CUcontext current = NULL;
    CUresult result = RT_DRIVER(cuCtxGetCurrent)(&current);
    return result || current ? result : make_primary_current(rt_thread.device);
}

CUresult rt_context_device_count(int *count)
{
    CUresult result = RT_DRIVER(cuDeviceGetCount)(count);
    if (!result && *count > RT_MAX_DEVICES)
        *count = RT_MAX_DEVICES;
    return result;
}

CUresult rt_context_primary(int device, CUcontext *context)
{
    int count;
    CUresult result = rt_context_device_count(&count);
    if (!result && (device < 0 || device >= count))
        result = CUDA_ERROR_INVALID_DEVICE;
    return result ? result : retain_primary(device, context);
}

CUresult rt_context_set_device(int device)
{
    CUcontext context;
    CUresult result = rt_context_primary(device, &context);
    if (result == CUDA_ERROR_INVALID_DEVICE)
        return SIM_REFUSE(device_ordinal, result);
    if (!result)
        result = RT_DRIVER(cuCtxSetCurrent)(context);
    if (!result)
        rt_thread.device = device;
    return result;
}

CUresult rt_context_get_device(int *device)
{
    CUcontext current = NULL;
    CUresult result = RT_DRIVER(cuCtxGetCurrent)(&current);
    if (result)
        return result;
    if (!current || current == atomic_load(&primary[rt_thread.device].context)) {
        *device = rt_thread.device;
        return CUDA_SUCCESS;
    }
    CUdevice handle;
    result = RT_DRIVER_VERSION(cuCtxGetDevice, 2000, cuCtxGetDevice)(&handle);
    if (!result)
        *device = handle; /* a CUdevice is the ordinal in every driver so far (cuda.h: CUdevice is an int) */
    return result;
}

/* In other threads the dead context stays current; the program must not use the device there during a reset (CUDA
 * Runtime API, cudaDeviceReset), and sets it again afterwards. */
CUresult rt_context_reset(int device)
{
    CUdevice handle;
    CUresult result = RT_DRIVER(cuDeviceGet)(&handle, device);
    if (result)
        return result;
    pthread_mutex_lock(&retain_lock);
    CUcontext context = atomic_exchange(&primary[device].context, NULL);
    CUcontext current = NULL;
    RT_DRIVER(cuCtxGetCurrent)(&current);
    if (current && current == context)
        RT_DRIVER(cuCtxSetCurrent)(NULL);
    result = RT_DRIVER(cuDevicePrimaryCtxReset)(handle);
    if (context)
        RT_DRIVER(cuDevicePrimaryCtxRelease)(handle); /* a reset does not give back what was retained (cuda.h) */
    pthread_mutex_unlock(&retain_lock);
    return result;
}
