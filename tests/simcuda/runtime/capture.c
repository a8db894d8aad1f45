/* capture.c: stream capture and graph queries whose form differs between CUDA 12 and 13.
 *
 * CUDA 13 gave the plain names edge data; CUDA 12 has it in functions of their own (_v2, _v3). */
#include "runtime.h"

static cudaError_t begin_capture(cudaStream_t stream, enum cudaStreamCaptureMode mode, bool per_thread)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    __typeof__(&cuStreamBeginCapture) begin =
        per_thread ? RT_DRIVER_VERSION_PTSZ(cuStreamBeginCapture, 10010, cuStreamBeginCapture)
                   : RT_DRIVER_VERSION(cuStreamBeginCapture, 10010, cuStreamBeginCapture);
    return rt_leave(begin(stream, (CUstreamCaptureMode)mode));
}

RT_TWINS(
    cudaStreamBeginCapture, _ptsz, (cudaStream_t stream, enum cudaStreamCaptureMode mode), begin_capture, stream, mode)

#if CUDART_VERSION >= 13000

static cudaError_t capture_info(cudaStream_t stream, enum cudaStreamCaptureStatus *status, unsigned long long *id,
    cudaGraph_t *graph, const cudaGraphNode_t **dependencies, const cudaGraphEdgeData **edges, size_t *count,
    bool per_thread)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    __typeof__(&cuStreamGetCaptureInfo) get =
        per_thread ? RT_DRIVER_VERSION_PTSZ(cuStreamGetCaptureInfo, 12030, cuStreamGetCaptureInfo)
                   : RT_DRIVER_VERSION(cuStreamGetCaptureInfo, 12030, cuStreamGetCaptureInfo);
    return rt_leave(get(stream, (CUstreamCaptureStatus *)status, (cuuint64_t *)id, graph, dependencies,
        (const CUgraphEdgeData **)edges, count));
}

RT_TWINS(cudaStreamGetCaptureInfo, _ptsz,
    (cudaStream_t stream, enum cudaStreamCaptureStatus *status, unsigned long long *id, cudaGraph_t *graph,
        const cudaGraphNode_t **dependencies, const cudaGraphEdgeData **edges, size_t *count),
    capture_info, stream, status, id, graph, dependencies, edges, count)

static cudaError_t update_dependencies(cudaStream_t stream, cudaGraphNode_t *dependencies,
    const cudaGraphEdgeData *edges, size_t count, unsigned flags, bool per_thread)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    __typeof__(&cuStreamUpdateCaptureDependencies) update =
        per_thread ? RT_DRIVER_VERSION_PTSZ(cuStreamUpdateCaptureDependencies, 12030, cuStreamUpdateCaptureDependencies)
                   : RT_DRIVER_VERSION(cuStreamUpdateCaptureDependencies, 12030, cuStreamUpdateCaptureDependencies);
    return rt_leave(update(stream, dependencies, (const CUgraphEdgeData *)edges, count, flags));
}

RT_TWINS(cudaStreamUpdateCaptureDependencies, _ptsz,
    (cudaStream_t stream, cudaGraphNode_t *dependencies, const cudaGraphEdgeData *edges, size_t count, unsigned flags),
    update_dependencies, stream, dependencies, edges, count, flags)

cudaError_t cudaGraphGetEdges(
    cudaGraph_t graph, cudaGraphNode_t *from, cudaGraphNode_t *to, cudaGraphEdgeData *edges, size_t *count)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    return rt_leave(
        RT_DRIVER_VERSION(cuGraphGetEdges, 12030, cuGraphGetEdges)(graph, from, to, (CUgraphEdgeData *)edges, count));
}

cudaError_t cudaGraphNodeGetDependencies(
    cudaGraphNode_t node, cudaGraphNode_t *dependencies, cudaGraphEdgeData *edges, size_t *count)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    return rt_leave(RT_DRIVER_VERSION(cuGraphNodeGetDependencies, 12030, cuGraphNodeGetDependencies)(
        node, dependencies, (CUgraphEdgeData *)edges, count));
}

#else

/* cuda.h renames the function to _v2 for the look-up's enumerator too. */
#define RT_CAPTURE_LOOKUP(version, per_thread)                                                                         \
    ((per_thread) ? RT_LOOKUP_VERSION(cuStreamGetCaptureInfo, version, 2)                                              \
                  : RT_LOOKUP_VERSION(cuStreamGetCaptureInfo, version, 0))

/* driver_types.h of CUDA 12 makes the plain name a macro for _v2; the library exports both. */
#undef cudaStreamGetCaptureInfo
cudaError_t cudaStreamGetCaptureInfo(cudaStream_t stream, enum cudaStreamCaptureStatus *status, unsigned long long *id);

/* The driver function's form in version 10010, without a graph. Declared for its type only. */
CUresult rt_capture_info_10010(CUstream stream, CUstreamCaptureStatus *status, cuuint64_t *id);

static cudaError_t capture_id(
    cudaStream_t stream, enum cudaStreamCaptureStatus *status, unsigned long long *id, bool per_thread)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    __typeof__(&rt_capture_info_10010) get = (void *)rt_driver_functions[RT_CAPTURE_LOOKUP(10010, per_thread)];
    return rt_leave(get(stream, (CUstreamCaptureStatus *)status, (cuuint64_t *)id));
}

RT_TWINS(cudaStreamGetCaptureInfo, _ptsz,
    (cudaStream_t stream, enum cudaStreamCaptureStatus *status, unsigned long long *id), capture_id, stream, status, id)

static cudaError_t capture_info(cudaStream_t stream, enum cudaStreamCaptureStatus *status, unsigned long long *id,
    cudaGraph_t *graph, const cudaGraphNode_t **dependencies, size_t *count, bool per_thread)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    __typeof__(&cuStreamGetCaptureInfo_v2) get = (void *)rt_driver_functions[RT_CAPTURE_LOOKUP(11030, per_thread)];
    return rt_leave(get(stream, (CUstreamCaptureStatus *)status, (cuuint64_t *)id, graph, dependencies, count));
}

RT_TWINS(cudaStreamGetCaptureInfo_v2, _ptsz,
    (cudaStream_t stream, enum cudaStreamCaptureStatus *status, unsigned long long *id, cudaGraph_t *graph,
        const cudaGraphNode_t **dependencies, size_t *count),
    capture_info, stream, status, id, graph, dependencies, count)

cudaError_t cudaGraphGetEdges(cudaGraph_t graph, cudaGraphNode_t *from, cudaGraphNode_t *to, size_t *count)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    return rt_leave(RT_DRIVER_VERSION(cuGraphGetEdges, 10000, cuGraphGetEdges)(graph, from, to, count));
}

cudaError_t cudaGraphNodeGetDependencies(cudaGraphNode_t node, cudaGraphNode_t *dependencies, size_t *count)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    return rt_leave(
        RT_DRIVER_VERSION(cuGraphNodeGetDependencies, 10000, cuGraphNodeGetDependencies)(node, dependencies, count));
}

#endif
