/* context.h: the primary contexts that the runtime retains, and the device that is current to a thread.
 *
 * All functions may be called from any thread, after rt_enter. Devices are ordinals; CUDA_ERROR_INVALID_DEVICE for one
 * that does not exist. */
#ifndef SIMCUDA_RUNTIME_CONTEXT_H
#define SIMCUDA_RUNTIME_CONTEXT_H

#include <cuda.h>

#define RT_MAX_DEVICES 64

CUresult rt_context_device_count(int *count);

/* The primary context of a device, retained (created) at the first request. */
CUresult rt_context_primary(int device, CUcontext *context);

/* Makes a device's primary context current to this thread. */
CUresult rt_context_set_device(int device);

/* The device of the thread's current context; where none is current, the one that the thread chose. Creates nothing. */
CUresult rt_context_get_device(int *device);

/* Destroys everything in the primary context of a device. The next call that needs a context retains a new one. */
CUresult rt_context_reset(int device);

#endif
