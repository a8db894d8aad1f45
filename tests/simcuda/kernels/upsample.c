/* upsample.c: resizing of pictures: nearest (ATen/native/cuda/UpSampleNearest1d.cu, 2d, 3d), bilinear and bicubic
 * (UpSampleBilinear2d.cu, UpSampleBicubic2d.cu). */
#include "implementations.h"
#include "places.h"
#include "upsample_math.h"

#include <string.h>

/* --- nearest ------------------------------------------------------------------------------------------------------ */

struct nearest {
    size_t inner;          /* bytes of what is copied for a pixel: an element, or all its channels */
    int64_t in[3], out[3]; /* depth, height, width */
    float scale[3];
    bool exact;
    const char *from;
    char *to;
};

static void nearest_planes(void *state, size_t first, size_t last)
{
    const struct nearest *work = state;
    const size_t in_plane = (size_t)(work->in[0] * work->in[1] * work->in[2]) * work->inner;
    char *to = work->to + first * (size_t)(work->out[0] * work->out[1] * work->out[2]) * work->inner;

    for (size_t plane = first; plane < last; plane++)
        for (int64_t z = 0; z < work->out[0]; z++)
            for (int64_t y = 0; y < work->out[1]; y++) {
                const int64_t from_z = sim_nearest_source(work->scale[0], z, work->in[0], work->exact);
                const int64_t from_y = sim_nearest_source(work->scale[1], y, work->in[1], work->exact);
                const char *line = work->from + plane * in_plane +
                                   (size_t)((from_z * work->in[1] + from_y) * work->in[2]) * work->inner;
                for (int64_t x = 0; x < work->out[2]; x++, to += work->inner)
                    memcpy(to,
                        line + (size_t)sim_nearest_source(work->scale[2], x, work->in[2], work->exact) * work->inner,
                        work->inner);
            }
}

/* `planes` pictures of pixels that take `inner` bytes. */
static void nearest(struct sim_call *call, struct nearest *work, size_t planes, CUdeviceptr from, CUdeviceptr to)
{
    const size_t pixels = (size_t)(work->out[0] * work->out[1] * work->out[2]);

    work->from = sim_input(call, from, planes * (size_t)(work->in[0] * work->in[1] * work->in[2]) * work->inner);
    work->to = sim_output(call, to, planes * pixels * work->inner);
    if (sim_call_is_ready(call))
        sim_parallel(planes, 1 + 16384 / (1 + pixels), nearest_planes, work);
}

/* (in, out, planes, height and width before, after, scales), and for channels that lie side by side their number first.
 */
static void compute_nearest2d(struct sim_call *call, bool exact)
{
    struct nearest work = {.inner = sim_element_bytes(call->types[0]), .exact = exact, .in = {1}, .out = {1}};

    for (unsigned i = 0; i < 2; i++) {
        work.in[1 + i] = SIM_ARGUMENT(call, 3 + i, int64_t);
        work.out[1 + i] = SIM_ARGUMENT(call, 5 + i, int64_t);
        work.scale[1 + i] = SIM_ARGUMENT(call, 7 + i, float);
    }
    nearest(call, &work, (size_t)SIM_ARGUMENT(call, 2, int64_t), SIM_ARGUMENT(call, 0, CUdeviceptr),
        SIM_ARGUMENT(call, 1, CUdeviceptr));
}

static void compute_nearest2d_channels_last(struct sim_call *call, bool exact)
{
    const size_t channels = (size_t)SIM_ARGUMENT(call, 2, int64_t);
    struct nearest work = {
        .inner = sim_element_bytes(call->types[0]) * channels, .exact = exact, .in = {1}, .out = {1}};
    size_t pixels;

    for (unsigned i = 0; i < 2; i++) {
        work.in[1 + i] = SIM_ARGUMENT(call, 3 + i, int64_t);
        work.out[1 + i] = SIM_ARGUMENT(call, 5 + i, int64_t);
        work.scale[1 + i] = SIM_ARGUMENT(call, 7 + i, float);
    }
    pixels = (size_t)(work.out[1] * work.out[2]) * channels;
    nearest(call, &work, pixels > 0 ? (size_t)SIM_ARGUMENT(call, 9, int64_t) / pixels : 0,
        SIM_ARGUMENT(call, 0, CUdeviceptr), SIM_ARGUMENT(call, 1, CUdeviceptr));
}

/* (in, samples, channels, sizes before, sizes after, out, scales) */
static void compute_nearest_of(struct sim_call *call, unsigned dims, bool exact)
{
    struct nearest work = {.inner = sim_element_bytes(call->types[0]), .exact = exact, .in = {1, 1}, .out = {1, 1}};

    for (unsigned i = 0; i < dims; i++) {
        work.in[3 - dims + i] = SIM_ARGUMENT(call, 3 + i, int64_t);
        work.out[3 - dims + i] = SIM_ARGUMENT(call, 3 + dims + i, int64_t);
        work.scale[3 - dims + i] = SIM_ARGUMENT(call, 4 + 2 * dims + i, float);
    }
    nearest(call, &work, (size_t)(SIM_ARGUMENT(call, 1, int64_t) * SIM_ARGUMENT(call, 2, int64_t)),
        SIM_ARGUMENT(call, 0, CUdeviceptr), SIM_ARGUMENT(call, 3 + 2 * dims, CUdeviceptr));
}

void sim_compute_nearest1d(struct sim_call *call)
{
    compute_nearest_of(call, 1, false);
}

void sim_compute_nearest1d_exact(struct sim_call *call)
{
    compute_nearest_of(call, 1, true);
}

void sim_compute_nearest2d(struct sim_call *call)
{
    compute_nearest2d(call, false);
}

void sim_compute_nearest2d_exact(struct sim_call *call)
{
    compute_nearest2d(call, true);
}

void sim_compute_nearest2d_channels_last(struct sim_call *call)
{
    compute_nearest2d_channels_last(call, false);
}

void sim_compute_nearest2d_channels_last_exact(struct sim_call *call)
{
    compute_nearest2d_channels_last(call, true);
}

void sim_compute_nearest3d(struct sim_call *call)
{
    compute_nearest_of(call, 3, false);
}

void sim_compute_nearest3d_exact(struct sim_call *call)
{
    compute_nearest_of(call, 3, true);
}

/* --- weighted means ----------------------------------------------------------------------------------------------- */

/* PackedTensorAccessor64<T, 4>: pointer, sizes, strides in elements; sample, channel, height, width. */
struct accessor {
    CUdeviceptr data;
    int64_t sizes[4], strides[4];
};

typedef struct sim_taps taps_function(float scale, int64_t to, int64_t size, bool align_corners);

struct weighted {
    taps_function *taps;
    enum sim_type type;
    float scale[2];
    bool align_corners;
    struct accessor in, out;
    const char *from;
    char *to;
};

static struct sim_shape places_of(const struct accessor *accessor, enum sim_type type)
{
    const uint64_t bytes = sim_element_bytes(type);
    struct sim_shape shape = {.dims = 4, .element_bytes = bytes};

    for (unsigned i = 0; i < 4; i++) {
        shape.sizes[3 - i] = (uint64_t)accessor->sizes[i];
        shape.strides[3 - i] = (uint64_t)accessor->strides[i] * bytes;
    }
    return shape;
}

/* One line of the result: what the taps of its height give, tap by tap of its width. */
static void weighted_lines(void *state, size_t first, size_t last)
{
    const struct weighted *work = state;
    const int64_t bytes = (int64_t)sim_element_bytes(work->type);

    for (size_t line = first; line < last; line++) {
        const int64_t y = (int64_t)line % work->out.sizes[2];
        const int64_t channel = (int64_t)line / work->out.sizes[2] % work->out.sizes[1];
        const int64_t sample = (int64_t)line / work->out.sizes[2] / work->out.sizes[1];
        const struct sim_taps rows = work->taps(work->scale[0], y, work->in.sizes[2], work->align_corners);
        const char *from = work->from + (sample * work->in.strides[0] + channel * work->in.strides[1]) * bytes;
        char *to = work->to +
                   (sample * work->out.strides[0] + channel * work->out.strides[1] + y * work->out.strides[2]) * bytes;

        for (int64_t x = 0; x < work->out.sizes[3]; x++) {
            const struct sim_taps columns = work->taps(work->scale[1], x, work->in.sizes[3], work->align_corners);
            float sum = 0;
            for (unsigned i = 0; i < rows.count; i++) {
                float of_row = 0;
                for (unsigned j = 0; j < columns.count; j++) {
                    float value;
                    sim_load(work->type,
                        from + (rows.from[i] * work->in.strides[2] + columns.from[j] * work->in.strides[3]) * bytes, 0,
                        1, &value);
                    of_row += columns.weight[j] * value;
                }
                sum += rows.weight[i] * of_row;
            }
            sim_store(work->type, &sum, 1, to + x * work->out.strides[3] * bytes, 0);
        }
    }
}

/* (count, scale of height, of width, align_corners, in, out) */
static void compute_weighted(struct sim_call *call, taps_function *taps)
{
    struct weighted work = {.taps = taps,
        .type = call->types[0],
        .align_corners = SIM_ARGUMENT(call, 3, bool),
        .in = SIM_ARGUMENT(call, 4, struct accessor),
        .out = SIM_ARGUMENT(call, 5, struct accessor)};
    struct sim_shape in = places_of(&work.in, work.type), out = places_of(&work.out, work.type);

    if (sim_class_of(work.type) != SIM_F32) {
        sim_call_give_up(call);
        return;
    }
    work.scale[0] = SIM_ARGUMENT(call, 1, float);
    work.scale[1] = SIM_ARGUMENT(call, 2, float);
    work.from = sim_input_strided(call, work.in.data, &in);
    work.to = sim_output_strided(call, work.out.data, &out);
    if (sim_call_is_ready(call))
        sim_parallel((size_t)(work.out.sizes[0] * work.out.sizes[1] * work.out.sizes[2]),
            1 + 4096 / (1 + (size_t)work.out.sizes[3]), weighted_lines, &work);
}

void sim_compute_bilinear2d(struct sim_call *call)
{
    compute_weighted(call, sim_linear_taps);
}

void sim_compute_bicubic2d(struct sim_call *call)
{
    compute_weighted(call, sim_cubic_taps);
}
