/* copy_calls.c: the copy calls of one dimension. Each tells copy.c what its name promises about the two sides. */
#include "api.h"
#include "copy.h"
#include "objects.h"
#include "stream.h"

static CUresult copy_flat(CUstream handle, CUdeviceptr to, enum sim_side to_side, CUdeviceptr from,
    enum sim_side from_side, size_t bytes, bool synchronous)
{
    struct sim_copy_request request = {
        .to = {to, to_side, bytes, bytes},
        .from = {from, from_side, bytes, bytes},
        .width = bytes,
        .height = 1,
        .depth = 1,
        .synchronous = synchronous,
    };
    CUstream stream;
    CUresult result = sim_stream_for_work(handle, &stream);

    if (result == CUDA_SUCCESS && synchronous && stream->capture != NULL)
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    return result == CUDA_SUCCESS ? sim_copy(stream, &request) : result;
}

CUresult sim_cuMemcpyHtoD_v2(CUdeviceptr to, const void *from, size_t bytes)
{
    return copy_flat(NULL, to, SIM_SIDE_DEVICE, (CUdeviceptr)from, SIM_SIDE_HOST, bytes, true);
}

CUresult sim_cuMemcpyHtoDAsync_v2(CUdeviceptr to, const void *from, size_t bytes, CUstream stream)
{
    return copy_flat(stream, to, SIM_SIDE_DEVICE, (CUdeviceptr)from, SIM_SIDE_HOST, bytes, false);
}

CUresult sim_cuMemcpyDtoH_v2(void *to, CUdeviceptr from, size_t bytes)
{
    return copy_flat(NULL, (CUdeviceptr)to, SIM_SIDE_HOST, from, SIM_SIDE_DEVICE, bytes, true);
}

CUresult sim_cuMemcpyDtoHAsync_v2(void *to, CUdeviceptr from, size_t bytes, CUstream stream)
{
    return copy_flat(stream, (CUdeviceptr)to, SIM_SIDE_HOST, from, SIM_SIDE_DEVICE, bytes, false);
}

/* Between device memories the host does not wait, also in the form without a stream. */
CUresult sim_cuMemcpyDtoD_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes)
{
    return copy_flat(NULL, to, SIM_SIDE_DEVICE, from, SIM_SIDE_DEVICE, bytes, true);
}

CUresult sim_cuMemcpyDtoDAsync_v2(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream)
{
    return copy_flat(stream, to, SIM_SIDE_DEVICE, from, SIM_SIDE_DEVICE, bytes, false);
}

CUresult sim_cuMemcpy(CUdeviceptr to, CUdeviceptr from, size_t bytes)
{
    return copy_flat(NULL, to, SIM_SIDE_ANY, from, SIM_SIDE_ANY, bytes, true);
}

CUresult sim_cuMemcpyAsync(CUdeviceptr to, CUdeviceptr from, size_t bytes, CUstream stream)
{
    return copy_flat(stream, to, SIM_SIDE_ANY, from, SIM_SIDE_ANY, bytes, false);
}

/* The contexts of a peer copy only say where the addresses belong; unified addressing knows that. The memory must be
 * within reach of the engines that copy: those of the stream's context. */
static CUresult copy_peer(CUdeviceptr to, CUcontext to_context, CUdeviceptr from, CUcontext from_context, size_t bytes,
    CUstream stream, bool synchronous)
{
    if (!sim_object_is(to_context, SIM_OBJECT_CONTEXT) || !sim_object_is(from_context, SIM_OBJECT_CONTEXT) ||
        !to_context->active || !from_context->active)
        return CUDA_ERROR_INVALID_CONTEXT;
    return copy_flat(stream, to, SIM_SIDE_DEVICE, from, SIM_SIDE_DEVICE, bytes, synchronous);
}

CUresult sim_cuMemcpyPeer(CUdeviceptr to, CUcontext to_context, CUdeviceptr from, CUcontext from_context, size_t bytes)
{
    return copy_peer(to, to_context, from, from_context, bytes, NULL, true);
}

CUresult sim_cuMemcpyPeerAsync(
    CUdeviceptr to, CUcontext to_context, CUdeviceptr from, CUcontext from_context, size_t bytes, CUstream stream)
{
    return copy_peer(to, to_context, from, from_context, bytes, stream, false);
}
