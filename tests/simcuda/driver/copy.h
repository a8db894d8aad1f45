/* copy.h: one operation for copies of every shape, and how a call's addresses are understood. */
#ifndef SIM_COPY_H
#define SIM_COPY_H

#include "access.h"
#include "schedule.h"

/* What a call said, or left open, about one side of a copy. */
enum sim_side {
    SIM_SIDE_ANY,   /* direction-less: the address tells */
    SIM_SIDE_HOST,  /* a host pointer: not device memory */
    SIM_SIDE_DEVICE /* device memory: not host-located memory, not a plain pointer */
};

struct sim_copy_side {
    CUdeviceptr address;
    enum sim_side side;
    size_t pitch;       /* bytes from row to row */
    size_t slice_pitch; /* bytes from slice to slice */
};

/* `width` bytes, `height` rows, `depth` slices. */
struct sim_copy_request {
    struct sim_copy_side to, from;
    size_t width, height, depth;
    bool synchronous;                   /* the call returns when the host side is done */
    CUcontext from_context, to_context; /* peer copies name them; else NULL */
};

/* Judges the request, submits it to the stream (already resolved) and waits where the rules of cuda.h ("API
 * synchronization behavior") say so. CUDA_ERROR_INVALID_VALUE for a wrong kind of pointer or memory that is not there.
 */
CUresult sim_copy(CUstream stream, const struct sim_copy_request *request);

#endif
