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

/* Waits for all work queued on the device. Returns its error, if it has one; CUDA_ERROR_NOT_READY when it could not be
 * waited for. */
CUresult vs_compute_synchronize(const struct vs_compute *compute);

/* The program resets the device: forgets the context, which the reset destroys. */
void vs_compute_reset(int ordinal);

/* The device that this thread's next allocation is meant for: its current context's, else the one chosen by
 * cudaSetDevice (the runtime makes a context current only at its first real call), else 0. */
int vs_current_device(void);
void vs_note_set_device(int ordinal);

#endif
