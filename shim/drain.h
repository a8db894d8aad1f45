/* drain.h: waits for all that is queued in some contexts, but not for ever.
 *
 * cuCtxSynchronize has no time limit, and what it waits for may itself wait for a thread that stands at the gate: a
 * host function in a stream, a stream's memory operation, a kernel that waits for another device's. So a thread of the
 * library's own waits in the caller's place, and stays behind in the one context whose work does not end.
 */
#ifndef VS_DRAIN_H
#define VS_DRAIN_H

#include <cuda.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Waits for the work of `count` (at most VS_CONTEXTS_MAX) contexts, at most `limit_ns`; 0: without a limit, and on this
 * thread. CUDA_ERROR_NOT_READY when it is not done by then; else the first error. One caller at a time. */
CUresult vs_drain(const CUcontext *contexts, size_t count, uint64_t limit_ns);

/* Whether the thread is still out for a caller that has gone: the next one would wait for that first. Any thread. */
bool vs_drain_is_out(void);

#endif
