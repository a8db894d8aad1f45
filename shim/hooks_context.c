/* hooks_context.c: contexts that the program makes and destroys: moves of pages wait for their work, too. One on a
 * donor that is hidden is refused, as for any device that is not there. A CUdevice is its ordinal. */
#include "compute.h"
#include "contexts.h"
#include "devices.h"
#include "extents.h"
#include "guest.h"
#include "hook.h"
#include "host_ahead.h"

static CUresult made(CUresult result, const CUcontext *context, CUdevice device)
{
    if (result == CUDA_SUCCESS)
        vs_contexts_made(*context, device);
    return result;
}

CUresult vs_cuCtxCreate_v2(const struct vs_libcuda *real, CUcontext *context, unsigned flags, CUdevice device)
{
    if (vs_devices_hides(device))
        return CUDA_ERROR_INVALID_DEVICE;
    return made(real->cuCtxCreate_v2(context, flags, device), context, device);
}

CUresult vs_cuCtxCreate_v3(const struct vs_libcuda *real, CUcontext *context, CUexecAffinityParam *parameters,
    int parameter_count, unsigned flags, CUdevice device)
{
    if (vs_devices_hides(device))
        return CUDA_ERROR_INVALID_DEVICE;
    return made(real->cuCtxCreate_v3(context, parameters, parameter_count, flags, device), context, device);
}

CUresult vs_cuCtxCreate_v4(
    const struct vs_libcuda *real, CUcontext *context, CUctxCreateParams *parameters, unsigned flags, CUdevice device)
{
    if (vs_devices_hides(device))
        return CUDA_ERROR_INVALID_DEVICE;
    return made(real->cuCtxCreate_v4(context, parameters, flags, device), context, device);
}

CUresult vs_cuCtxDestroy_v2(const struct vs_libcuda *real, CUcontext context)
{
    vs_contexts_destroyed(context);
    return real->cuCtxDestroy_v2(context);
}

/* The program's last release destroys the context, as it would without us: our own reference goes first, unless memory
 * of ours needs it, and comes again with the next use (vs_compute_device). */
CUresult vs_cuDevicePrimaryCtxRelease_v2(const struct vs_libcuda *real, CUdevice device)
{
    if (vs_devices_hides(device))
        return CUDA_ERROR_INVALID_DEVICE;
    if (vs_compute_is_held(device) && vs_extents_of(device) == 0 && vs_guests_of(device) == 0) {
        vs_host_ahead_drop_device(device);
        vs_compute_reset(device);
    }
    return real->cuDevicePrimaryCtxRelease_v2(device);
}
