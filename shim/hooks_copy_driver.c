/* hooks_copy_driver.c: copies through the driver. A direction in the function's name becomes the direction-less copy
 * where one side is ours; memory types of 2-D copies become unified. See hooks_copy.c. */
#include "arena.h"
#include "compute.h"
#include "driver.h"
#include "hook.h"
#include "peer_copy.h"

static bool ours(CUdeviceptr address)
{
    return vs_arena_may_own(address);
}

CUresult vs_cuMemcpyHtoD_v2(const struct vs_libcuda *real, CUdeviceptr dst, const void *src, size_t bytes)
{
    return ours(dst) ? vs_driver()->cuMemcpy(dst, (CUdeviceptr)src, bytes) : real->cuMemcpyHtoD_v2(dst, src, bytes);
}

CUresult vs_cuMemcpyHtoDAsync_v2(
    const struct vs_libcuda *real, CUdeviceptr dst, const void *src, size_t bytes, CUstream stream)
{
    return ours(dst) ? vs_driver()->cuMemcpyAsync(dst, (CUdeviceptr)src, bytes, stream)
                     : real->cuMemcpyHtoDAsync_v2(dst, src, bytes, stream);
}

CUresult vs_cuMemcpyDtoH_v2(const struct vs_libcuda *real, void *dst, CUdeviceptr src, size_t bytes)
{
    return ours(src) ? vs_driver()->cuMemcpy((CUdeviceptr)dst, src, bytes) : real->cuMemcpyDtoH_v2(dst, src, bytes);
}

CUresult vs_cuMemcpyDtoHAsync_v2(
    const struct vs_libcuda *real, void *dst, CUdeviceptr src, size_t bytes, CUstream stream)
{
    return ours(src) ? vs_driver()->cuMemcpyAsync((CUdeviceptr)dst, src, bytes, stream)
                     : real->cuMemcpyDtoHAsync_v2(dst, src, bytes, stream);
}

CUresult vs_cuMemcpyDtoD_v2(const struct vs_libcuda *real, CUdeviceptr dst, CUdeviceptr src, size_t bytes)
{
    return ours(dst) || ours(src) ? vs_driver()->cuMemcpy(dst, src, bytes) : real->cuMemcpyDtoD_v2(dst, src, bytes);
}

CUresult vs_cuMemcpyDtoDAsync_v2(
    const struct vs_libcuda *real, CUdeviceptr dst, CUdeviceptr src, size_t bytes, CUstream stream)
{
    return ours(dst) || ours(src) ? vs_driver()->cuMemcpyAsync(dst, src, bytes, stream)
                                  : real->cuMemcpyDtoDAsync_v2(dst, src, bytes, stream);
}

/* Whether a copy between two contexts must go through the host (peer_copy.h), and the devices that they belong to. */
static bool goes_through_host(
    CUdeviceptr dst, CUcontext dst_context, CUdeviceptr src, CUcontext src_context, int *dst_device, int *src_device)
{
    *dst_device = vs_device_of(dst_context);
    *src_device = vs_device_of(src_context);
    return vs_peer_copy_wanted(dst, *dst_device, src, *src_device);
}

CUresult vs_cuMemcpyPeer(const struct vs_libcuda *real, CUdeviceptr dst, CUcontext dst_context, CUdeviceptr src,
    CUcontext src_context, size_t bytes)
{
    int dst_device, src_device;
    if (!ours(dst) && !ours(src))
        return real->cuMemcpyPeer(dst, dst_context, src, src_context, bytes);
    if (goes_through_host(dst, dst_context, src, src_context, &dst_device, &src_device))
        return vs_peer_copy(dst, dst_device, src, src_device, bytes, NULL);
    return vs_driver()->cuMemcpy(dst, src, bytes);
}

CUresult vs_cuMemcpyPeerAsync(const struct vs_libcuda *real, CUdeviceptr dst, CUcontext dst_context, CUdeviceptr src,
    CUcontext src_context, size_t bytes, CUstream stream)
{
    int dst_device, src_device;
    if (!ours(dst) && !ours(src))
        return real->cuMemcpyPeerAsync(dst, dst_context, src, src_context, bytes, stream);
    if (!vs_peer_copy_captured(stream) &&
        goes_through_host(dst, dst_context, src, src_context, &dst_device, &src_device))
        return vs_peer_copy(dst, dst_device, src, src_device, bytes, stream);
    return vs_driver()->cuMemcpyAsync(dst, src, bytes, stream);
}

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

CUresult vs_cuMemcpy2D_v2(const struct vs_libcuda *real, const CUDA_MEMCPY2D *copy)
{
    if (!copy)
        return real->cuMemcpy2D_v2(copy);
    const CUDA_MEMCPY2D changed = true_types(copy);
    return real->cuMemcpy2D_v2(&changed);
}

CUresult vs_cuMemcpy2DUnaligned_v2(const struct vs_libcuda *real, const CUDA_MEMCPY2D *copy)
{
    if (!copy)
        return real->cuMemcpy2DUnaligned_v2(copy);
    const CUDA_MEMCPY2D changed = true_types(copy);
    return real->cuMemcpy2DUnaligned_v2(&changed);
}

CUresult vs_cuMemcpy2DAsync_v2(const struct vs_libcuda *real, const CUDA_MEMCPY2D *copy, CUstream stream)
{
    if (!copy)
        return real->cuMemcpy2DAsync_v2(copy, stream);
    const CUDA_MEMCPY2D changed = true_types(copy);
    return real->cuMemcpy2DAsync_v2(&changed, stream);
}

CUresult vs_cuMemcpy3D_v2(const struct vs_libcuda *real, const CUDA_MEMCPY3D *copy)
{
    if (!copy)
        return real->cuMemcpy3D_v2(copy);
    const CUDA_MEMCPY3D changed = true_types_3d(copy);
    return real->cuMemcpy3D_v2(&changed);
}

CUresult vs_cuMemcpy3DAsync_v2(const struct vs_libcuda *real, const CUDA_MEMCPY3D *copy, CUstream stream)
{
    if (!copy)
        return real->cuMemcpy3DAsync_v2(copy, stream);
    const CUDA_MEMCPY3D changed = true_types_3d(copy);
    return real->cuMemcpy3DAsync_v2(&changed, stream);
}
