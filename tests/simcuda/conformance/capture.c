/* capture.c: the helpers of capture.h. */
#include "capture.h"

cudaStream_t capturing(enum cudaStreamCaptureMode mode)
{
    cudaStream_t stream;
    use_device(0);
    OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    OK(cudaStreamBeginCapture(stream, mode));
    return stream;
}

void expect_invalidated(cudaStream_t stream)
{
    enum cudaStreamCaptureStatus status;
    cudaGraph_t graph = (cudaGraph_t)1;
    OK(cudaStreamIsCapturing(stream, &status));
    EXPECT(status == cudaStreamCaptureStatusInvalidated);
    FAILS(cudaStreamEndCapture(stream, &graph), cudaErrorStreamCaptureInvalidated);
    EXPECT(graph == NULL);
}
