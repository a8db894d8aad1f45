/* hooks_copy.c: copies through the runtime. The program states a direction from what it believes; the bytes may live on
 * another device or in the host. cudaMemcpyDefault lets the driver look (CUDA Runtime API, cudaMemcpyKind: a kind that
 * does not match the pointers is undefined); a call whose bytes live at several homes becomes several (split.h). */
#include "arena.h"
#include "devices.h"
#include "error.h"
#include "hook.h"
#include "pages.h"
#include "peer_copy.h"
#include "split.h"

/* May take foreign memory for ours: the direction-less copy is as right for that. */
static bool ours(const void *dst, const void *src)
{
    return vs_pages_may_own((CUdeviceptr)dst) || vs_pages_may_own((CUdeviceptr)src);
}

/* A value that is no direction is the real function's to refuse. */
static enum cudaMemcpyKind true_kind(const void *dst, const void *src, enum cudaMemcpyKind kind)
{
    return ours(dst, src) && (unsigned)kind < cudaMemcpyDefault ? cudaMemcpyDefault : kind;
}

static bool is_mixed(const struct vs_box *box, enum cudaMemcpyKind kind)
{
    return vs_box_may_be_ours(box) && (unsigned)kind <= cudaMemcpyDefault && vs_box_is_mixed(box);
}

/* --- Pieces of a copy --------------------------------------------------------------------------------------------- */

struct call {
    const struct vs_cudart *real;
    cudaStream_t stream;
};

static bool is_row(const struct vs_box *piece)
{
    return piece->height == 1;
}

/* Each of the four forms: with a stream or without, for either default stream. `...`: what follows the kind. */
#define ISSUE(form, flat, rows, ...)                                                                                   \
    static int issue_##form(const void *data, const struct vs_box *piece)                                              \
    {                                                                                                                  \
        const struct call *call = data;                                                                                \
        void *dst = (void *)piece->dst.address;                                                                        \
        const void *src = (const void *)piece->src.address;                                                            \
        if (is_row(piece))                                                                                             \
            return (int)call->real->flat(dst, src, piece->width, cudaMemcpyDefault __VA_ARGS__);                       \
        return (int)call->real->rows(                                                                                  \
            dst, piece->dst.pitch, src, piece->src.pitch, piece->width, piece->height, cudaMemcpyDefault __VA_ARGS__); \
    }
ISSUE(sync, cudaMemcpy, cudaMemcpy2D, )
ISSUE(sync_ptds, cudaMemcpy_ptds, cudaMemcpy2D_ptds, )
ISSUE(async, cudaMemcpyAsync, cudaMemcpy2DAsync, , call->stream)
ISSUE(async_ptsz, cudaMemcpyAsync_ptsz, cudaMemcpy2DAsync_ptsz, , call->stream)

/* The default stream of a call for each thread's own. */
static cudaStream_t own(cudaStream_t stream)
{
    return stream ? stream : cudaStreamPerThread;
}

/* The same four forms of a hook: the real call, its pieces by `form`, or by way of the host. */
#define SPLIT_OR(box, form, at, original)                                                                              \
    do {                                                                                                               \
        const struct call call = {real, at};                                                                           \
        CUresult between;                                                                                              \
        if ((unsigned)kind <= cudaMemcpyDefault && vs_peer_copy_box(&(box), at, &between))                             \
            return vs_own_error(real, (cudaError_t)between);                                                           \
        if (is_mixed(&(box), kind))                                                                                    \
            return (cudaError_t)vs_split(&(box), issue_##form, &call);                                                 \
        return original;                                                                                               \
    } while (0)

/* --- Bytes in a row ----------------------------------------------------------------------------------------------- */

cudaError_t vs_cudaMemcpy(
    const struct vs_cudart *real, void *dst, const void *src, size_t bytes, enum cudaMemcpyKind kind)
{
    const struct vs_box box = vs_box_flat((CUdeviceptr)dst, (CUdeviceptr)src, bytes);
    SPLIT_OR(box, sync, NULL, real->cudaMemcpy(dst, src, bytes, true_kind(dst, src, kind)));
}

cudaError_t vs_cudaMemcpy_ptds(
    const struct vs_cudart *real, void *dst, const void *src, size_t bytes, enum cudaMemcpyKind kind)
{
    const struct vs_box box = vs_box_flat((CUdeviceptr)dst, (CUdeviceptr)src, bytes);
    SPLIT_OR(box, sync_ptds, cudaStreamPerThread, real->cudaMemcpy_ptds(dst, src, bytes, true_kind(dst, src, kind)));
}

cudaError_t vs_cudaMemcpyAsync(const struct vs_cudart *real, void *dst, const void *src, size_t bytes,
    enum cudaMemcpyKind kind, cudaStream_t stream)
{
    const struct vs_box box = vs_box_flat((CUdeviceptr)dst, (CUdeviceptr)src, bytes);
    SPLIT_OR(box, async, stream, real->cudaMemcpyAsync(dst, src, bytes, true_kind(dst, src, kind), stream));
}

cudaError_t vs_cudaMemcpyAsync_ptsz(const struct vs_cudart *real, void *dst, const void *src, size_t bytes,
    enum cudaMemcpyKind kind, cudaStream_t stream)
{
    const struct vs_box box = vs_box_flat((CUdeviceptr)dst, (CUdeviceptr)src, bytes);
    SPLIT_OR(
        box, async_ptsz, own(stream), real->cudaMemcpyAsync_ptsz(dst, src, bytes, true_kind(dst, src, kind), stream));
}

/* --- Rows --------------------------------------------------------------------------------------------------------- */

static struct vs_box rows_of(
    void *dst, size_t dst_pitch, const void *src, size_t src_pitch, size_t width, size_t height)
{
    return (struct vs_box){{(CUdeviceptr)dst, dst_pitch, 0}, {(CUdeviceptr)src, src_pitch, 0}, width, height, 1};
}

cudaError_t vs_cudaMemcpy2D(const struct vs_cudart *real, void *dst, size_t dst_pitch, const void *src,
    size_t src_pitch, size_t width, size_t height, enum cudaMemcpyKind kind)
{
    const struct vs_box box = rows_of(dst, dst_pitch, src, src_pitch, width, height);
    SPLIT_OR(
        box, sync, NULL, real->cudaMemcpy2D(dst, dst_pitch, src, src_pitch, width, height, true_kind(dst, src, kind)));
}

cudaError_t vs_cudaMemcpy2D_ptds(const struct vs_cudart *real, void *dst, size_t dst_pitch, const void *src,
    size_t src_pitch, size_t width, size_t height, enum cudaMemcpyKind kind)
{
    const struct vs_box box = rows_of(dst, dst_pitch, src, src_pitch, width, height);
    SPLIT_OR(box, sync_ptds, cudaStreamPerThread,
        real->cudaMemcpy2D_ptds(dst, dst_pitch, src, src_pitch, width, height, true_kind(dst, src, kind)));
}

cudaError_t vs_cudaMemcpy2DAsync(const struct vs_cudart *real, void *dst, size_t dst_pitch, const void *src,
    size_t src_pitch, size_t width, size_t height, enum cudaMemcpyKind kind, cudaStream_t stream)
{
    const struct vs_box box = rows_of(dst, dst_pitch, src, src_pitch, width, height);
    SPLIT_OR(box, async, stream,
        real->cudaMemcpy2DAsync(dst, dst_pitch, src, src_pitch, width, height, true_kind(dst, src, kind), stream));
}

cudaError_t vs_cudaMemcpy2DAsync_ptsz(const struct vs_cudart *real, void *dst, size_t dst_pitch, const void *src,
    size_t src_pitch, size_t width, size_t height, enum cudaMemcpyKind kind, cudaStream_t stream)
{
    const struct vs_box box = rows_of(dst, dst_pitch, src, src_pitch, width, height);
    SPLIT_OR(box, async_ptsz, own(stream),
        real->cudaMemcpy2DAsync_ptsz(dst, dst_pitch, src, src_pitch, width, height, true_kind(dst, src, kind), stream));
}

/* --- Boxes -------------------------------------------------------------------------------------------------------- */

/* Arrays are never ours; their pitched pointers are NULL. */
static struct cudaMemcpy3DParms true_parameters(const struct cudaMemcpy3DParms *parameters)
{
    struct cudaMemcpy3DParms changed = *parameters;
    changed.kind = true_kind(parameters->dstPtr.ptr, parameters->srcPtr.ptr, parameters->kind);
    return changed;
}

static struct vs_side side_of(const struct cudaPitchedPtr *pointer, const struct cudaPos *at)
{
    size_t slice = pointer->pitch * pointer->ysize;
    return (struct vs_side){
        (CUdeviceptr)pointer->ptr + at->z * slice + at->y * pointer->pitch + at->x, pointer->pitch, slice};
}

/* Nothing where an array takes part: then widths are in its elements. */
static struct vs_box box_of(const struct cudaMemcpy3DParms *p)
{
    if (p->srcArray || p->dstArray)
        return (struct vs_box){0};
    return (struct vs_box){side_of(&p->dstPtr, &p->dstPos), side_of(&p->srcPtr, &p->srcPos), p->extent.width,
        p->extent.height, p->extent.depth};
}

cudaError_t vs_cudaMemcpy3D(const struct vs_cudart *real, const struct cudaMemcpy3DParms *parameters)
{
    if (!parameters)
        return real->cudaMemcpy3D(parameters);
    const struct cudaMemcpy3DParms changed = true_parameters(parameters);
    const struct vs_box box = box_of(parameters);
    const enum cudaMemcpyKind kind = parameters->kind;
    SPLIT_OR(box, sync, NULL, real->cudaMemcpy3D(&changed));
}

cudaError_t vs_cudaMemcpy3D_ptds(const struct vs_cudart *real, const struct cudaMemcpy3DParms *parameters)
{
    if (!parameters)
        return real->cudaMemcpy3D_ptds(parameters);
    const struct cudaMemcpy3DParms changed = true_parameters(parameters);
    const struct vs_box box = box_of(parameters);
    const enum cudaMemcpyKind kind = parameters->kind;
    SPLIT_OR(box, sync_ptds, cudaStreamPerThread, real->cudaMemcpy3D_ptds(&changed));
}

cudaError_t vs_cudaMemcpy3DAsync(
    const struct vs_cudart *real, const struct cudaMemcpy3DParms *parameters, cudaStream_t stream)
{
    if (!parameters)
        return real->cudaMemcpy3DAsync(parameters, stream);
    const struct cudaMemcpy3DParms changed = true_parameters(parameters);
    const struct vs_box box = box_of(parameters);
    const enum cudaMemcpyKind kind = parameters->kind;
    SPLIT_OR(box, async, stream, real->cudaMemcpy3DAsync(&changed, stream));
}

cudaError_t vs_cudaMemcpy3DAsync_ptsz(
    const struct vs_cudart *real, const struct cudaMemcpy3DParms *parameters, cudaStream_t stream)
{
    if (!parameters)
        return real->cudaMemcpy3DAsync_ptsz(parameters, stream);
    const struct cudaMemcpy3DParms changed = true_parameters(parameters);
    const struct vs_box box = box_of(parameters);
    const enum cudaMemcpyKind kind = parameters->kind;
    SPLIT_OR(box, async_ptsz, own(stream), real->cudaMemcpy3DAsync_ptsz(&changed, stream));
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
        return vs_cudaMemcpy(real, dst, src, bytes, cudaMemcpyDefault);
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
        return vs_cudaMemcpyAsync(real, dst, src, bytes, cudaMemcpyDefault, stream);
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
    return vs_cudaMemcpy3D(real, &changed);
}

cudaError_t vs_cudaMemcpy3DPeer_ptds(const struct vs_cudart *real, const struct cudaMemcpy3DPeerParms *parameters)
{
    if (!parameters || !ours(parameters->dstPtr.ptr, parameters->srcPtr.ptr))
        return real->cudaMemcpy3DPeer_ptds(parameters);
    const struct cudaMemcpy3DParms changed = without_devices(parameters);
    return vs_cudaMemcpy3D_ptds(real, &changed);
}

cudaError_t vs_cudaMemcpy3DPeerAsync(
    const struct vs_cudart *real, const struct cudaMemcpy3DPeerParms *parameters, cudaStream_t stream)
{
    if (!parameters || !ours(parameters->dstPtr.ptr, parameters->srcPtr.ptr))
        return real->cudaMemcpy3DPeerAsync(parameters, stream);
    const struct cudaMemcpy3DParms changed = without_devices(parameters);
    return vs_cudaMemcpy3DAsync(real, &changed, stream);
}

cudaError_t vs_cudaMemcpy3DPeerAsync_ptsz(
    const struct vs_cudart *real, const struct cudaMemcpy3DPeerParms *parameters, cudaStream_t stream)
{
    if (!parameters || !ours(parameters->dstPtr.ptr, parameters->srcPtr.ptr))
        return real->cudaMemcpy3DPeerAsync_ptsz(parameters, stream);
    const struct cudaMemcpy3DParms changed = without_devices(parameters);
    return vs_cudaMemcpy3DAsync_ptsz(real, &changed, stream);
}
