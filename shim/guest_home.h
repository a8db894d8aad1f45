/* guest_home.h: memory of the program's that others are about to hold, too: it comes home, becomes one piece again, and
 * stays. */
#ifndef VS_GUEST_HOME_H
#define VS_GUEST_HOME_H

#include "guest.h"

/* The real handle of a virtual one, for a call that lets somebody else hold its memory: local, whole, with the
 * program's own properties. It lives as long as the virtual one. CUDA_ERROR_INVALID_VALUE: the number is no handle (any
 * more); CUDA_ERROR_NOT_SUPPORTED: its memory is away and cannot come home, because a graph may use it or is captured,
 * it is mapped several times, or the device's work does not end; CUDA_ERROR_OUT_OF_MEMORY; another of the driver's. The
 * log says which, once each. Any thread; may block. */
CUresult vs_guest_settle(CUmemGenericAllocationHandle number, CUmemGenericAllocationHandle *real);

/* It is about to be mapped elsewhere, too, and will stay where it is then: home, if that can be. Any thread; may block.
 */
void vs_guest_call_home(CUmemGenericAllocationHandle number);

/* The same as vs_guest_settle of all that the program has mapped at these addresses. */
CUresult vs_guest_settle_at(CUdeviceptr address, size_t bytes);

#endif
