/* hooks_capture.c: counts captures from their begin to their end; an invalidated capture ends with its EndCapture too
 * (CUDA Runtime API, cudaStreamEndCapture). */
#include "capture.h"

#include <stdatomic.h>

#include "hook.h"

static atomic_int open_captures;

bool vs_capture_open(void)
{
    return atomic_load_explicit(&open_captures, memory_order_relaxed) > 0;
}

/* Counted before the real call, so that no other thread acts on a stream that is already capturing. */
#define BEGIN(call)                                                                                                    \
    do {                                                                                                               \
        atomic_fetch_add(&open_captures, 1);                                                                           \
        __typeof__(call) result = call;                                                                                \
        if (result != 0)                                                                                               \
            atomic_fetch_sub(&open_captures, 1);                                                                       \
        return result;                                                                                                 \
    } while (0)

/* A stream that was not capturing (illegal value) ends none. All other errors end the capture. */
#define END(call, not_capturing)                                                                                       \
    do {                                                                                                               \
        __typeof__(call) result = call;                                                                                \
        if (result != not_capturing && vs_capture_open())                                                              \
            atomic_fetch_sub(&open_captures, 1);                                                                       \
        return result;                                                                                                 \
    } while (0)

cudaError_t vs_cudaStreamBeginCapture(
    const struct vs_cudart *real, cudaStream_t stream, enum cudaStreamCaptureMode mode)
{
    BEGIN(real->cudaStreamBeginCapture(stream, mode));
}

cudaError_t vs_cudaStreamBeginCapture_ptsz(
    const struct vs_cudart *real, cudaStream_t stream, enum cudaStreamCaptureMode mode)
{
    BEGIN(real->cudaStreamBeginCapture_ptsz(stream, mode));
}

CUresult vs_cuStreamBeginCapture_v2(const struct vs_libcuda *real, CUstream stream, CUstreamCaptureMode mode)
{
    BEGIN(real->cuStreamBeginCapture_v2(stream, mode));
}

cudaError_t vs_cudaStreamEndCapture(const struct vs_cudart *real, cudaStream_t stream, cudaGraph_t *graph)
{
    END(real->cudaStreamEndCapture(stream, graph), cudaErrorIllegalState);
}

cudaError_t vs_cudaStreamEndCapture_ptsz(const struct vs_cudart *real, cudaStream_t stream, cudaGraph_t *graph)
{
    END(real->cudaStreamEndCapture_ptsz(stream, graph), cudaErrorIllegalState);
}

CUresult vs_cuStreamEndCapture(const struct vs_libcuda *real, CUstream stream, CUgraph *graph)
{
    END(real->cuStreamEndCapture(stream, graph), CUDA_ERROR_ILLEGAL_STATE);
}
