/* device.c: counting, choosing, synchronising and resetting devices; versions; peer access. */
#include "context.h"
#include "runtime.h"

cudaError_t cudaRuntimeGetVersion(int *version)
{
    if (!version)
        return rt_fail(cudaErrorInvalidValue);
    *version = CUDART_VERSION;
    return cudaSuccess;
}

/* Version 0 and success where there is no driver (CUDA Runtime API, version management). */
cudaError_t cudaDriverGetVersion(int *version)
{
    if (!version)
        return rt_fail(cudaErrorInvalidValue);
    rt_driver_load();
    *version = rt_driver_version;
    return cudaSuccess;
}

cudaError_t cudaGetDeviceCount(int *count)
{
    if (!count)
        return rt_fail(cudaErrorInvalidValue);
    *count = 0;
    RT_ENTER(RT_NEEDS_DRIVER);
    CUresult result = rt_context_device_count(count);
    if (!result && *count == 0)
        result = CUDA_ERROR_NO_DEVICE;
    return rt_leave(result);
}

cudaError_t cudaGetDevice(int *device)
{
    RT_ENTER(RT_NEEDS_DRIVER);
    return device ? rt_leave(rt_context_get_device(device)) : rt_fail(cudaErrorInvalidValue);
}

/* Creates the device's primary context if need be, as since CUDA 12 (CUDA Runtime API, cudaSetDevice). */
cudaError_t cudaSetDevice(int device)
{
    RT_ENTER(RT_NEEDS_DRIVER);
    return rt_leave(rt_context_set_device(device));
}

/* As cudaSetDevice, without making the device current (CUDA Runtime API, cudaInitDevice). */
cudaError_t cudaInitDevice(int device, unsigned int device_flags, unsigned int flags)
{
    RT_ENTER(RT_NEEDS_DRIVER);
    if (flags & ~(unsigned)cudaInitDeviceFlagsAreValid)
        return rt_fail(cudaErrorInvalidValue);
    CUresult result = CUDA_SUCCESS;
    if (flags & cudaInitDeviceFlagsAreValid)
        result = RT_DRIVER(cuDevicePrimaryCtxSetFlags)(device, device_flags);
    CUcontext context;
    return rt_leave(result ? result : rt_context_primary(device, &context));
}

cudaError_t cudaSetDeviceFlags(unsigned int flags)
{
    RT_ENTER(RT_NEEDS_DRIVER);
    int device;
    CUresult result = rt_context_get_device(&device);
    return rt_leave(result ? result : RT_DRIVER(cuDevicePrimaryCtxSetFlags)(device, flags));
}

cudaError_t cudaGetDeviceFlags(unsigned int *flags)
{
    RT_ENTER(RT_NEEDS_DRIVER);
    int device, active;
    CUresult result = rt_context_get_device(&device);
    return rt_leave(result ? result : RT_DRIVER(cuDevicePrimaryCtxGetState)(device, flags, &active));
}

cudaError_t cudaDeviceSynchronize(void)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    return rt_leave(RT_DRIVER_VERSION(cuCtxSynchronize, 2000, cuCtxSynchronize)());
}

/* The last error stays: after a sticky one the process must end, a reset is no cure (driver_types.h,
 * cudaErrorIllegalAddress). */
cudaError_t cudaDeviceReset(void)
{
    RT_ENTER(RT_NEEDS_DRIVER);
    int device;
    CUresult result = rt_context_get_device(&device);
    return rt_leave(result ? result : rt_context_reset(device));
}

/* Peers are named by ordinal here, by their primary contexts in the driver. */
cudaError_t cudaDeviceEnablePeerAccess(int peer, unsigned int flags)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    CUcontext context;
    CUresult result = rt_context_primary(peer, &context);
    return rt_leave(result ? result : RT_DRIVER(cuCtxEnablePeerAccess)(context, flags));
}

cudaError_t cudaDeviceDisablePeerAccess(int peer)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    CUcontext context;
    CUresult result = rt_context_primary(peer, &context);
    return rt_leave(result ? result : RT_DRIVER(cuCtxDisablePeerAccess)(context));
}
