/* shadow.c: buffers whose bytes are known: each has an image in the program's memory, to which every write is done as
 * well. Their work goes through streams of their own and is ordered by events, so that the image is always what the
 * device will have; reading back compares. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#define SHADOWS     6
#define SMALL_BYTES 70000

static struct shadow {
    CUdeviceptr memory;
    CUcontext context;
    CUstream stream;
    size_t bytes;
    unsigned char *image;
    unsigned char *pinned; /* a source that is read when its copy runs: not touched until the stream was waited for */
    bool pinned_in_use;
} shadows[SHADOWS];
static size_t shadow_count;

bool shadow_overlaps(CUdeviceptr address, size_t bytes)
{
    for (size_t i = 0; i < shadow_count; i++) {
        const struct shadow *s = &shadows[i];
        if (s->memory && address < s->memory + s->bytes && (bytes > s->memory || s->memory < address + bytes))
            return true;
        if (s->pinned && address < (CUdeviceptr)s->pinned + s->bytes &&
            (bytes > (size_t)s->pinned || (CUdeviceptr)s->pinned < address + bytes))
            return true;
    }
    return false;
}

static bool good(CUresult result)
{
    if (result == CUDA_ERROR_OUT_OF_MEMORY)
        return false;
    if (result != CUDA_SUCCESS && !world.sticky)
        fail("a legal call on a shadowed buffer failed");
    return result == CUDA_SUCCESS;
}

static bool make(struct shadow *s, CUcontext context)
{
    void *pinned = NULL;
    memset(s, 0, sizeof *s);
    s->bytes = 1 + below(one_in(4) ? 3 << 20 : SMALL_BYTES);
    cuCtxPushCurrent(context);
    bool made = good(cuStreamCreate(&s->stream, CU_STREAM_NON_BLOCKING));
    made = made && good(cuMemAlloc(&s->memory, s->bytes));
    made = made && good(cuMemHostAlloc(&pinned, s->bytes, CU_MEMHOSTALLOC_PORTABLE));
    made = made && good(cuMemsetD8Async(s->memory, 0x11, s->bytes, s->stream));
    cuCtxPopCurrent(NULL);
    s->context = context;
    s->pinned = pinned;
    s->image = malloc(s->bytes);
    if (!s->image)
        abort();
    memset(s->image, 0x11, s->bytes);
    return made;
}

void shadow_begin(void)
{
    shadow_count = 0;
    for (size_t i = 0; i < SHADOWS && world.careful; i++)
        if (!make(&shadows[shadow_count++], world.primary[i % (size_t)world.device_count]))
            fail("a shadowed buffer could not be made");
}

void shadow_context_died(CUcontext context)
{
    for (size_t i = 0; i < shadow_count; i++)
        if (shadows[i].context == context) {
            free(shadows[i].image);
            shadows[i] = (struct shadow){0};
        }
}

static struct shadow *any_shadow(void)
{
    struct shadow *s = shadow_count ? &shadows[below(shadow_count)] : NULL;
    /* While something is captured, waiting and allocating are refused: another test. */
    return s && s->memory && !world.captures && !world.sticky ? s : NULL;
}

static size_t part_of(const struct shadow *s, size_t *bytes)
{
    size_t offset = below(s->bytes);
    *bytes = 1 + below(s->bytes - offset);
    return offset;
}

static int compare(struct shadow *s, size_t offset, size_t bytes)
{
    unsigned char *found = malloc(bytes);
    if (!found)
        abort();
    memset(found, 0xEE, bytes);
    CUresult result = one_in(2) ? cuMemcpyDtoHAsync(found, s->memory + offset, bytes, s->stream)
                                : cuStreamSynchronize(s->stream) || cuMemcpyDtoH(found, s->memory + offset, bytes);
    if (good(result) && memcmp(found, s->image + offset, bytes))
        fail("a buffer does not hold the bytes that were written to it");
    free(found);
    s->pinned_in_use = false;
    return (int)result;
}

CALL(shadow_read)
{
    size_t bytes;
    struct shadow *s = any_shadow();
    if (!s)
        return NOT_MADE;
    cuCtxPushCurrent(s->context);
    size_t offset = part_of(s, &bytes);
    int result = compare(s, offset, bytes);
    cuCtxPopCurrent(NULL);
    return result;
}

/* The source may be changed when the call has returned. */
CALL(shadow_write_pageable)
{
    size_t bytes;
    struct shadow *s = any_shadow();
    if (!s)
        return NOT_MADE;
    size_t offset = part_of(s, &bytes);
    unsigned char *source = malloc(bytes);
    if (!source)
        abort();
    for (size_t i = 0; i < bytes; i++)
        source[i] = s->image[offset + i] = (unsigned char)(chance() >> (i % 8));
    cuCtxPushCurrent(s->context);
    CUresult result = cuMemcpyHtoDAsync(s->memory + offset, source, bytes, s->stream);
    cuCtxPopCurrent(NULL);
    memset(source, 0xDD, bytes);
    free(source);
    return good(result), (int)result;
}

CALL(shadow_write_pinned)
{
    size_t bytes;
    struct shadow *s = any_shadow();
    if (!s)
        return NOT_MADE;
    cuCtxPushCurrent(s->context);
    if (s->pinned_in_use)
        good(cuStreamSynchronize(s->stream));
    size_t offset = part_of(s, &bytes);
    memset(s->pinned, (int)chance(), bytes);
    memcpy(s->image + offset, s->pinned, bytes);
    s->pinned_in_use = true;
    CUresult result = cuMemcpyAsync(s->memory + offset, (CUdeviceptr)s->pinned, bytes, s->stream);
    cuCtxPopCurrent(NULL);
    return good(result), (int)result;
}

CALL(shadow_fill)
{
    size_t bytes;
    struct shadow *s = any_shadow();
    if (!s)
        return NOT_MADE;
    size_t offset = part_of(s, &bytes) & ~(size_t)3;
    unsigned value = (unsigned)chance();
    size_t count = bytes / 4;
    cuCtxPushCurrent(s->context);
    CUresult result = CUDA_SUCCESS;
    if (one_in(2)) {
        result = cuMemsetD32Async(s->memory + offset, value, count, s->stream);
        for (size_t i = 0; i < count; i++)
            memcpy(s->image + offset + 4 * i, &value, 4);
    } else {
        result = cuMemsetD8Async(s->memory + offset, (unsigned char)value, bytes, s->stream);
        memset(s->image + offset, (unsigned char)value, bytes);
    }
    cuCtxPopCurrent(NULL);
    return good(result), (int)result;
}

/* `later` waits for what `earlier` has queued. Recording the event again must not change what was asked before. */
static CUresult order(struct shadow *earlier, struct shadow *later)
{
    CUevent event;
    cuCtxPushCurrent(earlier->context);
    CUresult result = cuEventCreate(&event, CU_EVENT_DISABLE_TIMING);
    if (result == CUDA_SUCCESS)
        result = cuEventRecord(event, earlier->stream);
    cuCtxPopCurrent(NULL);
    if (result != CUDA_SUCCESS)
        return result;
    cuCtxPushCurrent(later->context);
    result = cuStreamWaitEvent(later->stream, event, 0);
    cuCtxPopCurrent(NULL);
    cuEventDestroy(event);
    return result;
}

CALL(shadow_copy)
{
    struct shadow *from = any_shadow(), *to = any_shadow();
    size_t bytes;
    if (!from || !to || from == to)
        return NOT_MADE;
    size_t offset = part_of(from, &bytes);
    if (bytes > to->bytes)
        bytes = to->bytes;
    size_t to_offset = below(to->bytes - bytes + 1);
    CUresult result = order(from, to);
    cuCtxPushCurrent(to->context);
    if (result == CUDA_SUCCESS)
        result = one_in(2) ? cuMemcpyDtoDAsync(to->memory + to_offset, from->memory + offset, bytes, to->stream)
                           : cuMemcpyPeerAsync(to->memory + to_offset, to->context, from->memory + offset,
                                 from->context, bytes, to->stream);
    cuCtxPopCurrent(NULL);
    if (result == CUDA_SUCCESS)
        result = order(to, from);
    memcpy(to->image + to_offset, from->image + offset, bytes);
    return good(result), (int)result;
}

/* A graph of work on one buffer, captured, launched and thrown away. */
CALL(shadow_graph)
{
    struct shadow *s = any_shadow();
    CUgraph graph = NULL;
    CUgraphExec exec = NULL;
    if (!s)
        return NOT_MADE;
    cuCtxPushCurrent(s->context);
    CUresult result = cuStreamBeginCapture(s->stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL);
    if (result == CUDA_SUCCESS)
        result = cuMemsetD8Async(s->memory, 0x42, s->bytes, s->stream);
    if (result == CUDA_SUCCESS)
        result = cuStreamEndCapture(s->stream, &graph);
    if (result == CUDA_SUCCESS)
        result = cuGraphInstantiate(&exec, graph, 0);
    if (result == CUDA_SUCCESS)
        result = cuGraphLaunch(exec, s->stream);
    memset(s->image, 0x42, s->bytes);
    if (exec)
        cuGraphExecDestroy(exec);
    if (graph)
        cuGraphDestroy(graph);
    cuCtxPopCurrent(NULL);
    return good(result), (int)result;
}

void shadow_end(void)
{
    for (size_t i = 0; i < shadow_count; i++) {
        struct shadow *s = &shadows[i];
        if (!s->memory)
            continue;
        cuCtxPushCurrent(s->context);
        compare(s, 0, s->bytes);
        cuMemFree(s->memory);
        cuMemFreeHost(s->pinned);
        cuStreamDestroy(s->stream);
        cuCtxPopCurrent(NULL);
        free(s->image);
    }
    shadow_count = 0;
}
