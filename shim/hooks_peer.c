/* hooks_peer.c: a device of the program gets access to another one's memory: to the weights that it believes there, too
 * (access.h). By device, or by the pool that stream-ordered allocations come from, which knows nothing of the former
 * (CUDA Runtime API, cudaMemPoolSetAccess). Access that the program takes back stays: nothing fails by it. */
#include "access.h"
#include "devices.h"
#include "driver.h"
#include "error.h"
#include "extents.h"
#include "hook.h"
#include "log.h"

/* Device `peer` may use memory of `ordinal` from here on. */
static void allow(int ordinal, int peer)
{
    if (!vs_access_enable(ordinal, peer))
        return;
    CUresult result = vs_extents_allow(ordinal);
    if (result != CUDA_SUCCESS)
        vs_log(VS_LOG_WARN, "memory",
            "%s cannot read weights of %s that lie elsewhere (%s): let only devices lend that both have peer access to",
            vs_device_format(vs_devices_id(peer)).text, vs_device_format(vs_devices_id(ordinal)).text,
            vs_driver_error(result));
}

/* ... the current device may. */
static void enabled(int ordinal)
{
    const struct vs_driver *driver = vs_driver();
    CUdevice current;
    if (ordinal >= 0 && driver && driver->cuCtxGetDevice(&current) == CUDA_SUCCESS)
        allow(ordinal, current);
}

/* The device whose stream-ordered allocations come from this pool: by default, or as the program has set it. -1: none
 * of them need. */
static int device_of_pool(CUmemoryPool pool)
{
    const struct vs_driver *driver = vs_driver();
    CUmemoryPool own;
    int count;
    if (!driver || driver->cuDeviceGetCount(&count) != CUDA_SUCCESS)
        return -1;
    for (int device = 0; device < count; device++)
        if ((driver->cuDeviceGetDefaultMemPool(&own, device) == CUDA_SUCCESS && own == pool) ||
            (driver->cuDeviceGetMemPool(&own, device) == CUDA_SUCCESS && own == pool))
            return device;
    return -1;
}

/* Access to a pool's memory, as one entry of a list grants it. */
struct grant {
    bool of_device, all;
    int device;
};

static struct grant runtimes(const struct cudaMemAccessDesc *entry)
{
    return (struct grant){entry->location.type == cudaMemLocationTypeDevice,
        entry->flags == cudaMemAccessFlagsProtReadWrite, entry->location.id};
}

static struct grant drivers(const CUmemAccessDesc *entry)
{
    return (struct grant){entry->location.type == CU_MEM_LOCATION_TYPE_DEVICE,
        entry->flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE, entry->location.id};
}

static bool is_hidden(struct grant grant)
{
    return grant.of_device && vs_devices_hides(grant.device);
}

static void granted(CUmemoryPool pool, struct grant grant)
{
    int ordinal = grant.of_device && grant.all ? device_of_pool(pool) : -1;
    if (ordinal >= 0)
        allow(ordinal, grant.device);
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

cudaError_t vs_cudaMemPoolSetAccess(
    const struct vs_cudart *real, cudaMemPool_t pool, const struct cudaMemAccessDesc *list, size_t count)
{
    for (size_t i = 0; list && i < count; i++)
        if (is_hidden(runtimes(&list[i])))
            return vs_no_such_device(real);
    cudaError_t result = real->cudaMemPoolSetAccess(pool, list, count);
    for (size_t i = 0; result == cudaSuccess && i < count; i++)
        granted(pool, runtimes(&list[i]));
    return result;
}

CUresult vs_cuMemPoolSetAccess(
    const struct vs_libcuda *real, CUmemoryPool pool, const CUmemAccessDesc *list, size_t count)
{
    for (size_t i = 0; list && i < count; i++)
        if (is_hidden(drivers(&list[i])))
            return CUDA_ERROR_INVALID_DEVICE;
    CUresult result = real->cuMemPoolSetAccess(pool, list, count);
    for (size_t i = 0; result == CUDA_SUCCESS && i < count; i++)
        granted(pool, drivers(&list[i]));
    return result;
}
