/* hooks_capture.c: counts captures from their begin to their end. What a graph may use keeps its home then. */
#include "capture.h"
#include "driver.h"
#include "extents.h"
#include "hook.h"
#include "host_ahead.h"

/* Counted before the real call, so that no other thread acts on a stream that is already capturing. */
#define BEGIN(call)                                                                                                    \
    do {                                                                                                               \
        vs_capture_begun();                                                                                            \
        __typeof__(call) result = call;                                                                                \
        if (result != 0)                                                                                               \
            end();                                                                                                     \
        return result;                                                                                                 \
    } while (0)

/* A failing call may end the capture or not (wrong thread, no place for the graph): the stream itself tells. */
#define END(call, stream)                                                                                              \
    do {                                                                                                               \
        bool was = is_capturing(stream);                                                                               \
        __typeof__(call) result = call;                                                                                \
        if (result == 0) /* before a move may look whether a capture is open */                                        \
            vs_extents_fix_all();                                                                                      \
        if (was && !is_capturing(stream))                                                                              \
            end();                                                                                                     \
        return result;                                                                                                 \
    } while (0)

static void end(void)
{
    vs_capture_ended();
    vs_host_ahead_resume();
}

static bool is_capturing(CUstream stream)
{
    CUstreamCaptureStatus status;
    const struct vs_driver *driver = vs_driver();
    return driver && driver->cuStreamIsCapturing(stream, &status) == CUDA_SUCCESS &&
           status != CU_STREAM_CAPTURE_STATUS_NONE;
}

/* Stream 0 of a program that was built for per-thread default streams. */
static CUstream per_thread(CUstream stream)
{
    return stream ? stream : CU_STREAM_PER_THREAD;
}

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

cudaError_t vs_cudaStreamBeginCaptureToGraph(const struct vs_cudart *real, cudaStream_t stream, cudaGraph_t graph,
    const cudaGraphNode_t *dependencies, const cudaGraphEdgeData *edges, size_t count, enum cudaStreamCaptureMode mode)
{
    BEGIN(real->cudaStreamBeginCaptureToGraph(stream, graph, dependencies, edges, count, mode));
}

cudaError_t vs_cudaStreamBeginCaptureToGraph_ptsz(const struct vs_cudart *real, cudaStream_t stream, cudaGraph_t graph,
    const cudaGraphNode_t *dependencies, const cudaGraphEdgeData *edges, size_t count, enum cudaStreamCaptureMode mode)
{
    BEGIN(real->cudaStreamBeginCaptureToGraph_ptsz(stream, graph, dependencies, edges, count, mode));
}

CUresult vs_cuStreamBeginCapture_v2(const struct vs_libcuda *real, CUstream stream, CUstreamCaptureMode mode)
{
    BEGIN(real->cuStreamBeginCapture_v2(stream, mode));
}

CUresult vs_cuStreamBeginCapture_v2_ptsz(const struct vs_libcuda *real, CUstream stream, CUstreamCaptureMode mode)
{
    BEGIN(real->cuStreamBeginCapture_v2_ptsz(stream, mode));
}

CUresult vs_cuStreamBeginCaptureToGraph(const struct vs_libcuda *real, CUstream stream, CUgraph graph,
    const CUgraphNode *dependencies, const CUgraphEdgeData *edges, size_t count, CUstreamCaptureMode mode)
{
    BEGIN(real->cuStreamBeginCaptureToGraph(stream, graph, dependencies, edges, count, mode));
}

CUresult vs_cuStreamBeginCaptureToGraph_ptsz(const struct vs_libcuda *real, CUstream stream, CUgraph graph,
    const CUgraphNode *dependencies, const CUgraphEdgeData *edges, size_t count, CUstreamCaptureMode mode)
{
    BEGIN(real->cuStreamBeginCaptureToGraph_ptsz(stream, graph, dependencies, edges, count, mode));
}

cudaError_t vs_cudaStreamEndCapture(const struct vs_cudart *real, cudaStream_t stream, cudaGraph_t *graph)
{
    END(real->cudaStreamEndCapture(stream, graph), stream);
}

cudaError_t vs_cudaStreamEndCapture_ptsz(const struct vs_cudart *real, cudaStream_t stream, cudaGraph_t *graph)
{
    END(real->cudaStreamEndCapture_ptsz(stream, graph), per_thread(stream));
}

CUresult vs_cuStreamEndCapture(const struct vs_libcuda *real, CUstream stream, CUgraph *graph)
{
    END(real->cuStreamEndCapture(stream, graph), stream);
}

CUresult vs_cuStreamEndCapture_ptsz(const struct vs_libcuda *real, CUstream stream, CUgraph *graph)
{
    END(real->cuStreamEndCapture_ptsz(stream, graph), per_thread(stream));
}
