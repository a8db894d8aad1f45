/* copy_pitched.c: copies and fills of two and three dimensions in pitched linear memory. Arrays are not simulated. */
#include "copy.h"

#include "rules.h"
#include "runtime.h"

bool rt_copy_types(enum cudaMemcpyKind kind, CUmemorytype *to, CUmemorytype *from)
{
    static const struct {
        CUmemorytype to, from;
    } types[] = {
        [cudaMemcpyHostToHost] = {CU_MEMORYTYPE_HOST, CU_MEMORYTYPE_HOST},
        [cudaMemcpyHostToDevice] = {CU_MEMORYTYPE_DEVICE, CU_MEMORYTYPE_HOST},
        [cudaMemcpyDeviceToHost] = {CU_MEMORYTYPE_HOST, CU_MEMORYTYPE_DEVICE},
        [cudaMemcpyDeviceToDevice] = {CU_MEMORYTYPE_DEVICE, CU_MEMORYTYPE_DEVICE},
        [cudaMemcpyDefault] = {CU_MEMORYTYPE_UNIFIED, CU_MEMORYTYPE_UNIFIED},
    };
    if ((unsigned)kind >= sizeof types / sizeof types[0])
        return false;
    *to = types[kind].to;
    *from = types[kind].from;
    return true;
}

CUresult rt_copy_rows(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width, size_t height,
    enum cudaMemcpyKind kind, cudaStream_t stream, bool per_thread)
{
    CUDA_MEMCPY2D copy = {
        .srcHost = from,
        .srcDevice = (CUdeviceptr)from,
        .srcPitch = from_pitch,
        .dstHost = to,
        .dstDevice = (CUdeviceptr)to,
        .dstPitch = to_pitch,
        .WidthInBytes = width,
        .Height = height,
    };
    rt_copy_types(kind, &copy.dstMemoryType, &copy.srcMemoryType);
    return stream == RT_COPY_NOW ? RT_DRIVER_FOR(per_thread, cuMemcpy2DUnaligned)(&copy)
                                 : RT_DRIVER_FOR(per_thread, cuMemcpy2DAsync)(&copy, stream);
}

static cudaError_t copy_2d(void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width, size_t height,
    enum cudaMemcpyKind kind, cudaStream_t stream, bool per_thread)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    CUmemorytype to_type, from_type;
    if (!rt_copy_types(kind, &to_type, &from_type))
        return rt_fail(cudaErrorInvalidMemcpyDirection);
    if (!width || !height)
        return cudaSuccess;
    if ((width > to_pitch || width > from_pitch) && SIM_RULE(copy_pitch))
        return rt_fail(cudaErrorInvalidPitchValue);
    return rt_leave(rt_copy_rows(to, to_pitch, from, from_pitch, width, height, kind, stream, per_thread));
}

RT_TWINS(cudaMemcpy2D, _ptds,
    (void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width, size_t height,
        enum cudaMemcpyKind kind),
    copy_2d, to, to_pitch, from, from_pitch, width, height, kind, RT_COPY_NOW)
RT_TWINS(cudaMemcpy2DAsync, _ptsz,
    (void *to, size_t to_pitch, const void *from, size_t from_pitch, size_t width, size_t height,
        enum cudaMemcpyKind kind, cudaStream_t stream),
    copy_2d, to, to_pitch, from, from_pitch, width, height, kind, stream)

static cudaError_t copy_3d(const struct cudaMemcpy3DParms *parameters, cudaStream_t stream, bool per_thread)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    if (!parameters)
        return rt_fail(cudaErrorInvalidValue);
    if (parameters->srcArray || parameters->dstArray)
        return rt_fail(cudaErrorNotSupported);
    CUDA_MEMCPY3D copy = {
        .srcXInBytes = parameters->srcPos.x,
        .srcY = parameters->srcPos.y,
        .srcZ = parameters->srcPos.z,
        .srcHost = parameters->srcPtr.ptr,
        .srcDevice = (CUdeviceptr)parameters->srcPtr.ptr,
        .srcPitch = parameters->srcPtr.pitch,
        .srcHeight = parameters->srcPtr.ysize,
        .dstXInBytes = parameters->dstPos.x,
        .dstY = parameters->dstPos.y,
        .dstZ = parameters->dstPos.z,
        .dstHost = parameters->dstPtr.ptr,
        .dstDevice = (CUdeviceptr)parameters->dstPtr.ptr,
        .dstPitch = parameters->dstPtr.pitch,
        .dstHeight = parameters->dstPtr.ysize,
        .WidthInBytes = parameters->extent.width,
        .Height = parameters->extent.height,
        .Depth = parameters->extent.depth,
    };
    if (!rt_copy_types(parameters->kind, &copy.dstMemoryType, &copy.srcMemoryType))
        return rt_fail(cudaErrorInvalidMemcpyDirection);
    if (!copy.WidthInBytes || !copy.Height || !copy.Depth)
        return cudaSuccess;
    return rt_leave(stream == RT_COPY_NOW ? RT_DRIVER_FOR(per_thread, cuMemcpy3D)(&copy)
                                          : RT_DRIVER_FOR(per_thread, cuMemcpy3DAsync)(&copy, stream));
}

RT_TWINS(cudaMemcpy3D, _ptds, (const struct cudaMemcpy3DParms *parameters), copy_3d, parameters, RT_COPY_NOW)
RT_TWINS(cudaMemcpy3DAsync, _ptsz, (const struct cudaMemcpy3DParms *parameters, cudaStream_t stream), copy_3d,
    parameters, stream)

static cudaError_t fill_2d(
    void *pointer, size_t pitch, int value, size_t width, size_t height, cudaStream_t stream, bool per_thread)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    if (!width || !height)
        return cudaSuccess;
    CUdeviceptr address = (CUdeviceptr)pointer;
    unsigned char byte = (unsigned char)value;
    return rt_leave(stream == RT_COPY_NOW
                        ? RT_DRIVER_FOR(per_thread, cuMemsetD2D8)(address, pitch, byte, width, height)
                        : RT_DRIVER_FOR(per_thread, cuMemsetD2D8Async)(address, pitch, byte, width, height, stream));
}

RT_TWINS(cudaMemset2D, _ptds, (void *pointer, size_t pitch, int value, size_t width, size_t height), fill_2d, pointer,
    pitch, value, width, height, RT_COPY_NOW)
RT_TWINS(cudaMemset2DAsync, _ptsz,
    (void *pointer, size_t pitch, int value, size_t width, size_t height, cudaStream_t stream), fill_2d, pointer, pitch,
    value, width, height, stream)

/* The driver fills planes only: one call a slice, unless the slices follow each other without a gap. */
static cudaError_t fill_3d(
    struct cudaPitchedPtr pitched, int value, struct cudaExtent extent, cudaStream_t stream, bool per_thread)
{
    size_t slices = extent.depth, height = extent.height;
    if (height == pitched.ysize) {
        height *= slices;
        slices = slices > 0;
    }
    for (size_t z = 0; z < slices; z++) {
        char *slice = (char *)pitched.ptr + z * pitched.pitch * pitched.ysize;
        cudaError_t error = fill_2d(slice, pitched.pitch, value, extent.width, height, stream, per_thread);
        if (error)
            return error;
    }
    return cudaSuccess;
}

RT_TWINS(cudaMemset3D, _ptds, (struct cudaPitchedPtr pitched, int value, struct cudaExtent extent), fill_3d, pitched,
    value, extent, RT_COPY_NOW)
RT_TWINS(cudaMemset3DAsync, _ptsz,
    (struct cudaPitchedPtr pitched, int value, struct cudaExtent extent, cudaStream_t stream), fill_3d, pitched, value,
    extent, stream)
