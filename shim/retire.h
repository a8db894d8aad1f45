/* retire.h: frees that take effect when the work before them is done.
 *
 * cudaFreeAsync is ordered on its stream: the memory may still be in use when the call returns. cudaFree may be called
 * while a graph is captured, when nothing may be waited for. Both leave their allocation here, and it goes back to the
 * arena when its event has passed, at the next allocation, free or flush.
 */
#ifndef VS_RETIRE_H
#define VS_RETIRE_H

#include <cuda.h>

#include "arena.h"

/* The allocation (already retired in the arena) is free once the work in `stream` so far is done. */
void vs_retire_in_order(const struct vs_allocation *allocation, CUstream stream);

/* The allocation is free once all work of its compute device so far is done: waits for it (as cudaFree does), unless a
 * capture is open, then later. Returns the error of the device, if it has one. */
CUresult vs_retire_after_all(const struct vs_allocation *allocation);

/* Forgets what waits for a device that is being reset; vs_arena_drop gives it back. */
void vs_retire_drop(int compute_ordinal);

/* Gives back what is done by now; does nothing while a capture is open. Waits only for what was freed under a capture
 * that is over. */
void vs_retire_collect(void);

#endif
