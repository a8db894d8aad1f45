/* peer_copy.c: see peer_copy.h. */
#include "peer_copy.h"

#include <stdlib.h>

#include "arena.h"
#include "compute.h"
#include "driver.h"
#include "pages.h"

#define PIECE_BYTES ((size_t)4 << 20)

bool vs_peer_copy_wanted(CUdeviceptr dst, int dst_device, CUdeviceptr src, int src_device)
{
    struct vs_allocation ours;
    if (dst_device == src_device)
        return false;
    return vs_arena_find(dst, &ours) || vs_arena_find(src, &ours);
}

/* Waits for a device's work so far. */
static CUresult settle(const struct vs_compute *device)
{
    CUresult result = vs_compute_synchronize(device);
    return result == CUDA_ERROR_NOT_READY ? CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED : result;
}

static CUresult copy_in(const struct vs_compute *device, CUdeviceptr dst, CUdeviceptr src, size_t bytes)
{
    struct vs_driver_scope scope;
    CUresult result = vs_driver_enter(&scope, device->context);
    if (result != CUDA_SUCCESS)
        return result;
    result = vs_driver()->cuMemcpy(dst, src, bytes);
    if (result == CUDA_SUCCESS)
        result = vs_driver()->cuCtxSynchronize();
    vs_driver_leave(&scope);
    return result;
}

/* How many bytes from `address` on lie at one home. */
static size_t one_home(CUdeviceptr address, size_t bytes)
{
    struct vs_home home;
    return vs_range_of(address) ? vs_pages_run(address, bytes, &home) : bytes;
}

CUresult vs_peer_copy(CUdeviceptr dst, int dst_device, CUdeviceptr src, int src_device, size_t bytes, CUstream stream)
{
    const struct vs_compute *to = vs_compute_device(dst_device), *from = vs_compute_device(src_device);
    char *piece = malloc(bytes < PIECE_BYTES ? bytes + 1 : PIECE_BYTES);
    CUresult result = !to || !from ? CUDA_ERROR_INVALID_DEVICE : !piece ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_SUCCESS;
    if (result == CUDA_SUCCESS && stream)
        result = vs_driver()->cuStreamSynchronize(stream);
    if (result == CUDA_SUCCESS && !stream)
        result = settle(from);
    if (result == CUDA_SUCCESS && !stream)
        result = settle(to);
    for (size_t done = 0, part; done < bytes && result == CUDA_SUCCESS; done += part) {
        part = one_home(dst + done, one_home(src + done, bytes - done < PIECE_BYTES ? bytes - done : PIECE_BYTES));
        result = copy_in(from, (CUdeviceptr)piece, src + done, part);
        if (result == CUDA_SUCCESS)
            result = copy_in(to, dst + done, (CUdeviceptr)piece, part);
    }
    free(piece);
    return result;
}
