/* hooks_memset.c: memsets through the runtime and the driver. Where the bytes live at several homes, each gets a call
 * of its own (split.h). A page is a multiple of every element, so no element is cut. */
#include <stdint.h>

#include "hook.h"
#include "pages.h"
#include "split.h"

static bool ours(CUdeviceptr dst)
{
    return vs_pages_may_own(dst);
}

/* --- Runtime ------------------------------------------------------------------------------------------------------ */

struct runtime_call {
    const struct vs_cudart *real;
    int value;
    cudaStream_t stream;
};

/* Each of the four forms: with a stream or without, for either default stream. `...`: what follows the size. */
#define ISSUE(form, flat, rows, ...)                                                                                   \
    static int issue_##form(const void *data, const struct vs_box *piece)                                              \
    {                                                                                                                  \
        const struct runtime_call *call = data;                                                                        \
        void *dst = (void *)piece->dst.address;                                                                        \
        if (piece->height == 1)                                                                                        \
            return (int)call->real->flat(dst, call->value, piece->width __VA_ARGS__);                                  \
        return (int)call->real->rows(dst, piece->dst.pitch, call->value, piece->width, piece->height __VA_ARGS__);     \
    }
ISSUE(sync, cudaMemset, cudaMemset2D, )
ISSUE(sync_ptds, cudaMemset_ptds, cudaMemset2D_ptds, )
ISSUE(async, cudaMemsetAsync, cudaMemset2DAsync, , call->stream)
ISSUE(async_ptsz, cudaMemsetAsync_ptsz, cudaMemset2DAsync_ptsz, , call->stream)

static struct vs_box box_of_pitched(const struct cudaPitchedPtr *dst, const struct cudaExtent *extent)
{
    return (struct vs_box){{(CUdeviceptr)dst->ptr, dst->pitch, dst->pitch * dst->ysize}, {0}, extent->width,
        extent->height, extent->depth};
}

/* The real call, or its pieces by `form`. */
#define SPLIT_OR(form, address, box_expression, at, original)                                                          \
    do {                                                                                                               \
        if (ours((CUdeviceptr)(address))) {                                                                            \
            const struct vs_box box = box_expression;                                                                  \
            const struct runtime_call call = {real, value, at};                                                        \
            if (vs_box_is_mixed(&box))                                                                                 \
                return (cudaError_t)vs_split(&box, issue_##form, &call);                                               \
        }                                                                                                              \
        return original;                                                                                               \
    } while (0)

static struct vs_box rows_of(CUdeviceptr dst, size_t pitch, size_t width, size_t height)
{
    return (struct vs_box){{dst, pitch, 0}, {0}, width, height, 1};
}

cudaError_t vs_cudaMemset(const struct vs_cudart *real, void *dst, int value, size_t bytes)
{
    SPLIT_OR(sync, dst, vs_box_flat((CUdeviceptr)dst, 0, bytes), NULL, real->cudaMemset(dst, value, bytes));
}

cudaError_t vs_cudaMemset_ptds(const struct vs_cudart *real, void *dst, int value, size_t bytes)
{
    SPLIT_OR(sync_ptds, dst, vs_box_flat((CUdeviceptr)dst, 0, bytes), NULL, real->cudaMemset_ptds(dst, value, bytes));
}

cudaError_t vs_cudaMemsetAsync(const struct vs_cudart *real, void *dst, int value, size_t bytes, cudaStream_t stream)
{
    SPLIT_OR(
        async, dst, vs_box_flat((CUdeviceptr)dst, 0, bytes), stream, real->cudaMemsetAsync(dst, value, bytes, stream));
}

cudaError_t vs_cudaMemsetAsync_ptsz(
    const struct vs_cudart *real, void *dst, int value, size_t bytes, cudaStream_t stream)
{
    SPLIT_OR(async_ptsz, dst, vs_box_flat((CUdeviceptr)dst, 0, bytes), stream,
        real->cudaMemsetAsync_ptsz(dst, value, bytes, stream));
}

cudaError_t vs_cudaMemset2D(
    const struct vs_cudart *real, void *dst, size_t pitch, int value, size_t width, size_t height)
{
    SPLIT_OR(sync, dst, rows_of((CUdeviceptr)dst, pitch, width, height), NULL,
        real->cudaMemset2D(dst, pitch, value, width, height));
}

cudaError_t vs_cudaMemset2D_ptds(
    const struct vs_cudart *real, void *dst, size_t pitch, int value, size_t width, size_t height)
{
    SPLIT_OR(sync_ptds, dst, rows_of((CUdeviceptr)dst, pitch, width, height), NULL,
        real->cudaMemset2D_ptds(dst, pitch, value, width, height));
}

cudaError_t vs_cudaMemset2DAsync(
    const struct vs_cudart *real, void *dst, size_t pitch, int value, size_t width, size_t height, cudaStream_t stream)
{
    SPLIT_OR(async, dst, rows_of((CUdeviceptr)dst, pitch, width, height), stream,
        real->cudaMemset2DAsync(dst, pitch, value, width, height, stream));
}

cudaError_t vs_cudaMemset2DAsync_ptsz(
    const struct vs_cudart *real, void *dst, size_t pitch, int value, size_t width, size_t height, cudaStream_t stream)
{
    SPLIT_OR(async_ptsz, dst, rows_of((CUdeviceptr)dst, pitch, width, height), stream,
        real->cudaMemset2DAsync_ptsz(dst, pitch, value, width, height, stream));
}

cudaError_t vs_cudaMemset3D(
    const struct vs_cudart *real, struct cudaPitchedPtr dst, int value, struct cudaExtent extent)
{
    SPLIT_OR(sync, dst.ptr, box_of_pitched(&dst, &extent), NULL, real->cudaMemset3D(dst, value, extent));
}

cudaError_t vs_cudaMemset3D_ptds(
    const struct vs_cudart *real, struct cudaPitchedPtr dst, int value, struct cudaExtent extent)
{
    SPLIT_OR(sync_ptds, dst.ptr, box_of_pitched(&dst, &extent), NULL, real->cudaMemset3D_ptds(dst, value, extent));
}

cudaError_t vs_cudaMemset3DAsync(
    const struct vs_cudart *real, struct cudaPitchedPtr dst, int value, struct cudaExtent extent, cudaStream_t stream)
{
    SPLIT_OR(
        async, dst.ptr, box_of_pitched(&dst, &extent), stream, real->cudaMemset3DAsync(dst, value, extent, stream));
}

cudaError_t vs_cudaMemset3DAsync_ptsz(
    const struct vs_cudart *real, struct cudaPitchedPtr dst, int value, struct cudaExtent extent, cudaStream_t stream)
{
    SPLIT_OR(async_ptsz, dst.ptr, box_of_pitched(&dst, &extent), stream,
        real->cudaMemset3DAsync_ptsz(dst, value, extent, stream));
}

/* --- Driver ------------------------------------------------------------------------------------------------------- */

struct driver_call {
    const struct vs_libcuda *real;
    unsigned value;
    CUstream stream;
};

/* All eight forms of one size of elements: in a row or in rows, with a stream or without, for either default stream. */
#define ISSUE_DRIVER(bits, form, flat, rows, ...)                                                                      \
    static int issue_##bits##_##form(const void *data, const struct vs_box *piece)                                     \
    {                                                                                                                  \
        const struct driver_call *call = data;                                                                         \
        if (piece->height == 1)                                                                                        \
            return (int)call->real->flat(                                                                              \
                piece->dst.address, (uint##bits##_t)call->value, piece->width / sizeof(uint##bits##_t) __VA_ARGS__);   \
        return (int)call->real->rows(piece->dst.address, piece->dst.pitch, (uint##bits##_t)call->value,                \
            piece->width / sizeof(uint##bits##_t), piece->height __VA_ARGS__);                                         \
    }

#define MEMSET(bits, form, symbol, at, parameters, arguments)                                                          \
    CUresult vs_##symbol parameters                                                                                    \
    {                                                                                                                  \
        const struct driver_call call = {real, value, at};                                                             \
        const struct vs_box box = vs_box_flat(dst, 0, count * sizeof(uint##bits##_t));                                 \
        if (ours(dst) && count <= SIZE_MAX / sizeof(uint##bits##_t) && vs_box_is_mixed(&box))                          \
            return (CUresult)vs_split(&box, issue_##bits##_##form, &call);                                             \
        return real->symbol arguments;                                                                                 \
    }

#define MEMSET_ROWS(bits, form, symbol, at, parameters, arguments)                                                     \
    CUresult vs_##symbol parameters                                                                                    \
    {                                                                                                                  \
        const struct driver_call call = {real, value, at};                                                             \
        const struct vs_box box = rows_of(dst, pitch, width * sizeof(uint##bits##_t), height);                         \
        if (ours(dst) && width <= SIZE_MAX / sizeof(uint##bits##_t) && vs_box_is_mixed(&box))                          \
            return (CUresult)vs_split(&box, issue_##bits##_##form, &call);                                             \
        return real->symbol arguments;                                                                                 \
    }

#define MEMSETS(bits, type)                                                                                            \
    ISSUE_DRIVER(bits, sync, cuMemsetD##bits##_v2, cuMemsetD2D##bits##_v2, )                                           \
    ISSUE_DRIVER(bits, sync_ptds, cuMemsetD##bits##_v2_ptds, cuMemsetD2D##bits##_v2_ptds, )                            \
    ISSUE_DRIVER(bits, async, cuMemsetD##bits##Async, cuMemsetD2D##bits##Async, , call->stream)                        \
    ISSUE_DRIVER(bits, async_ptsz, cuMemsetD##bits##Async_ptsz, cuMemsetD2D##bits##Async_ptsz, , call->stream)         \
    MEMSET(bits, sync, cuMemsetD##bits##_v2, NULL,                                                                     \
        (const struct vs_libcuda *real, CUdeviceptr dst, type value, size_t count), (dst, value, count))               \
    MEMSET(bits, sync_ptds, cuMemsetD##bits##_v2_ptds, NULL,                                                           \
        (const struct vs_libcuda *real, CUdeviceptr dst, type value, size_t count), (dst, value, count))               \
    MEMSET(bits, async, cuMemsetD##bits##Async, stream,                                                                \
        (const struct vs_libcuda *real, CUdeviceptr dst, type value, size_t count, CUstream stream),                   \
        (dst, value, count, stream))                                                                                   \
    MEMSET(bits, async_ptsz, cuMemsetD##bits##Async_ptsz, stream,                                                      \
        (const struct vs_libcuda *real, CUdeviceptr dst, type value, size_t count, CUstream stream),                   \
        (dst, value, count, stream))                                                                                   \
    MEMSET_ROWS(bits, sync, cuMemsetD2D##bits##_v2, NULL,                                                              \
        (const struct vs_libcuda *real, CUdeviceptr dst, size_t pitch, type value, size_t width, size_t height),       \
        (dst, pitch, value, width, height))                                                                            \
    MEMSET_ROWS(bits, sync_ptds, cuMemsetD2D##bits##_v2_ptds, NULL,                                                    \
        (const struct vs_libcuda *real, CUdeviceptr dst, size_t pitch, type value, size_t width, size_t height),       \
        (dst, pitch, value, width, height))                                                                            \
    MEMSET_ROWS(bits, async, cuMemsetD2D##bits##Async, stream,                                                         \
        (const struct vs_libcuda *real, CUdeviceptr dst, size_t pitch, type value, size_t width, size_t height,        \
            CUstream stream),                                                                                          \
        (dst, pitch, value, width, height, stream))                                                                    \
    MEMSET_ROWS(bits, async_ptsz, cuMemsetD2D##bits##Async_ptsz, stream,                                               \
        (const struct vs_libcuda *real, CUdeviceptr dst, size_t pitch, type value, size_t width, size_t height,        \
            CUstream stream),                                                                                          \
        (dst, pitch, value, width, height, stream))

MEMSETS(8, unsigned char)
MEMSETS(16, unsigned short)
MEMSETS(32, unsigned)
