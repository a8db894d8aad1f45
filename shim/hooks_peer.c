/* hooks_peer.c: a device of the program gets access to another one's memory: to the weights that it believes there, too
 * (access.h). Access that the program takes back stays: nothing fails by it. */
#include "access.h"
#include "devices.h"
#include "driver.h"
#include "error.h"
#include "extents.h"
#include "hook.h"
#include "log.h"

/* The current device may use memory of `ordinal` from here on. */
static void enabled(int ordinal)
{
    const struct vs_driver *driver = vs_driver();
    CUdevice current;
    if (ordinal < 0 || !driver || driver->cuCtxGetDevice(&current) != CUDA_SUCCESS)
        return;
    if (!vs_access_enable(ordinal, current))
        return;
    CUresult result = vs_extents_allow(ordinal);
    if (result != CUDA_SUCCESS)
        vs_log(VS_LOG_WARN, "memory",
            "%s cannot read weights of %s that lie elsewhere (%s): let only devices lend that both have peer access to",
            vs_device_format(vs_devices_id(current)).text, vs_device_format(vs_devices_id(ordinal)).text,
            vs_driver_error(result));
}

cudaError_t vs_cudaDeviceEnablePeerAccess(const struct vs_cudart *real, int peer, unsigned flags)
{
    if (vs_devices_hides(peer))
        return vs_no_such_device(real);
    cudaError_t result = real->cudaDeviceEnablePeerAccess(peer, flags);
    if (result == cudaSuccess || result == cudaErrorPeerAccessAlreadyEnabled)
        enabled(peer);
    return result;
}

CUresult vs_cuCtxEnablePeerAccess(const struct vs_libcuda *real, CUcontext peer, unsigned flags)
{
    CUresult result = real->cuCtxEnablePeerAccess(peer, flags);
    if (result == CUDA_SUCCESS || result == CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED)
        enabled(vs_device_of(peer));
    return result;
}
