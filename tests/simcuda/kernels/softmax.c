/* softmax.c: softmax and its logarithm along one dimension (ATen/native/cuda/SoftMax.cu, PersistentSoftmax.cuh), in
 * fp32.
 *
 * The kernels differ in how a row is shared out between threads, which does not matter here: short rows in a warp,
 * longer ones in a block, and rows that do not lie in one piece (Spatial). */
#include "implementations.h"
#include "places.h"
#include "rows.h"

#include <math.h>
#include <string.h>

struct work {
    enum sim_type in_type, out_type;
    const char *in;
    char *out;
    const unsigned char *mask; /* true: left out */
    size_t mask_row;           /* rows that share a row of the mask; 0: each has its own */
    size_t count, inner, rows; /* element i of row r lies at (r / inner * count + i) * inner + r % inner */
    size_t step;               /* between rows where inner is 1 */
    bool logarithm;
    float *values; /* `count` floats for each part */
    size_t rows_per_part;
};

static void softmax_row(const struct work *work, size_t row, float *values)
{
    const size_t in_bytes = sim_element_bytes(work->in_type), out_bytes = sim_element_bytes(work->out_type);
    const size_t start =
        work->inner == 1 ? row * work->step : row / work->inner * work->count * work->inner + row % work->inner;
    float largest, sum;

    sim_load(work->in_type, work->in + start * in_bytes, (int64_t)(work->inner * in_bytes), work->count, values);
    if (work->mask != NULL) {
        const unsigned char *mask = work->mask + (work->mask_row > 0 ? row / work->mask_row * work->step : start);
        for (size_t i = 0; i < work->count; i++)
            values[i] = mask[i] ? -INFINITY : values[i];
    }
    largest = sim_row_max(values, work->count);
    if (work->logarithm) {
        float *copies = values + work->count;
        memcpy(copies, values, work->count * sizeof *values);
        sum = logf(sim_row_exp(copies, work->count, largest));
        for (size_t i = 0; i < work->count; i++)
            values[i] = values[i] - largest - sum;
    } else {
        sum = sim_row_exp(values, work->count, largest);
        for (size_t i = 0; i < work->count; i++)
            values[i] /= sum;
    }
    sim_store(work->out_type, values, work->count, work->out + start * out_bytes, (int64_t)(work->inner * out_bytes));
}

static void softmax_some(void *state, size_t first, size_t last)
{
    const struct work *work = state;

    for (size_t part = first; part < last; part++)
        for (size_t row = part * work->rows_per_part; row < (part + 1) * work->rows_per_part && row < work->rows; row++)
            softmax_row(work, row, work->values + part * 2 * work->count);
}

#define PARTS ((size_t)8)

static void softmax(struct sim_call *call, struct work *work, CUdeviceptr in, CUdeviceptr out)
{
    const size_t parts = work->rows < PARTS ? work->rows : PARTS;
    struct sim_shape shape = sim_places_of_rows(sim_element_bytes(work->in_type), work->count * work->inner,
        work->rows / work->inner, work->step * sim_element_bytes(work->in_type));

    if (sim_class_of(work->in_type) != SIM_F32 || sim_class_of(work->out_type) != SIM_F32) {
        sim_call_give_up(call);
        return;
    }
    work->in = sim_input_strided(call, in, &shape);
    shape = sim_places_of_rows(sim_element_bytes(work->out_type), work->count * work->inner, work->rows / work->inner,
        work->step * sim_element_bytes(work->out_type));
    work->out = sim_output_strided(call, out, &shape);
    work->rows_per_part = parts > 0 ? (work->rows + parts - 1) / parts : 0;
    work->values = sim_call_scratch(call, parts * 2 * work->count * sizeof *work->values + 1);
    if (work->values != NULL && sim_call_is_ready(call))
        sim_parallel(parts, 1 + PARTS * 4096 / (1 + work->rows * work->count), softmax_some, work);
}

/* softmax_warp_forward(out, in, rows, step, count, mask, rows per mask, is the transformer's mask) */
static void compute_warp(struct sim_call *call, bool logarithm)
{
    const CUdeviceptr mask = SIM_ARGUMENT(call, 5, CUdeviceptr);
    struct work work = {.in_type = call->types[0],
        .out_type = call->types[1],
        .rows = (size_t)SIM_ARGUMENT(call, 2, int32_t),
        .step = (size_t)SIM_ARGUMENT(call, 3, int32_t),
        .count = (size_t)SIM_ARGUMENT(call, 4, int32_t),
        .inner = 1,
        .logarithm = logarithm};

    if (mask != 0) {
        if (SIM_ARGUMENT(call, 7, bool))
            work.mask_row = (size_t)SIM_ARGUMENT(call, 6, int32_t);
        work.mask = sim_input(call, mask,
            work.mask_row > 0 ? (work.rows + work.mask_row - 1) / work.mask_row * work.step : work.rows * work.step);
    }
    softmax(call, &work, SIM_ARGUMENT(call, 1, CUdeviceptr), SIM_ARGUMENT(call, 0, CUdeviceptr));
}

void sim_compute_softmax_warp(struct sim_call *call)
{
    compute_warp(call, false);
}

void sim_compute_log_softmax_warp(struct sim_call *call)
{
    compute_warp(call, true);
}

/* cunn_SoftMaxForward...(out, in, count): a block per row. Types: in, accumulation, out. */
static void compute_block(struct sim_call *call, size_t count, bool logarithm)
{
    struct work work = {.in_type = call->types[0],
        .out_type = call->types[2],
        .rows = call->grid[0],
        .step = count,
        .count = count,
        .inner = 1,
        .logarithm = logarithm};
    softmax(call, &work, SIM_ARGUMENT(call, 1, CUdeviceptr), SIM_ARGUMENT(call, 0, CUdeviceptr));
}

void sim_compute_softmax_block(struct sim_call *call)
{
    compute_block(call, (size_t)SIM_ARGUMENT(call, 2, int32_t), false);
}

void sim_compute_log_softmax_block(struct sim_call *call)
{
    compute_block(call, (size_t)SIM_ARGUMENT(call, 2, int32_t), true);
}

void sim_compute_softmax_block_long(struct sim_call *call)
{
    compute_block(call, (size_t)SIM_ARGUMENT(call, 2, int64_t), false);
}

void sim_compute_log_softmax_block_long(struct sim_call *call)
{
    compute_block(call, (size_t)SIM_ARGUMENT(call, 2, int64_t), true);
}

/* cunn_SpatialSoftMaxForward(out, in, outer, count, inner) */
static void compute_spatial(struct sim_call *call, bool logarithm)
{
    const size_t outer = (size_t)SIM_ARGUMENT(call, 2, int32_t), inner = (size_t)SIM_ARGUMENT(call, 4, int32_t);
    struct work work = {.in_type = call->types[0],
        .out_type = call->types[2],
        .count = (size_t)SIM_ARGUMENT(call, 3, int32_t),
        .inner = inner,
        .rows = outer * inner,
        .logarithm = logarithm};

    work.step = work.count * inner;
    softmax(call, &work, SIM_ARGUMENT(call, 1, CUdeviceptr), SIM_ARGUMENT(call, 0, CUdeviceptr));
}

void sim_compute_softmax_spatial(struct sim_call *call)
{
    compute_spatial(call, false);
}

void sim_compute_log_softmax_spatial(struct sim_call *call)
{
    compute_spatial(call, true);
}
