/* hooks_copy.c: copies through the runtime. The program states a direction from what it believes; the bytes may live on
 * another device or in the host. cudaMemcpyDefault lets the driver look (CUDA Runtime API, cudaMemcpyKind: a kind that
 * does not match the pointers is undefined). */
#include "arena.h"
#include "devices.h"
#include "error.h"
#include "hook.h"
#include "peer_copy.h"

/* May take foreign memory for ours: the direction-less copy is as right for that. */
static bool ours(const void *dst, const void *src)
{
    return vs_arena_may_own((CUdeviceptr)dst) || vs_arena_may_own((CUdeviceptr)src);
}

/* A value that is no kind stays: the runtime refuses it. */
static enum cudaMemcpyKind true_kind(const void *dst, const void *src, enum cudaMemcpyKind kind)
{
    bool is_kind = (unsigned)kind <= cudaMemcpyDefault;
    return is_kind && ours(dst, src) ? cudaMemcpyDefault : kind;
}

cudaError_t vs_cudaMemcpy(
    const struct vs_cudart *real, void *dst, const void *src, size_t bytes, enum cudaMemcpyKind kind)
{
    return real->cudaMemcpy(dst, src, bytes, true_kind(dst, src, kind));
}

cudaError_t vs_cudaMemcpy_ptds(
    const struct vs_cudart *real, void *dst, const void *src, size_t bytes, enum cudaMemcpyKind kind)
{
    return real->cudaMemcpy_ptds(dst, src, bytes, true_kind(dst, src, kind));
}

cudaError_t vs_cudaMemcpyAsync(const struct vs_cudart *real, void *dst, const void *src, size_t bytes,
    enum cudaMemcpyKind kind, cudaStream_t stream)
{
    return real->cudaMemcpyAsync(dst, src, bytes, true_kind(dst, src, kind), stream);
}

cudaError_t vs_cudaMemcpyAsync_ptsz(const struct vs_cudart *real, void *dst, const void *src, size_t bytes,
    enum cudaMemcpyKind kind, cudaStream_t stream)
{
    return real->cudaMemcpyAsync_ptsz(dst, src, bytes, true_kind(dst, src, kind), stream);
}

cudaError_t vs_cudaMemcpy2D(const struct vs_cudart *real, void *dst, size_t dst_pitch, const void *src,
    size_t src_pitch, size_t width, size_t height, enum cudaMemcpyKind kind)
{
    return real->cudaMemcpy2D(dst, dst_pitch, src, src_pitch, width, height, true_kind(dst, src, kind));
}

cudaError_t vs_cudaMemcpy2D_ptds(const struct vs_cudart *real, void *dst, size_t dst_pitch, const void *src,
    size_t src_pitch, size_t width, size_t height, enum cudaMemcpyKind kind)
{
    return real->cudaMemcpy2D_ptds(dst, dst_pitch, src, src_pitch, width, height, true_kind(dst, src, kind));
}

cudaError_t vs_cudaMemcpy2DAsync(const struct vs_cudart *real, void *dst, size_t dst_pitch, const void *src,
    size_t src_pitch, size_t width, size_t height, enum cudaMemcpyKind kind, cudaStream_t stream)
{
    return real->cudaMemcpy2DAsync(dst, dst_pitch, src, src_pitch, width, height, true_kind(dst, src, kind), stream);
}

cudaError_t vs_cudaMemcpy2DAsync_ptsz(const struct vs_cudart *real, void *dst, size_t dst_pitch, const void *src,
    size_t src_pitch, size_t width, size_t height, enum cudaMemcpyKind kind, cudaStream_t stream)
{
    return real->cudaMemcpy2DAsync_ptsz(
        dst, dst_pitch, src, src_pitch, width, height, true_kind(dst, src, kind), stream);
}

/* Arrays are never ours; their pitched pointers are NULL. */
static struct cudaMemcpy3DParms true_parameters(const struct cudaMemcpy3DParms *parameters)
{
    struct cudaMemcpy3DParms changed = *parameters;
    changed.kind = true_kind(parameters->dstPtr.ptr, parameters->srcPtr.ptr, parameters->kind);
    return changed;
}

cudaError_t vs_cudaMemcpy3D(const struct vs_cudart *real, const struct cudaMemcpy3DParms *parameters)
{
    if (!parameters)
        return real->cudaMemcpy3D(parameters);
    const struct cudaMemcpy3DParms changed = true_parameters(parameters);
    return real->cudaMemcpy3D(&changed);
}

cudaError_t vs_cudaMemcpy3D_ptds(const struct vs_cudart *real, const struct cudaMemcpy3DParms *parameters)
{
    if (!parameters)
        return real->cudaMemcpy3D_ptds(parameters);
    const struct cudaMemcpy3DParms changed = true_parameters(parameters);
    return real->cudaMemcpy3D_ptds(&changed);
}

cudaError_t vs_cudaMemcpy3DAsync_ptsz(
    const struct vs_cudart *real, const struct cudaMemcpy3DParms *parameters, cudaStream_t stream)
{
    if (!parameters)
        return real->cudaMemcpy3DAsync_ptsz(parameters, stream);
    const struct cudaMemcpy3DParms changed = true_parameters(parameters);
    return real->cudaMemcpy3DAsync_ptsz(&changed, stream);
}

cudaError_t vs_cudaMemcpy3DAsync(
    const struct vs_cudart *real, const struct cudaMemcpy3DParms *parameters, cudaStream_t stream)
{
    if (!parameters)
        return real->cudaMemcpy3DAsync(parameters, stream);
    const struct cudaMemcpy3DParms changed = true_parameters(parameters);
    return real->cudaMemcpy3DAsync(&changed, stream);
}

/* Peer copies name the devices that the program believes in. Where both are the same, the copy is an ordinary one. */

static bool hidden(int dst_device, int src_device)
{
    return vs_devices_hides(dst_device) || vs_devices_hides(src_device);
}

cudaError_t vs_cudaMemcpyPeer(
    const struct vs_cudart *real, void *dst, int dst_device, const void *src, int src_device, size_t bytes)
{
    CUdeviceptr to = (CUdeviceptr)dst, from = (CUdeviceptr)src;
    if (hidden(dst_device, src_device))
        return vs_no_such_device(real);
    if (vs_peer_copy_wanted(to, dst_device, from, src_device))
        return vs_own_error(real, (cudaError_t)vs_peer_copy(to, dst_device, from, src_device, bytes, NULL));
    if (ours(dst, src))
        return real->cudaMemcpy(dst, src, bytes, cudaMemcpyDefault);
    return real->cudaMemcpyPeer(dst, dst_device, src, src_device, bytes);
}

cudaError_t vs_cudaMemcpyPeerAsync(const struct vs_cudart *real, void *dst, int dst_device, const void *src,
    int src_device, size_t bytes, cudaStream_t stream)
{
    CUdeviceptr to = (CUdeviceptr)dst, from = (CUdeviceptr)src;
    if (hidden(dst_device, src_device))
        return vs_no_such_device(real);
    if (vs_peer_copy_wanted(to, dst_device, from, src_device) && !vs_peer_copy_captured(stream))
        return vs_own_error(real, (cudaError_t)vs_peer_copy(to, dst_device, from, src_device, bytes, stream));
    if (ours(dst, src))
        return real->cudaMemcpyAsync(dst, src, bytes, cudaMemcpyDefault, stream);
    return real->cudaMemcpyPeerAsync(dst, dst_device, src, src_device, bytes, stream);
}

static struct cudaMemcpy3DParms without_devices(const struct cudaMemcpy3DPeerParms *peer)
{
    return (struct cudaMemcpy3DParms){
        .srcArray = peer->srcArray,
        .srcPos = peer->srcPos,
        .srcPtr = peer->srcPtr,
        .dstArray = peer->dstArray,
        .dstPos = peer->dstPos,
        .dstPtr = peer->dstPtr,
        .extent = peer->extent,
        .kind = cudaMemcpyDefault,
    };
}

cudaError_t vs_cudaMemcpy3DPeer(const struct vs_cudart *real, const struct cudaMemcpy3DPeerParms *parameters)
{
    if (!parameters || !ours(parameters->dstPtr.ptr, parameters->srcPtr.ptr))
        return real->cudaMemcpy3DPeer(parameters);
    const struct cudaMemcpy3DParms changed = without_devices(parameters);
    return real->cudaMemcpy3D(&changed);
}

cudaError_t vs_cudaMemcpy3DPeerAsync(
    const struct vs_cudart *real, const struct cudaMemcpy3DPeerParms *parameters, cudaStream_t stream)
{
    if (!parameters || !ours(parameters->dstPtr.ptr, parameters->srcPtr.ptr))
        return real->cudaMemcpy3DPeerAsync(parameters, stream);
    const struct cudaMemcpy3DParms changed = without_devices(parameters);
    return real->cudaMemcpy3DAsync(&changed, stream);
}
