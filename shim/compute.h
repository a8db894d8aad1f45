/* compute.h: the compute device: where the program believes its memory to be, and where its kernels run. */
#ifndef VS_COMPUTE_H
#define VS_COMPUTE_H

#include <cuda.h>
#include <stdbool.h>
#include <stddef.h>

struct vs_compute {
    int ordinal;
    CUdevice device;
    CUcontext context; /* its primary context; we hold a reference from the first use on */
    bool vmm;          /* the driver's virtual memory management works on it */
    bool host_vmm;     /* ... and can place memory in the host */
    int host_node;     /* the nearest NUMA node, at least 0 */
};

/* The compute device `ordinal`, its context retained. NULL when the driver refuses, said in the log. Valid until
 * vs_compute_reset. Any thread. */
const struct vs_compute *vs_compute_device(int ordinal);
/* The same for who needs to know why not. */
CUresult vs_compute_get(int ordinal, const struct vs_compute **found);

/* The same where `stream` belongs to it (vs_compute_has_stream), else NULL. Makes no context: where the device has
 * none, no stream is its. */
const struct vs_compute *vs_compute_with_stream(int ordinal, CUstream stream);

/* Whether the device has a primary context that is in use. Makes none. */
bool vs_compute_has_primary(int ordinal);

/* The ordinal of the compute device that this is the primary context of; -1 if it is none of them. */
int vs_compute_of(CUcontext context);

/* The device of any context; minus the driver's error where it does not tell. */
int vs_device_of(CUcontext context);

/* Waits for all work queued on the device. CUDA_SUCCESS, or the error after which none of it will run any more;
 * CUDA_ERROR_NOT_READY when it could not be waited for (a capture is open, for example). */
CUresult vs_compute_synchronize(const struct vs_compute *compute);

/* Whether an error means that no work of its device will run any more: all that was queued is over then. */
bool vs_is_end_of_device(CUresult result);

/* Whether there is a reference of ours to the device's primary context. */
bool vs_compute_is_held(int ordinal);

/* The program resets the device, or gives its context up: forgets the context, and our reference to it. */
void vs_compute_reset(int ordinal);

/* Whether the thread's current context is the device's primary one: what it allocates belongs there then. (A context
 * that the program made itself is none of ours: frees wait for the primary one.) */
bool vs_compute_is_current(const struct vs_compute *compute);

/* Whether a stream belongs to that context. Stream-ordered allocations follow the stream's device, not the current one
 * (CUDA Runtime API, Stream Ordered Memory Allocator). */
bool vs_compute_has_stream(const struct vs_compute *compute, CUstream stream);

#endif
