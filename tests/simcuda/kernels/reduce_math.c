/* reduce_math.c: see reduce_math.h. */
#include "reduce_math.h"
#include "rows.h"

#include <math.h>

#define RUN 256 /* elements that are converted and summed up at once */

/* What was seen so far, in the class of the elements: floats as doubles, which hold them exactly. */
struct state {
    double sum, extreme;
    int64_t whole_sum, whole_extreme;
    double other; /* the largest, for both extremes at once */
    int64_t whole_other;
    int64_t at; /* index of the extreme */
    bool any, all, started;
};

static bool beats(bool larger, double value, double held)
{
    if (isnan(held))
        return false;
    return isnan(value) || (larger ? value > held : value < held);
}

static void see_extreme(struct state *state, bool larger, double value, int64_t index)
{
    if (!state->started || beats(larger, value, state->extreme)) {
        state->extreme = value;
        state->at = index;
    }
    if (!state->started || beats(!larger, value, state->other))
        state->other = value;
    state->started = true;
}

static void see_whole_extreme(struct state *state, bool larger, int64_t value, int64_t index)
{
    if (!state->started || (larger ? value > state->whole_extreme : value < state->whole_extreme)) {
        state->whole_extreme = value;
        state->at = index;
    }
    if (!state->started || (larger ? value < state->whole_other : value > state->whole_other))
        state->whole_other = value;
    state->started = true;
}

static bool wants_larger(enum sim_reduction_kind kind)
{
    return kind == SIM_MAX || kind == SIM_ARGMAX || kind == SIM_MAX_AT || kind == SIM_LARGEST_MAGNITUDE;
}

/* One run of floats (`values`) or doubles. */
static void see_floats(const struct sim_reduction *reduction, struct state *state, const float *floats,
    const double *doubles, size_t count, int64_t index, double mean)
{
    const bool larger = wants_larger(reduction->kind);

    if (floats != NULL && (reduction->kind == SIM_SUM || reduction->kind == SIM_MEAN)) {
        state->sum += (double)sim_row_sum(floats, count);
        return;
    }
    if (floats != NULL && reduction->kind == SIM_NORM_TWO) {
        state->sum += (double)sim_row_squares(floats, count, 0);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const double value = floats != NULL ? (double)floats[i] : doubles[i];
        switch (reduction->kind) {
        case SIM_SUM:
        case SIM_MEAN:
            state->sum += value;
            break;
        case SIM_AND:
        case SIM_OR:
            state->any |= value != 0;
            state->all &= value != 0;
            break;
        case SIM_NORM_ZERO:
            state->sum += value != 0;
            break;
        case SIM_NORM_ONE:
            state->sum += fabs(value);
            break;
        case SIM_NORM_TWO:
            state->sum += value * value;
            break;
        case SIM_NORM:
            state->sum += pow(fabs(value), reduction->parameter);
            break;
        case SIM_VARIANCE:
            state->sum += (value - mean) * (value - mean);
            break;
        case SIM_LARGEST_MAGNITUDE:
        case SIM_SMALLEST_MAGNITUDE:
            see_extreme(state, larger, fabs(value), index + (int64_t)i);
            break;
        default:
            see_extreme(state, larger, value, index + (int64_t)i);
        }
    }
}

static void see_integers(
    enum sim_reduction_kind kind, struct state *state, const int64_t *values, size_t count, int64_t index)
{
    for (size_t i = 0; i < count; i++) {
        state->whole_sum = (int64_t)((uint64_t)state->whole_sum + (uint64_t)values[i]);
        state->any |= values[i] != 0;
        state->all &= values[i] != 0;
        see_whole_extreme(state, wants_larger(kind), values[i], index + (int64_t)i);
    }
}

/* All elements, run by run. `mean` is for the variance's second pass. */
static void see_all(const struct sim_reduction *reduction, struct state *state, const char *in, double mean)
{
    const struct sim_shape *shape = &reduction->elements;
    const enum sim_class class = sim_class_of(reduction->in);
    const uint64_t count = sim_shape_count(shape), row = shape->dims > 0 ? shape->sizes[0] : 1;
    const int64_t stride = shape->dims > 0 ? (int64_t)shape->strides[0] : 0;
    union {
        float floats[RUN];
        double doubles[RUN];
        int64_t integers[RUN];
    } values;

    for (uint64_t first = 0; first < count; first += row)
        for (uint64_t in_row = 0; in_row < row; in_row += RUN) {
            const size_t length = row - in_row < RUN ? row - in_row : RUN;
            const int64_t index = (int64_t)(first + in_row);
            sim_load(reduction->in, in + sim_place(shape, first + in_row), stride, length, &values);
            if (class == SIM_I64)
                see_integers(reduction->kind, state, values.integers, length, index);
            else
                see_floats(
                    reduction, state, class == SIM_F32 ? values.floats : NULL, values.doubles, length, index, mean);
        }
}

static void put(enum sim_type type, char *to, double value)
{
    const float narrow = (float)value;
    const int64_t whole = sim_class_of(type) == SIM_I64 ? (int64_t)value : 0;

    sim_store(type,
        sim_class_of(type) == SIM_F32   ? (const void *)&narrow
        : sim_class_of(type) == SIM_F64 ? (const void *)&value
                                        : (const void *)&whole,
        1, to, 0);
}

static void put_whole(enum sim_type type, char *to, int64_t value)
{
    if (sim_class_of(type) == SIM_I64)
        sim_store(type, &value, 1, to, 0);
    else
        put(type, to, (double)value);
}

void sim_reduce(const struct sim_reduction *reduction, const char *in, char *out, char *second)
{
    const bool whole = sim_class_of(reduction->in) == SIM_I64;
    const double count = (double)sim_shape_count(&reduction->elements);
    struct state state = {.all = true};
    double mean = 0;

    if (reduction->kind == SIM_VARIANCE) {
        struct sim_reduction sum = *reduction;
        struct state total = {0};
        sum.kind = SIM_SUM;
        see_all(&sum, &total, in, 0);
        mean = total.sum / count;
    }
    see_all(reduction, &state, in, mean);
    switch (reduction->kind) {
    case SIM_SUM:
    case SIM_NORM_ZERO:
    case SIM_NORM_ONE:
        if (whole)
            put_whole(reduction->out, out, state.whole_sum);
        else
            put(reduction->out, out, state.sum);
        break;
    case SIM_MEAN:
        put(reduction->out, out,
            (sim_class_of(reduction->in) == SIM_F32 ? (float)state.sum : state.sum) * reduction->parameter);
        break;
    case SIM_NORM_TWO:
        put(reduction->out, out, sqrt(state.sum));
        break;
    case SIM_NORM:
        put(reduction->out, out, pow(state.sum, 1 / reduction->parameter));
        break;
    case SIM_AND:
    case SIM_OR:
        put_whole(reduction->out, out, reduction->kind == SIM_AND ? state.all : state.any);
        break;
    case SIM_ARGMAX:
    case SIM_ARGMIN:
        put_whole(reduction->out, out, state.at);
        break;
    case SIM_VARIANCE: {
        const double divisor = count > reduction->parameter ? count - reduction->parameter : 0;
        put(reduction->out, out, reduction->root ? sqrt(state.sum / divisor) : state.sum / divisor);
        if (second != NULL)
            put(reduction->second_out, second, mean);
        break;
    }
    default: /* extremes */
        if (whole)
            put_whole(reduction->out, out, state.whole_extreme);
        else
            put(reduction->out, out, state.extreme);
        if (second == NULL)
            break;
        if (reduction->kind != SIM_MINMAX)
            put_whole(reduction->second_out, second, state.at);
        else if (whole)
            put_whole(reduction->second_out, second, state.whole_other);
        else
            put(reduction->second_out, second, state.other);
    }
}
