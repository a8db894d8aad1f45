/* memset.c: filling memory. The forms without a stream do not make the host wait, unless the memory is pinned host
 * memory (cuda.h, "API synchronization behavior"). */
#include "access.h"
#include "address.h"
#include "api.h"
#include "schedule.h"
#include "stream.h"
#include "trace.h"
#include "work.h"

struct fill_op {
    struct sim_op op;
    CUdeviceptr address;
    uint32_t value;
    size_t element_bytes, width, height, pitch; /* width in elements, pitch in bytes */
};

static void execute_fill(struct sim_op *op)
{
    const struct fill_op *fill = (const struct fill_op *)op;

    for (size_t row = 0; row < fill->height; row++)
        if (!sim_fill_bytes(fill->address + row * fill->pitch, fill->value, fill->element_bytes, fill->width, op->call))
            return;
    if (sim_trace_is_on())
        sim_trace_fill(op, fill->address, fill->width * fill->height * fill->element_bytes, fill->value);
}

static struct sim_op *clone_fill(const struct sim_op *op)
{
    return sim_op_copy(op, sizeof(struct fill_op));
}

static bool fill_touches(const struct sim_op *op, CUdeviceptr address, size_t bytes)
{
    const struct fill_op *fill = (const struct fill_op *)op;
    return sim_overlaps(
        fill->address, (fill->height - 1) * fill->pitch + fill->width * fill->element_bytes, address, bytes);
}

static void measure_fill(const struct sim_op *op, struct sim_work *work)
{
    const struct fill_op *fill = (const struct fill_op *)op;
    for (size_t row = 0; row < fill->height; row++)
        sim_work_writes(op, work, fill->address + row * fill->pitch, fill->width * fill->element_bytes);
}

static const struct sim_op_class fill_class = {
    .name = "memset", .execute = execute_fill, .clone = clone_fill, .touches = fill_touches, .measure = measure_fill};

static CUresult fill(CUstream handle, CUdeviceptr address, size_t pitch, uint32_t value, size_t element_bytes,
    size_t width, size_t height, bool synchronous)
{
    const struct sim_range *range = sim_range_find(address);
    bool waits = synchronous && range != NULL && sim_range_is_host(range);
    struct fill_op *op;
    CUstream stream;
    size_t bytes;
    CUresult result = sim_stream_for_work(handle, &stream);

    if (result != CUDA_SUCCESS)
        return result;
    if (synchronous && stream->capture != NULL)
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    if (width == 0 || height == 0)
        return CUDA_SUCCESS;
    if (width > SIZE_MAX / element_bytes || address % element_bytes != 0 ||
        (height > 1 && (pitch < width * element_bytes || pitch % element_bytes != 0)))
        return CUDA_ERROR_INVALID_VALUE;
    if (!sim_extent(width * element_bytes, height, pitch, 1, 0, &bytes) || !sim_range_covers(address, bytes))
        return CUDA_ERROR_INVALID_VALUE;
    op = sim_op_new(&fill_class, sizeof *op);
    if (op == NULL)
        return CUDA_ERROR_OUT_OF_MEMORY;
    op->address = address;
    op->value = value;
    op->element_bytes = element_bytes;
    op->width = width;
    op->height = height;
    op->pitch = pitch;
    result = sim_submit(stream, &op->op);
    return result == CUDA_SUCCESS && waits ? sim_drain_stream(stream) : result;
}

#define FILL_CALLS(bits, type)                                                                                         \
    CUresult sim_cuMemsetD##bits##_v2(CUdeviceptr address, type value, size_t count)                                   \
    {                                                                                                                  \
        return fill(NULL, address, 0, value, (bits) / 8, count, 1, true);                                              \
    }                                                                                                                  \
    CUresult sim_cuMemsetD##bits##Async(CUdeviceptr address, type value, size_t count, CUstream stream)                \
    {                                                                                                                  \
        return fill(stream, address, 0, value, (bits) / 8, count, 1, false);                                           \
    }                                                                                                                  \
    CUresult sim_cuMemsetD2D##bits##_v2(CUdeviceptr address, size_t pitch, type value, size_t width, size_t height)    \
    {                                                                                                                  \
        return fill(NULL, address, pitch, value, (bits) / 8, width, height, true);                                     \
    }                                                                                                                  \
    CUresult sim_cuMemsetD2D##bits##Async(                                                                             \
        CUdeviceptr address, size_t pitch, type value, size_t width, size_t height, CUstream stream)                   \
    {                                                                                                                  \
        return fill(stream, address, pitch, value, (bits) / 8, width, height, false);                                  \
    }

FILL_CALLS(8, unsigned char)
FILL_CALLS(16, unsigned short)
FILL_CALLS(32, unsigned)
