/* fill.c: memsets of every kind: elements of 1, 2 and 4 bytes, in one, two and three dimensions. */
#include <stdio.h>
#include <string.h>

#include "operations.h"
#include "order.h"
#include "report.h"
#include "shadow.h"

/* What a memset is asked for; `width` in elements. */
struct fill {
    char *to;
    uint32_t value;
    size_t width, height, depth, pitch, rows;
    cudaStream_t stream;
};

static struct cudaPitchedPtr pitched(const struct fill *f)
{
    return (struct cudaPitchedPtr){f->to, f->pitch, f->width, f->rows};
}

#define TO  ((CUdeviceptr)f->to)
#define BOX pitched(f), (int)f->value, ((struct cudaExtent){f->width, f->height, f->depth})
/* FILL(how, bytes of an element, dimensions, in a stream, call) */
#define WAYS(FILL)                                                                                                     \
    FILL(cudaMemset, 1, 1, false, cudaMemset(f->to, (int)f->value, f->width))                                          \
    FILL(cudaMemsetAsync, 1, 1, true, cudaMemsetAsync(f->to, (int)f->value, f->width, f->stream))                      \
    FILL(cuMemsetD8, 1, 1, false, cuMemsetD8(TO, (unsigned char)f->value, f->width))                                   \
    FILL(cuMemsetD16, 2, 1, false, cuMemsetD16(TO, (unsigned short)f->value, f->width))                                \
    FILL(cuMemsetD32, 4, 1, false, cuMemsetD32(TO, f->value, f->width))                                                \
    FILL(cuMemsetD8Async, 1, 1, true, cuMemsetD8Async(TO, (unsigned char)f->value, f->width, f->stream))               \
    FILL(cuMemsetD16Async, 2, 1, true, cuMemsetD16Async(TO, (unsigned short)f->value, f->width, f->stream))            \
    FILL(cuMemsetD32Async, 4, 1, true, cuMemsetD32Async(TO, f->value, f->width, f->stream))                            \
    FILL(cudaMemset2D, 1, 2, false, cudaMemset2D(f->to, f->pitch, (int)f->value, f->width, f->height))                 \
    FILL(cudaMemset2DAsync, 1, 2, true,                                                                                \
        cudaMemset2DAsync(f->to, f->pitch, (int)f->value, f->width, f->height, f->stream))                             \
    FILL(cuMemsetD2D8, 1, 2, false, cuMemsetD2D8(TO, f->pitch, (unsigned char)f->value, f->width, f->height))          \
    FILL(cuMemsetD2D16, 2, 2, false, cuMemsetD2D16(TO, f->pitch, (unsigned short)f->value, f->width, f->height))       \
    FILL(cuMemsetD2D32, 4, 2, false, cuMemsetD2D32(TO, f->pitch, f->value, f->width, f->height))                       \
    FILL(cuMemsetD2D8Async, 1, 2, true,                                                                                \
        cuMemsetD2D8Async(TO, f->pitch, (unsigned char)f->value, f->width, f->height, f->stream))                      \
    FILL(cuMemsetD2D16Async, 2, 2, true,                                                                               \
        cuMemsetD2D16Async(TO, f->pitch, (unsigned short)f->value, f->width, f->height, f->stream))                    \
    FILL(cuMemsetD2D32Async, 4, 2, true, cuMemsetD2D32Async(TO, f->pitch, f->value, f->width, f->height, f->stream))   \
    FILL(cudaMemset3D, 1, 3, false, cudaMemset3D(BOX))                                                                 \
    FILL(cudaMemset3DAsync, 1, 3, true, cudaMemset3DAsync(BOX, f->stream))

#define DEFINE(how, element_bytes, dimensions, in_stream, call)                                                        \
    static int by_##how(const struct fill *f)                                                                          \
    {                                                                                                                  \
        return (int)(call);                                                                                            \
    }
WAYS(DEFINE)

#define ENTRY(how, element_bytes, dimensions, in_stream, call) {#how, element_bytes, dimensions, in_stream, by_##how},
static const struct way {
    const char *name;
    unsigned element_bytes, dimensions;
    bool in_stream;
    int (*call)(const struct fill *f);
} ways[] = {WAYS(ENTRY)};
#define WAY_COUNT (sizeof ways / sizeof *ways)

static void fill_shadow(
    struct allocation *allocation, const struct region *region, uint32_t value, unsigned element_bytes)
{
    for (size_t slice = 0; slice < region->depth; slice++)
        for (size_t row = 0; row < region->height; row++) {
            unsigned char *to = allocation->shadow + region->offset + (slice * region->rows + row) * region->pitch;
            if (element_bytes == 1)
                memset(to, (int)(value & 0xFF), region->width);
            else
                for (size_t i = 0; i < region->width; i += element_bytes)
                    memcpy(to + i, &value, element_bytes);
        }
}

static bool choose_region(
    struct worker *worker, const struct allocation *allocation, const struct way *way, struct region *region)
{
    if (allocation->bytes < way->element_bytes)
        return false;
    *region = flat_region(worker, allocation, WINDOW_BYTES, way->element_bytes);
    if (way->dimensions == 1)
        return true;
    region->height = 1 + below(worker, 8);
    region->depth = way->dimensions == 3 ? 1 + below(worker, 4) : 1;
    region->width = region->width / (region->height * region->depth) / way->element_bytes * way->element_bytes;
    return region->width > 0 && place_region(worker, allocation, region, way->element_bytes);
}

/* Where a call without a stream works: in the legacy default stream. */
static cudaStream_t order_fill(struct worker *worker, struct allocation *allocation, const struct way *way)
{
    int slot = way->in_stream ? any_slot(worker, allocation->device) : legacy_slot(worker, allocation->device);
    return order_in(worker, allocation, slot);
}

static void fill_region(
    struct worker *worker, struct allocation *allocation, const struct way *way, const struct region *region)
{
    struct fill fill = {
        .to = allocation->address + region->offset,
        .value = (uint32_t)below(worker, UINT32_MAX),
        .width = region->width / way->element_bytes,
        .height = region->height,
        .depth = region->depth,
        .pitch = region->pitch,
        .rows = region->rows,
        .stream = order_fill(worker, allocation, way),
    };
    fill.value &= way->element_bytes == 1 ? 0xFF : UINT32_MAX;
    TRY_NAMED(worker, way->name, way->call(&fill));
    fill_shadow(allocation, region, fill.value, way->element_bytes);
    note(worker, allocation, "%s %x: %zu x %zu x %zu at %zu (pitch %zu) in stream %d", way->name, fill.value,
        region->width, region->height, region->depth, region->offset, region->pitch, allocation->slot);
}

void fill_some(struct worker *worker, struct allocation *allocation)
{
    const struct way *way = &ways[below(worker, WAY_COUNT)];
    struct region region;
    if (choose_region(worker, allocation, way, &region))
        fill_region(worker, allocation, way, &region);
}

void do_fill(struct worker *worker)
{
    struct allocation *allocation = any_owned(worker, -1);
    if (allocation)
        fill_some(worker, allocation);
}

/* So that each byte is known from the beginning. */
void fill_whole(struct worker *worker, struct allocation *allocation)
{
    const struct region all = {0, allocation->bytes, 1, 1, allocation->bytes, 1};
    const struct way *way;
    do
        way = &ways[below(worker, WAY_COUNT)];
    while (way->dimensions != 1 || allocation->bytes % way->element_bytes != 0);
    fill_region(worker, allocation, way, &all);
}
