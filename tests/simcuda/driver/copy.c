/* copy.c: the copy operation; see copy.h.
 *
 * Three kinds of places: device memory, host memory that CUDA knows (pinned, registered, host-located mappings), and
 * pageable host memory. A pageable source is read at the call; a known one when the stream reaches the copy. A copy
 * between two host places is done by the CPU while the caller waits. */
#include "copy.h"
#include "address.h"
#include "api.h"
#include "rules.h"
#include "trace.h"
#include "work.h"

#include <stdlib.h>
#include <string.h>

enum place_kind { PAGEABLE, KNOWN_HOST, DEVICE_MEMORY, NOT_THERE };

struct copy_op {
    struct sim_op op;
    struct sim_place to, from;
    size_t width, height, depth, to_pitch, to_slice, from_pitch, from_slice;
    char *staged; /* the pageable source, read at the call */
    size_t staged_bytes;
    enum sim_agent agent;
    bool pageable;    /* one of the two sides is host memory that CUDA does not know */
    bool hash_source; /* from ordinary host memory: the trace tells what */
};

/* Bytes from the first to the last byte that a side touches; false where there are no so many. */
static bool span_of(const struct sim_copy_request *request, const struct sim_copy_side *side, size_t *bytes)
{
    return sim_extent(request->width, request->height, side->pitch, request->depth, side->slice_pitch, bytes);
}

static enum place_kind kind_of(CUdeviceptr address, size_t bytes)
{
    const struct sim_range *range = sim_range_find(address);

    if (range == NULL)
        return sim_address_is_ours(address) || address == 0 ? NOT_THERE : PAGEABLE;
    if (!sim_range_covers(address, bytes) && SIM_RULE(copy_bounds))
        return range->kind == SIM_REGISTERED ? PAGEABLE : NOT_THERE; /* registered in part: the slow way */
    return sim_range_is_host(range) ? KNOWN_HOST : DEVICE_MEMORY;
}

static bool fits(enum place_kind kind, enum sim_side side)
{
    if (kind == NOT_THERE)
        return false;
    return side == SIM_SIDE_ANY || !SIM_RULE(copy_kinds) || (side == SIM_SIDE_DEVICE) == (kind == DEVICE_MEMORY);
}

/* Whether the agent can touch every byte. What is not allocated yet in stream order is judged when the stream is there.
 */
static bool is_reached(enum sim_agent agent, CUcontext context, CUdeviceptr address, size_t bytes, bool write)
{
    const struct sim_range *range = sim_range_find(address);

    for (size_t done = 0; range != NULL && done < bytes; range = sim_range_after(range)) {
        if (range->kind == SIM_MAPPING && !sim_agent_reaches(agent, context, range, write))
            return false;
        done = range->start + range->bytes - address;
    }
    return true;
}

static struct sim_place place_at(CUdeviceptr address, enum place_kind kind)
{
    if (kind == PAGEABLE)
        return (struct sim_place){.pointer = (char *)address};
    return (struct sim_place){.address = address};
}

static struct sim_place moved(struct sim_place place, size_t bytes)
{
    if (place.address != 0)
        place.address += bytes;
    else
        place.pointer += bytes;
    return place;
}

static void execute_copy(struct sim_op *op)
{
    struct copy_op *copy = (struct copy_op *)op;

    for (size_t slice = 0; slice < copy->depth; slice++)
        for (size_t row = 0; row < copy->height; row++)
            if (!sim_copy_bytes(moved(copy->to, slice * copy->to_slice + row * copy->to_pitch),
                    moved(copy->from, slice * copy->from_slice + row * copy->from_pitch), copy->width, copy->agent,
                    op->call))
                return;
    if (sim_trace_is_on())
        sim_trace_copy(
            op, copy->to, copy->from, copy->width, copy->height * copy->depth, copy->from_pitch, copy->hash_source);
}

static void destroy_copy(struct sim_op *op)
{
    free(((struct copy_op *)op)->staged);
}

static struct sim_op *clone_copy(const struct sim_op *op)
{
    struct copy_op *clone = (struct copy_op *)sim_op_copy(op, sizeof *clone);

    if (clone != NULL && clone->staged != NULL) {
        const char *source = clone->staged;
        clone->staged = malloc(clone->staged_bytes);
        if (clone->staged == NULL) {
            free(clone);
            return NULL;
        }
        memcpy(clone->staged, source, clone->staged_bytes);
        clone->from.pointer = clone->staged;
    }
    return clone != NULL ? &clone->op : NULL;
}

static bool copy_touches(const struct sim_op *op, CUdeviceptr address, size_t bytes)
{
    const struct copy_op *copy = (const struct copy_op *)op;
    size_t to_bytes = (copy->depth - 1) * copy->to_slice + (copy->height - 1) * copy->to_pitch + copy->width;
    size_t from_bytes = (copy->depth - 1) * copy->from_slice + (copy->height - 1) * copy->from_pitch + copy->width;

    return (copy->to.address != 0 && sim_overlaps(copy->to.address, to_bytes, address, bytes)) ||
           (copy->from.address != 0 && sim_overlaps(copy->from.address, from_bytes, address, bytes));
}

static void measure_copy(const struct sim_op *op, struct sim_work *work)
{
    const struct copy_op *copy = (const struct copy_op *)op;

    for (size_t slice = 0; slice < copy->depth; slice++)
        for (size_t row = 0; row < copy->height; row++)
            sim_work_copies(op, work, moved(copy->to, slice * copy->to_slice + row * copy->to_pitch),
                moved(copy->from, slice * copy->from_slice + row * copy->from_pitch), copy->width, copy->pageable);
}

static const struct sim_op_class copy_class = {.name = "copy",
    .execute = execute_copy,
    .clone = clone_copy,
    .destroy = destroy_copy,
    .touches = copy_touches,
    .measure = measure_copy};

static struct copy_op *new_op(
    const struct sim_copy_request *request, enum place_kind to_kind, enum place_kind from_kind)
{
    struct copy_op *copy = sim_op_new(&copy_class, sizeof *copy);

    if (copy == NULL)
        return NULL;
    copy->to = place_at(request->to.address, to_kind);
    copy->from = place_at(request->from.address, from_kind);
    copy->width = request->width;
    copy->height = request->height;
    copy->depth = request->depth;
    copy->to_pitch = request->to.pitch;
    copy->to_slice = request->to.slice_pitch;
    copy->from_pitch = request->from.pitch;
    copy->from_slice = request->from.slice_pitch;
    copy->pageable = to_kind == PAGEABLE || from_kind == PAGEABLE;
    copy->hash_source = from_kind == PAGEABLE ||
                        (sim_range_find(request->from.address) != NULL &&
                            sim_range_find(request->from.address)->kind != SIM_MAPPING && from_kind == KNOWN_HOST);
    return copy;
}

/* The source's bytes as they are now. */
static bool stage(struct copy_op *copy, const struct sim_copy_request *request, size_t bytes)
{
    copy->staged_bytes = bytes;
    copy->staged = malloc(copy->staged_bytes);
    if (copy->staged == NULL)
        return false;
    memcpy(copy->staged, (const char *)request->from.address, copy->staged_bytes);
    copy->from = (struct sim_place){.pointer = copy->staged};
    return true;
}

/* Whether the call returns only when the copy is done. */
static bool host_waits(
    const struct sim_copy_request *request, enum sim_agent agent, enum place_kind to_kind, enum place_kind from_kind)
{
    if (agent == SIM_CPU)
        return SIM_RULE(copy_host_to_host_waits);
    if (to_kind == PAGEABLE)
        return SIM_RULE(copy_pageable_arrives);
    return request->synchronous && (to_kind == KNOWN_HOST || from_kind == KNOWN_HOST);
}

static bool is_read_at_call(CUdeviceptr from, enum place_kind kind)
{
    if (kind == PAGEABLE)
        return SIM_RULE(copy_pageable_read_at_call);
    return kind == KNOWN_HOST && sim_range_find(from)->kind != SIM_MAPPING && !SIM_RULE(copy_pinned_read_in_order);
}

CUresult sim_copy(CUstream stream, const struct sim_copy_request *request)
{
    enum place_kind to_kind, from_kind;
    enum sim_agent agent;
    struct copy_op *copy;
    size_t to_bytes, from_bytes;
    CUresult result;
    bool waits;

    if (request->width == 0 || request->height == 0 || request->depth == 0)
        return CUDA_SUCCESS;
    if (!span_of(request, &request->to, &to_bytes) || !span_of(request, &request->from, &from_bytes))
        return CUDA_ERROR_INVALID_VALUE;
    to_kind = kind_of(request->to.address, to_bytes);
    from_kind = kind_of(request->from.address, from_bytes);
    if (!fits(to_kind, request->to.side) || !fits(from_kind, request->from.side))
        return CUDA_ERROR_INVALID_VALUE;

    agent = to_kind == DEVICE_MEMORY || from_kind == DEVICE_MEMORY ? SIM_COPY_ENGINE : SIM_CPU;
    if (!is_reached(agent, stream->context, request->to.address, to_bytes, true) ||
        !is_reached(agent, stream->context, request->from.address, from_bytes, false)) {
        if (agent == SIM_COPY_ENGINE)
            return CUDA_ERROR_INVALID_VALUE;
        sim_raise(stream->context, CUDA_ERROR_ILLEGAL_ADDRESS,
            "%s copies from host to host by the CPU, and one side is mapped memory without access for the CPU "
            "(cuMemSetAccess with a host location)",
            sim_call_name());
        return CUDA_ERROR_ILLEGAL_ADDRESS;
    }
    waits = stream->capture == NULL && host_waits(request, agent, to_kind, from_kind);
    copy = new_op(request, to_kind, from_kind);
    if (copy == NULL)
        return CUDA_ERROR_OUT_OF_MEMORY;
    copy->agent = agent;
    /* A source that is read before this call returns needs no copy of its own. */
    if (is_read_at_call(request->from.address, from_kind) && !waits && !sim_runs_at_once(stream) &&
        !stage(copy, request, from_bytes)) {
        sim_op_destroy(&copy->op);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    result = sim_submit(stream, &copy->op);
    return result == CUDA_SUCCESS && waits ? sim_drain_stream(stream) : result;
}
