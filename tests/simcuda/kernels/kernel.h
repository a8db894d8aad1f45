/* kernel.h: what a family of kernels gets from the framework.
 *
 * How a kernel is added:
 *
 * 1. Its entry in shim/kernels.def: a pattern over the demangled name, the layout of the parameters, and the PyTorch
 *    header that tells both. With that alone its pointers are judged.
 * 2. A line in kernels_cpu.def: COMPUTES(key, function); implementations.h declares it.
 * 3. The function, in its family's file:
 *
 *        void sim_compute_triu(struct sim_call *call)
 *        {
 *            size_t count = SIM_ARGUMENT(call, 2, int64_t);
 *            const float *in = sim_input(call, SIM_ARGUMENT(call, 0, CUdeviceptr), count * sizeof(float));
 *            float *out = sim_output(call, SIM_ARGUMENT(call, 1, CUdeviceptr), count * sizeof(float));
 *
 *            if (sim_call_is_ready(call))
 *                ...
 *        }
 *
 *    All inputs and outputs are asked for before sim_call_is_ready; it is false where the kernel may not or need not be
 *    computed (memory out of reach: the error is raised already; an input that is not known; no host memory). What was
 *    asked for as output is known afterwards exactly if the call was ready.
 *
 * Element-wise kernels of PyTorch (Loops.cuh) need less: a FUNCTOR entry in kernels.def, a line ELEMENTWISE_... in
 * kernels_cpu.def, and a loop over one block of values: see elementwise.h.
 *
 * Results must be the same bits whatever the addresses, the number of threads, and the place of the memory: sums are in
 * an order that follows from the shapes alone, and sim_parallel only shares out independent parts. This folder is
 * compiled without contraction to fused multiply-adds; who wants one says fmaf.
 */
#ifndef SIM_KERNEL_H
#define SIM_KERNEL_H

#include "../driver/threads.h"
#include "../driver/wide.h"
#include "type.h"

#include <cuda.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SIM_MAX_HOLES 8

/* A loop over a block of values of an element-wise kernel; see elementwise.h. */
struct sim_block;
typedef void sim_block_function(const struct sim_block *block, void *out, const void *const *in);

/* One launch, when its stream has reached it. */
struct sim_call {
    const struct sim_match *match;  /* catalogue.h */
    const enum sim_type *types;     /* what the pattern's '$' matched, in order */
    const long *numbers;            /* what its '%' matched */
    const unsigned char *arguments; /* the copied parameters: SIM_ARGUMENT reads them */
    unsigned grid[3], block[3];
    CUcontext context;
    char *what; /* "kernel ...": for messages */
    bool failed, unknown, gave_up;
    struct sim_view *views;
    struct scratch *scratch;
};

/* Parameter `index` of the kernel, of a type that has the size that the layout says. */
#define SIM_ARGUMENT(call, index, type) (*(const type *)sim_argument(call, index, sizeof(type)))
const void *sim_argument(const struct sim_call *call, unsigned index, size_t bytes);

/* Flat views of device memory. Where the memory behind the addresses is in several pieces (mapped pages), the bytes are
 * gathered before and scattered after the computation. NULL where the call has failed already or fails now; zero bytes
 * need no memory and give a pointer that must not be used. Views of outputs hold what was in memory before. */
const void *sim_input(struct sim_call *call, CUdeviceptr address, size_t bytes);
void *sim_output(struct sim_call *call, CUdeviceptr address, size_t bytes);
/* Both: the old value counts. */
void *sim_in_out(struct sim_call *call, CUdeviceptr address, size_t bytes);

/* The same for a strided tensor: `strides` in bytes, not negative. The view is that of the whole extent; only the
 * elements are read, judged for knowledge, or become known. */
struct sim_shape {
    unsigned dims;
    size_t element_bytes;
    uint64_t sizes[SIM_MAX_DIMS], strides[SIM_MAX_DIMS];
};
size_t sim_shape_count(const struct sim_shape *shape);
size_t sim_shape_extent_bytes(const struct sim_shape *shape);
const void *sim_input_strided(struct sim_call *call, CUdeviceptr address, const struct sim_shape *shape);
void *sim_output_strided(struct sim_call *call, CUdeviceptr address, const struct sim_shape *shape);

bool sim_call_is_ready(const struct sim_call *call);
/* The kernel cannot be computed after all, for example because of a variant that nobody wrote. Before or after views
 * are asked for; the outputs are unknown then. */
void sim_call_give_up(struct sim_call *call);
/* Host memory for the length of the call, freed by the framework; NULL (and the call fails) where there is none. */
void *sim_call_scratch(struct sim_call *call, size_t bytes);

#endif
