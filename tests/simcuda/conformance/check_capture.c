/* check_capture.c: what a capture forbids, to which threads. */
#include "capture.h"

#include <pthread.h>

CHECK(capture_malloc, "[header: cuThreadExchangeStreamCaptureMode]",
    "cudaMalloc during a capture in global mode fails and invalidates the capture", "capture_own_unsafe")
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
    "a capture in global mode forbids cudaMalloc to all threads", "capture_global_unsafe")
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

CHECK(capture_synchronize, "[doc: programming guide, stream capture]", "a capturing stream cannot be waited for",
    "capture_not_waited_for")
{
    cudaStream_t stream = capturing(cudaStreamCaptureModeRelaxed);
    FAILS(cudaStreamSynchronize(stream), cudaErrorStreamCaptureUnsupported);
    expect_invalidated(stream);
}

CHECK(capture_event_query, "[header: cuThreadExchangeStreamCaptureMode]",
    "an event recorded in a capture cannot be queried", "captured_event")
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
    "work in the legacy stream during a capture of a blocking stream is refused", "capture_legacy_implicit")
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

CHECK(capture_queried, "[doc: programming guide, stream capture]", "a capturing stream cannot be queried",
    "capture_not_waited_for")
{
    cudaStream_t stream = capturing(cudaStreamCaptureModeRelaxed);
    FAILS(cudaStreamQuery(stream), cudaErrorStreamCaptureUnsupported);
    expect_invalidated(stream);
}

CHECK(capture_device_wait, "[doc: programming guide, stream capture]",
    "a device with a capturing stream cannot be waited for, also in relaxed mode", "capture_context_wait")
{
    cudaStream_t stream = capturing(cudaStreamCaptureModeRelaxed);
    FAILS(cudaDeviceSynchronize(), cudaErrorStreamCaptureUnsupported);
    expect_invalidated(stream);
}

CHECK(capture_event_wait, "[header: cuThreadExchangeStreamCaptureMode]",
    "the host cannot wait for an event recorded in a capture", "captured_event")
{
    cudaEvent_t event;
    cudaStream_t stream;
    use_device(0);
    OK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    stream = capturing(cudaStreamCaptureModeRelaxed);
    OK(cudaEventRecord(event, stream));
    FAILS(cudaEventSynchronize(event), cudaErrorCapturedEvent);
}

CHECK(capture_other_event_query, "[observed: PyTorch, CUDACachingAllocator, queries no events during a capture]",
    "a capture in global mode forbids its thread to query events, also those that it did not record",
    "capture_own_unsafe")
{
    cudaEvent_t event;
    use_device(0);
    OK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    OK(cudaEventRecord(event, NULL));
    cudaStream_t stream = capturing(cudaStreamCaptureModeGlobal);
    FAILS(cudaEventQuery(event), cudaErrorStreamCaptureUnsupported);
    expect_invalidated(stream);
}

static void *try_query(void *argument)
{
    cudaEvent_t event = *(cudaEvent_t *)argument;
    *(cudaError_t *)argument = cudaEventQuery(event);
    return NULL;
}

CHECK(capture_other_event_query_elsewhere, "[observed: aws-ofi-nccl 1342; PyTorch, the watchdog of ProcessGroupNCCL]",
    "a capture in global mode forbids all threads to query events", "capture_global_unsafe")
{
    union {
        cudaEvent_t event;
        cudaError_t error;
    } argument;
    pthread_t thread;
    use_device(0);
    OK(cudaEventCreateWithFlags(&argument.event, cudaEventDisableTiming));
    OK(cudaEventRecord(argument.event, NULL));
    cudaStream_t stream = capturing(cudaStreamCaptureModeGlobal);
    EXPECT(!pthread_create(&thread, NULL, try_query, &argument));
    EXPECT(!pthread_join(thread, NULL));
    FAILS(argument.error, cudaErrorStreamCaptureUnsupported);
    expect_invalidated(stream);
}

static void *try_malloc_on_second(void *error)
{
    void *memory;
    use_device(1);
    *(cudaError_t *)error = cudaMalloc(&memory, 4096);
    return NULL;
}

CHECK(capture_other_device, "[header: cuThreadExchangeStreamCaptureMode, assumed: of all devices]",
    "a capture in global mode forbids cudaMalloc on another device too", "capture_of_any_device")
{
    cudaError_t error = cudaErrorUnknown;
    pthread_t thread;
    need_devices(2);
    use_device(1);
    cudaStream_t stream = capturing(cudaStreamCaptureModeGlobal);
    EXPECT(!pthread_create(&thread, NULL, try_malloc_on_second, &error));
    EXPECT(!pthread_join(thread, NULL));
    FAILS(error, cudaErrorStreamCaptureUnsupported);
    expect_invalidated(stream);
}

CHECK(capture_relaxed, "[header: cuThreadExchangeStreamCaptureMode]",
    "a capture in relaxed mode forbids cudaMalloc to no thread")
{
    cudaGraph_t graph;
    void *memory;
    cudaStream_t stream = capturing(cudaStreamCaptureModeRelaxed);
    OK(cudaMalloc(&memory, 4096));
    OK(malloc_elsewhere());
    OK(cudaStreamEndCapture(stream, &graph));
}

/* Allocates, copies and waits in a stream of its own, after it exchanged its mode for the one given. */
static void *work_in_background(void *argument)
{
    enum cudaStreamCaptureMode mode = *(enum cudaStreamCaptureMode *)argument;
    static char bytes[4096];
    cudaStream_t stream;
    void *memory;
    use_device(0);
    OK(cudaThreadExchangeStreamCaptureMode(&mode));
    OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    OK(cudaMalloc(&memory, sizeof bytes));
    OK(cudaMemcpyAsync(memory, bytes, sizeof bytes, cudaMemcpyHostToDevice, stream));
    OK(cudaStreamSynchronize(stream));
    OK(cudaFree(memory));
    return NULL;
}

static void work_during_capture(enum cudaStreamCaptureMode mode)
{
    enum cudaStreamCaptureStatus status;
    cudaGraph_t graph;
    pthread_t thread;
    cudaStream_t stream = capturing(cudaStreamCaptureModeGlobal);
    EXPECT(!pthread_create(&thread, NULL, work_in_background, &mode));
    EXPECT(!pthread_join(thread, NULL));
    OK(cudaStreamIsCapturing(stream, &status));
    EXPECT(status == cudaStreamCaptureStatusActive);
    OK(cudaStreamEndCapture(stream, &graph));
}

CHECK(capture_background_relaxed, "[header: cuThreadExchangeStreamCaptureMode]",
    "a thread in relaxed mode works in a stream of its own during another thread's capture")
{
    work_during_capture(cudaStreamCaptureModeRelaxed);
}

CHECK(capture_background_local, "[header: cuThreadExchangeStreamCaptureMode]",
    "a thread in thread-local mode works in a stream of its own during another thread's capture")
{
    work_during_capture(cudaStreamCaptureModeThreadLocal);
}

CHECK(graph_flags, "[header: cuGraphExecGetFlags]", "an executable graph tells the flags that it was made with")
{
    const unsigned long long flags = cudaGraphInstantiateFlagAutoFreeOnLaunch | cudaGraphInstantiateFlagUseNodePriority;
    unsigned long long told = 0;
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    use_device(0);
    OK(cudaGraphCreate(&graph, 0));
    OK(cudaGraphInstantiateWithFlags(&exec, graph, flags));
    OK(cudaGraphExecGetFlags(exec, &told));
    EXPECT(told == flags);
    OK(cudaGraphExecDestroy(exec));
    OK(cudaGraphDestroy(graph));
}
