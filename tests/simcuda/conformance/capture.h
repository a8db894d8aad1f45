/* capture.h: what the checks of stream capture share. */
#ifndef CONFORMANCE_CAPTURE_H
#define CONFORMANCE_CAPTURE_H

#include "conformance.h"

/* A new non-blocking stream of device 0 that captures in the given mode. */
cudaStream_t capturing(enum cudaStreamCaptureMode mode);
/* The capture is invalid, and ends with that error and without a graph. */
void expect_invalidated(cudaStream_t stream);

#endif
