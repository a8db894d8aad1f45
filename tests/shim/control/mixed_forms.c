/* mixed_forms.c: see mixed_forms.h. */
#include "mixed_forms.h"

#include <stdint.h>

/* Entry points of programs that were built for per-thread default streams, which headers declare under other names. */
#define TWIN(symbol, suffix) extern __typeof__(symbol) symbol##suffix
TWIN(cudaMemcpy, _ptds);
TWIN(cudaMemcpyAsync, _ptsz);
TWIN(cudaMemcpy2D, _ptds);
TWIN(cudaMemcpy2DAsync, _ptsz);
TWIN(cudaMemcpy3D, _ptds);
TWIN(cudaMemcpy3DAsync, _ptsz);
TWIN(cudaMemset, _ptds);
TWIN(cudaMemsetAsync, _ptsz);
TWIN(cudaMemset2D, _ptds);
TWIN(cudaMemset2DAsync, _ptsz);

unsigned char *places[PLACES];
cudaStream_t mixed_stream;

static enum cudaMemcpyKind kind_of(const struct request *r)
{
    return is_host(r->to) ? (is_host(r->from) ? cudaMemcpyHostToHost : cudaMemcpyDeviceToHost)
                          : (is_host(r->from) ? cudaMemcpyHostToDevice : cudaMemcpyDeviceToDevice);
}

static void *to(const struct request *r)
{
    return places[r->to] + r->to_at;
}

static void *from(const struct request *r)
{
    return places[r->from] + r->from_at;
}

/* --- Copies: each form of a call ---------------------------------------------------------------------------------- */

#define FLAT(name, call)                                                                                               \
    static int name(const struct request *r)                                                                           \
    {                                                                                                                  \
        return (int)call;                                                                                              \
    }
FLAT(copy, cudaMemcpy(to(r), from(r), r->width, kind_of(r)))
FLAT(copy_ptds, cudaMemcpy_ptds(to(r), from(r), r->width, kind_of(r)))
FLAT(copy_async, cudaMemcpyAsync(to(r), from(r), r->width, kind_of(r), mixed_stream))
FLAT(copy_async_ptsz, cudaMemcpyAsync_ptsz(to(r), from(r), r->width, cudaMemcpyDefault, 0))
FLAT(copy_peer, cudaMemcpyPeerAsync(to(r), 0, from(r), 0, r->width, mixed_stream))
FLAT(any, cuMemcpy((CUdeviceptr)to(r), (CUdeviceptr)from(r), r->width))
FLAT(any_async, cuMemcpyAsync((CUdeviceptr)to(r), (CUdeviceptr)from(r), r->width, mixed_stream))
FLAT(rows, cudaMemcpy2D(to(r), r->to_pitch, from(r), r->from_pitch, r->width, r->height, kind_of(r)))
FLAT(rows_ptds, cudaMemcpy2D_ptds(to(r), r->to_pitch, from(r), r->from_pitch, r->width, r->height, kind_of(r)))
FLAT(rows_async,
    cudaMemcpy2DAsync(to(r), r->to_pitch, from(r), r->from_pitch, r->width, r->height, kind_of(r), mixed_stream))
FLAT(rows_async_ptsz,
    cudaMemcpy2DAsync_ptsz(to(r), r->to_pitch, from(r), r->from_pitch, r->width, r->height, kind_of(r), mixed_stream))

static int by_direction(const struct request *r, bool async)
{
    CUdeviceptr dst = (CUdeviceptr)to(r), src = (CUdeviceptr)from(r);
    if (is_host(r->to) && is_host(r->from))
        return any(r);
    if (is_host(r->to))
        return (
            int)(async ? cuMemcpyDtoHAsync(to(r), src, r->width, mixed_stream) : cuMemcpyDtoH(to(r), src, r->width));
    if (is_host(r->from))
        return (int)(async ? cuMemcpyHtoDAsync(dst, from(r), r->width, mixed_stream)
                           : cuMemcpyHtoD(dst, from(r), r->width));
    return (int)(async ? cuMemcpyDtoDAsync(dst, src, r->width, mixed_stream) : cuMemcpyDtoD(dst, src, r->width));
}
FLAT(driver, by_direction(r, false))
FLAT(driver_async, by_direction(r, true))

/* As two slices where there are several rows; the position is told apart from the pointer. */
static struct cudaMemcpy3DParms box(const struct request *r)
{
    size_t depth = r->height > 1 ? 2 : 1, height = r->height / depth;
    return (struct cudaMemcpy3DParms){
        .srcPtr = {places[r->from], r->from_pitch, r->from_pitch, height},
        .srcPos = {r->from_at % r->from_pitch, r->from_at / r->from_pitch, 0},
        .dstPtr = {places[r->to], r->to_pitch, r->to_pitch, height},
        .dstPos = {r->to_at % r->to_pitch, r->to_at / r->to_pitch, 0},
        .extent = {r->width, height, depth},
        .kind = kind_of(r),
    };
}
#define BOX(name, call)                                                                                                \
    static int name(const struct request *r)                                                                           \
    {                                                                                                                  \
        const struct cudaMemcpy3DParms parameters = box(r);                                                            \
        return (int)call;                                                                                              \
    }
BOX(boxes, cudaMemcpy3D(&parameters))
BOX(boxes_ptds, cudaMemcpy3D_ptds(&parameters))
BOX(boxes_async, cudaMemcpy3DAsync(&parameters, mixed_stream))
BOX(boxes_async_ptsz, cudaMemcpy3DAsync_ptsz(&parameters, mixed_stream))

static CUDA_MEMCPY2D driver_rows_of(const struct request *r)
{
    return (CUDA_MEMCPY2D){
        .srcMemoryType = is_host(r->from) ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE,
        .srcHost = is_host(r->from) ? places[r->from] : NULL,
        .srcDevice = is_host(r->from) ? 0 : (CUdeviceptr)places[r->from],
        .srcXInBytes = r->from_at % r->from_pitch,
        .srcY = r->from_at / r->from_pitch,
        .srcPitch = r->from_pitch,
        .dstMemoryType = is_host(r->to) ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE,
        .dstHost = is_host(r->to) ? places[r->to] : NULL,
        .dstDevice = is_host(r->to) ? 0 : (CUdeviceptr)places[r->to],
        .dstXInBytes = r->to_at % r->to_pitch,
        .dstY = r->to_at / r->to_pitch,
        .dstPitch = r->to_pitch,
        .WidthInBytes = r->width,
        .Height = r->height,
    };
}
#define DRIVER_ROWS(name, call)                                                                                        \
    static int name(const struct request *r)                                                                           \
    {                                                                                                                  \
        const CUDA_MEMCPY2D request = driver_rows_of(r);                                                               \
        return (int)call;                                                                                              \
    }
DRIVER_ROWS(driver_rows, cuMemcpy2D(&request))
DRIVER_ROWS(driver_rows_unaligned, cuMemcpy2DUnaligned(&request))
DRIVER_ROWS(driver_rows_async, cuMemcpy2DAsync(&request, mixed_stream))

static CUDA_MEMCPY3D driver_boxes_of(const struct request *r)
{
    const CUDA_MEMCPY2D flat = driver_rows_of(r);
    size_t depth = r->height > 1 ? 2 : 1;
    return (CUDA_MEMCPY3D){
        .srcMemoryType = flat.srcMemoryType,
        .srcHost = flat.srcHost,
        .srcDevice = flat.srcDevice,
        .srcXInBytes = flat.srcXInBytes,
        .srcY = flat.srcY,
        .srcPitch = flat.srcPitch,
        .srcHeight = r->height / depth,
        .dstMemoryType = flat.dstMemoryType,
        .dstHost = flat.dstHost,
        .dstDevice = flat.dstDevice,
        .dstXInBytes = flat.dstXInBytes,
        .dstY = flat.dstY,
        .dstPitch = flat.dstPitch,
        .dstHeight = r->height / depth,
        .WidthInBytes = r->width,
        .Height = r->height / depth,
        .Depth = depth,
    };
}
#define DRIVER_BOXES(name, call)                                                                                       \
    static int name(const struct request *r)                                                                           \
    {                                                                                                                  \
        const CUDA_MEMCPY3D request = driver_boxes_of(r);                                                              \
        return (int)call;                                                                                              \
    }
DRIVER_BOXES(driver_boxes, cuMemcpy3D(&request))
DRIVER_BOXES(driver_boxes_async, cuMemcpy3DAsync(&request, mixed_stream))

/* --- Memsets ------------------------------------------------------------------------------------------------------ */

FLAT(set, cudaMemset(to(r), (int)r->value & 0xff, r->width))
FLAT(set_ptds, cudaMemset_ptds(to(r), (int)r->value & 0xff, r->width))
FLAT(set_async, cudaMemsetAsync(to(r), (int)r->value & 0xff, r->width, mixed_stream))
FLAT(set_async_ptsz, cudaMemsetAsync_ptsz(to(r), (int)r->value & 0xff, r->width, mixed_stream))
FLAT(set_rows, cudaMemset2D(to(r), r->to_pitch, (int)r->value & 0xff, r->width, r->height))
FLAT(set_rows_ptds, cudaMemset2D_ptds(to(r), r->to_pitch, (int)r->value & 0xff, r->width, r->height))
FLAT(set_rows_async, cudaMemset2DAsync(to(r), r->to_pitch, (int)r->value & 0xff, r->width, r->height, mixed_stream))
FLAT(set_rows_async_ptsz,
    cudaMemset2DAsync_ptsz(to(r), r->to_pitch, (int)r->value & 0xff, r->width, r->height, mixed_stream))

static int set_boxes_by(const struct request *r, bool async)
{
    size_t depth = r->height > 1 ? 2 : 1, height = r->height / depth;
    const struct cudaPitchedPtr pointer = {to(r), r->to_pitch, r->to_pitch, height};
    const struct cudaExtent extent_of_box = {r->width, height, depth};
    int value = (int)r->value & 0xff;
    return (int)(async ? cudaMemset3DAsync(pointer, value, extent_of_box, mixed_stream)
                       : cudaMemset3D(pointer, value, extent_of_box));
}
FLAT(set_boxes, set_boxes_by(r, false))
FLAT(set_boxes_async, set_boxes_by(r, true))

#define SETS(bits, type)                                                                                               \
    FLAT(set_##bits, cuMemsetD##bits((CUdeviceptr)to(r), (type)r->value, r->width / sizeof(type)))                     \
    FLAT(set_##bits##_async,                                                                                           \
        cuMemsetD##bits##Async((CUdeviceptr)to(r), (type)r->value, r->width / sizeof(type), mixed_stream))             \
    FLAT(set_##bits##_rows,                                                                                            \
        cuMemsetD2D##bits((CUdeviceptr)to(r), r->to_pitch, (type)r->value, r->width / sizeof(type), r->height))        \
    FLAT(set_##bits##_rows_async, cuMemsetD2D##bits##Async((CUdeviceptr)to(r), r->to_pitch, (type)r->value,            \
                                      r->width / sizeof(type), r->height, mixed_stream))
SETS(8, uint8_t)
SETS(16, uint16_t)
SETS(32, uint32_t)

const struct form forms[] = {
    {"cudaMemcpy", copy, 0, false, false},
    {"cudaMemcpy_ptds", copy_ptds, 0, false, false},
    {"cudaMemcpyAsync", copy_async, 0, false, false},
    {"cudaMemcpyAsync_ptsz", copy_async_ptsz, 0, false, false},
    {"cudaMemcpyPeerAsync", copy_peer, 0, false, true},
    {"cuMemcpy", any, 0, false, false},
    {"cuMemcpyAsync", any_async, 0, false, false},
    {"cuMemcpyXtoY", driver, 0, false, false},
    {"cuMemcpyXtoYAsync", driver_async, 0, false, false},
    {"cudaMemcpy2D", rows, 0, true, false},
    {"cudaMemcpy2D_ptds", rows_ptds, 0, true, false},
    {"cudaMemcpy2DAsync", rows_async, 0, true, false},
    {"cudaMemcpy2DAsync_ptsz", rows_async_ptsz, 0, true, false},
    {"cuMemcpy2D", driver_rows, 0, true, false},
    {"cuMemcpy2DUnaligned", driver_rows_unaligned, 0, true, false},
    {"cuMemcpy2DAsync", driver_rows_async, 0, true, false},
    {"cudaMemcpy3D", boxes, 0, true, false},
    {"cudaMemcpy3D_ptds", boxes_ptds, 0, true, false},
    {"cudaMemcpy3DAsync", boxes_async, 0, true, false},
    {"cudaMemcpy3DAsync_ptsz", boxes_async_ptsz, 0, true, false},
    {"cuMemcpy3D", driver_boxes, 0, true, false},
    {"cuMemcpy3DAsync", driver_boxes_async, 0, true, false},
    {"cudaMemset", set, 1, false, true},
    {"cudaMemset_ptds", set_ptds, 1, false, true},
    {"cudaMemsetAsync", set_async, 1, false, true},
    {"cudaMemsetAsync_ptsz", set_async_ptsz, 1, false, true},
    {"cudaMemset2D", set_rows, 1, true, true},
    {"cudaMemset2D_ptds", set_rows_ptds, 1, true, true},
    {"cudaMemset2DAsync", set_rows_async, 1, true, true},
    {"cudaMemset2DAsync_ptsz", set_rows_async_ptsz, 1, true, true},
    {"cudaMemset3D", set_boxes, 1, true, true},
    {"cudaMemset3DAsync", set_boxes_async, 1, true, true},
#define SET_FORMS(bits)                                                                                                \
    {"cuMemsetD" #bits, set_##bits, (bits) / 8, false, true},                                                          \
        {"cuMemsetD" #bits "Async", set_##bits##_async, (bits) / 8, false, true},                                      \
        {"cuMemsetD2D" #bits, set_##bits##_rows, (bits) / 8, true, true},                                              \
    {                                                                                                                  \
        "cuMemsetD2D" #bits "Async", set_##bits##_rows_async, (bits) / 8, true, true                                   \
    }
    SET_FORMS(8),
    SET_FORMS(16),
    SET_FORMS(32),
};
const size_t form_count = sizeof forms / sizeof *forms;
