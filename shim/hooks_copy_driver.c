/* hooks_copy_driver.c: copies through the driver. A direction in the function's name becomes the direction-less copy
 * where one side is ours; memory types of 2-D copies become unified; a call whose bytes live at several homes becomes
 * several. See hooks_copy.c. */
#include "arena.h"
#include "compute.h"
#include "hook.h"
#include "pages.h"
#include "peer_copy.h"
#include "split.h"

static bool ours(CUdeviceptr address)
{
    return vs_pages_may_own(address);
}

/* --- Pieces of a copy --------------------------------------------------------------------------------------------- */

struct call {
    const struct vs_libcuda *real;
    CUstream stream;
};

static CUDA_MEMCPY2D unified(const struct vs_box *piece)
{
    return (CUDA_MEMCPY2D){
        .srcMemoryType = CU_MEMORYTYPE_UNIFIED,
        .srcDevice = piece->src.address,
        .srcPitch = piece->src.pitch,
        .dstMemoryType = CU_MEMORYTYPE_UNIFIED,
        .dstDevice = piece->dst.address,
        .dstPitch = piece->dst.pitch,
        .WidthInBytes = piece->width,
        .Height = piece->height,
    };
}

/* Each of the four forms: with a stream or without, for either default stream. Pitches of any size are taken without a
 * stream by the form for them. */
#define ISSUE(form, flat, rows, ...)                                                                                   \
    static int issue_##form(const void *data, const struct vs_box *piece)                                              \
    {                                                                                                                  \
        const struct call *call = data;                                                                                \
        const CUDA_MEMCPY2D copy = unified(piece);                                                                     \
        if (piece->height == 1)                                                                                        \
            return (int)call->real->flat(piece->dst.address, piece->src.address, piece->width __VA_ARGS__);            \
        return (int)call->real->rows(&copy __VA_ARGS__);                                                               \
    }
ISSUE(sync, cuMemcpy, cuMemcpy2DUnaligned_v2, )
ISSUE(sync_ptds, cuMemcpy_ptds, cuMemcpy2DUnaligned_v2_ptds, )
ISSUE(async, cuMemcpyAsync, cuMemcpy2DAsync_v2, , call->stream)
ISSUE(async_ptsz, cuMemcpyAsync_ptsz, cuMemcpy2DAsync_v2_ptsz, , call->stream)

/* --- Bytes in a row ----------------------------------------------------------------------------------------------- */

/* The default stream of a call for each thread's own. */
static CUstream own(CUstream stream)
{
    return stream ? stream : CU_STREAM_PER_THREAD;
}

static CUresult copy_flat(const struct vs_libcuda *real, CUdeviceptr dst, CUdeviceptr src, size_t bytes,
    int (*issue)(const void *call, const struct vs_box *piece), CUstream stream)
{
    const struct call call = {real, stream};
    const struct vs_box box = vs_box_flat(dst, src, bytes);
    CUresult between;
    if (vs_peer_copy_box(&box, stream, &between))
        return between;
    return (CUresult)(vs_box_is_mixed(&box) ? vs_split(&box, issue, &call) : issue(&call, &box));
}

/* The same forms of a hook: the copy without a direction, in pieces where it must be, or the real call. */
#define FLAT_OR(is_ours, form, at, original)                                                                           \
    do {                                                                                                               \
        if (is_ours)                                                                                                   \
            return copy_flat(real, (CUdeviceptr)dst, (CUdeviceptr)src, bytes, issue_##form, at);                       \
        return real->original;                                                                                         \
    } while (0)

CUresult vs_cuMemcpyHtoD_v2(const struct vs_libcuda *real, CUdeviceptr dst, const void *src, size_t bytes)
{
    FLAT_OR(ours(dst), sync, NULL, cuMemcpyHtoD_v2(dst, src, bytes));
}

CUresult vs_cuMemcpyHtoD_v2_ptds(const struct vs_libcuda *real, CUdeviceptr dst, const void *src, size_t bytes)
{
    FLAT_OR(ours(dst), sync_ptds, CU_STREAM_PER_THREAD, cuMemcpyHtoD_v2_ptds(dst, src, bytes));
}

CUresult vs_cuMemcpyHtoDAsync_v2(
    const struct vs_libcuda *real, CUdeviceptr dst, const void *src, size_t bytes, CUstream stream)
{
    FLAT_OR(ours(dst), async, stream, cuMemcpyHtoDAsync_v2(dst, src, bytes, stream));
}

CUresult vs_cuMemcpyHtoDAsync_v2_ptsz(
    const struct vs_libcuda *real, CUdeviceptr dst, const void *src, size_t bytes, CUstream stream)
{
    FLAT_OR(ours(dst), async_ptsz, own(stream), cuMemcpyHtoDAsync_v2_ptsz(dst, src, bytes, stream));
}

CUresult vs_cuMemcpyDtoH_v2(const struct vs_libcuda *real, void *dst, CUdeviceptr src, size_t bytes)
{
    FLAT_OR(ours(src), sync, NULL, cuMemcpyDtoH_v2(dst, src, bytes));
}

CUresult vs_cuMemcpyDtoH_v2_ptds(const struct vs_libcuda *real, void *dst, CUdeviceptr src, size_t bytes)
{
    FLAT_OR(ours(src), sync_ptds, CU_STREAM_PER_THREAD, cuMemcpyDtoH_v2_ptds(dst, src, bytes));
}

CUresult vs_cuMemcpyDtoHAsync_v2(
    const struct vs_libcuda *real, void *dst, CUdeviceptr src, size_t bytes, CUstream stream)
{
    FLAT_OR(ours(src), async, stream, cuMemcpyDtoHAsync_v2(dst, src, bytes, stream));
}

CUresult vs_cuMemcpyDtoHAsync_v2_ptsz(
    const struct vs_libcuda *real, void *dst, CUdeviceptr src, size_t bytes, CUstream stream)
{
    FLAT_OR(ours(src), async_ptsz, own(stream), cuMemcpyDtoHAsync_v2_ptsz(dst, src, bytes, stream));
}

CUresult vs_cuMemcpyDtoD_v2(const struct vs_libcuda *real, CUdeviceptr dst, CUdeviceptr src, size_t bytes)
{
    FLAT_OR(ours(dst) || ours(src), sync, NULL, cuMemcpyDtoD_v2(dst, src, bytes));
}

CUresult vs_cuMemcpyDtoD_v2_ptds(const struct vs_libcuda *real, CUdeviceptr dst, CUdeviceptr src, size_t bytes)
{
    FLAT_OR(ours(dst) || ours(src), sync_ptds, CU_STREAM_PER_THREAD, cuMemcpyDtoD_v2_ptds(dst, src, bytes));
}

CUresult vs_cuMemcpyDtoDAsync_v2(
    const struct vs_libcuda *real, CUdeviceptr dst, CUdeviceptr src, size_t bytes, CUstream stream)
{
    FLAT_OR(ours(dst) || ours(src), async, stream, cuMemcpyDtoDAsync_v2(dst, src, bytes, stream));
}

CUresult vs_cuMemcpyDtoDAsync_v2_ptsz(
    const struct vs_libcuda *real, CUdeviceptr dst, CUdeviceptr src, size_t bytes, CUstream stream)
{
    FLAT_OR(ours(dst) || ours(src), async_ptsz, own(stream), cuMemcpyDtoDAsync_v2_ptsz(dst, src, bytes, stream));
}

CUresult vs_cuMemcpy(const struct vs_libcuda *real, CUdeviceptr dst, CUdeviceptr src, size_t bytes)
{
    FLAT_OR(ours(dst) || ours(src), sync, NULL, cuMemcpy(dst, src, bytes));
}

CUresult vs_cuMemcpy_ptds(const struct vs_libcuda *real, CUdeviceptr dst, CUdeviceptr src, size_t bytes)
{
    FLAT_OR(ours(dst) || ours(src), sync_ptds, CU_STREAM_PER_THREAD, cuMemcpy_ptds(dst, src, bytes));
}

CUresult vs_cuMemcpyAsync(
    const struct vs_libcuda *real, CUdeviceptr dst, CUdeviceptr src, size_t bytes, CUstream stream)
{
    FLAT_OR(ours(dst) || ours(src), async, stream, cuMemcpyAsync(dst, src, bytes, stream));
}

CUresult vs_cuMemcpyAsync_ptsz(
    const struct vs_libcuda *real, CUdeviceptr dst, CUdeviceptr src, size_t bytes, CUstream stream)
{
    FLAT_OR(ours(dst) || ours(src), async_ptsz, own(stream), cuMemcpyAsync_ptsz(dst, src, bytes, stream));
}

/* --- Between contexts --------------------------------------------------------------------------------------------- */

static bool is_as_asked(CUdeviceptr dst, CUdeviceptr src, size_t bytes)
{
    const struct vs_box box = vs_box_flat(dst, src, bytes);
    return (!ours(dst) && !ours(src)) || vs_peer_copy_is_as_asked(&box);
}

/* Whether a copy between two contexts must go through the host (peer_copy.h): then it is done. A captured stream gets
 * the driver's answer. */
static bool went_through_host(CUdeviceptr dst, CUcontext dst_context, CUdeviceptr src, CUcontext src_context,
    size_t bytes, CUstream stream, CUresult *result)
{
    const struct vs_box box = vs_box_flat(dst, src, bytes);
    if (vs_peer_copy_captured(stream))
        return false;
    int dst_device = vs_device_of(dst_context), src_device = vs_device_of(src_context);
    if (!vs_peer_copy_wanted(&box, dst_device, src_device))
        return false;
    *result = vs_peer_copy(dst, dst_device, src, src_device, bytes, stream);
    return true;
}

/* The same forms of a hook. */
#define PEER_OR(form, at, original)                                                                                    \
    do {                                                                                                               \
        CUresult result;                                                                                               \
        if (is_as_asked(dst, src, bytes))                                                                              \
            return real->original;                                                                                     \
        if (went_through_host(dst, dst_context, src, src_context, bytes, at, &result))                                 \
            return result;                                                                                             \
        return copy_flat(real, dst, src, bytes, issue_##form, at);                                                     \
    } while (0)

CUresult vs_cuMemcpyPeer(const struct vs_libcuda *real, CUdeviceptr dst, CUcontext dst_context, CUdeviceptr src,
    CUcontext src_context, size_t bytes)
{
    PEER_OR(sync, NULL, cuMemcpyPeer(dst, dst_context, src, src_context, bytes));
}

CUresult vs_cuMemcpyPeer_ptds(const struct vs_libcuda *real, CUdeviceptr dst, CUcontext dst_context, CUdeviceptr src,
    CUcontext src_context, size_t bytes)
{
    PEER_OR(sync_ptds, CU_STREAM_PER_THREAD, cuMemcpyPeer_ptds(dst, dst_context, src, src_context, bytes));
}

CUresult vs_cuMemcpyPeerAsync(const struct vs_libcuda *real, CUdeviceptr dst, CUcontext dst_context, CUdeviceptr src,
    CUcontext src_context, size_t bytes, CUstream stream)
{
    PEER_OR(async, stream, cuMemcpyPeerAsync(dst, dst_context, src, src_context, bytes, stream));
}

CUresult vs_cuMemcpyPeerAsync_ptsz(const struct vs_libcuda *real, CUdeviceptr dst, CUcontext dst_context,
    CUdeviceptr src, CUcontext src_context, size_t bytes, CUstream stream)
{
    PEER_OR(async_ptsz, own(stream), cuMemcpyPeerAsync_ptsz(dst, dst_context, src, src_context, bytes, stream));
}

/* --- Rows and boxes ----------------------------------------------------------------------------------------------- */

/* The address of one side of a 2-D copy, where it has one. */
static CUdeviceptr side(CUmemorytype type, const void *host, CUdeviceptr device)
{
    return type == CU_MEMORYTYPE_HOST ? (CUdeviceptr)host : type == CU_MEMORYTYPE_ARRAY ? 0 : device;
}

/* The 2-D and the 3-D structure name these members alike. */
#define UNIFY(changed)                                                                                                 \
    do {                                                                                                               \
        CUdeviceptr dst = side((changed).dstMemoryType, (changed).dstHost, (changed).dstDevice);                       \
        CUdeviceptr src = side((changed).srcMemoryType, (changed).srcHost, (changed).srcDevice);                       \
        if (!ours(dst) && !ours(src))                                                                                  \
            break;                                                                                                     \
        if ((changed).dstMemoryType != CU_MEMORYTYPE_ARRAY) {                                                          \
            (changed).dstMemoryType = CU_MEMORYTYPE_UNIFIED;                                                           \
            (changed).dstDevice = dst;                                                                                 \
        }                                                                                                              \
        if ((changed).srcMemoryType != CU_MEMORYTYPE_ARRAY) {                                                          \
            (changed).srcMemoryType = CU_MEMORYTYPE_UNIFIED;                                                           \
            (changed).srcDevice = src;                                                                                 \
        }                                                                                                              \
    } while (0)

static CUDA_MEMCPY2D true_types(const CUDA_MEMCPY2D *copy)
{
    CUDA_MEMCPY2D changed = *copy;
    UNIFY(changed);
    return changed;
}

static CUDA_MEMCPY3D true_types_3d(const CUDA_MEMCPY3D *copy)
{
    CUDA_MEMCPY3D changed = *copy;
    UNIFY(changed);
    return changed;
}

/* A pitch of 0 stands for rows that lie close together. Nothing where an array takes part, or neither side is ours. The
 * types are unified already. */
static struct vs_box box_of(const CUDA_MEMCPY2D *copy)
{
    if (copy->dstMemoryType != CU_MEMORYTYPE_UNIFIED || copy->srcMemoryType != CU_MEMORYTYPE_UNIFIED)
        return (struct vs_box){0};
    size_t dst_pitch = copy->dstPitch ? copy->dstPitch : copy->dstXInBytes + copy->WidthInBytes;
    size_t src_pitch = copy->srcPitch ? copy->srcPitch : copy->srcXInBytes + copy->WidthInBytes;
    return (struct vs_box){{copy->dstDevice + copy->dstY * dst_pitch + copy->dstXInBytes, dst_pitch, 0},
        {copy->srcDevice + copy->srcY * src_pitch + copy->srcXInBytes, src_pitch, 0}, copy->WidthInBytes, copy->Height,
        1};
}

static struct vs_box box_of_3d(const CUDA_MEMCPY3D *copy)
{
    const CUDA_MEMCPY2D slice = {.dstMemoryType = copy->dstMemoryType,
        .dstDevice = copy->dstDevice,
        .dstPitch = copy->dstPitch,
        .dstXInBytes = copy->dstXInBytes,
        .dstY = copy->dstY,
        .srcMemoryType = copy->srcMemoryType,
        .srcDevice = copy->srcDevice,
        .srcPitch = copy->srcPitch,
        .srcXInBytes = copy->srcXInBytes,
        .srcY = copy->srcY,
        .WidthInBytes = copy->WidthInBytes,
        .Height = copy->Height};
    struct vs_box box = box_of(&slice);
    box.dst.slice = box.dst.pitch * (copy->dstHeight ? copy->dstHeight : copy->dstY + copy->Height);
    box.src.slice = box.src.pitch * (copy->srcHeight ? copy->srcHeight : copy->srcY + copy->Height);
    box.dst.address += copy->dstZ * box.dst.slice;
    box.src.address += copy->srcZ * box.src.slice;
    box.depth = box.dst.address ? copy->Depth : 0;
    return box;
}

/* The same four forms of a hook: the real call, or its pieces by `form`. */
#define SPLIT_OR(types, box_of, form, at, original)                                                                    \
    do {                                                                                                               \
        if (!copy)                                                                                                     \
            return real->original;                                                                                     \
        const __typeof__(*copy) changed = types(copy);                                                                 \
        const struct vs_box box = box_of(&changed);                                                                    \
        const struct call call = {real, at};                                                                           \
        CUresult between;                                                                                              \
        if (vs_peer_copy_box(&box, at, &between))                                                                      \
            return between;                                                                                            \
        if (vs_box_may_be_ours(&box) && vs_box_is_mixed(&box))                                                         \
            return (CUresult)vs_split(&box, issue_##form, &call);                                                      \
        copy = &changed;                                                                                               \
        return real->original;                                                                                         \
    } while (0)

CUresult vs_cuMemcpy2D_v2(const struct vs_libcuda *real, const CUDA_MEMCPY2D *copy)
{
    SPLIT_OR(true_types, box_of, sync, NULL, cuMemcpy2D_v2(copy));
}

CUresult vs_cuMemcpy2D_v2_ptds(const struct vs_libcuda *real, const CUDA_MEMCPY2D *copy)
{
    SPLIT_OR(true_types, box_of, sync_ptds, CU_STREAM_PER_THREAD, cuMemcpy2D_v2_ptds(copy));
}

CUresult vs_cuMemcpy2DAsync_v2(const struct vs_libcuda *real, const CUDA_MEMCPY2D *copy, CUstream stream)
{
    SPLIT_OR(true_types, box_of, async, stream, cuMemcpy2DAsync_v2(copy, stream));
}

CUresult vs_cuMemcpy2DAsync_v2_ptsz(const struct vs_libcuda *real, const CUDA_MEMCPY2D *copy, CUstream stream)
{
    SPLIT_OR(true_types, box_of, async_ptsz, own(stream), cuMemcpy2DAsync_v2_ptsz(copy, stream));
}

CUresult vs_cuMemcpy2DUnaligned_v2(const struct vs_libcuda *real, const CUDA_MEMCPY2D *copy)
{
    SPLIT_OR(true_types, box_of, sync, NULL, cuMemcpy2DUnaligned_v2(copy));
}

CUresult vs_cuMemcpy2DUnaligned_v2_ptds(const struct vs_libcuda *real, const CUDA_MEMCPY2D *copy)
{
    SPLIT_OR(true_types, box_of, sync_ptds, CU_STREAM_PER_THREAD, cuMemcpy2DUnaligned_v2_ptds(copy));
}

CUresult vs_cuMemcpy3D_v2(const struct vs_libcuda *real, const CUDA_MEMCPY3D *copy)
{
    SPLIT_OR(true_types_3d, box_of_3d, sync, NULL, cuMemcpy3D_v2(copy));
}

CUresult vs_cuMemcpy3D_v2_ptds(const struct vs_libcuda *real, const CUDA_MEMCPY3D *copy)
{
    SPLIT_OR(true_types_3d, box_of_3d, sync_ptds, CU_STREAM_PER_THREAD, cuMemcpy3D_v2_ptds(copy));
}

CUresult vs_cuMemcpy3DAsync_v2(const struct vs_libcuda *real, const CUDA_MEMCPY3D *copy, CUstream stream)
{
    SPLIT_OR(true_types_3d, box_of_3d, async, stream, cuMemcpy3DAsync_v2(copy, stream));
}

CUresult vs_cuMemcpy3DAsync_v2_ptsz(const struct vs_libcuda *real, const CUDA_MEMCPY3D *copy, CUstream stream)
{
    SPLIT_OR(true_types_3d, box_of_3d, async_ptsz, own(stream), cuMemcpy3DAsync_v2_ptsz(copy, stream));
}
