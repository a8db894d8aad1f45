/* reduce.c: PyTorch's reductions over a TensorIterator (ATen/native/cuda/Reduce.cuh): sum, mean, extremes and where
 * they are, any, all, norms, variance.
 *
 * ReduceOp is one structure whose first part (the operation and its neutral element) differs from one to the next, but
 * not the rest: sizes, where the elements of one result lie, where results lie, pointers. It is read from its end. */
#include "catalogue.h"
#include "implementations.h"
#include "reduce_math.h"

#include <string.h>

/* From the end of ReduceOp. */
#define TAIL_BYTES      64
#define SRC             0
#define DST             8
#define BASE_INDEX      48
#define ACCUMULATE      56
#define FINAL_OUTPUT    57
#define RESULTS         60
#define CONFIG_BYTES    64 /* ReduceConfig */
#define CONFIG_INPUTS   4  /* elements of one result */
#define CONFIG_OUTPUTS  8
#define ELEMENTS_OFFSET CONFIG_BYTES
#define OUTPUTS_OFFSET  (ELEMENTS_OFFSET + SIM_CALCULATOR_BYTES(1))

struct work {
    struct sim_reduction reduction;
    struct sim_shape starts, results; /* of the elements, and of the results, result by result */
    const char *in;
    char *out, *second;
    size_t out_bytes, second_bytes;
};

static void reduce_some(void *state, size_t first, size_t last)
{
    const struct work *work = state;

    for (size_t i = first; i < last; i++) {
        const uint64_t result = sim_place(&work->results, i);
        sim_reduce(&work->reduction, work->in + sim_place(&work->starts, i), work->out + result,
            work->second != NULL ? work->second + result / work->out_bytes * work->second_bytes : NULL);
    }
}

static uint32_t word(const unsigned char *from)
{
    uint32_t value;
    memcpy(&value, from, sizeof value);
    return value;
}

/* The input has the dimensions of the results and those of the elements. */
static bool join(const struct sim_shape *elements, const struct sim_shape *starts, struct sim_shape *out)
{
    *out = *elements;
    if (elements->dims + starts->dims > SIM_MAX_DIMS)
        return false;
    for (unsigned i = 0; i < starts->dims; i++, out->dims++) {
        out->sizes[out->dims] = starts->sizes[i];
        out->strides[out->dims] = starts->strides[i];
    }
    return true;
}

/* `config` is the offset of ReduceConfig; types are those of ReduceOp's parameters. */
static void compute(struct sim_call *call, struct sim_reduction reduction, size_t config)
{
    const size_t bytes = call->match->layout.sizes[0];
    const unsigned char *op = sim_argument(call, 0, bytes), *tail = op + bytes - TAIL_BYTES;
    struct work work = {.reduction = reduction};
    struct sim_shape all, seconds;
    CUdeviceptr in, out[2];
    uint64_t base;
    uint32_t results = word(tail + RESULTS);

    work.out_bytes = sim_element_bytes(reduction.out);
    work.second_bytes = sim_element_bytes(reduction.second_out);
    sim_places_of_calculator(
        op + config + ELEMENTS_OFFSET, 1, 0, sim_element_bytes(reduction.in), &work.reduction.elements);
    sim_places_of_calculator(op + config + OUTPUTS_OFFSET, 2, 0, work.out_bytes, &work.results);
    sim_places_of_calculator(op + config + OUTPUTS_OFFSET, 2, 1, sim_element_bytes(reduction.in), &work.starts);
    memcpy(&in, tail + SRC, sizeof in);
    memcpy(out, tail + DST, sizeof out);
    memcpy(&base, tail + BASE_INDEX, sizeof base);
    /* More than 2^31 elements are reduced by several launches that go on from one another. */
    if (tail[ACCUMULATE] || !tail[FINAL_OUTPUT] || base != 0 ||
        sim_shape_count(&work.reduction.elements) != word(op + config + CONFIG_INPUTS) ||
        sim_shape_count(&work.results) != word(op + config + CONFIG_OUTPUTS) ||
        !join(&work.reduction.elements, &work.starts, &all)) {
        sim_call_give_up(call);
        return;
    }
    work.in = sim_input_strided(call, in, &all);
    work.out = sim_output_strided(call, out[0], &work.results);
    if (results > 1) {
        seconds = work.results;
        seconds.element_bytes = work.second_bytes;
        for (unsigned i = 0; i < seconds.dims; i++)
            seconds.strides[i] = seconds.strides[i] / work.out_bytes * work.second_bytes;
        work.second = sim_output_strided(call, out[1], &seconds);
    }
    if (sim_call_is_ready(call))
        sim_parallel(sim_shape_count(&work.results), 1 + 16384 / (1 + sim_shape_count(&work.reduction.elements)),
            reduce_some, &work);
}

/* Where ReduceConfig begins: behind the operation and the neutral element, which end at a multiple of four or eight.
 * The rest has 4 bytes more than a multiple of eight, so two places give the same size: the smaller one only where the
 * neutral element is a byte or two. */
static size_t config_offset(const struct sim_call *call)
{
    const size_t bytes = call->match->layout.sizes[0];
    const size_t rest = CONFIG_BYTES + SIM_CALCULATOR_BYTES(1) + SIM_CALCULATOR_BYTES(2) + TAIL_BYTES;
    return bytes - rest < 8 ? 4 : bytes - rest - 4;
}

#define COMPUTE(NAME, KIND)                                                                                            \
    void NAME(struct sim_call *call)                                                                                   \
    {                                                                                                                  \
        const struct sim_holes *holes = &call->match->holes;                                                           \
        const struct sim_reduction reduction = {.kind = KIND,                                                          \
            .in = holes->types[0],                                                                                     \
            .out = holes->types[holes->type_count - 1],                                                                \
            .second_out = SIM_TYPE_I64};                                                                               \
        compute(call, reduction, config_offset(call));                                                                 \
    }

COMPUTE(sim_compute_reduce_sum, SIM_SUM)
COMPUTE(sim_compute_reduce_max, SIM_MAX)
COMPUTE(sim_compute_reduce_min, SIM_MIN)
COMPUTE(sim_compute_reduce_argmax, SIM_ARGMAX)
COMPUTE(sim_compute_reduce_argmin, SIM_ARGMIN)
COMPUTE(sim_compute_reduce_max_at, SIM_MAX_AT)
COMPUTE(sim_compute_reduce_min_at, SIM_MIN_AT)
COMPUTE(sim_compute_reduce_and, SIM_AND)
COMPUTE(sim_compute_reduce_or, SIM_OR)
COMPUTE(sim_compute_reduce_norm_zero, SIM_NORM_ZERO)
COMPUTE(sim_compute_reduce_norm_one, SIM_NORM_ONE)
COMPUTE(sim_compute_reduce_norm_two, SIM_NORM_TWO)
COMPUTE(sim_compute_reduce_largest_magnitude, SIM_LARGEST_MAGNITUDE)
COMPUTE(sim_compute_reduce_smallest_magnitude, SIM_SMALLEST_MAGNITUDE)

/* MeanOps and NormOps begin with a number of the type that they sum up in: the factor, the exponent. */
static void compute_with_number(struct sim_call *call, enum sim_reduction_kind kind)
{
    const struct sim_holes *holes = &call->match->holes;
    struct sim_reduction reduction = {
        .kind = kind, .in = holes->types[0], .out = holes->types[holes->type_count - 1], .second_out = SIM_TYPE_I64};
    const unsigned char *op = sim_argument(call, 0, call->match->layout.sizes[0]);

    if (sim_class_of(reduction.in) == SIM_F64) {
        memcpy(&reduction.parameter, op, sizeof reduction.parameter);
    } else {
        float number;
        memcpy(&number, op, sizeof number);
        reduction.parameter = number;
    }
    compute(call, reduction, config_offset(call));
}

void sim_compute_reduce_mean(struct sim_call *call)
{
    compute_with_number(call, SIM_MEAN);
}

void sim_compute_reduce_norm(struct sim_call *call)
{
    compute_with_number(call, SIM_NORM);
}

/* The neutral element is a pair of floats, aligned to four. */
void sim_compute_reduce_minmax(struct sim_call *call)
{
    const struct sim_holes *holes = &call->match->holes;
    const enum sim_type type = holes->types[0];
    const struct sim_reduction reduction = {.kind = SIM_MINMAX, .in = type, .out = type, .second_out = type};

    compute(call, reduction, config_offset(call) + (sim_element_bytes(type) == 4 ? 4 : 0));
}

/* WelfordOps (SharedReduceOps.h) begins with the correction, a float, and whether the root is wanted. */
void sim_compute_reduce_variance(struct sim_call *call)
{
    const enum sim_type type = call->match->holes.types[0];
    const unsigned char *op = sim_argument(call, 0, call->match->layout.sizes[0]);
    float correction;

    memcpy(&correction, op, sizeof correction);
    compute(call,
        (struct sim_reduction){.kind = SIM_VARIANCE,
            .in = type,
            .out = call->match->holes.types[call->match->holes.type_count - 1],
            .second_out = call->match->holes.types[call->match->holes.type_count - 1],
            .parameter = correction,
            .root = op[4]},
        config_offset(call));
}
