/* entry_point.c: handing out driver functions by name, and opening what other processes exported. */
#include "runtime.h"

#include <string.h>

/* CUDA 13 calls cudaGetDriverEntryPoint deprecated; programs for it still import it. */
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

/* A name that the driver lacks is an answer (a null pointer and a status), not an error (CUDA Runtime API,
 * cudaGetDriverEntryPoint). */
static cudaError_t entry_point(const char *symbol, void **function, unsigned version, unsigned long long flags,
    enum cudaDriverEntryPointQueryResult *status, bool per_thread)
{
    RT_ENTER(RT_NEEDS_DRIVER);
    if (!symbol || !function)
        return rt_fail(cudaErrorInvalidValue);
    if (flags == cudaEnableDefault)
        flags = per_thread ? cudaEnablePerThreadDefaultStream : cudaEnableLegacyStream;
    *function = NULL;
    CUdriverProcAddressQueryResult found = CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
    CUresult result =
        RT_DRIVER_VERSION(cuGetProcAddress, 12000, cuGetProcAddress)(symbol, function, (int)version, flags, &found);
    if (result == CUDA_ERROR_NOT_FOUND) {
        *function = NULL;
        result = CUDA_SUCCESS;
    }
    if (status)
        *status = (enum cudaDriverEntryPointQueryResult)found;
    return rt_leave(result);
}

RT_TWINS(cudaGetDriverEntryPoint, _ptsz,
    (const char *symbol, void **function, unsigned long long flags, enum cudaDriverEntryPointQueryResult *status),
    entry_point, symbol, function, CUDART_VERSION, flags, status)

/* Part of CUDA 12 since 12.5: later wheels for CUDA 12 import it, older headers do not declare it. */
cudaError_t cudaGetDriverEntryPointByVersion(const char *symbol, void **function, unsigned version,
    unsigned long long flags, enum cudaDriverEntryPointQueryResult *status);
RT_TWINS(cudaGetDriverEntryPointByVersion, _ptsz,
    (const char *symbol, void **function, unsigned version, unsigned long long flags,
        enum cudaDriverEntryPointQueryResult *status),
    entry_point, symbol, function, version, flags, status)

cudaError_t cudaIpcOpenMemHandle(void **pointer, cudaIpcMemHandle_t handle, unsigned int flags)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    CUipcMemHandle driver_handle;
    _Static_assert(sizeof driver_handle == sizeof handle, "both handles are the same opaque bytes");
    memcpy(&driver_handle, &handle, sizeof handle);
    return rt_leave(
        RT_DRIVER_VERSION(cuIpcOpenMemHandle, 11000, cuIpcOpenMemHandle)((CUdeviceptr *)pointer, driver_handle, flags));
}

cudaError_t cudaIpcOpenEventHandle(cudaEvent_t *event, cudaIpcEventHandle_t handle)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    CUipcEventHandle driver_handle;
    _Static_assert(sizeof driver_handle == sizeof handle, "both handles are the same opaque bytes");
    memcpy(&driver_handle, &handle, sizeof handle);
    return rt_leave(RT_DRIVER(cuIpcOpenEventHandle)(event, driver_handle));
}
