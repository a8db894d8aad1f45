/* elementwise.c: runs an element-wise kernel; see elementwise.h.
 *
 * The kernels are launched in four forms: contiguous (vectorized_, or unrolled_elementwise_kernel), contiguous with
 * casts (LoadWithCast), and with an OffsetCalculator, without and with casts. All become one description: a shape and
 * strides per operand, in bytes, and the type in memory of each. */
#include "elementwise.h"
#include "catalogue.h"
#include "implementations.h"

#include <string.h>

struct operand {
    char *flat;
    enum sim_type stored; /* in memory */
    enum sim_type used;   /* by the functor */
};

struct run {
    const struct sim_match *match;
    const struct sim_call *call;
    size_t count;
    unsigned operand_count, dims;
    struct operand operands[SIM_MAX_OPERANDS];
    uint64_t sizes[SIM_MAX_DIMS];
    uint64_t strides[SIM_MAX_DIMS][SIM_MAX_OPERANDS];
};

/* --- reading the parameters --------------------------------------------------------------------------------------- */

static uint32_t word_at(const struct sim_call *call, uint32_t offset)
{
    uint32_t word;
    memcpy(&word, call->arguments + offset, sizeof word);
    return word;
}

/* The types in memory: the functor's own, or those that a casting kernel was told. */
static bool read_types(const struct sim_call *call, struct run *run)
{
    const struct sim_layout *layout = &call->match->layout;

    for (unsigned i = 0; i < run->operand_count; i++) {
        struct operand *operand = &run->operands[i];
        uint32_t from = SIM_ABSENT;

        operand->used = operand->stored = call->match->functor.operands[i];
        if (layout->dtypes != SIM_ABSENT)
            from = layout->dtypes + i;
        else if (i == 0)
            from = layout->storer;
        else if (layout->loader != SIM_ABSENT)
            from = layout->loader + i - 1;
        if (from != SIM_ABSENT)
            operand->stored = sim_type_of_scalar(call->arguments[from]);
        if (operand->stored == SIM_TYPES)
            return false;
        /* Bits that only move can be of any type; of one that is not computed with there can be no casts. */
        if (sim_class_of(operand->used) == SIM_RAW || sim_class_of(operand->stored) == SIM_RAW)
            if (!call->match->is_copy || operand->used != operand->stored)
                return false;
    }
    if (call->match->is_copy && run->operands[0].stored == run->operands[1].stored &&
        run->operands[1].used == run->operands[1].stored && run->operands[0].used == run->operands[0].stored) {
        enum sim_type raw = sim_type_raw(run->operands[0].stored);
        if (raw == SIM_TYPES)
            return false;
        for (unsigned i = 0; i < 2; i++)
            run->operands[i].stored = run->operands[i].used = raw;
    }
    return true;
}

static void read_strides(const struct sim_call *call, struct run *run)
{
    uint32_t at = call->match->layout.calculator;

    if (at == SIM_ABSENT) {
        run->dims = 1;
        run->sizes[0] = run->count;
        for (unsigned i = 0; i < run->operand_count; i++)
            run->strides[0][i] = sim_element_bytes(run->operands[i].stored);
        return;
    }
    run->dims = word_at(call, at);
    for (unsigned dim = 0; dim < run->dims && dim < SIM_MAX_DIMS; dim++) {
        run->sizes[dim] = word_at(call, at + 4 + dim * 12);
        for (unsigned i = 0; i < run->operand_count; i++)
            run->strides[dim][i] = word_at(call, at + 4 + SIM_MAX_DIMS * 12 + (dim * run->operand_count + i) * 4);
    }
}

/* Joins dimensions that continue each other in all operands. */
static void join_dimensions(struct run *run)
{
    unsigned last = 0;

    for (unsigned dim = 1; dim < run->dims; dim++) {
        bool continues = true;
        for (unsigned i = 0; i < run->operand_count; i++)
            continues &= run->strides[dim][i] == run->sizes[last] * run->strides[last][i];
        if (continues) {
            run->sizes[last] *= run->sizes[dim];
            continue;
        }
        last++;
        run->sizes[last] = run->sizes[dim];
        memcpy(run->strides[last], run->strides[dim], sizeof run->strides[dim]);
    }
    run->dims = last + 1;
}

static bool open_operands(struct sim_call *call, struct run *run)
{
    for (unsigned i = 0; i < run->operand_count; i++) {
        struct sim_shape shape = {.dims = run->dims, .element_bytes = sim_element_bytes(run->operands[i].stored)};
        CUdeviceptr address;

        memcpy(&address, call->arguments + call->match->layout.data + i * sizeof address, sizeof address);
        for (unsigned dim = 0; dim < run->dims; dim++) {
            shape.sizes[dim] = run->sizes[dim];
            shape.strides[dim] = run->strides[dim][i];
        }
        run->operands[i].flat =
            i == 0 ? sim_output_strided(call, address, &shape) : (char *)sim_input_strided(call, address, &shape);
    }
    return sim_call_is_ready(call);
}

/* --- one block ---------------------------------------------------------------------------------------------------- */

typedef union {
    float f32[SIM_BLOCK];
    double f64[SIM_BLOCK];
    int64_t i64[SIM_BLOCK];
} values;

/* Where a walk through the shape stands. */
struct position {
    uint64_t index[SIM_MAX_DIMS];
    size_t offsets[SIM_MAX_OPERANDS];
};

static void seek(const struct run *run, size_t element, struct position *position)
{
    memset(position->offsets, 0, sizeof position->offsets);
    for (unsigned dim = 0; dim < run->dims; dim++) {
        position->index[dim] = element % run->sizes[dim];
        element /= run->sizes[dim];
        for (unsigned i = 0; i < run->operand_count; i++)
            position->offsets[i] += position->index[dim] * run->strides[dim][i];
    }
}

static void advance(const struct run *run, size_t count, struct position *position)
{
    position->index[0] += count;
    for (unsigned i = 0; i < run->operand_count; i++)
        position->offsets[i] += count * run->strides[0][i];
    for (unsigned dim = 0; dim + 1 < run->dims && position->index[dim] == run->sizes[dim]; dim++) {
        position->index[dim] = 0;
        position->index[dim + 1]++;
        for (unsigned i = 0; i < run->operand_count; i++)
            position->offsets[i] += run->strides[dim + 1][i] - run->sizes[dim] * run->strides[dim][i];
    }
}

static void *element_of(values *array, enum sim_class class, size_t index)
{
    return class == SIM_F32   ? (void *)&array->f32[index]
           : class == SIM_F64 ? (void *)&array->f64[index]
                              : (void *)&array->i64[index];
}

/* Loads the `count` elements from `position` on of every input, as they are stored. */
static void load_inputs(const struct run *run, struct position position, size_t count, values *inputs)
{
    const struct sim_functor_layout *functor = &run->match->functor;

    for (size_t done = 0, piece; done < count; done += piece) {
        piece = run->sizes[0] - position.index[0];
        if (piece > count - done)
            piece = count - done;
        for (unsigned slot = 0; slot < functor->input_count; slot++) {
            unsigned i = functor->inputs[slot].index;
            enum sim_type stored = run->operands[i].stored;
            if (!functor->inputs[slot].is_member)
                sim_load(stored, run->operands[i].flat + position.offsets[i], (int64_t)run->strides[0][i], piece,
                    element_of(&inputs[slot], sim_class_of(stored), done));
        }
        advance(run, piece, &position);
    }
}

static void store_result(const struct run *run, struct position *position, size_t count, values *result)
{
    enum sim_type stored = run->operands[0].stored;

    for (size_t done = 0, piece; done < count; done += piece) {
        piece = run->sizes[0] - position->index[0];
        if (piece > count - done)
            piece = count - done;
        sim_store(stored, element_of(result, sim_class_of(stored), done), piece,
            run->operands[0].flat + position->offsets[0], (int64_t)run->strides[0][0]);
        advance(run, piece, position);
    }
}

/* What is stored as one type becomes what another can hold, in the other's class. */
static values *cast(enum sim_type from, values *in, enum sim_type to, values *spare, size_t count)
{
    if (from == to)
        return in;
    if (to == SIM_TYPE_BOOL) {
        sim_truth(sim_class_of(from), in, spare->i64, count);
        return spare;
    }
    if (sim_class_of(from) != sim_class_of(to)) {
        sim_convert(sim_class_of(from), in, sim_class_of(to), spare, count);
        in = spare;
    }
    sim_narrow(to, in, count);
    return in;
}

/* --- what a functor captured -------------------------------------------------------------------------------------- */

static void member(const struct sim_block *block, unsigned index, enum sim_class class, values *out)
{
    enum sim_type type = block->functor->members[index];
    const char *at = (const char *)block->captured + block->functor->member_offsets[index];
    values value;

    if (type == SIM_TYPES)
        type = SIM_TYPE_I32; /* an enumeration */
    sim_load(type, at, (int64_t)sim_element_bytes(type), 1, &value);
    sim_convert(sim_class_of(type), &value, class, out, 1);
}

int64_t sim_member(const struct sim_block *block, unsigned index)
{
    values value;
    member(block, index, SIM_I64, &value);
    return value.i64[0];
}

static void fill_with_member(const struct sim_block *block, unsigned index, values *out)
{
    enum sim_class class = block->functor->class;

    member(block, index, class, out);
    for (size_t i = 1; i < SIM_BLOCK; i++)
        if (class == SIM_F32)
            out->f32[i] = out->f32[0];
        else
            out->i64[i] = out->i64[0]; /* or f64: the same bytes */
}

/* --- the kernel --------------------------------------------------------------------------------------------------- */

/* One thread's arrays. */
struct arrays {
    values inputs[SIM_MAX_INPUTS], spares[SIM_MAX_INPUTS], result, spare;
};

static void compute_block(const struct run *run, struct position *position, const struct sim_block *block,
    struct arrays *arrays, const void **in)
{
    const struct sim_functor_layout *functor = block->functor;
    const struct operand *result = &run->operands[0];
    values *out = &arrays->result;

    load_inputs(run, *position, block->count, arrays->inputs);
    for (unsigned i = 0; i < functor->input_count; i++) {
        const struct operand *operand = &run->operands[functor->inputs[i].index];
        if (!functor->inputs[i].is_member)
            in[i] = cast(operand->stored, &arrays->inputs[i], operand->used, &arrays->spares[i], block->count);
    }
    if (run->match->is_copy)
        out = (values *)in[0];
    else
        run->match->block(block, out, in);
    if (result->stored != result->used) {
        if (!run->match->is_copy) /* a copied value is of the functor's type already */
            sim_narrow(result->used, out, block->count);
        out = cast(result->used, out, result->stored, &arrays->spare, block->count);
    }
    store_result(run, position, block->count, out);
}

static void compute_part(void *state, size_t first, size_t last)
{
    const struct run *run = state;
    const struct sim_functor_layout *functor = &run->match->functor;
    struct sim_block block = {.functor = functor, .captured = run->call->arguments + run->match->layout.functor};
    struct arrays arrays;
    const void *in[SIM_MAX_INPUTS] = {0};
    struct position position;

    for (unsigned i = 0; i < functor->input_count; i++)
        if (functor->inputs[i].is_member) {
            fill_with_member(&block, functor->inputs[i].index, &arrays.inputs[i]);
            in[i] = &arrays.inputs[i];
        }
    seek(run, first, &position);
    for (; first < last; first += block.count) {
        block.first = first;
        block.count = last - first < SIM_BLOCK ? last - first : SIM_BLOCK;
        compute_block(run, &position, &block, &arrays, in);
    }
}

/* A contiguous copy between places that do not overlap. */
static bool is_plain_move(const struct run *run)
{
    const struct operand *to = &run->operands[0], *from = &run->operands[1];
    size_t element = sim_element_bytes(to->stored), bytes = run->count * element;

    return run->match->is_copy && run->dims == 1 && to->stored == from->stored && to->used == to->stored &&
           run->strides[0][0] == element && run->strides[0][1] == element &&
           (to->flat + bytes <= from->flat || from->flat + bytes <= to->flat);
}

static void move_part(void *state, size_t first, size_t last)
{
    const struct run *run = state;
    memcpy(run->operands[0].flat + first, run->operands[1].flat + first, last - first);
}

void sim_compute_elementwise(struct sim_call *call)
{
    struct run run = {.match = call->match,
        .call = call,
        .count = call->match->layout.sizes[0] == 4 ? (size_t)SIM_ARGUMENT(call, 0, int32_t)
                                                   : (size_t)SIM_ARGUMENT(call, 0, int64_t),
        .operand_count = call->match->functor.operand_count};

    if (!read_types(call, &run)) {
        sim_call_give_up(call);
        return;
    }
    read_strides(call, &run);
    if (run.dims == 0 || run.dims > SIM_MAX_DIMS) {
        run.dims = 1; /* a single element */
        run.sizes[0] = 1;
    }
    join_dimensions(&run);
    if (!open_operands(call, &run))
        return;
    if (is_plain_move(&run))
        sim_parallel(run.count * sim_element_bytes(run.operands[0].stored), (size_t)1 << 20, move_part, &run);
    else
        sim_parallel(run.count, (size_t)16 * SIM_BLOCK, compute_part, &run);
}
