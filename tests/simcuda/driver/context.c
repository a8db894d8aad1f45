/* context.c: primary and other contexts, and the stack of current contexts of each thread; see context.h. */
#include "context.h"
#include "access.h"
#include "api.h"
#include "capture.h"
#include "objects.h"
#include "pool.h"
#include "rules.h"
#include "stream.h"

#include <stdlib.h>
#include <string.h>

CUcontext sim_context_new(int device, bool primary)
{
    CUcontext context = calloc(1, sizeof *context);
    if (context == NULL || !sim_object_add(context, SIM_OBJECT_CONTEXT)) {
        free(context);
        return NULL;
    }
    context->device = device;
    context->primary = primary;
    context->next = sim.contexts;
    sim.contexts = context;
    return context;
}

static size_t context_bytes(void)
{
    return SIM_RULE(context_memory) ? SIM_CONTEXT_BYTES : 0;
}

CUresult sim_context_activate(CUcontext context)
{
    CUresult result = sim_physical_charge(context->device, context_bytes());
    if (result != CUDA_SUCCESS)
        return result;
    context->id = ++sim.next_id;
    context->legacy_stream = sim_stream_new(context, CU_STREAM_DEFAULT, 0);
    if (context->legacy_stream == NULL) {
        sim_physical_refund(context->device, context_bytes());
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    context->legacy_stream->is_legacy = true;
    context->active = true;
    context->sticky = sim.devices[context->device].poison;
    memset(context->peers, 0, sizeof context->peers);
    context->limits[CU_LIMIT_STACK_SIZE] = 1024;
    context->limits[CU_LIMIT_PRINTF_FIFO_SIZE] = SIM_MIB;
    context->limits[CU_LIMIT_MALLOC_HEAP_SIZE] = 8 * SIM_MIB;
    context->limits[CU_LIMIT_DEV_RUNTIME_SYNC_DEPTH] = 2;
    context->limits[CU_LIMIT_DEV_RUNTIME_PENDING_LAUNCH_COUNT] = 2048;
    context->limits[CU_LIMIT_MAX_L2_FETCH_GRANULARITY] = 64;
    return CUDA_SUCCESS;
}

void sim_context_deactivate(CUcontext context)
{
    sim_drain_context(context);
    for (CUstream stream = context->streams; stream != NULL; stream = stream->next_in_context)
        if (stream->capture != NULL)
            sim_capture_abandon(stream);
    sim_modules_of_context_unload(context);
    sim_allocations_of_context_free(context);
    sim_host_memory_of_context_free(context);
    if (context->primary)
        sim_pools_of_device_empty(context->device);
    context->legacy_stream = NULL;
    while (context->streams != NULL)
        sim_stream_retire(context->streams);
    for (CUcontext other = sim.contexts; other != NULL; other = other->next)
        if (other->peers[context->device] == context)
            other->peers[context->device] = NULL;
    context->active = false;
    sim_physical_refund(context->device, context_bytes() + context->library_bytes);
    context->library_bytes = 0;
}

/* --- primary contexts --------------------------------------------------------------------------------------------- */

CUresult sim_cuDevicePrimaryCtxRetain(CUcontext *context, CUdevice ordinal)
{
    CUcontext primary;
    CUresult result = CUDA_SUCCESS;

    if (!sim_is_device(ordinal))
        return CUDA_ERROR_INVALID_DEVICE;
    if (context == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    primary = sim.devices[ordinal].primary;
    if (!primary->active)
        result = sim_context_activate(primary);
    if (result != CUDA_SUCCESS)
        return result;
    primary->flags = sim.devices[ordinal].primary_flags;
    primary->references++;
    *context = primary;
    return CUDA_SUCCESS;
}

CUresult sim_cuDevicePrimaryCtxRelease_v2(CUdevice ordinal)
{
    CUcontext primary;

    if (!sim_is_device(ordinal))
        return CUDA_ERROR_INVALID_DEVICE;
    primary = sim.devices[ordinal].primary;
    if (primary->references == 0)
        return SIM_REFUSE(release_retained, CUDA_ERROR_INVALID_CONTEXT);
    if (--primary->references == 0)
        sim_context_deactivate(primary);
    return CUDA_SUCCESS;
}

CUresult sim_cuDevicePrimaryCtxReset_v2(CUdevice ordinal)
{
    CUcontext primary;

    if (!sim_is_device(ordinal))
        return CUDA_ERROR_INVALID_DEVICE;
    primary = sim.devices[ordinal].primary;
    primary->references = 0;
    if (primary->active)
        sim_context_deactivate(primary);
    return CUDA_SUCCESS;
}

CUresult sim_cuDevicePrimaryCtxSetFlags_v2(CUdevice ordinal, unsigned flags)
{
    if (!sim_is_device(ordinal))
        return CUDA_ERROR_INVALID_DEVICE;
    if ((flags & ~(unsigned)CU_CTX_FLAGS_MASK) != 0)
        return CUDA_ERROR_INVALID_VALUE;
    sim.devices[ordinal].primary_flags = flags;
    sim.devices[ordinal].primary->flags = flags;
    return CUDA_SUCCESS;
}

/* The first forms, which differ in name only. */
CUresult sim_cuDevicePrimaryCtxRelease(CUdevice ordinal)
{
    return sim_cuDevicePrimaryCtxRelease_v2(ordinal);
}

CUresult sim_cuDevicePrimaryCtxReset(CUdevice ordinal)
{
    return sim_cuDevicePrimaryCtxReset_v2(ordinal);
}

CUresult sim_cuDevicePrimaryCtxSetFlags(CUdevice ordinal, unsigned flags)
{
    return sim_cuDevicePrimaryCtxSetFlags_v2(ordinal, flags);
}

CUresult sim_cuDevicePrimaryCtxGetState(CUdevice ordinal, unsigned *flags, int *active)
{
    if (!sim_is_device(ordinal))
        return CUDA_ERROR_INVALID_DEVICE;
    if (flags != NULL)
        *flags = sim.devices[ordinal].primary_flags;
    if (active != NULL)
        *active = sim.devices[ordinal].primary->active;
    return CUDA_SUCCESS;
}

/* --- other contexts ----------------------------------------------------------------------------------------------- */

CUresult sim_cuCtxCreate_v2(CUcontext *context, unsigned flags, CUdevice ordinal)
{
    CUcontext made;
    CUresult result;

    if (!sim_is_device(ordinal))
        return CUDA_ERROR_INVALID_DEVICE;
    if (context == NULL || (flags & ~(unsigned)CU_CTX_FLAGS_MASK) != 0)
        return CUDA_ERROR_INVALID_VALUE;
    if (sim_thread.depth == (int)(sizeof sim_thread.stack / sizeof *sim_thread.stack))
        return CUDA_ERROR_OUT_OF_MEMORY;
    made = sim_context_new(ordinal, false);
    if (made == NULL)
        return CUDA_ERROR_OUT_OF_MEMORY;
    result = sim_context_activate(made);
    if (result != CUDA_SUCCESS) {
        sim_object_remove(made);
        return result; /* stays in the list, inactive */
    }
    made->flags = flags;
    made->references = 1;
    sim_thread.stack[sim_thread.depth++] = made;
    *context = made;
    return CUDA_SUCCESS;
}

CUresult sim_cuCtxCreate_v3(
    CUcontext *context, CUexecAffinityParam *affinity, int affinity_count, unsigned flags, CUdevice ordinal)
{
    (void)affinity;
    return affinity_count != 0 ? CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY : sim_cuCtxCreate_v2(context, flags, ordinal);
}

CUresult sim_cuCtxCreate_v4(CUcontext *context, CUctxCreateParams *parameters, unsigned flags, CUdevice ordinal)
{
    if (parameters != NULL && parameters->numExecAffinityParams != 0)
        return CUDA_ERROR_UNSUPPORTED_EXEC_AFFINITY;
    if (parameters != NULL && parameters->cigParams != NULL)
        return CUDA_ERROR_NOT_SUPPORTED;
    return sim_cuCtxCreate_v2(context, flags, ordinal);
}

CUresult sim_cuCtxDestroy_v2(CUcontext context)
{
    if (!sim_object_is(context, SIM_OBJECT_CONTEXT) || context->primary || !context->active)
        return CUDA_ERROR_INVALID_CONTEXT;
    sim_context_deactivate(context);
    sim_object_remove(context); /* the struct stays: other threads may have it current, and shall be told so */
    if (sim_current() == context)
        sim_thread.depth--;
    return CUDA_SUCCESS;
}

/* --- the current context ------------------------------------------------------------------------------------------ */

CUresult sim_cuCtxGetCurrent(CUcontext *context)
{
    if (context == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    *context = sim_current();
    if (*context == NULL && !SIM_RULE(context_per_thread))
        *context = sim.devices[0].primary;
    return CUDA_SUCCESS;
}

CUresult sim_cuCtxSetCurrent(CUcontext context)
{
    if (context != NULL && !sim_object_is(context, SIM_OBJECT_CONTEXT))
        return CUDA_ERROR_INVALID_CONTEXT;
    if (context == NULL) {
        if (sim_thread.depth > 0)
            sim_thread.depth--;
        return CUDA_SUCCESS;
    }
    if (sim_thread.depth == 0)
        sim_thread.depth = 1;
    sim_thread.stack[sim_thread.depth - 1] = context;
    return CUDA_SUCCESS;
}

CUresult sim_cuCtxPushCurrent_v2(CUcontext context)
{
    if (!sim_object_is(context, SIM_OBJECT_CONTEXT))
        return CUDA_ERROR_INVALID_CONTEXT;
    if (sim_thread.depth == (int)(sizeof sim_thread.stack / sizeof *sim_thread.stack))
        return CUDA_ERROR_OUT_OF_MEMORY;
    sim_thread.stack[sim_thread.depth++] = context;
    return CUDA_SUCCESS;
}

CUresult sim_cuCtxPopCurrent_v2(CUcontext *context)
{
    if (sim_thread.depth == 0)
        return SIM_REFUSE(pop_something, CUDA_ERROR_INVALID_CONTEXT);
    if (context != NULL)
        *context = sim_current();
    sim_thread.depth--;
    return CUDA_SUCCESS;
}

CUresult sim_cuCtxGetDevice(CUdevice *device)
{
    if (device == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    if (sim_current() == NULL)
        return CUDA_ERROR_INVALID_CONTEXT;
    *device = sim_current()->device;
    return CUDA_SUCCESS;
}

CUresult sim_cuCtxGetDevice_v2(CUdevice *device, CUcontext context)
{
    if (context == NULL)
        return sim_cuCtxGetDevice(device);
    if (device == NULL || !sim_object_is(context, SIM_OBJECT_CONTEXT))
        return CUDA_ERROR_INVALID_VALUE;
    *device = context->device;
    return CUDA_SUCCESS;
}
