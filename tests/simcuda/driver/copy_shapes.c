/* copy_shapes.c: copies of rows and of boxes (cuMemcpy2D and cuMemcpy3D). Arrays are not simulated. */
#include "api.h"
#include "copy.h"
#include "stream.h"

/* One side of a shaped copy: the address of its first byte, and what the memory type promises. */
static CUresult side_of(struct sim_copy_side *side, CUmemorytype type, const void *host, CUdeviceptr device,
    size_t x_bytes, size_t y, size_t z, size_t pitch, size_t height)
{
    switch (type) {
    case CU_MEMORYTYPE_HOST:
        side->address = (CUdeviceptr)host;
        side->side = SIM_SIDE_HOST;
        break;
    case CU_MEMORYTYPE_DEVICE:
        side->address = device;
        side->side = SIM_SIDE_DEVICE;
        break;
    case CU_MEMORYTYPE_UNIFIED:
        side->address = device;
        side->side = SIM_SIDE_ANY;
        break;
    case CU_MEMORYTYPE_ARRAY:
        return CUDA_ERROR_NOT_SUPPORTED;
    default:
        return CUDA_ERROR_INVALID_VALUE;
    }
    side->pitch = pitch;
    side->slice_pitch = pitch * height;
    side->address += z * side->slice_pitch + y * pitch + x_bytes;
    return CUDA_SUCCESS;
}

/* A pitch of 0 stands for rows that lie close together. */
static size_t pitch_of(size_t pitch, size_t x_bytes, size_t width, size_t height)
{
    return pitch == 0 && height > 0 ? x_bytes + width : pitch;
}

static CUresult submit(CUstream handle, struct sim_copy_request *request, bool synchronous)
{
    CUstream stream;
    CUresult result = sim_stream_for_work(handle, &stream);

    if (result != CUDA_SUCCESS)
        return result;
    if (synchronous && stream->capture != NULL)
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    if (request->height > 1 && (request->to.pitch < request->width || request->from.pitch < request->width))
        return CUDA_ERROR_INVALID_VALUE;
    request->synchronous = synchronous;
    return sim_copy(stream, request);
}

static CUresult copy_2d(const CUDA_MEMCPY2D *copy, CUstream stream, bool synchronous)
{
    struct sim_copy_request request = {.depth = 1};
    CUresult result;

    if (copy == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    request.width = copy->WidthInBytes;
    request.height = copy->Height;
    result = side_of(&request.to, copy->dstMemoryType, copy->dstHost, copy->dstDevice, copy->dstXInBytes, copy->dstY, 0,
        pitch_of(copy->dstPitch, copy->dstXInBytes, copy->WidthInBytes, copy->Height), copy->Height);
    if (result == CUDA_SUCCESS)
        result = side_of(&request.from, copy->srcMemoryType, copy->srcHost, copy->srcDevice, copy->srcXInBytes,
            copy->srcY, 0, pitch_of(copy->srcPitch, copy->srcXInBytes, copy->WidthInBytes, copy->Height), copy->Height);
    return result == CUDA_SUCCESS ? submit(stream, &request, synchronous) : result;
}

CUresult sim_cuMemcpy2D_v2(const CUDA_MEMCPY2D *copy)
{
    return copy_2d(copy, NULL, true);
}

CUresult sim_cuMemcpy2DUnaligned_v2(const CUDA_MEMCPY2D *copy)
{
    return copy_2d(copy, NULL, true);
}

CUresult sim_cuMemcpy2DAsync_v2(const CUDA_MEMCPY2D *copy, CUstream stream)
{
    return copy_2d(copy, stream, false);
}

static CUresult copy_3d(const CUDA_MEMCPY3D *copy, CUstream stream, bool synchronous)
{
    struct sim_copy_request request;
    CUresult result;

    if (copy == NULL || copy->srcLOD != 0 || copy->dstLOD != 0)
        return CUDA_ERROR_INVALID_VALUE;
    request = (struct sim_copy_request){.width = copy->WidthInBytes, .height = copy->Height, .depth = copy->Depth};
    result = side_of(&request.to, copy->dstMemoryType, copy->dstHost, copy->dstDevice, copy->dstXInBytes, copy->dstY,
        copy->dstZ, pitch_of(copy->dstPitch, copy->dstXInBytes, copy->WidthInBytes, copy->Height),
        copy->dstHeight != 0 ? copy->dstHeight : copy->dstY + copy->Height);
    if (result == CUDA_SUCCESS)
        result = side_of(&request.from, copy->srcMemoryType, copy->srcHost, copy->srcDevice, copy->srcXInBytes,
            copy->srcY, copy->srcZ, pitch_of(copy->srcPitch, copy->srcXInBytes, copy->WidthInBytes, copy->Height),
            copy->srcHeight != 0 ? copy->srcHeight : copy->srcY + copy->Height);
    return result == CUDA_SUCCESS ? submit(stream, &request, synchronous) : result;
}

CUresult sim_cuMemcpy3D_v2(const CUDA_MEMCPY3D *copy)
{
    return copy_3d(copy, NULL, true);
}

CUresult sim_cuMemcpy3DAsync_v2(const CUDA_MEMCPY3D *copy, CUstream stream)
{
    return copy_3d(copy, stream, false);
}
