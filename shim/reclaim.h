/* reclaim.h: memory of the compute device that nobody uses and that cannot be had all the same.
 *
 * What was freed under work that is still queued; and what the device's default pool keeps for itself: under
 * PyTorch's cudaMallocAsync allocator its release threshold is infinite, so that after a run gigabytes are reserved and
 * unused there, and the driver refuses new memory although PyTorch counts them as free.
 */
#ifndef VS_RECLAIM_H
#define VS_RECLAIM_H

#include <stdbool.h>

#include "compute.h"

/* Waits for what is pending on the device and gives back what nobody uses. False where there was nothing, or while a
 * capture is open: a second try is in vain. Any thread; blocks. */
bool vs_reclaim(const struct vs_compute *compute);

#endif
