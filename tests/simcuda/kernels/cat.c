/* cat.c: concatenation, all inputs in one launch (ATen/native/cuda/Shape.cu: CatArrayBatchedCopy and its variants).
 *
 * Elements are moved as bytes. The launch's second dimension counts the inputs. */
#include "implementations.h"
#include "places.h"

#include <string.h>

#define CAT_DIMS 4
/* CatArrInputTensorMetadata has room for so many inputs, without strides and with them. */
#define ROOM_CONTIGUOUS 128
#define ROOM_STRIDED    64

/* TensorSizeStride */
struct places {
    uint32_t sizes[CAT_DIMS], strides[CAT_DIMS];
};

/* Where the arrays of CatArrInputTensorMetadata begin, for `inputs` inputs. */
struct metadata {
    const CUdeviceptr *in;
    const uint32_t *offset, *size, *count; /* along the dimension: where, how long; all elements */
    const unsigned char *contiguous;
    const struct places *places;
};

static struct metadata read_metadata(const unsigned char *from, size_t inputs)
{
    struct metadata metadata = {.in = (const CUdeviceptr *)from};

    metadata.offset = (const uint32_t *)(from + inputs * sizeof(CUdeviceptr));
    metadata.size = metadata.offset + inputs;
    metadata.count = metadata.size + inputs;
    metadata.contiguous = (const unsigned char *)(metadata.count + inputs);
    metadata.places = (const struct places *)(metadata.contiguous + inputs);
    return metadata;
}

/* Dimension 0 is the fastest in a sim_shape and the slowest here. `size` is that of the dimension `along`. */
static struct sim_shape shape_of(
    const struct places *places, unsigned dims, size_t element_bytes, unsigned along, uint32_t size)
{
    struct sim_shape shape = {.dims = dims, .element_bytes = element_bytes};

    for (unsigned i = 0; i < dims; i++) {
        shape.sizes[dims - 1 - i] = i == along ? size : places->sizes[i];
        shape.strides[dims - 1 - i] = places->strides[i] * element_bytes;
    }
    return shape;
}

static void pack_strides(struct sim_shape *shape)
{
    uint64_t stride = shape->element_bytes;

    for (unsigned i = 0; i < shape->dims; i++) {
        shape->strides[i] = stride;
        stride *= shape->sizes[i];
    }
}

/* Runs of the fastest dimension where both sides have it packed. */
static void copy(const char *from, const struct sim_shape *in, char *to, const struct sim_shape *out)
{
    const bool packed = in->strides[0] == in->element_bytes && out->strides[0] == out->element_bytes;
    const uint64_t run = packed ? in->sizes[0] : 1;

    for (uint64_t i = 0; i < sim_shape_count(in); i += run)
        memcpy(to + sim_place(out, i), from + sim_place(in, i), run * in->element_bytes);
}

/* The pattern's first number is that of dimensions. */
static void compute_cat(struct sim_call *call, bool has_strides)
{
    const size_t bytes = sim_element_bytes(call->types[0]);
    const unsigned dims = (unsigned)call->numbers[0], along = (unsigned)SIM_ARGUMENT(call, 3, int32_t);
    const size_t room = has_strides ? ROOM_STRIDED : ROOM_CONTIGUOUS, inputs = call->grid[1];
    const struct metadata metadata =
        read_metadata(sim_argument(call, 1, room * 21 + sizeof(struct places) * (has_strides ? room : 1)), room);
    const struct places *out_places = sim_argument(call, 2, sizeof *out_places);
    const uint64_t step = SIM_ARGUMENT(call, 4, uint32_t) * (uint64_t)bytes;
    const CUdeviceptr out = SIM_ARGUMENT(call, 0, CUdeviceptr);
    const char *from[ROOM_CONTIGUOUS];
    char *to[ROOM_CONTIGUOUS];

    if (inputs > room || dims > CAT_DIMS) {
        sim_call_give_up(call);
        return;
    }
    for (int pass = 0; pass < 2; pass++) {
        if (pass == 1 && !sim_call_is_ready(call))
            return;
        for (size_t i = 0; i < inputs; i++) {
            struct sim_shape in_shape =
                shape_of(&metadata.places[has_strides ? i : 0], dims, bytes, along, metadata.size[i]);
            const struct sim_shape out_shape = shape_of(out_places, dims, bytes, along, metadata.size[i]);
            if (!has_strides || metadata.contiguous[i]) {
                in_shape = out_shape;
                pack_strides(&in_shape);
            }
            if (sim_shape_count(&out_shape) == 0)
                continue;
            if (pass == 0) {
                from[i] = sim_input_strided(call, metadata.in[i], &in_shape);
                to[i] = sim_output_strided(call, out + metadata.offset[i] * step, &out_shape);
            } else {
                copy(from[i], &in_shape, to[i], &out_shape);
            }
        }
    }
}

void sim_compute_cat_strided(struct sim_call *call)
{
    compute_cat(call, true);
}

void sim_compute_cat_contiguous(struct sim_call *call)
{
    compute_cat(call, false);
}

/* CatArrayBatchedCopy_vectorized: one or two dimensions, the last one is that of the concatenation; sizes and strides
 * of the result count vectors of the pattern's third number of bytes, all else elements. */
void sim_compute_cat_vectorized(struct sim_call *call)
{
    const size_t bytes = sim_element_bytes(call->types[0]), vector = (size_t)call->numbers[2];
    const unsigned dims = (unsigned)call->numbers[0];
    const size_t room = ROOM_CONTIGUOUS, inputs = call->grid[1];
    const struct metadata metadata = read_metadata(sim_argument(call, 1, room * 21 + sizeof(struct places)), room);
    const struct places *places = sim_argument(call, 2, sizeof *places);
    const size_t step = SIM_ARGUMENT(call, 4, uint32_t) * bytes;
    const CUdeviceptr out = SIM_ARGUMENT(call, 0, CUdeviceptr);
    const char *from[ROOM_CONTIGUOUS];
    char *to[ROOM_CONTIGUOUS];

    if (inputs > room || dims < 1 || dims > 2) {
        sim_call_give_up(call);
        return;
    }
    for (int pass = 0; pass < 2; pass++) {
        if (pass == 1 && !sim_call_is_ready(call))
            return;
        for (size_t i = 0; i < inputs; i++) {
            const size_t all = metadata.count[i] * bytes, row = dims == 1 ? all : metadata.size[i] * step;
            const size_t rows = row > 0 ? all / row : 0, row_step = places->strides[0] * vector;
            const struct sim_shape shape = sim_places_of_rows(1, row, rows, dims == 1 ? row : row_step);
            if (all == 0)
                continue;
            if (pass == 0) {
                from[i] = sim_input(call, metadata.in[i], all);
                to[i] = sim_output_strided(call, out + metadata.offset[i] * step, &shape);
                continue;
            }
            for (size_t j = 0; j < rows; j++)
                memcpy(to[i] + j * shape.strides[1], from[i] + j * row, row);
        }
    }
}
