/* check_capture_streams.c: beginning and ending a capture, and the streams that take part in it. */
#include "capture.h"

#include <pthread.h>

CHECK(capture_unmatched, "[doc: cudaStreamEndCapture]", "ending a capture that was not begun is an error",
    "capture_begun")
{
    cudaStream_t stream;
    cudaGraph_t graph;
    use_device(0);
    OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    FAILS(cudaStreamEndCapture(stream, &graph), cudaErrorIllegalState);
}

static void *try_end(void *argument)
{
    cudaStream_t stream = *(cudaStream_t *)argument;
    cudaGraph_t graph;
    *(cudaError_t *)argument = cudaStreamEndCapture(stream, &graph);
    return NULL;
}

/* What ending the capture in another thread returns. */
static cudaError_t end_elsewhere(cudaStream_t stream)
{
    union {
        cudaStream_t stream;
        cudaError_t error;
    } argument = {.stream = stream};
    pthread_t thread;
    EXPECT(!pthread_create(&thread, NULL, try_end, &argument));
    EXPECT(!pthread_join(thread, NULL));
    return argument.error;
}

CHECK(capture_ended_elsewhere, "[header: cuStreamEndCapture]",
    "another thread cannot end a capture that was not begun in relaxed mode", "capture_ends_in_thread")
{
    FAILS(end_elsewhere(capturing(cudaStreamCaptureModeThreadLocal)), cudaErrorStreamCaptureWrongThread);
}

CHECK(
    capture_relaxed_ended_elsewhere, "[header: cuStreamEndCapture]", "another thread can end a capture in relaxed mode")
{
    OK(end_elsewhere(capturing(cudaStreamCaptureModeRelaxed)));
}

CHECK(capture_begun_twice, "[doc: cudaStreamBeginCapture; assumed: the error]",
    "a capture cannot be begun in a stream that is being captured", "capture_begun_once")
{
    cudaStream_t stream = capturing(cudaStreamCaptureModeRelaxed);
    FAILS_SOMEHOW(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
}

CHECK(capture_of_legacy, "[doc: cudaStreamBeginCapture]", "the legacy default stream cannot be captured",
    "capture_not_of_legacy")
{
    use_device(0);
    FAILS_SOMEHOW(cudaStreamBeginCapture(cudaStreamLegacy, cudaStreamCaptureModeRelaxed));
}

static cudaEvent_t new_event(void)
{
    cudaEvent_t event;
    OK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    return event;
}

CHECK(capture_isolated, "[header: CUDA_ERROR_STREAM_CAPTURE_ISOLATION]",
    "a capturing stream cannot wait for an event that was recorded outside of the capture", "capture_isolated")
{
    use_device(0);
    cudaEvent_t event = new_event();
    OK(cudaEventRecord(event, NULL));
    cudaStream_t stream = capturing(cudaStreamCaptureModeRelaxed);
    FAILS(cudaStreamWaitEvent(stream, event, 0), cudaErrorStreamCaptureIsolation);
    expect_invalidated(stream);
}

CHECK(capture_not_merged, "[header: CUDA_ERROR_STREAM_CAPTURE_MERGE]",
    "a capturing stream cannot wait for an event of another capture", "capture_not_merged")
{
    use_device(0);
    cudaEvent_t event = new_event();
    cudaStream_t first = capturing(cudaStreamCaptureModeRelaxed);
    cudaStream_t second = capturing(cudaStreamCaptureModeRelaxed);
    OK(cudaEventRecord(event, first));
    FAILS(cudaStreamWaitEvent(second, event, 0), cudaErrorStreamCaptureMerge);
}

CHECK(capture_invalid_stays, "[header: CUDA_ERROR_STREAM_CAPTURE_INVALIDATED]",
    "an invalidated capture takes no more work", "capture_stays_invalid")
{
    void *memory;
    use_device(0);
    OK(cudaMalloc(&memory, 4096));
    cudaStream_t stream = capturing(cudaStreamCaptureModeRelaxed);
    EXPECT(cudaStreamQuery(stream) != cudaSuccess);
    FAILS(cudaMemsetAsync(memory, 1, 4096, stream), cudaErrorStreamCaptureInvalidated);
    expect_invalidated(stream);
}

/* Draws a new stream into the capture of `stream`, and puts work into it. */
static cudaStream_t drawn_in(cudaStream_t stream, cudaEvent_t event, void *memory)
{
    cudaStream_t other;
    OK(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking));
    OK(cudaEventRecord(event, stream));
    OK(cudaStreamWaitEvent(other, event, 0));
    OK(cudaMemsetAsync(memory, 1, 4096, other));
    return other;
}

CHECK(capture_unjoined, "[header: CUDA_ERROR_STREAM_CAPTURE_UNJOINED]",
    "a capture whose other stream was not joined cannot be ended", "capture_joined")
{
    cudaGraph_t graph;
    void *memory;
    use_device(0);
    OK(cudaMalloc(&memory, 4096));
    cudaEvent_t event = new_event();
    cudaStream_t stream = capturing(cudaStreamCaptureModeGlobal);
    drawn_in(stream, event, memory);
    FAILS(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureUnjoined);
}

CHECK(capture_joined_too_early, "[header: CUDA_ERROR_STREAM_CAPTURE_UNJOINED]",
    "work in the other stream behind the event by which it was joined is not joined", "capture_joined")
{
    cudaGraph_t graph;
    void *memory;
    use_device(0);
    OK(cudaMalloc(&memory, 4096));
    cudaEvent_t event = new_event();
    cudaStream_t stream = capturing(cudaStreamCaptureModeGlobal);
    cudaStream_t other = drawn_in(stream, event, memory);
    OK(cudaEventRecord(event, other));
    OK(cudaStreamWaitEvent(stream, event, 0));
    OK(cudaMemsetAsync(memory, 2, 4096, other));
    FAILS(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureUnjoined);
}

CHECK(capture_ended_in_other, "[header: CUDA_ERROR_STREAM_CAPTURE_UNMATCHED]",
    "a capture cannot be ended in a stream that was drawn into it", "capture_ends_in_origin")
{
    cudaGraph_t graph;
    void *memory;
    use_device(0);
    OK(cudaMalloc(&memory, 4096));
    cudaEvent_t event = new_event();
    cudaStream_t other = drawn_in(capturing(cudaStreamCaptureModeGlobal), event, memory);
    FAILS(cudaStreamEndCapture(other, &graph), cudaErrorStreamCaptureUnmatched);
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
