/* retire.h: frees that take effect when the work before them is done.
 *
 * cudaFreeAsync is ordered on its stream: the memory may still be in use when the call returns. cudaFree may be called
 * while a graph is captured, when nothing may be waited for. Both leave their allocation here, and it goes back to the
 * arena when its event has passed, at the next allocation, free or flush. Until then a later allocation on the same
 * stream may have it: its work comes after.
 */
#ifndef VS_RETIRE_H
#define VS_RETIRE_H

#include <cuda.h>

#include "arena.h"

/* The program frees the allocation that begins at `base`: it is free once the work in `stream` so far is done. False
 * where it is none of ours. Any thread. */
bool vs_retire_in_order(CUdeviceptr base, CUstream stream, struct vs_allocation *retired);

/* ... once all work so far is done of the devices that may use it: waits for them (as cudaFree does), unless a capture
 * is open, then later. *result is the error of the device, if it has one. */
bool vs_retire_after_all(CUdeviceptr base, struct vs_allocation *retired, CUresult *result);

/* Gives back what is done by now; does nothing while a capture is open, or while another thread does it. Asks once for
 * each stream, however many frees wait for it; waits only for what was freed under a capture that is over. */
void vs_retire_collect(void);
/* Whether anything waits. Lock-free. */
bool vs_retire_is_pending(void);

/* Waits for the work of the devices that may use memory of this compute device's, and gives back what was freed before:
 * false where nothing was. Not while a capture is open. */
bool vs_retire_settle(const struct vs_compute *compute);

/* Forgets what waits for a device that is being reset, once vs_arena_drop has given it back. */
void vs_retire_drop(int compute_ordinal);

#endif
