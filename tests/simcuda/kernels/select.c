/* select.c: nonzero: cub's count (cub/device/dispatch/kernels/reduce.cuh) and selection (select_if) over NonZeroOp, and
 * what makes rows of indices of the flat ones (ATen/native/cuda/Nonzero.cu). */
#include "implementations.h"
#include "places.h"

#include <string.h>

static bool is_nonzero(enum sim_type type, const char *from)
{
    union {
        float narrow;
        double wide;
        int64_t whole;
    } value = {.whole = 0};

    sim_load(type, from, 0, 1, &value);
    return sim_class_of(type) == SIM_F32   ? value.narrow != 0
           : sim_class_of(type) == SIM_F64 ? value.wide != 0
                                           : value.whole != 0;
}

static int32_t count_nonzero(enum sim_type type, const char *from, size_t count)
{
    int32_t nonzero = 0;

    for (size_t i = 0; i < count; i++)
        nonzero += is_nonzero(type, from + i * sim_element_bytes(type));
    return nonzero;
}

static CUdeviceptr pointer_at(const void *from)
{
    CUdeviceptr pointer;
    memcpy(&pointer, from, sizeof pointer);
    return pointer;
}

/* DeviceReduceSingleTileKernel(iterator, out, count, ...) */
void sim_compute_count(struct sim_call *call)
{
    const enum sim_type type = call->types[0];
    const size_t count = (size_t)SIM_ARGUMENT(call, 2, int64_t);
    const char *in = sim_input(call, pointer_at(sim_argument(call, 0, 16)), count * sim_element_bytes(type));
    int32_t *out = sim_output(call, SIM_ARGUMENT(call, 1, CUdeviceptr), sizeof *out);

    if (sim_call_is_ready(call))
        *out = count_nonzero(type, in, count);
}

/* DeviceReduceKernel(iterator, out, count, ...): a count for each block; which elements are whose does not matter for
 * the sum. */
void sim_compute_count_parts(struct sim_call *call)
{
    const enum sim_type type = call->types[0];
    const size_t count = (size_t)SIM_ARGUMENT(call, 2, int64_t), blocks = call->grid[0],
                 bytes = sim_element_bytes(type);
    const char *in = sim_input(call, pointer_at(sim_argument(call, 0, 16)), count * bytes);
    int32_t *out = sim_output(call, SIM_ARGUMENT(call, 1, CUdeviceptr), blocks * sizeof *out);

    for (size_t i = 0; i < blocks && sim_call_is_ready(call); i++) {
        const size_t first = count * i / blocks, last = count * (i + 1) / blocks;
        out[i] = count_nonzero(type, in + first * bytes, last - first);
    }
}

/* DeviceReduceSingleTileKernel over those: (in, out, count, ...) */
void sim_compute_count_sum(struct sim_call *call)
{
    const size_t count = (size_t)SIM_ARGUMENT(call, 2, int32_t);
    const int32_t *in = sim_input(call, SIM_ARGUMENT(call, 0, CUdeviceptr), count * sizeof *in);
    int32_t *out = sim_output(call, SIM_ARGUMENT(call, 1, CUdeviceptr), sizeof *out);

    if (!sim_call_is_ready(call))
        return;
    *out = 0;
    for (size_t i = 0; i < count; i++)
        *out += in[i];
}

/* DeviceCompactInitKernel(state of tiles, their number, selected): cub's own book-keeping; the number selected becomes
 * 0. */
void sim_compute_select_start(struct sim_call *call)
{
    int32_t *selected = sim_output(call, SIM_ARGUMENT(call, 2, CUdeviceptr), sizeof *selected);

    if (sim_call_is_ready(call))
        *selected = 0;
}

/* DeviceSelectSweepKernel(first index, flags' iterator, out, selected, ...): the indices of what is not zero. Arrays of
 * more than 2^31 elements take several launches, of which the tenth parameter tells. */
void sim_compute_select(struct sim_call *call)
{
    const enum sim_type type = call->types[0];
    const size_t count = (size_t)SIM_ARGUMENT(call, 7, int32_t), bytes = sim_element_bytes(type);
    const unsigned char *context = sim_argument(call, 9, 40);
    const int64_t first = SIM_ARGUMENT(call, 0, int64_t);
    const CUdeviceptr in_at = pointer_at(sim_argument(call, 1, 16));
    const char *in = sim_input(call, in_at, count * bytes);
    int32_t *selected = sim_output(call, SIM_ARGUMENT(call, 3, CUdeviceptr), sizeof *selected);
    size_t found = 0;
    int64_t *out;

    if (!context[0] || !context[1]) {
        sim_call_give_up(call);
        return;
    }
    if (!sim_call_is_ready(call))
        return;
    /* How much is written follows from the values. */
    found = (size_t)count_nonzero(type, in, count);
    out = sim_output(call, SIM_ARGUMENT(call, 2, CUdeviceptr), found * sizeof *out);
    if (!sim_call_is_ready(call))
        return;
    *selected = (int32_t)found;
    for (size_t i = 0, next = 0; i < count; i++)
        if (is_nonzero(type, in + i * bytes))
            out[next++] = first + (int64_t)i;
}

/* write_indices(indices, sizes of the dimensions, their number, count, NULL or how many of them are real, what the
 * others become): out[dimension * count + i] from the flat index that lies in out[i]. */
void sim_compute_write_indices(struct sim_call *call)
{
    const int64_t *sizes = sim_argument(call, 1, SIM_MAX_DIMS * sizeof *sizes);
    const size_t dims = (size_t)SIM_ARGUMENT(call, 2, int32_t), count = (size_t)SIM_ARGUMENT(call, 3, int64_t);
    const CUdeviceptr real_at = SIM_ARGUMENT(call, 4, CUdeviceptr), indices = SIM_ARGUMENT(call, 0, CUdeviceptr);
    const int64_t *real = real_at != 0 ? sim_input(call, real_at, sizeof *real) : NULL;
    const int64_t *flat = sim_input(call, indices, count * sizeof *flat);
    int64_t *out = sim_output(call, indices, dims * count * sizeof *out);

    if (dims > SIM_MAX_DIMS || !sim_call_is_ready(call)) {
        sim_call_give_up(call);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        int64_t rest = flat[i];
        for (size_t dim = dims; dim-- > 0; rest /= sizes[dim])
            out[dim * count + i] =
                real != NULL && (int64_t)i >= *real ? SIM_ARGUMENT(call, 5, int64_t) : rest % sizes[dim];
    }
}
