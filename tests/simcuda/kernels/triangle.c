/* triangle.c: triu and tril (ATen/native/cuda/TriangularOps.cu). */
#include "implementations.h"
#include "places.h"

#include <string.h>

/* triu_tril_kernel(out, in, diagonal, ...). In and out may be the same memory. */
static void compute_triangle(struct sim_call *call, bool upper)
{
    const size_t bytes = sim_element_bytes(call->types[0]);
    const int64_t diagonal = SIM_ARGUMENT(call, 2, int64_t);
    struct sim_tensor_info out, in;
    const char *from;
    char *to;

    sim_places_of_tensor(sim_argument(call, 0, SIM_TENSOR_INFO_BYTES), bytes, &out);
    sim_places_of_tensor(sim_argument(call, 1, SIM_TENSOR_INFO_BYTES), bytes, &in);
    if (out.shape.dims < 2 || in.shape.dims != out.shape.dims) {
        sim_call_give_up(call);
        return;
    }
    from = sim_input_strided(call, in.data, &in.shape);
    to = sim_output_strided(call, out.data, &out.shape);
    if (!sim_call_is_ready(call))
        return;
    for (uint64_t i = 0; i < sim_shape_count(&out.shape); i++) {
        const int64_t column = (int64_t)(i % out.shape.sizes[0]);
        const int64_t row = (int64_t)(i / out.shape.sizes[0] % out.shape.sizes[1]);
        char *element = to + sim_place(&out.shape, i);
        if (upper ? column - row >= diagonal : column - row <= diagonal)
            memmove(element, from + sim_place(&in.shape, i), bytes);
        else
            memset(element, 0, bytes);
    }
}

void sim_compute_triu(struct sim_call *call)
{
    compute_triangle(call, true);
}

void sim_compute_tril(struct sim_call *call)
{
    compute_triangle(call, false);
}
