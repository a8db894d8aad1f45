/* move.h: pages change their homes under a running program, at the same addresses.
 *
 * New memory first, also at addresses of its own; then the gate is closed, work in flight and queued is waited for, the
 * bytes are copied, and each page's mapping is taken away and made anew over the new memory; then the gate opens and
 * the old memory goes. The old memory lives until the new one is in place everywhere, so that each failure leads back
 * to it.
 */
#ifndef VS_MOVE_H
#define VS_MOVE_H

#include <cuda.h>
#include <stddef.h>
#include <stdint.h>

#include "home.h"

/* Whole pages of one compute device's that have memory behind them. */
struct vs_move {
    CUdeviceptr address;
    size_t bytes;
    struct vs_home home;
};

/* Moves all of them under one closing of the gate, or none. A piece of memory that is moved in part is made anew in
 * pieces.
 *
 * CUDA_SUCCESS, also where they are there already. On any error every page is where it was:
 * CUDA_ERROR_INVALID_VALUE: not whole pages of ours with memory behind them, or named twice;
 * CUDA_ERROR_NOT_SUPPORTED: memory that cannot move (page-locked), or a home that nothing serves;
 * CUDA_ERROR_NOT_PERMITTED: a graph may use one of the pages;
 * CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED: a capture is open;
 * CUDA_ERROR_NOT_READY: calls in flight or queued work did not end within the limit;
 * or the driver's own (out of memory).
 *
 * Any thread, also inside a hook that has passed the gate: then other moves may have come before this one, and what the
 * caller knew of pages is to be looked up again. Holds no lock while it waits. Needs memory for both homes meanwhile.
 */
CUresult vs_rehome(const struct vs_move *moves, size_t count);

/* How long calls in flight may take to return, and queued work to end, each. 0: for ever, and the thread that moves
 * waits itself. */
extern uint64_t vs_move_limit_ns;

#endif
