/* calls_capture.c: stream capture and graphs. */
#include "fuzz.h"

#include <cuda.h>

CALL_OF(cuStreamBeginCapture, 6, false)
{
    /* A careful episode captures in the mode that leaves other calls alone. */
    CUstreamCaptureMode mode = world.careful ? CU_STREAM_CAPTURE_MODE_RELAXED : (CUstreamCaptureMode)number_of(3);
    if (count_of(EXEC) > 8)
        return NOT_MADE;
    int result = cuStreamBeginCapture(any_stream(), mode);
    if (result == 0)
        count_captures();
    return result;
}

CALL_OF(cuStreamEndCapture, 150, false) /* hardly ever made while nothing is captured */
{
    CUgraph made = NULL;
    CUstream stream = world.captures && !one_in(4) ? world.captured : any_stream();
    if (!world.captures && !one_in(100))
        return NOT_MADE;
    if (!room_for(GRAPH))
        return NOT_MADE;
    int result = cuStreamEndCapture(stream, OUT(&made));
    count_captures();
    return made ? born(result, GRAPH, made) : result;
}

CALL(cuStreamIsCapturing)
{
    CUstreamCaptureStatus status;
    return cuStreamIsCapturing(any_stream(), OUT(&status));
}

CALL(cuStreamGetCaptureInfo)
{
    CUstreamCaptureStatus status;
    cuuint64_t id;
    CUgraph graph;
    const CUgraphNode *nodes;
    const CUgraphEdgeData *edges;
    size_t count;
    return cuStreamGetCaptureInfo(
        any_stream(), OUT(&status), OUT(&id), OUT(&graph), OUT(&nodes), one_in(2) ? NULL : &edges, OUT(&count));
}

CALL(cuThreadExchangeStreamCaptureMode)
{
    CUstreamCaptureMode mode = (CUstreamCaptureMode)number_of(3);
    return cuThreadExchangeStreamCaptureMode(OUT(&mode));
}

CALL(cuGraphCreate)
{
    CUgraph made = NULL;
    if (!room_for(GRAPH))
        return NOT_MADE;
    return born(cuGraphCreate(OUT(&made), one_in(20)), GRAPH, made);
}

CALL(cuGraphClone)
{
    CUgraph made = NULL;
    if (!room_for(GRAPH))
        return NOT_MADE;
    return born(cuGraphClone(OUT(&made), ANY(CUgraph, GRAPH)), GRAPH, made);
}

CALL(cuGraphDestroy)
{
    uintptr_t graph = any(GRAPH);
    return died(cuGraphDestroy((CUgraph)graph), GRAPH, graph);
}

CALL(cuGraphGetNodes)
{
    CUgraphNode nodes[64];
    size_t count = below(65);
    return cuGraphGetNodes(ANY(CUgraph, GRAPH), one_in(2) ? NULL : nodes, OUT(&count));
}

CALL(cuGraphGetRootNodes)
{
    CUgraphNode nodes[64];
    size_t count = below(65);
    return cuGraphGetRootNodes(ANY(CUgraph, GRAPH), one_in(2) ? NULL : nodes, OUT(&count));
}

CALL(cuGraphInstantiate)
{
    CUgraphExec made = NULL;
    if (!room_for(EXEC))
        return NOT_MADE;
    return born(cuGraphInstantiateWithFlags(OUT(&made), ANY(CUgraph, GRAPH), one_in(2)), EXEC, made);
}

CALL(cuGraphInstantiateWithParams)
{
    CUgraphExec made = NULL;
    CUDA_GRAPH_INSTANTIATE_PARAMS parameters = {.hUploadStream = any_stream()};
    if (!room_for(EXEC))
        return NOT_MADE;
    return born(cuGraphInstantiateWithParams(OUT(&made), ANY(CUgraph, GRAPH), OUT(&parameters)), EXEC, made);
}

CALL(cuGraphExecGetFlags)
{
    cuuint64_t flags;
    return cuGraphExecGetFlags(ANY(CUgraphExec, EXEC), OUT(&flags));
}

CALL(cuGraphExecDestroy)
{
    uintptr_t exec = any(EXEC);
    return died(cuGraphExecDestroy((CUgraphExec)exec), EXEC, exec);
}

CALL(cuGraphUpload)
{
    return cuGraphUpload(ANY(CUgraphExec, EXEC), any_stream());
}

/* A graph replays the addresses that it captured, freed or not. */
CALL(cuGraphLaunch)
{
    uintptr_t exec = any(EXEC);
    if (world.careful && find(EXEC, exec))
        return NOT_MADE;
    return cuGraphLaunch((CUgraphExec)exec, any_stream());
}
