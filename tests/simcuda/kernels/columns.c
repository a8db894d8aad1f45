/* columns.c: im2col, vol2col and col2im (ATen/native/cuda/im2col.cuh, vol2col.cuh): convolutions as matrix products. */
#include "columns_math.h"
#include "implementations.h"

struct work {
    struct sim_patches patches;
    enum sim_type type;
    const char *in;
    char *out;
    char *sums;
    size_t in_step, out_step; /* from one channel, or row of the matrix, to the next */
};

static void rows_some(void *state, size_t first, size_t last)
{
    const struct work *work = state;

    for (size_t row = first; row < last; row++)
        sim_patch_row(&work->patches, sim_element_bytes(work->type), work->in, row, work->out + row * work->out_step);
}

static int64_t product(const int64_t *factors)
{
    return factors[0] * factors[1] * factors[2];
}

/* `columns` are the elements of one kernel position. */
static void unfold(struct sim_call *call, struct work *work, size_t channels, CUdeviceptr in, CUdeviceptr out)
{
    const size_t bytes = sim_element_bytes(work->type);
    const size_t rows = channels * (size_t)product(work->patches.kernel);

    work->out_step = (size_t)product(work->patches.count) * bytes;
    work->in = sim_input(call, in, channels * (size_t)product(work->patches.size) * bytes);
    work->out = sim_output(call, out, rows * work->out_step);
    if (sim_call_is_ready(call))
        sim_parallel(rows, 1 + 65536 / (1 + work->out_step), rows_some, work);
}

static void read_longs(const struct sim_call *call, unsigned first, int64_t *out)
{
    for (unsigned i = 0; i < 2; i++)
        out[1 + i] = SIM_ARGUMENT(call, first + i, int64_t);
}

/* height, width, and five more pairs: parameters from `first` on. */
static struct sim_patches read_picture(const struct sim_call *call, unsigned first)
{
    struct sim_patches patches = {.size = {1}, .kernel = {1}, .pad = {0}, .stride = {1}, .dilation = {1}, .count = {1}};
    read_longs(call, first, patches.size);
    read_longs(call, first + 2, patches.kernel);
    read_longs(call, first + 4, patches.pad);
    read_longs(call, first + 6, patches.stride);
    read_longs(call, first + 8, patches.dilation);
    read_longs(call, first + 10, patches.count);
    return patches;
}

void sim_compute_im2col(struct sim_call *call)
{
    struct work work = {.patches = read_picture(call, 2), .type = call->types[0]};
    const size_t positions = (size_t)product(work.patches.count);

    unfold(call, &work, positions > 0 ? (size_t)SIM_ARGUMENT(call, 0, int64_t) / positions : 0,
        SIM_ARGUMENT(call, 1, CUdeviceptr), SIM_ARGUMENT(call, 14, CUdeviceptr));
}

void sim_compute_vol2col(struct sim_call *call)
{
    struct work work = {.type = call->types[0]};
    int64_t *const triples[] = {work.patches.size, work.patches.kernel, work.patches.pad, work.patches.stride,
        work.patches.dilation, work.patches.count};
    size_t positions;

    for (unsigned i = 0; i < 6; i++)
        for (unsigned j = 0; j < 3; j++)
            triples[i][j] = SIM_ARGUMENT(call, 2 + 3 * i + j, int32_t);
    positions = (size_t)product(work.patches.count);
    unfold(call, &work, positions > 0 ? (size_t)SIM_ARGUMENT(call, 0, int64_t) / positions : 0,
        SIM_ARGUMENT(call, 1, CUdeviceptr), SIM_ARGUMENT(call, 20, CUdeviceptr));
}

static void fold_some(void *state, size_t first, size_t last)
{
    const struct work *work = state;
    const size_t sums = (size_t)product(work->patches.size) * sizeof(double);

    for (size_t channel = first; channel < last; channel++)
        sim_patch_fold(&work->patches, work->type, work->in + channel * work->in_step, work->sums + channel * sums,
            work->out + channel * work->out_step);
}

/* `batches` pictures, one after another. */
static void fold(struct sim_call *call, struct work *work, size_t channels, CUdeviceptr in, CUdeviceptr out)
{
    const size_t bytes = sim_element_bytes(work->type);

    work->in_step = (size_t)(product(work->patches.kernel) * product(work->patches.count)) * bytes;
    work->out_step = (size_t)product(work->patches.size) * bytes;
    work->in = sim_input(call, in, channels * work->in_step);
    work->out = sim_output(call, out, channels * work->out_step);
    work->sums = sim_call_scratch(call, channels * (size_t)product(work->patches.size) * sizeof(double) + 1);
    if (work->sums != NULL && sim_call_is_ready(call))
        sim_parallel(channels, 1 + 65536 / (1 + work->in_step), fold_some, work);
}

void sim_compute_col2im(struct sim_call *call)
{
    struct work work = {.patches = read_picture(call, 2), .type = call->types[0]};
    const size_t pixels = (size_t)product(work.patches.size);

    fold(call, &work, pixels > 0 ? (size_t)SIM_ARGUMENT(call, 0, int64_t) / pixels : 0,
        SIM_ARGUMENT(call, 1, CUdeviceptr), SIM_ARGUMENT(call, 14, CUdeviceptr));
}

/* The same for several pictures; they lie behind one another, which the strides between them must say. */
void sim_compute_col2im_batched(struct sim_call *call)
{
    struct work work = {.patches = read_picture(call, 4), .type = call->types[0]};
    const int64_t count = SIM_ARGUMENT(call, 0, int64_t), pixels = product(work.patches.size);
    const int64_t channels = pixels > 0 ? count / pixels : 0, batches = SIM_ARGUMENT(call, 3, int64_t);
    const int64_t columns = channels * product(work.patches.kernel) * product(work.patches.count);

    if (batches > 1 && (SIM_ARGUMENT(call, 2, int64_t) != columns || SIM_ARGUMENT(call, 17, int64_t) != count)) {
        sim_call_give_up(call);
        return;
    }
    fold(call, &work, (size_t)(channels * batches), SIM_ARGUMENT(call, 1, CUdeviceptr),
        SIM_ARGUMENT(call, 16, CUdeviceptr));
}
