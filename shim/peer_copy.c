/* peer_copy.c: see peer_copy.h. */
#include "peer_copy.h"

#include <stdlib.h>

#include "access.h"
#include "arena.h"
#include "compute.h"
#include "driver.h"
#include "pages.h"

#define PIECE_BYTES ((size_t)4 << 20)

bool vs_peer_copy_wanted(CUdeviceptr dst, int dst_device, CUdeviceptr src, int src_device)
{
    struct vs_allocation ours;
    if (dst_device == src_device && dst_device >= 0)
        return false;
    return vs_arena_find(dst, &ours) || vs_arena_find(src, &ours);
}

bool vs_peer_copy_captured(CUstream stream)
{
    CUstreamCaptureStatus status;
    const struct vs_driver *driver = vs_driver();
    return stream && driver && driver->cuStreamIsCapturing(stream, &status) == CUDA_SUCCESS &&
           status != CU_STREAM_CAPTURE_STATUS_NONE;
}

/* Waits for a device's default stream, or for the one given: not for a whole context, which somebody may be capturing
 * in.
 */
static CUresult settle(const struct vs_compute *device, CUstream stream)
{
    struct vs_driver_scope scope;
    CUresult result = vs_driver_enter(&scope, device->context);
    if (result != CUDA_SUCCESS)
        return result;
    result = vs_driver()->cuStreamSynchronize(stream);
    vs_driver_leave(&scope);
    return result;
}

static CUresult copy_in(const struct vs_compute *device, CUdeviceptr dst, CUdeviceptr src, size_t bytes)
{
    struct vs_driver_scope scope;
    CUresult result = vs_driver_enter(&scope, device->context);
    if (result != CUDA_SUCCESS)
        return result;
    result = vs_driver()->cuMemcpy(dst, src, bytes);
    if (result == CUDA_SUCCESS)
        result = vs_driver()->cuStreamSynchronize(NULL); /* the context cannot be waited for while somebody captures */
    vs_driver_leave(&scope);
    return result;
}

/* How many bytes from `address` on lie at one home. */
static size_t one_home(CUdeviceptr address, size_t bytes)
{
    struct vs_home home;
    return vs_range_of(address) ? vs_pages_run(address, bytes, &home) : bytes;
}

/* One row, by way of `piece`, which has PIECE_BYTES or all of the row's. */
static CUresult copy_row(const struct vs_compute *to, CUdeviceptr dst, const struct vs_compute *from, CUdeviceptr src,
    size_t bytes, char *piece)
{
    CUresult result = CUDA_SUCCESS;
    for (size_t done = 0, part; done < bytes && result == CUDA_SUCCESS; done += part) {
        part = one_home(dst + done, one_home(src + done, bytes - done < PIECE_BYTES ? bytes - done : PIECE_BYTES));
        result = copy_in(from, (CUdeviceptr)piece, src + done, part);
        if (result == CUDA_SUCCESS)
            result = copy_in(to, dst + done, (CUdeviceptr)piece, part);
    }
    return result;
}

static char *new_piece(size_t bytes)
{
    return malloc(bytes < PIECE_BYTES ? bytes + 1 : PIECE_BYTES);
}

CUresult vs_peer_copy(CUdeviceptr dst, int dst_device, CUdeviceptr src, int src_device, size_t bytes, CUstream stream)
{
    if (dst_device < 0 || src_device < 0)
        return (CUresult)(dst_device < 0 ? -dst_device : -src_device);
    const struct vs_compute *to = vs_compute_device(dst_device), *from = vs_compute_device(src_device);
    char *piece = new_piece(bytes);
    CUresult result = !to || !from ? CUDA_ERROR_INVALID_DEVICE : !piece ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
    if (result == CUDA_SUCCESS)
        result = settle(from, stream);
    if (result == CUDA_SUCCESS && !stream)
        result = settle(to, NULL);
    if (result == CUDA_SUCCESS)
        result = copy_row(to, dst, from, src, bytes, piece);
    free(piece);
    return result;
}

/* --- Ordinary copies ---------------------------------------------------------------------------------------------- */

static int device_of_stream(CUstream stream)
{
    CUcontext context = NULL;
    CUresult result = stream && stream != CU_STREAM_LEGACY && stream != CU_STREAM_PER_THREAD
                          ? vs_driver()->cuStreamGetCtx(stream, &context)
                          : vs_driver()->cuCtxGetCurrent(&context);
    return result == CUDA_SUCCESS && context ? vs_device_of(context) : -1;
}

/* Memory of the host that is mapped page-locked can be used by every device. */
static bool is_out_of_reach(CUdeviceptr address, CUstream stream)
{
    const struct vs_range *range = vs_range_of(address);
    if (!range || range->kind != VS_RANGE_ARENA || vs_compute_has_stream(range->compute, stream))
        return false;
    int device = device_of_stream(stream), owner = range->compute->ordinal;
    return device >= 0 && device != owner && !(vs_access_peers(owner) >> device & 1);
}

/* The device in whose context an address is used; NULL for memory of the host, which is used in any. */
static const struct vs_compute *device_of_address(CUdeviceptr address)
{
    const struct vs_range *range = vs_range_of(address);
    CUmemorytype type = CU_MEMORYTYPE_HOST;
    int ordinal;
    if (range)
        return range->compute;
    if (vs_driver()->cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, address) != CUDA_SUCCESS ||
        type != CU_MEMORYTYPE_DEVICE ||
        vs_driver()->cuPointerGetAttribute(&ordinal, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, address) != CUDA_SUCCESS)
        return NULL;
    return vs_compute_device(ordinal);
}

static CUresult copy_box(const struct vs_box *box, CUstream stream)
{
    const struct vs_compute *to = device_of_address(box->dst.address), *from = device_of_address(box->src.address);
    struct vs_driver_scope scope;
    CUcontext current = NULL;
    to = to ? to : from;
    from = from ? from : to;
    if (!to || !from)
        return CUDA_ERROR_INVALID_DEVICE; /* one side at least is ours: its device is known */
    char *piece = new_piece(box->width);
    if (!piece)
        return CUDA_ERROR_OUT_OF_MEMORY;
    vs_driver()->cuCtxGetCurrent(&current);
    CUresult result = vs_driver_enter(&scope, current);
    if (result == CUDA_SUCCESS) {
        result = vs_driver()->cuStreamSynchronize(stream);
        vs_driver_leave(&scope);
    }
    bool legacy = !stream || stream == CU_STREAM_LEGACY;
    if (result == CUDA_SUCCESS && legacy)
        result = settle(from, NULL);
    if (result == CUDA_SUCCESS && legacy)
        result = settle(to, NULL);
    for (size_t z = 0; z < box->depth; z++)
        for (size_t y = 0; y < box->height && result == CUDA_SUCCESS; y++)
            result = copy_row(to, box->dst.address + z * box->dst.slice + y * box->dst.pitch, from,
                box->src.address + z * box->src.slice + y * box->src.pitch, box->width, piece);
    free(piece);
    return result;
}

bool vs_peer_copy_box(const struct vs_box *box, CUstream stream, CUresult *result)
{
    if (!vs_box_may_be_ours(box) || box->width == 0 || box->height == 0 || box->depth == 0)
        return false;
    if (!is_out_of_reach(box->dst.address, stream) && !is_out_of_reach(box->src.address, stream))
        return false;
    if (vs_peer_copy_captured(stream))
        return false;
    *result = copy_box(box, stream);
    return true;
}
