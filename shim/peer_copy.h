/* peer_copy.h: copies between a weight and the memory of another device.
 *
 * The program asks for such a copy by naming two devices, or by an ordinary copy in a stream of the other device:
 * between memory of cudaMalloc both are served, with peer access or without. A weight is mapped for the compute device
 * alone, and memory of a pool may not be reachable from there: no single copy call is sure to reach both. So the bytes
 * go through the host in pieces, each side in its own device's context. Slower than a peer copy, right on every
 * machine.
 */
#ifndef VS_PEER_COPY_H
#define VS_PEER_COPY_H

#include <cuda.h>
#include <stdbool.h>
#include <stddef.h>

#include "split.h"

/* Whether a copy between these must go this way: one side is ours, and the other belongs to another device than the
 * compute device. `dst_device` and `src_device` are the ordinals that the program named; minus an
 * error where that is not known (vs_device_of), which vs_peer_copy then returns. */
bool vs_peer_copy_wanted(CUdeviceptr dst, int dst_device, CUdeviceptr src, int src_device);

/* Whether `stream` is being captured: nothing in it can be waited for. What others capture does not matter here. */
bool vs_peer_copy_captured(CUstream stream);

/* Copies after all work in `stream` (NULL: in the default streams of both devices) so far, and is done when it returns.
 * Not in a stream that is captured. */
CUresult vs_peer_copy(CUdeviceptr dst, int dst_device, CUdeviceptr src, int src_device, size_t bytes, CUstream stream);

/* The same for an ordinary copy: made here where what is ours in it cannot be used by the device that `stream` belongs
 * to (which may have enabled peer access), and done when this returns, with *result. False: it is the driver's, also in
 * a stream that is captured. `stream` is NULL for the legacy default stream, CU_STREAM_PER_THREAD for the thread's own,
 * of the current context both. Without a weight: two compares. */
bool vs_peer_copy_box(const struct vs_box *box, CUstream stream, CUresult *result);

#endif
