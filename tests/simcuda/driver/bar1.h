/* bar1.h: the window through which other devices reach a device's memory (`bar1` in the machine file).
 *
 * Enabled peer access maps all that is allocated on the peer; mappings and pools take what other devices were given
 * access to. What does not fit is refused: cuCtxEnablePeerAccess with CUDA_ERROR_TOO_MANY_PEERS (cuda.h tells that
 * the hardware's resources for it can run out), the others with CUDA_ERROR_OUT_OF_MEMORY (assumed). */
#ifndef SIM_BAR1_H
#define SIM_BAR1_H

#include "range.h"

/* Whether other devices have more of the device's memory mapped than its window shows. */
bool sim_bar1_is_exceeded(int device);
/* Whether access as described to the mappings from `address` to `end` would fit. */
bool sim_bar1_has_room(CUdeviceptr address, CUdeviceptr end, const CUmemAccessDesc *descriptors, size_t count);

#endif
