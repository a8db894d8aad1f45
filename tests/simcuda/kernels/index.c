/* index.c: reading and writing by index: index and index_put (ATen/native/cuda/IndexKernel.cu), gather and scatter
 * (ScatterGatherKernel.cu), rows (IndexKernelUtils.cu: vectorized_gather_kernel; Indexing.cu: indexSelectSmallIndex).
 *
 * Elements are moved as bytes. An index out of bounds, where a real device stops with an assertion, is clamped into
 * them: nothing outside of the tensors is touched. */
#include "implementations.h"
#include "places.h"

#include <string.h>

static int64_t bounded(int64_t index, int64_t size)
{
    if (index < 0)
        index += size;
    return index < 0 ? 0 : index < size ? index : size - 1;
}

static int64_t index_at(const char *from)
{
    int64_t index;
    memcpy(&index, from, sizeof index);
    return index;
}

/* Adds a dimension that an index steps through. */
static bool add_dimension(struct sim_shape *shape, uint64_t size, uint64_t stride)
{
    if (shape->dims == SIM_MAX_DIMS)
        return false;
    shape->sizes[shape->dims] = size;
    shape->strides[shape->dims++] = stride;
    return true;
}

/* --- index and index_put ------------------------------------------------------------------------------------------ */

/* What gpu_index_kernel's lambda captured. */
struct captured_index {
    unsigned char calculator[SIM_CALCULATOR_BYTES(3)];
    CUdeviceptr out, in;
    uint64_t count; /* of indexed dimensions */
    CUdeviceptr indices[SIM_MAX_DIMS];
    int64_t sizes[SIM_MAX_DIMS], strides[SIM_MAX_DIMS]; /* of the indexed tensor, in bytes */
    unsigned char rest[8];
};
_Static_assert(sizeof(struct captured_index) == 1240, "gpu_index_kernel's lambda");

static void compute_index(struct sim_call *call, bool put)
{
    const struct captured_index *captured = sim_argument(call, 1, sizeof *captured);
    const size_t bytes = sim_element_bytes(call->types[0]);
    const char *indices[SIM_MAX_DIMS], *in;
    struct sim_shape out_places, in_places, index_places, *indexed = put ? &out_places : &in_places, all;
    char *out;

    sim_places_of_calculator(captured->calculator, 3, 0, bytes, &out_places);
    sim_places_of_calculator(captured->calculator, 3, 1, bytes, &in_places);
    sim_places_of_calculator(captured->calculator, 3, 2, sizeof(int64_t), &index_places);
    all = *indexed;
    if (captured->count > SIM_MAX_DIMS) {
        sim_call_give_up(call);
        return;
    }
    for (unsigned i = 0; i < captured->count; i++) {
        indices[i] = sim_input_strided(call, captured->indices[i], &index_places);
        if (!add_dimension(&all, (uint64_t)captured->sizes[i], (uint64_t)captured->strides[i])) {
            sim_call_give_up(call);
            return;
        }
    }
    in = sim_input_strided(call, captured->in, put ? &in_places : &all);
    /* What index_put does not write stays as it was, so that it must be known before. */
    out = put ? sim_in_out(call, captured->out, sim_shape_extent_bytes(&all))
              : sim_output_strided(call, captured->out, &out_places);
    if (!sim_call_is_ready(call))
        return;
    for (uint64_t i = 0; i < (uint64_t)SIM_ARGUMENT(call, 0, int64_t); i++) {
        const uint64_t place = sim_place(&index_places, i);
        int64_t offset = 0;
        for (unsigned j = 0; j < captured->count; j++)
            offset += bounded(index_at(indices[j] + place), captured->sizes[j]) * captured->strides[j];
        memcpy(out + sim_place(&out_places, i) + (put ? offset : 0), in + sim_place(&in_places, i) + (put ? 0 : offset),
            bytes);
    }
}

void sim_compute_index(struct sim_call *call)
{
    compute_index(call, false);
}

void sim_compute_index_put(struct sim_call *call)
{
    compute_index(call, true);
}

/* --- gather and scatter ------------------------------------------------------------------------------------------- */

/* What _cuda_scatter_gather_internal_kernel's lambda captured. */
struct captured_gather {
    unsigned char calculator[SIM_CALCULATOR_BYTES(3)];
    CUdeviceptr indices;
    int64_t index_size;
    unsigned char functor[8];
    CUdeviceptr self;
    int64_t index_stride; /* in elements */
    int64_t count;
    CUdeviceptr source;
};
_Static_assert(sizeof(struct captured_gather) == 664, "_cuda_scatter_gather_internal_kernel's lambda");

static void compute_gather(struct sim_call *call, bool scatter)
{
    const struct captured_gather *captured = sim_argument(call, 1, sizeof *captured);
    const size_t bytes = sim_element_bytes(call->types[0]);
    const int64_t step = captured->index_stride * (int64_t)bytes;
    struct sim_shape self_places, source_places, index_places, *indexed = scatter ? &self_places : &source_places, all;
    const char *indices, *source;
    char *self;

    sim_places_of_calculator(captured->calculator, 3, 0, bytes, &self_places);
    sim_places_of_calculator(captured->calculator, 3, 1, bytes, &source_places);
    sim_places_of_calculator(captured->calculator, 3, 2, sizeof(int64_t), &index_places);
    all = *indexed;
    if (!add_dimension(&all, (uint64_t)captured->index_size, (uint64_t)step)) {
        sim_call_give_up(call);
        return;
    }
    indices = sim_input_strided(call, captured->indices, &index_places);
    source = sim_input_strided(call, captured->source, scatter ? &source_places : &all);
    self = scatter ? sim_in_out(call, captured->self, sim_shape_extent_bytes(&all))
                   : sim_output_strided(call, captured->self, &self_places);
    if (!sim_call_is_ready(call))
        return;
    for (uint64_t i = 0; i < (uint64_t)SIM_ARGUMENT(call, 0, int32_t); i++) {
        const int64_t offset = bounded(index_at(indices + sim_place(&index_places, i)), captured->index_size) * step;
        memcpy(self + sim_place(&self_places, i) + (scatter ? offset : 0),
            source + sim_place(&source_places, i) + (scatter ? 0 : offset), bytes);
    }
}

void sim_compute_gather(struct sim_call *call)
{
    compute_gather(call, false);
}

void sim_compute_scatter(struct sim_call *call)
{
    compute_gather(call, true);
}

/* _cuda_scatter_fill_internal_kernel's lambda; the value follows, in the element's size. */
struct captured_scatter_fill {
    unsigned char calculator[SIM_CALCULATOR_BYTES(2)];
    CUdeviceptr indices;
    int64_t index_size;
    unsigned char functor[8];
    CUdeviceptr self;
    int64_t index_stride;
    int64_t count;
    unsigned char value[8];
};
_Static_assert(sizeof(struct captured_scatter_fill) == 560, "_cuda_scatter_fill_internal_kernel's lambda");

void sim_compute_scatter_fill(struct sim_call *call)
{
    const struct captured_scatter_fill *captured = sim_argument(call, 1, sizeof *captured);
    const size_t bytes = sim_element_bytes(call->types[0]);
    const int64_t step = captured->index_stride * (int64_t)bytes;
    struct sim_shape self_places, index_places, all;
    const char *indices;
    char *self;

    sim_places_of_calculator(captured->calculator, 2, 0, bytes, &self_places);
    sim_places_of_calculator(captured->calculator, 2, 1, sizeof(int64_t), &index_places);
    all = self_places;
    if (bytes > sizeof captured->value || !add_dimension(&all, (uint64_t)captured->index_size, (uint64_t)step)) {
        sim_call_give_up(call);
        return;
    }
    indices = sim_input_strided(call, captured->indices, &index_places);
    self = sim_in_out(call, captured->self, sim_shape_extent_bytes(&all));
    if (!sim_call_is_ready(call))
        return;
    for (uint64_t i = 0; i < (uint64_t)SIM_ARGUMENT(call, 0, int32_t); i++)
        memcpy(self + sim_place(&self_places, i) +
                   bounded(index_at(indices + sim_place(&index_places, i)), captured->index_size) * step,
            captured->value, bytes);
}

/* --- rows --------------------------------------------------------------------------------------------------------- */

/* vectorized_gather_kernel(out, in, indices, count, row bytes, rows, in's step, out's step, negative ones allowed) */
void sim_compute_gather_rows(struct sim_call *call)
{
    const enum sim_type type = call->types[0]; /* of the indices */
    const size_t count = (size_t)SIM_ARGUMENT(call, 3, int32_t), row = (size_t)SIM_ARGUMENT(call, 4, int64_t);
    const int64_t rows = SIM_ARGUMENT(call, 5, int64_t);
    const size_t in_step = (size_t)SIM_ARGUMENT(call, 6, int64_t), out_step = (size_t)SIM_ARGUMENT(call, 7, int64_t);
    const struct sim_shape from = sim_places_of_rows(1, row, (uint64_t)rows, in_step);
    const struct sim_shape to = sim_places_of_rows(1, row, count, out_step);
    const size_t index_bytes = sim_element_bytes(type);
    const char *indices = sim_input(call, SIM_ARGUMENT(call, 2, CUdeviceptr), count * index_bytes);
    const char *in = sim_input_strided(call, SIM_ARGUMENT(call, 1, CUdeviceptr), &from);
    char *out = sim_output_strided(call, SIM_ARGUMENT(call, 0, CUdeviceptr), &to);

    if (!sim_call_is_ready(call))
        return;
    for (size_t i = 0; i < count; i++) {
        int64_t index;
        sim_load(type, indices + i * index_bytes, 0, 1, &index);
        memcpy(out + i * out_step, in + (size_t)bounded(index, rows) * in_step, row);
    }
}

/* indexSelectSmallIndex(out, in, indices, out's dimension, in's dimension, ..., rows): the shapes of `out` and `in`
 * have 1 where the index counts; the number of indices is that of their tensor. */
void sim_compute_index_select(struct sim_call *call)
{
    const size_t bytes = sim_element_bytes(call->types[0]), index_bytes = sim_element_bytes(call->types[1]);
    struct sim_tensor_info out, in, indices;
    unsigned out_dim, in_dim;
    uint64_t rows, out_step, in_step, count;
    const char *from, *index;
    struct sim_shape all;
    char *to;

    sim_places_of_tensor(sim_argument(call, 0, SIM_TENSOR_INFO_BYTES), bytes, &out);
    sim_places_of_tensor(sim_argument(call, 1, SIM_TENSOR_INFO_BYTES), bytes, &in);
    sim_places_of_tensor(sim_argument(call, 2, SIM_TENSOR_INFO_BYTES), index_bytes, &indices);
    /* Dimensions are counted from the first, the slowest one. */
    out_dim = out.shape.dims - 1 - (unsigned)SIM_ARGUMENT(call, 3, int32_t);
    in_dim = in.shape.dims - 1 - (unsigned)SIM_ARGUMENT(call, 4, int32_t);
    if (out_dim >= out.shape.dims || in_dim >= in.shape.dims || out.shape.dims != in.shape.dims) {
        sim_call_give_up(call);
        return;
    }
    count = sim_shape_count(&indices.shape);
    rows = SIM_ARGUMENT(call, 6, uint64_t);
    out_step = out.shape.strides[out_dim];
    in_step = in.shape.strides[in_dim];
    all = in.shape;
    all.sizes[in_dim] = rows;
    out.shape.sizes[out_dim] = count;
    from = sim_input_strided(call, in.data, &all);
    index = sim_input_strided(call, indices.data, &indices.shape);
    to = sim_output_strided(call, out.data, &out.shape);
    if (!sim_call_is_ready(call))
        return;
    out.shape.sizes[out_dim] = in.shape.sizes[in_dim] = 1;
    for (uint64_t i = 0; i < count; i++) {
        int64_t row;
        sim_load(call->types[1], index + sim_place(&indices.shape, i), 0, 1, &row);
        for (uint64_t j = 0; j < sim_shape_count(&out.shape); j++)
            memcpy(to + i * out_step + sim_place(&out.shape, j),
                from + (uint64_t)bounded(row, (int64_t)rows) * in_step + sim_place(&in.shape, j), bytes);
    }
}
