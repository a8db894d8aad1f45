/* copy.c: copies of every kind: in, out and across; flat, in rows, in boxes; through the runtime and the driver. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "operations.h"
#include "order.h"
#include "pinned.h"
#include "report.h"
#include "shadow.h"

cudaError_t cudaMemcpyAsync_ptsz(
    void *to, const void *from, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t stream);

/* What a copy is asked for. */
struct copy {
    char *to;
    const char *from;
    enum cudaMemcpyKind kind;
    const struct region *to_region, *from_region; /* of the same width, height and depth */
    int to_device, from_device;
    cudaStream_t stream;
};

/* --- Descriptions ------------------------------------------------------------------------------------------------- */

static struct cudaPitchedPtr pitched(const void *pointer, const struct region *region)
{
    return (struct cudaPitchedPtr){(void *)pointer, region->pitch, region->width, region->rows};
}

static struct cudaExtent extent(const struct copy *c)
{
    return (struct cudaExtent){c->to_region->width, c->to_region->height, c->to_region->depth};
}

static const struct cudaMemcpy3DParms *box(const struct copy *c)
{
    static _Thread_local struct cudaMemcpy3DParms box;
    box = (struct cudaMemcpy3DParms){.srcPtr = pitched(c->from, c->from_region),
        .dstPtr = pitched(c->to, c->to_region),
        .extent = extent(c),
        .kind = c->kind};
    return &box;
}

static CUmemorytype memory_type(const struct copy *c, bool source)
{
    bool host = source ? c->kind == cudaMemcpyHostToDevice : c->kind == cudaMemcpyDeviceToHost;
    return host ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE;
}

static const CUDA_MEMCPY2D *rows(const struct copy *c)
{
    static _Thread_local CUDA_MEMCPY2D copy;
    copy = (CUDA_MEMCPY2D){.srcMemoryType = memory_type(c, true),
        .srcHost = c->from,
        .srcDevice = (CUdeviceptr)c->from,
        .srcPitch = c->from_region->pitch,
        .dstMemoryType = memory_type(c, false),
        .dstHost = c->to,
        .dstDevice = (CUdeviceptr)c->to,
        .dstPitch = c->to_region->pitch,
        .WidthInBytes = c->to_region->width,
        .Height = c->to_region->height};
    return &copy;
}

static const CUDA_MEMCPY3D *slices(const struct copy *c)
{
    static _Thread_local CUDA_MEMCPY3D copy;
    copy = (CUDA_MEMCPY3D){.srcMemoryType = memory_type(c, true),
        .srcHost = c->from,
        .srcDevice = (CUdeviceptr)c->from,
        .srcPitch = c->from_region->pitch,
        .srcHeight = c->from_region->rows,
        .dstMemoryType = memory_type(c, false),
        .dstHost = c->to,
        .dstDevice = (CUdeviceptr)c->to,
        .dstPitch = c->to_region->pitch,
        .dstHeight = c->to_region->rows,
        .WidthInBytes = c->to_region->width,
        .Height = c->to_region->height,
        .Depth = c->to_region->depth};
    return &copy;
}

static CUcontext context_of(int device)
{
    CUcontext context = NULL;
    int current = -1;
    cudaGetDevice(&current);
    cudaSetDevice(device);
    cuCtxGetCurrent(&context);
    cudaSetDevice(current);
    return context;
}

/* --- The table ---------------------------------------------------------------------------------------------------- */

enum { IN = 1, OUT = 2, ACROSS = 4, BETWEEN = 8, ALL = IN | OUT | ACROSS | BETWEEN }; /* BETWEEN: of two devices */

#define BYTES   c->to_region->width
#define TO      ((CUdeviceptr)c->to)
#define FROM    ((CUdeviceptr)c->from)
#define PITCHED c->to, c->to_region->pitch, c->from, c->from_region->pitch, c->to_region->width, c->to_region->height
/* COPY(how, directions, dimensions, in a stream, call) */
#define WAYS(COPY)                                                                                                     \
    COPY(cudaMemcpy, ALL, 1, false, cudaMemcpy(c->to, c->from, BYTES, c->kind))                                        \
    COPY(cudaMemcpy_default, ALL, 1, false, cudaMemcpy(c->to, c->from, BYTES, cudaMemcpyDefault))                      \
    COPY(cudaMemcpyAsync, ALL, 1, true, cudaMemcpyAsync(c->to, c->from, BYTES, c->kind, c->stream))                    \
    COPY(cudaMemcpyAsync_default, ALL, 1, true, cudaMemcpyAsync(c->to, c->from, BYTES, cudaMemcpyDefault, c->stream))  \
    COPY(cudaMemcpyAsync_ptsz, ALL, 1, true,                                                                           \
        cudaMemcpyAsync_ptsz(c->to, c->from, BYTES, c->kind, c->stream ? c->stream : cudaStreamLegacy))                \
    COPY(cuMemcpyHtoD, IN, 1, false, cuMemcpyHtoD(TO, c->from, BYTES))                                                 \
    COPY(cuMemcpyHtoDAsync, IN, 1, true, cuMemcpyHtoDAsync(TO, c->from, BYTES, c->stream))                             \
    COPY(cuMemcpyDtoH, OUT, 1, false, cuMemcpyDtoH(c->to, FROM, BYTES))                                                \
    COPY(cuMemcpyDtoHAsync, OUT, 1, true, cuMemcpyDtoHAsync(c->to, FROM, BYTES, c->stream))                            \
    COPY(cuMemcpyDtoD, ACROSS | BETWEEN, 1, false, cuMemcpyDtoD(TO, FROM, BYTES))                                      \
    COPY(cuMemcpyDtoDAsync, ACROSS | BETWEEN, 1, true, cuMemcpyDtoDAsync(TO, FROM, BYTES, c->stream))                  \
    COPY(cuMemcpy, ALL, 1, false, cuMemcpy(TO, FROM, BYTES))                                                           \
    COPY(cuMemcpyAsync, ALL, 1, true, cuMemcpyAsync(TO, FROM, BYTES, c->stream))                                       \
    COPY(cudaMemcpyPeer, ACROSS | BETWEEN, 1, false,                                                                   \
        cudaMemcpyPeer(c->to, c->to_device, c->from, c->from_device, BYTES))                                           \
    COPY(cudaMemcpyPeerAsync, ACROSS | BETWEEN, 1, true,                                                               \
        cudaMemcpyPeerAsync(c->to, c->to_device, c->from, c->from_device, BYTES, c->stream))                           \
    COPY(cuMemcpyPeer, ACROSS | BETWEEN, 1, false,                                                                     \
        cuMemcpyPeer(TO, context_of(c->to_device), FROM, context_of(c->from_device), BYTES))                           \
    COPY(cuMemcpyPeerAsync, ACROSS | BETWEEN, 1, true,                                                                 \
        cuMemcpyPeerAsync(TO, context_of(c->to_device), FROM, context_of(c->from_device), BYTES, c->stream))           \
    COPY(cudaMemcpy2D, ALL, 2, false, cudaMemcpy2D(PITCHED, c->kind))                                                  \
    COPY(cudaMemcpy2DAsync, ALL, 2, true, cudaMemcpy2DAsync(PITCHED, c->kind, c->stream))                              \
    COPY(cuMemcpy2D, ALL, 2, false, cuMemcpy2D(rows(c)))                                                               \
    COPY(cuMemcpy2DUnaligned, ALL, 2, false, cuMemcpy2DUnaligned(rows(c)))                                             \
    COPY(cuMemcpy2DAsync, ALL, 2, true, cuMemcpy2DAsync(rows(c), c->stream))                                           \
    COPY(cudaMemcpy3D, ALL, 3, false, cudaMemcpy3D(box(c)))                                                            \
    COPY(cudaMemcpy3DAsync, ALL, 3, true, cudaMemcpy3DAsync(box(c), c->stream))                                        \
    COPY(cuMemcpy3D, ALL, 3, false, cuMemcpy3D(slices(c)))                                                             \
    COPY(cuMemcpy3DAsync, ALL, 3, true, cuMemcpy3DAsync(slices(c), c->stream))

#define DEFINE(how, directions, dimensions, in_stream, call)                                                           \
    static int by_##how(const struct copy *c)                                                                          \
    {                                                                                                                  \
        return (int)(call);                                                                                            \
    }
WAYS(DEFINE)

#define ENTRY(how, directions, dimensions, in_stream, call) {#how, directions, dimensions, in_stream, by_##how},
static const struct way {
    const char *name;
    unsigned directions, dimensions;
    bool in_stream;
    int (*call)(const struct copy *c);
} ways[] = {WAYS(ENTRY)};
#define WAY_COUNT (sizeof ways / sizeof *ways)

static const struct way *choose_way(struct worker *worker, unsigned direction)
{
    const struct way *way;
    do
        way = &ways[below(worker, WAY_COUNT)];
    while (!(way->directions & direction));
    return way;
}

/* Width, height and depth of some bytes of the allocation. False where it is too small for so many rows. */
static bool choose_shape(struct worker *worker, const struct allocation *allocation, const struct way *way, size_t most,
    struct region *region)
{
    *region = flat_region(worker, allocation, most, 1);
    if (way->dimensions == 1)
        return true;
    region->height = 1 + below(worker, 8);
    region->depth = way->dimensions == 3 ? 1 + below(worker, 4) : 1;
    region->width /= region->height * region->depth;
    return region->width > 0;
}

/* The same shape in host memory, where there is room for it: with gaps of its own. */
static struct region choose_host_region(struct worker *worker, const struct region *shape)
{
    struct region host = {0, shape->width, shape->height, shape->depth, shape->width, shape->height};
    struct region loose = host;
    if (shape->height * shape->depth > 1)
        loose.pitch += below(worker, 96);
    if (shape->depth > 1)
        loose.rows += below(worker, 2);
    return region_extent(&loose) <= WINDOW_BYTES ? loose : host;
}

static int choose_slot(struct worker *worker, const struct way *way, int device)
{
    return way->in_stream ? any_slot(worker, device) : legacy_slot(worker, device);
}

static void note_copy(struct worker *worker, struct allocation *allocation, const struct way *way,
    const char *direction, const struct region *region)
{
    note(worker, allocation, "%s %s: %zu x %zu x %zu at %zu (pitch %zu) in stream %d", way->name, direction,
        region->width, region->height, region->depth, region->offset, region->pitch, allocation->slot);
}

/* --- In and out --------------------------------------------------------------------------------------------------- */

static void make_bytes(struct worker *worker, unsigned char *bytes, size_t count)
{
    uint64_t value = below(worker, UINT64_MAX) | 1;
    for (size_t i = 0; i < count; i++) {
        value = value * 6364136223846793005u + 1442695040888963407u;
        bytes[i] = (unsigned char)(value >> 56);
    }
}

void do_copy_in(struct worker *worker)
{
    struct allocation *allocation = any_owned(worker, -1);
    const struct way *way = choose_way(worker, IN);
    struct region region;
    if (!allocation || !choose_shape(worker, allocation, way, WINDOW_BYTES, &region) ||
        !place_region(worker, allocation, &region, 1))
        return;
    struct region host = choose_host_region(worker, &region);
    struct buffer *buffer = chance(worker, 50) ? take_buffer(worker) : NULL;
    unsigned char *source = buffer ? buffer->bytes : worker->scratch;
    make_bytes(worker, source, region_extent(&host));
    struct copy copy = {.to = allocation->address + region.offset,
        .from = (char *)source,
        .kind = cudaMemcpyHostToDevice,
        .to_region = &region,
        .from_region = &host,
        .to_device = allocation->device};
    copy.stream = order_in(worker, allocation, choose_slot(worker, way, allocation->device));
    note_copy(worker, allocation, way, buffer ? "in, pinned" : "in", &region);
    TRY_NAMED(worker, way->name, way->call(&copy));
    write_shadow(allocation, &region, source, &host);
    if (buffer && way->in_stream)
        buffer_is_source(buffer, allocation->slot, region_extent(&host));
    else
        memset(source, 0xA5, region_extent(&host)); /* it was read already */
}

void copy_out_of(struct worker *worker, struct allocation *allocation, bool pinned)
{
    const struct way *way = choose_way(worker, OUT);
    struct region region;
    if (!choose_shape(worker, allocation, way, WINDOW_BYTES, &region) || !place_region(worker, allocation, &region, 1))
        return;
    struct region host = choose_host_region(worker, &region);
    size_t bytes = region_extent(&host);
    struct buffer *buffer = pinned ? take_buffer(worker) : NULL;
    unsigned char *target = buffer ? buffer->bytes : worker->scratch, *expected = malloc(bytes);
    if (!expected)
        fail(worker, NULL, "the test itself is out of memory");
    memset(target, 0x5A, bytes); /* what lies between rows must stay */
    memset(expected, 0x5A, bytes);
    read_shadow(allocation, &region, expected, &host);
    struct copy copy = {.to = (char *)target,
        .from = allocation->address + region.offset,
        .kind = cudaMemcpyDeviceToHost,
        .to_region = &host,
        .from_region = &region,
        .from_device = allocation->device};
    copy.stream = order_in(worker, allocation, choose_slot(worker, way, allocation->device));
    note_copy(worker, allocation, way, buffer ? "out, pinned" : "out", &region);
    TRY_NAMED(worker, way->name, way->call(&copy));
    if (buffer && way->in_stream) {
        buffer_is_target(worker, buffer, allocation->slot, allocation, region.offset, expected, bytes);
        return;
    }
    expect_bytes(worker, allocation, region.offset, target, expected, bytes, worker->operation, way->name);
    memset(target, 0xA5, bytes); /* nothing arrives later */
    free(expected);
}

void do_copy_out(struct worker *worker)
{
    struct allocation *allocation = any_owned(worker, -1);
    if (allocation)
        copy_out_of(worker, allocation, chance(worker, 50));
}

/* --- Across ------------------------------------------------------------------------------------------------------- */

void do_copy_across(struct worker *worker)
{
    struct allocation *to = any_owned(worker, -1), *from = any_owned(worker, -1);
    if (!to || !from || to == from)
        return;
    const struct way *way = choose_way(worker, to->device == from->device ? ACROSS : BETWEEN);
    const struct allocation *smaller = to->bytes < from->bytes ? to : from;
    struct region to_region;
    if (!choose_shape(worker, smaller, way, smaller->bytes > MIB && chance(worker, 5) ? smaller->bytes : WINDOW_BYTES,
            &to_region))
        return;
    struct region from_region = to_region;
    if (!place_region(worker, to, &to_region, 1) || !place_region(worker, from, &from_region, 1))
        return;
    struct copy copy = {.to = to->address + to_region.offset,
        .from = from->address + from_region.offset,
        .kind = cudaMemcpyDeviceToDevice,
        .to_region = &to_region,
        .from_region = &from_region,
        .to_device = to->device,
        .from_device = from->device};
    int slot = choose_slot(worker, way, chance(worker, 50) ? to->device : 0);
    order_in(worker, from, slot);
    copy.stream = order_in(worker, to, slot);
    note_copy(worker, from, way, "across, from here", &from_region);
    note_copy(worker, to, way, "across, to here", &to_region);
    TRY_NAMED(worker, way->name, way->call(&copy));
    for (size_t slice = 0; slice < to_region.depth; slice++)
        for (size_t row = 0; row < to_region.height; row++)
            memcpy(to->shadow + to_region.offset + (slice * to_region.rows + row) * to_region.pitch,
                from->shadow + from_region.offset + (slice * from_region.rows + row) * from_region.pitch,
                to_region.width);
}
