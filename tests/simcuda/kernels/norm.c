/* norm.c: group norm (ATen/native/cuda/group_norm_kernel.cu) and layer and RMS norm (layer_norm_kernel.cu).
 *
 * Group norm comes as moments of each group, factors for each channel made of them, and an element-wise a * x + b; or,
 * where a group is one element per channel, as moments and one element-wise kernel. Rows are the launch's blocks. */
#include "elementwise.h"
#include "implementations.h"
#include "norm_math.h"

#include <math.h>

struct work {
    size_t count;
    enum sim_type type, moment_type;
    const char *in, *given_means, *given_deviations;
    char *means, *deviations, *out;
    float epsilon;
    bool root_mean_square;
    const float *gamma, *beta;
    float *rows; /* `count` floats for each part */
    size_t rows_per_part, row_count;
};

static void load_row(const struct work *work, size_t row, float *values)
{
    const size_t bytes = sim_element_bytes(work->type);
    sim_load(work->type, work->in + row * work->count * bytes, (int64_t)bytes, work->count, values);
}

static float load_one(enum sim_type type, const char *from, size_t index)
{
    float value;
    sim_load(type, from + index * sim_element_bytes(type), 0, 1, &value);
    return value;
}

static void store_one(enum sim_type type, float value, char *to, size_t index)
{
    sim_store(type, &value, 1, to + index * sim_element_bytes(type), 0);
}

/* Moments of a row, or those given; then whatever is wanted of moments and normalised row. */
static void norm_some(void *state, size_t first, size_t last)
{
    const struct work *work = state;
    const size_t bytes = sim_element_bytes(work->type);

    for (size_t part = first; part < last; part++) {
        float *values = work->rows + part * work->count;
        for (size_t row = part * work->rows_per_part; row < (part + 1) * work->rows_per_part && row < work->row_count;
             row++) {
            struct sim_moments moments = {0};
            load_row(work, row, values);
            if (work->given_deviations != NULL) {
                if (!work->root_mean_square)
                    moments.mean = load_one(work->moment_type, work->given_means, row);
                moments.reciprocal_deviation = load_one(work->moment_type, work->given_deviations, row);
            } else {
                moments = sim_moments_of(values, work->count, work->epsilon, work->root_mean_square);
            }
            if (work->means != NULL)
                store_one(work->moment_type, moments.mean, work->means, row);
            if (work->deviations != NULL)
                store_one(work->moment_type, moments.reciprocal_deviation, work->deviations, row);
            if (work->out == NULL)
                continue;
            sim_normalise(values, work->count, moments, work->gamma, work->beta);
            sim_store(work->type, values, work->count, work->out + row * work->count * bytes, (int64_t)bytes);
        }
    }
}

#define PARTS ((size_t)8)

static void norm(struct sim_call *call, struct work *work)
{
    const size_t parts = work->row_count < PARTS ? work->row_count : PARTS;

    work->rows_per_part = parts > 0 ? (work->row_count + parts - 1) / parts : 0;
    work->rows = sim_call_scratch(call, parts * work->count * sizeof *work->rows + 1);
    if (work->rows != NULL && sim_call_is_ready(call))
        sim_parallel(parts, 1 + PARTS * 8192 / (1 + work->row_count * work->count), norm_some, work);
}

/* Weights or NULL, as floats. */
static const float *load_weights(struct sim_call *call, CUdeviceptr address, enum sim_type type, size_t count)
{
    const size_t bytes = sim_element_bytes(type);
    const char *weights;
    float *values;

    if (address == 0)
        return NULL;
    weights = sim_input(call, address, count * bytes);
    values = sim_call_scratch(call, count * sizeof *values);
    if (values != NULL && sim_call_is_ready(call))
        sim_load(type, weights, (int64_t)bytes, count, values);
    return values;
}

static bool is_fp32(struct sim_call *call)
{
    if (sim_class_of(call->types[0]) == SIM_F32)
        return true;
    sim_call_give_up(call);
    return false;
}

static void compute_moments(struct sim_call *call, float epsilon, enum sim_type moment_type, bool root_mean_square)
{
    struct work work = {.count = (size_t)SIM_ARGUMENT(call, 0, int64_t),
        .type = call->types[0],
        .moment_type = moment_type,
        .epsilon = epsilon,
        .root_mean_square = root_mean_square,
        .row_count = call->grid[0]};
    const size_t moments = work.row_count * sim_element_bytes(moment_type);

    work.in =
        sim_input(call, SIM_ARGUMENT(call, 2, CUdeviceptr), work.row_count * work.count * sim_element_bytes(work.type));
    if (!root_mean_square)
        work.means = sim_output(call, SIM_ARGUMENT(call, 3, CUdeviceptr), moments);
    work.deviations = sim_output(call, SIM_ARGUMENT(call, 4, CUdeviceptr), moments);
    norm(call, &work);
}

/* group_norm_kernel.cu: epsilon and moments have the elements' type. */
void sim_compute_group_moments(struct sim_call *call)
{
    const enum sim_type type = call->types[0];

    if (is_fp32(call))
        compute_moments(call, load_one(type, sim_argument(call, 1, sim_element_bytes(type)), 0), type, false);
}

/* layer_norm_kernel.cu: both are floats. */
void sim_compute_layer_moments(struct sim_call *call)
{
    if (is_fp32(call))
        compute_moments(call, SIM_ARGUMENT(call, 1, float), SIM_TYPE_F32, false);
}

void sim_compute_root_mean_squares(struct sim_call *call)
{
    if (is_fp32(call))
        compute_moments(call, SIM_ARGUMENT(call, 1, float), SIM_TYPE_F32, true);
}

void sim_compute_group_factors(struct sim_call *call)
{
    const enum sim_type type = call->types[0];
    const size_t samples = (size_t)SIM_ARGUMENT(call, 0, int64_t), channels = (size_t)SIM_ARGUMENT(call, 1, int64_t);
    const size_t groups = (size_t)SIM_ARGUMENT(call, 2, int64_t), count = samples * channels;
    const size_t moments = samples * groups * sim_element_bytes(type);
    const char *means, *deviations;
    const float *gamma, *beta;
    float *a, *b;

    if (!is_fp32(call))
        return;
    means = sim_input(call, SIM_ARGUMENT(call, 3, CUdeviceptr), moments);
    deviations = sim_input(call, SIM_ARGUMENT(call, 4, CUdeviceptr), moments);
    gamma = load_weights(call, SIM_ARGUMENT(call, 5, CUdeviceptr), type, channels);
    beta = load_weights(call, SIM_ARGUMENT(call, 6, CUdeviceptr), type, channels);
    a = sim_output(call, SIM_ARGUMENT(call, 7, CUdeviceptr), count * sizeof *a);
    b = sim_output(call, SIM_ARGUMENT(call, 8, CUdeviceptr), count * sizeof *b);
    if (!sim_call_is_ready(call))
        return;
    for (size_t i = 0; i < count; i++) {
        const size_t group = i / (channels / groups), channel = i % channels;
        const float scale = load_one(type, deviations, group) * (gamma != NULL ? gamma[channel] : 1);
        a[i] = scale;
        b[i] = -scale * load_one(type, means, group) + (beta != NULL ? beta[channel] : 0);
    }
}

/* vectorized_layer_norm_kernel: all in one. */
static void compute_layer(struct sim_call *call, bool root_mean_square)
{
    const enum sim_type type = call->types[0];
    struct work work = {.count = (size_t)SIM_ARGUMENT(call, 0, int32_t),
        .type = type,
        .moment_type = SIM_TYPE_F32,
        .root_mean_square = root_mean_square,
        .row_count = call->grid[0]};
    const size_t bytes = work.row_count * work.count * sim_element_bytes(type);

    if (!is_fp32(call))
        return;
    work.epsilon = SIM_ARGUMENT(call, 1, float);
    work.in = sim_input(call, SIM_ARGUMENT(call, 2, CUdeviceptr), bytes);
    work.gamma = load_weights(call, SIM_ARGUMENT(call, 3, CUdeviceptr), type, work.count);
    work.beta = load_weights(call, SIM_ARGUMENT(call, 4, CUdeviceptr), type, work.count);
    if (!root_mean_square)
        work.means = sim_output(call, SIM_ARGUMENT(call, 5, CUdeviceptr), work.row_count * sizeof(float));
    work.deviations = sim_output(call, SIM_ARGUMENT(call, 6, CUdeviceptr), work.row_count * sizeof(float));
    work.out = sim_output(call, SIM_ARGUMENT(call, 7, CUdeviceptr), bytes);
    norm(call, &work);
}

void sim_compute_layer_norm_vectorized(struct sim_call *call)
{
    compute_layer(call, false);
}

void sim_compute_rms_norm_vectorized(struct sim_call *call)
{
    compute_layer(call, true);
}

/* LayerNormForwardCUDAKernel: with moments from before. */
static void compute_layer_forward(struct sim_call *call, bool root_mean_square)
{
    const enum sim_type type = call->types[0];
    struct work work = {.count = (size_t)SIM_ARGUMENT(call, 0, int64_t),
        .type = type,
        .moment_type = SIM_TYPE_F32,
        .root_mean_square = root_mean_square,
        .row_count = call->grid[0]};
    const size_t bytes = work.row_count * work.count * sim_element_bytes(type);

    if (!is_fp32(call))
        return;
    work.in = sim_input(call, SIM_ARGUMENT(call, 1, CUdeviceptr), bytes);
    if (!root_mean_square)
        work.given_means = sim_input(call, SIM_ARGUMENT(call, 2, CUdeviceptr), work.row_count * sizeof(float));
    work.given_deviations = sim_input(call, SIM_ARGUMENT(call, 3, CUdeviceptr), work.row_count * sizeof(float));
    work.gamma = load_weights(call, SIM_ARGUMENT(call, 4, CUdeviceptr), type, work.count);
    work.beta = load_weights(call, SIM_ARGUMENT(call, 5, CUdeviceptr), type, work.count);
    work.out = sim_output(call, SIM_ARGUMENT(call, 6, CUdeviceptr), bytes);
    norm(call, &work);
}

void sim_compute_layer_norm_forward(struct sim_call *call)
{
    compute_layer_forward(call, false);
}

void sim_compute_rms_norm_forward(struct sim_call *call)
{
    compute_layer_forward(call, true);
}

/* --- element-wise ends of group norm ------------------------------------------------------------------------------ */

#define DEFINE_ENDS(TYPE, SUFFIX)                                                                                      \
    SIM_WIDE void sim_group_apply_##SUFFIX(                                                                            \
        const struct sim_block *block, void *restrict result, const void *const *in)                                   \
    {                                                                                                                  \
        const TYPE *x = in[0], *a = in[1], *b = in[2];                                                                 \
        for (size_t i = 0; i < block->count; i++)                                                                      \
            ((TYPE *)result)[i] = a[i] * x[i] + b[i];                                                                  \
    }                                                                                                                  \
    SIM_WIDE void sim_group_plain_##SUFFIX(                                                                            \
        const struct sim_block *block, void *restrict result, const void *const *in)                                   \
    {                                                                                                                  \
        const TYPE *x = in[0], *mean = in[1], *deviation = in[2];                                                      \
        for (size_t i = 0; i < block->count; i++)                                                                      \
            ((TYPE *)result)[i] = (x[i] - mean[i]) * deviation[i];                                                     \
    }                                                                                                                  \
    SIM_WIDE void sim_group_gamma_##SUFFIX(                                                                            \
        const struct sim_block *block, void *restrict result, const void *const *in)                                   \
    {                                                                                                                  \
        const TYPE *x = in[0], *mean = in[1], *deviation = in[2], *gamma = in[3];                                      \
        for (size_t i = 0; i < block->count; i++)                                                                      \
            ((TYPE *)result)[i] = (x[i] - mean[i]) * deviation[i] * gamma[i];                                          \
    }                                                                                                                  \
    SIM_WIDE void sim_group_beta_##SUFFIX(const struct sim_block *block, void *restrict result, const void *const *in) \
    {                                                                                                                  \
        const TYPE *x = in[0], *mean = in[1], *deviation = in[2], *beta = in[3];                                       \
        for (size_t i = 0; i < block->count; i++)                                                                      \
            ((TYPE *)result)[i] = (x[i] - mean[i]) * deviation[i] + beta[i];                                           \
    }                                                                                                                  \
    SIM_WIDE void sim_group_both_##SUFFIX(const struct sim_block *block, void *restrict result, const void *const *in) \
    {                                                                                                                  \
        const TYPE *x = in[0], *mean = in[1], *deviation = in[2], *gamma = in[3], *beta = in[4];                       \
        for (size_t i = 0; i < block->count; i++)                                                                      \
            ((TYPE *)result)[i] = (x[i] - mean[i]) * deviation[i] * gamma[i] + beta[i];                                \
    }

DEFINE_ENDS(float, f32)
DEFINE_ENDS(double, f64)
