/* check_capture.c: stream capture and graphs. */
#include "conformance.h"

#include <pthread.h>

/* A stream of device 0 that captures in the given mode. */
static cudaStream_t capturing(enum cudaStreamCaptureMode mode)
{
    cudaStream_t stream;
    use_device(0);
    OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    OK(cudaStreamBeginCapture(stream, mode));
    return stream;
}

static void expect_invalidated(cudaStream_t stream)
{
    enum cudaStreamCaptureStatus status;
    cudaGraph_t graph = (cudaGraph_t)1;
    OK(cudaStreamIsCapturing(stream, &status));
    EXPECT(status == cudaStreamCaptureStatusInvalidated);
    FAILS(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureInvalidated);
    EXPECT(graph == NULL);
}

CHECK(capture_malloc, "[header: cuThreadExchangeStreamCaptureMode]",
    "cudaMalloc during a capture in global mode fails and invalidates the capture")
{
    void *memory;
    cudaStream_t stream = capturing(cudaStreamCaptureModeGlobal);
    FAILS(cudaMalloc(&memory, 4096), cudaErrorStreamCaptureUnsupported);
    expect_invalidated(stream);
}

static void *try_malloc(void *error)
{
    void *memory;
    *(cudaError_t *)error = cudaMalloc(&memory, 4096);
    return NULL;
}

/* What cudaMalloc in another thread returns. */
static cudaError_t malloc_elsewhere(void)
{
    cudaError_t error = cudaErrorUnknown;
    pthread_t thread;
    EXPECT(!pthread_create(&thread, NULL, try_malloc, &error));
    EXPECT(!pthread_join(thread, NULL));
    return error;
}

CHECK(capture_malloc_elsewhere, "[header: cuThreadExchangeStreamCaptureMode]",
    "a capture in global mode forbids cudaMalloc to all threads")
{
    cudaStream_t stream = capturing(cudaStreamCaptureModeGlobal);
    FAILS(malloc_elsewhere(), cudaErrorStreamCaptureUnsupported);
    expect_invalidated(stream);
}

CHECK(capture_thread_local, "[header: cuThreadExchangeStreamCaptureMode]",
    "a capture in thread-local mode forbids cudaMalloc to its own thread only")
{
    cudaGraph_t graph;
    cudaStream_t stream = capturing(cudaStreamCaptureModeThreadLocal);
    OK(malloc_elsewhere());
    OK(cudaStreamEndCapture(stream, &graph));
}

CHECK(capture_relaxed_thread, "[header: cuThreadExchangeStreamCaptureMode]",
    "a thread that exchanged its mode for the relaxed one may allocate during a capture")
{
    enum cudaStreamCaptureMode mode = cudaStreamCaptureModeRelaxed;
    cudaGraph_t graph;
    void *memory;
    cudaStream_t stream = capturing(cudaStreamCaptureModeGlobal);
    OK(cudaThreadExchangeStreamCaptureMode(&mode));
    EXPECT(mode == cudaStreamCaptureModeGlobal); /* the default of every thread */
    OK(cudaMalloc(&memory, 4096));
    OK(cudaThreadExchangeStreamCaptureMode(&mode));
    EXPECT(mode == cudaStreamCaptureModeRelaxed);
    OK(cudaStreamEndCapture(stream, &graph));
}

CHECK(capture_synchronize, "[doc: programming guide, stream capture]", "a capturing stream cannot be waited for")
{
    cudaStream_t stream = capturing(cudaStreamCaptureModeRelaxed);
    FAILS(cudaStreamSynchronize(stream), cudaErrorStreamCaptureUnsupported);
    expect_invalidated(stream);
}

CHECK(capture_event_query, "[header: cuThreadExchangeStreamCaptureMode]",
    "an event recorded in a capture cannot be queried")
{
    cudaEvent_t event;
    cudaStream_t stream;
    use_device(0);
    OK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    stream = capturing(cudaStreamCaptureModeRelaxed);
    OK(cudaEventRecord(event, stream));
    FAILS(cudaEventQuery(event), cudaErrorCapturedEvent);
}

CHECK(capture_legacy, "[doc: programming guide, stream capture]",
    "work in the legacy stream during a capture of a blocking stream is refused")
{
    cudaStream_t stream;
    void *memory;
    use_device(0);
    OK(cudaMalloc(&memory, 4096));
    OK(cudaStreamCreate(&stream));
    OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
    FAILS(cudaMemsetAsync(memory, 0, 4096, NULL), cudaErrorStreamCaptureImplicit);
    expect_invalidated(stream);
}

CHECK(capture_replay, "[doc: programming guide, CUDA graphs]",
    "captured work is done at each launch of the graph, and not before")
{
    cudaStream_t stream;
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    void *memory;
    use_device(0);
    OK(cudaMalloc(&memory, MIB));
    fill((CUdeviceptr)memory, 1, MIB);
    stream = capturing(cudaStreamCaptureModeGlobal);
    OK(cudaMemsetAsync(memory, 2, MIB, stream));
    OK(cudaStreamEndCapture(stream, &graph));
    expect_filled((CUdeviceptr)memory, 1, MIB);
    OK(cudaGraphInstantiateWithFlags(&exec, graph, 0));
    for (int i = 0; i < 2; i++) {
        fill((CUdeviceptr)memory, 1, MIB);
        OK(cudaGraphLaunch(exec, stream));
        OK(cudaStreamSynchronize(stream));
        expect_filled((CUdeviceptr)memory, 2, MIB);
    }
    OK(cudaGraphExecDestroy(exec));
    OK(cudaGraphDestroy(graph));
}

CHECK(capture_unmatched, "[doc: cudaStreamEndCapture]", "ending a capture that was not begun is an error")
{
    cudaStream_t stream;
    cudaGraph_t graph;
    use_device(0);
    OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    FAILS(cudaStreamEndCapture(stream, &graph), cudaErrorIllegalState);
}

CHECK(capture_joins, "[doc: programming guide, stream capture]",
    "a stream that waits for a captured event takes part, and must be joined before the end")
{
    cudaEvent_t event;
    cudaStream_t other, stream;
    cudaGraph_t graph;
    enum cudaStreamCaptureStatus status;
    use_device(0);
    OK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    OK(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking));
    stream = capturing(cudaStreamCaptureModeGlobal);
    OK(cudaEventRecord(event, stream));
    OK(cudaStreamWaitEvent(other, event, 0));
    OK(cudaStreamIsCapturing(other, &status));
    EXPECT(status == cudaStreamCaptureStatusActive);
    OK(cudaEventRecord(event, other));
    OK(cudaStreamWaitEvent(stream, event, 0));
    OK(cudaStreamEndCapture(stream, &graph));
    OK(cudaStreamIsCapturing(other, &status));
    EXPECT(status == cudaStreamCaptureStatusNone);
}
