/* context_state.c: what a context can be asked, told and waited for; peer access between contexts. */
#include "api.h"
#include "bar1.h"
#include "capture.h"
#include "context.h"
#include "objects.h"
#include "rules.h"
#include "schedule.h"

CUresult sim_cuCtxSynchronize(void)
{
    CUresult result = sim_capture_allows_context_wait(sim_current());
    return result == CUDA_SUCCESS ? sim_drain_context(sim_current()) : result;
}

CUresult sim_cuCtxSynchronize_v2(CUcontext context)
{
    CUresult result;
    if (context == NULL)
        return sim_cuCtxSynchronize();
    if (!sim_object_is(context, SIM_OBJECT_CONTEXT))
        return CUDA_ERROR_INVALID_CONTEXT;
    if (!context->active)
        return CUDA_ERROR_CONTEXT_IS_DESTROYED;
    result = sim_capture_allows_context_wait(context);
    return result == CUDA_SUCCESS ? sim_drain_context(context) : result;
}

CUresult sim_cuCtxGetFlags(unsigned *flags)
{
    if (flags == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    *flags = sim_current()->flags;
    return CUDA_SUCCESS;
}

CUresult sim_cuCtxSetFlags(unsigned flags)
{
    if ((flags & ~(unsigned)CU_CTX_FLAGS_MASK) != 0)
        return CUDA_ERROR_INVALID_VALUE;
    sim_current()->flags = flags;
    return CUDA_SUCCESS;
}

CUresult sim_cuCtxGetId(CUcontext context, unsigned long long *id)
{
    if (context == NULL)
        context = sim_current();
    if (!sim_object_is(context, SIM_OBJECT_CONTEXT))
        return CUDA_ERROR_INVALID_CONTEXT;
    if (id == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    *id = context->id;
    return CUDA_SUCCESS;
}

CUresult sim_cuCtxGetApiVersion(CUcontext context, unsigned *version)
{
    if (context != NULL && !sim_object_is(context, SIM_OBJECT_CONTEXT))
        return CUDA_ERROR_INVALID_CONTEXT;
    if (version == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    *version = 3020;
    return CUDA_SUCCESS;
}

CUresult sim_cuCtxGetLimit(size_t *value, CUlimit limit)
{
    if (value == NULL || limit >= CU_LIMIT_MAX)
        return CUDA_ERROR_INVALID_VALUE;
    *value = sim_current()->limits[limit];
    return CUDA_SUCCESS;
}

CUresult sim_cuCtxSetLimit(CUlimit limit, size_t value)
{
    if (limit >= CU_LIMIT_MAX)
        return CUDA_ERROR_INVALID_VALUE;
    if (limit >= CU_LIMIT_SHMEM_SIZE)
        return CUDA_ERROR_UNSUPPORTED_LIMIT; /* these can only be asked for */
    sim_current()->limits[limit] = value;
    return CUDA_SUCCESS;
}

CUresult sim_cuCtxGetCacheConfig(CUfunc_cache *config)
{
    if (config == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    *config = sim_current()->cache_config;
    return CUDA_SUCCESS;
}

CUresult sim_cuCtxSetCacheConfig(CUfunc_cache config)
{
    if (config > CU_FUNC_CACHE_PREFER_EQUAL)
        return CUDA_ERROR_INVALID_VALUE;
    sim_current()->cache_config = config;
    return CUDA_SUCCESS;
}

CUresult sim_cuCtxResetPersistingL2Cache(void)
{
    return CUDA_SUCCESS;
}

/* --- peer access -------------------------------------------------------------------------------------------------- */

CUresult sim_cuDeviceCanAccessPeer(int *can, CUdevice device, CUdevice peer)
{
    if (!sim_is_device(device) || !sim_is_device(peer))
        return CUDA_ERROR_INVALID_DEVICE;
    if (can == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    *can = sim.machine.peer_access[device][peer];
    return CUDA_SUCCESS;
}

CUresult sim_cuDeviceGetP2PAttribute(int *value, CUdevice_P2PAttribute attribute, CUdevice source, CUdevice target)
{
    if (!sim_is_device(source) || !sim_is_device(target) || source == target)
        return CUDA_ERROR_INVALID_DEVICE;
    if (value == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    switch (attribute) {
    case CU_DEVICE_P2P_ATTRIBUTE_PERFORMANCE_RANK:
        *value = 0;
        return CUDA_SUCCESS;
    case CU_DEVICE_P2P_ATTRIBUTE_ACCESS_SUPPORTED:
        *value = sim.machine.peer_access[source][target];
        return CUDA_SUCCESS;
    case CU_DEVICE_P2P_ATTRIBUTE_NATIVE_ATOMIC_SUPPORTED:
    case CU_DEVICE_P2P_ATTRIBUTE_CUDA_ARRAY_ACCESS_SUPPORTED:
        *value = 0; /* over PCIe */
        return CUDA_SUCCESS;
    default:
        return CUDA_ERROR_INVALID_VALUE;
    }
}

CUresult sim_cuCtxEnablePeerAccess(CUcontext peer, unsigned flags)
{
    CUcontext context = sim_current();

    if (!sim_object_is(peer, SIM_OBJECT_CONTEXT) || !peer->active)
        return CUDA_ERROR_INVALID_CONTEXT;
    if (flags != 0)
        return CUDA_ERROR_INVALID_VALUE;
    if (peer->device == context->device)
        return SIM_RULE(peer_is_another) ? CUDA_ERROR_INVALID_CONTEXT : CUDA_SUCCESS;
    if (!sim.machine.peer_access[context->device][peer->device] && SIM_RULE(peer_possible))
        return CUDA_ERROR_PEER_ACCESS_UNSUPPORTED;
    if (context->peers[peer->device] == peer && SIM_RULE(peer_enabled_once))
        return CUDA_ERROR_PEER_ACCESS_ALREADY_ENABLED;
    if (context->peers[peer->device] != NULL && context->peers[peer->device] != peer)
        return CUDA_ERROR_TOO_MANY_PEERS; /* a context has room for one of each device here */
    context->peers[peer->device] = peer;  /* maps all that is allocated there */
    if (sim_bar1_is_exceeded(peer->device)) {
        context->peers[peer->device] = NULL;
        return CUDA_ERROR_TOO_MANY_PEERS;
    }
    return CUDA_SUCCESS;
}

CUresult sim_cuCtxDisablePeerAccess(CUcontext peer)
{
    CUcontext context = sim_current();

    if (!sim_object_is(peer, SIM_OBJECT_CONTEXT) || !peer->active)
        return CUDA_ERROR_INVALID_CONTEXT;
    if (context->peers[peer->device] != peer && SIM_RULE(peer_disabled_once))
        return CUDA_ERROR_PEER_ACCESS_NOT_ENABLED;
    sim_drain_context(context);
    context->peers[peer->device] = NULL;
    return CUDA_SUCCESS;
}
