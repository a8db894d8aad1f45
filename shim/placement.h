/* placement.h: which allocations are weights, and where they go.
 *
 * A *load* begins when a model file that the policy names is opened for reading, and ends with the last of its tensors
 * or with the first library call (a GEMM), whichever is first: what is allocated in between and has exactly the size of
 * a tensor that is still missing is taken for it, and goes where the plan has that tensor. Of tensors of one size, the
 * next in the order of execution is taken. That is a prediction: a wrong one costs speed, never a byte.
 */
#ifndef VS_PLACEMENT_H
#define VS_PLACEMENT_H

#include <cuda.h>
#include <stdbool.h>
#include <stddef.h>

#include "load.h"
#include "models.h"

/* Begins a load of `file`, which it takes over. A load of the same unchanged file that is still open goes on instead.
 * Any thread. */
void vs_placement_begin(struct vs_model_file *file);

/* Places an allocation that a load is missing, in `stream` of the current context (NULL: not stream-ordered, or its
 * default stream). False when it is none of ours, or could not be had at any home of the plan: the real allocator shall
 * serve it. Any thread; may block. */
bool vs_placement_allocate(size_t bytes, enum vs_request request, CUstream stream, CUdeviceptr *address);

/* Whether any load is open. Lock-free. */
bool vs_placement_is_open(void);

/* A library computes with weights: all loads end, and each tells what it placed. Lock-free when none is open. */
void vs_placement_end_loads(void);
/* The run ends: the same, but nothing is asked of CUDA or of other libraries, which may be gone. */
void vs_placement_end_run(void);

#endif
