/* guest_home.h: memory of the program's that others are about to hold, too: it comes home, becomes one piece again, and
 * stays. */
#ifndef VS_GUEST_HOME_H
#define VS_GUEST_HOME_H

#include "guest.h"

/* The real handle of a virtual one, for a call that lets somebody else hold its memory: local, whole, with the
 * program's own properties. It lives as long as the virtual one. CUDA_ERROR_INVALID_VALUE: the number is no handle (any
 * more); CUDA_ERROR_NOT_SUPPORTED: its memory is away and cannot come home, because a graph may use it or it is mapped
 * several times; or what the way home failed with (vs_rehome). Any thread; may block. */
CUresult vs_guest_settle(CUmemGenericAllocationHandle number, CUmemGenericAllocationHandle *real);

/* The same of all that the program has mapped at these addresses. */
CUresult vs_guest_settle_at(CUdeviceptr address, size_t bytes);

#endif
