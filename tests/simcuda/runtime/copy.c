/* copy.c: one-dimensional copies and fills.
 *
 * The kind chooses the driver function, so that a kind that does not fit its pointers fails there, as it does on a GPU.
 * Host to host has no driver function of its own: it is a copy of one row with both memory types given. */
#include "copy.h"

#include "context.h"
#include "rules.h"
#include "runtime.h"

static CUresult copy_now(void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, bool per_thread)
{
    switch (kind) {
    case cudaMemcpyHostToDevice:
        return RT_DRIVER_FOR(per_thread, cuMemcpyHtoD)((CUdeviceptr)to, from, bytes);
    case cudaMemcpyDeviceToHost:
        return RT_DRIVER_FOR(per_thread, cuMemcpyDtoH)(to, (CUdeviceptr)from, bytes);
    case cudaMemcpyDeviceToDevice:
        return RT_DRIVER_FOR(per_thread, cuMemcpyDtoD)((CUdeviceptr)to, (CUdeviceptr)from, bytes);
    case cudaMemcpyHostToHost:
        return rt_copy_rows(to, bytes, from, bytes, bytes, 1, kind, RT_COPY_NOW, per_thread);
    case cudaMemcpyDefault:
        break;
    }
    return RT_DRIVER_FOR(per_thread, cuMemcpy)((CUdeviceptr)to, (CUdeviceptr)from, bytes);
}

static CUresult copy_queued(
    void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t stream, bool per_thread)
{
    switch (kind) {
    case cudaMemcpyHostToDevice:
        return RT_DRIVER_FOR(per_thread, cuMemcpyHtoDAsync)((CUdeviceptr)to, from, bytes, stream);
    case cudaMemcpyDeviceToHost:
        return RT_DRIVER_FOR(per_thread, cuMemcpyDtoHAsync)(to, (CUdeviceptr)from, bytes, stream);
    case cudaMemcpyDeviceToDevice:
        return RT_DRIVER_FOR(per_thread, cuMemcpyDtoDAsync)((CUdeviceptr)to, (CUdeviceptr)from, bytes, stream);
    case cudaMemcpyHostToHost:
        return rt_copy_rows(to, bytes, from, bytes, bytes, 1, kind, stream, per_thread);
    case cudaMemcpyDefault:
        break;
    }
    return RT_DRIVER_FOR(per_thread, cuMemcpyAsync)((CUdeviceptr)to, (CUdeviceptr)from, bytes, stream);
}

static cudaError_t copy(
    void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t stream, bool per_thread)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    CUmemorytype to_type, from_type;
    if (!rt_copy_types(kind, &to_type, &from_type) && SIM_RULE(copy_kind_known))
        return rt_fail(cudaErrorInvalidMemcpyDirection);
    if (!bytes)
        return cudaSuccess;
    return rt_leave(stream == RT_COPY_NOW ? copy_now(to, from, bytes, kind, per_thread)
                                          : copy_queued(to, from, bytes, kind, stream, per_thread));
}

RT_TWINS(cudaMemcpy, _ptds, (void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind), copy, to, from, bytes,
    kind, RT_COPY_NOW)
RT_TWINS(cudaMemcpyAsync, _ptsz,
    (void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t stream), copy, to, from, bytes,
    kind, stream)

/* Devices are named by ordinal here, by their primary contexts in the driver. */
static cudaError_t copy_peer(
    void *to, int to_device, const void *from, int from_device, size_t bytes, cudaStream_t stream)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    CUcontext to_context, from_context;
    CUresult result = rt_context_primary(to_device, &to_context);
    if (!result)
        result = rt_context_primary(from_device, &from_context);
    if (result || !bytes)
        return rt_leave(result);
    return rt_leave(stream == RT_COPY_NOW
                        ? RT_DRIVER(cuMemcpyPeer)((CUdeviceptr)to, to_context, (CUdeviceptr)from, from_context, bytes)
                        : RT_DRIVER(cuMemcpyPeerAsync)(
                              (CUdeviceptr)to, to_context, (CUdeviceptr)from, from_context, bytes, stream));
}

cudaError_t cudaMemcpyPeer(void *to, int to_device, const void *from, int from_device, size_t bytes)
{
    return copy_peer(to, to_device, from, from_device, bytes, RT_COPY_NOW);
}

cudaError_t cudaMemcpyPeerAsync(
    void *to, int to_device, const void *from, int from_device, size_t bytes, cudaStream_t stream)
{
    return copy_peer(to, to_device, from, from_device, bytes, stream);
}

static cudaError_t fill(void *pointer, int value, size_t bytes, cudaStream_t stream, bool per_thread)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    if (!bytes)
        return cudaSuccess;
    CUdeviceptr address = (CUdeviceptr)pointer;
    unsigned char byte = (unsigned char)value;
    return rt_leave(stream == RT_COPY_NOW ? RT_DRIVER_FOR(per_thread, cuMemsetD8)(address, byte, bytes)
                                          : RT_DRIVER_FOR(per_thread, cuMemsetD8Async)(address, byte, bytes, stream));
}

RT_TWINS(cudaMemset, _ptds, (void *pointer, int value, size_t bytes), fill, pointer, value, bytes, RT_COPY_NOW)
RT_TWINS(cudaMemsetAsync, _ptsz, (void *pointer, int value, size_t bytes, cudaStream_t stream), fill, pointer, value,
    bytes, stream)
