/* event.c: events and the operations that record them and wait for them.
 *
 * An event holds its latest recording, a struct sim_point. A wait takes the point that the event has at that moment:
 * recording the event again does not change what was asked before (CUDA Driver API, cuStreamWaitEvent). */
#include "api.h"
#include "capture.h"
#include "handles.h"
#include "ipc.h"
#include "objects.h"
#include "ordering.h"
#include "rules.h"
#include "stream.h"

#include <stdlib.h>
#include <time.h>

struct CUevent_st {
    CUcontext context;
    uint64_t context_id; /* a primary context that is reset is another one, with the same handle */
    unsigned flags;
    struct sim_point *point; /* NULL: never recorded */
    unsigned refusals;
};

static struct sim_handles event_handles;

/* An event ends with its context. */
static bool is_live(CUevent event)
{
    return sim_object_is(event, SIM_OBJECT_EVENT) && event->context->active && event->context->id == event->context_id;
}

/* A record or a wait. */
struct point_op {
    struct sim_op op;
    struct sim_point *point;
};

static void drop_point(struct sim_op *op)
{
    sim_point_drop(((struct point_op *)op)->point);
}

static void execute_record(struct sim_op *op)
{
    struct sim_point *point = ((struct point_op *)op)->point;
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    point->time_ns = (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
    point->done = true;
    sim_ordering_record(op->stream, point);
}

static bool wait_is_over(const struct sim_op *op)
{
    return ((const struct point_op *)op)->point->done || !SIM_RULE(event_wait_orders);
}

static void execute_wait(struct sim_op *op)
{
    sim_ordering_wait(op->stream, ((struct point_op *)op)->point);
}

static const struct sim_op_class record_class = {
    .name = "record", .execute = execute_record, .destroy = drop_point, .runs_after_error = true};
static const struct sim_op_class wait_class = {
    .name = "wait", .ready = wait_is_over, .execute = execute_wait, .destroy = drop_point, .runs_after_error = true};

struct sim_point *sim_wait_point(const struct sim_op *op)
{
    return ((const struct point_op *)op)->point;
}

/* Submits a record or wait of `point`, which the operation holds. */
static CUresult submit(CUstream stream, const struct sim_op_class *class, struct sim_point *point)
{
    struct point_op *op = sim_op_new(class, sizeof *op);
    if (op == NULL)
        return CUDA_ERROR_OUT_OF_MEMORY;
    op->point = sim_point_hold(point);
    return sim_submit(stream, &op->op);
}

CUresult sim_cuEventCreate(CUevent *event, unsigned flags)
{
    const unsigned known = CU_EVENT_BLOCKING_SYNC | CU_EVENT_DISABLE_TIMING | CU_EVENT_INTERPROCESS;

    if (event == NULL || (flags & ~known) != 0 ||
        ((flags & CU_EVENT_INTERPROCESS) && !(flags & CU_EVENT_DISABLE_TIMING)))
        return CUDA_ERROR_INVALID_VALUE;
    *event = sim_handle_new(&event_handles, sizeof **event);
    if (*event == NULL)
        return CUDA_ERROR_OUT_OF_MEMORY;
    if (!sim_object_add(*event, SIM_OBJECT_EVENT)) {
        sim_handle_retire(&event_handles, *event);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    (*event)->context = sim_current();
    (*event)->context_id = sim_current()->id;
    (*event)->flags = flags;
    return CUDA_SUCCESS;
}

CUresult sim_cuIpcGetEventHandle(CUipcEventHandle *handle, CUevent event)
{
    if (!sim_object_is(event, SIM_OBJECT_EVENT))
        return CUDA_ERROR_INVALID_HANDLE;
    if (handle == NULL || !(event->flags & CU_EVENT_INTERPROCESS))
        return CUDA_ERROR_INVALID_VALUE;
    sim_ipc_write_event(handle, (uintptr_t)event);
    return CUDA_SUCCESS;
}

CUresult sim_cuEventDestroy_v2(CUevent event)
{
    if (!sim_object_is(event, SIM_OBJECT_EVENT))
        return CUDA_ERROR_INVALID_HANDLE;
    sim_object_remove(event);
    sim_point_drop(event->point);
    sim_handle_retire(&event_handles, event);
    return CUDA_SUCCESS;
}

CUresult sim_cuEventRecordWithFlags(CUevent event, CUstream handle, unsigned flags)
{
    struct sim_point *point;
    CUstream stream;
    CUresult result;

    if (!is_live(event))
        return CUDA_ERROR_INVALID_HANDLE;
    if ((flags & ~(unsigned)CU_EVENT_RECORD_EXTERNAL) != 0)
        return CUDA_ERROR_INVALID_VALUE;
    result = sim_stream_for_work(handle, &stream);
    if (result != CUDA_SUCCESS)
        return result;
    if (event->context != stream->context && SIM_RULE(event_own_context))
        return CUDA_ERROR_INVALID_HANDLE; /* cuda.h, cuEventRecord: of one context */
    point = calloc(1, sizeof *point);
    if (point == NULL)
        return CUDA_ERROR_OUT_OF_MEMORY;
    point->references = 1;
    point->stream = stream;
    point->stream_id = stream->id;
    point->capture = stream->capture;
    point->captured = stream->captured;
    sim_point_drop(event->point);
    event->point = point;
    event->refusals = 0;
    if (stream->capture != NULL) {
        point->done = true; /* inside a capture an event only orders the graph, which is kept in order of submission */
        return CUDA_SUCCESS;
    }
    point->sequence = sim_last_sequence() + 1;
    return submit(stream, &record_class, point);
}

CUresult sim_cuEventRecord(CUevent event, CUstream stream)
{
    return sim_cuEventRecordWithFlags(event, stream, CU_EVENT_RECORD_DEFAULT);
}

CUresult sim_cuStreamWaitEvent(CUstream handle, CUevent event, unsigned flags)
{
    CUstream stream;
    CUresult result;

    if (!is_live(event))
        return CUDA_ERROR_INVALID_HANDLE;
    if ((flags & ~(unsigned)CU_EVENT_WAIT_EXTERNAL) != 0)
        return CUDA_ERROR_INVALID_VALUE;
    result = sim_stream_for_work(handle, &stream);
    if (result != CUDA_SUCCESS || event->point == NULL)
        return result;
    if (event->point->capture != NULL || stream->capture != NULL)
        return sim_capture_wait(stream, event->point);
    if (event->point->done && !sim_ordering_on)
        return CUDA_SUCCESS;
    return submit(stream, &wait_class, event->point);
}

/* What queries and waits of the host have in common. */
static CUresult check_for_host(CUevent event)
{
    if (!is_live(event))
        return CUDA_ERROR_INVALID_HANDLE;
    if (event->point != NULL && event->point->capture != NULL)
        return sim_capture_refuses_event(event->point);
    return event->context->sticky;
}

CUresult sim_cuEventQuery(CUevent event)
{
    CUresult result = check_for_host(event);
    struct sim_point *point;

    if (result != CUDA_SUCCESS || event->point == NULL)
        return result;
    point = event->point;
    if (point->done) {
        sim_observed(event->context, point->stream_id, point->sequence);
        sim_ordering_host_saw_point(point);
        return CUDA_SUCCESS;
    }
    return sim_query(point->stream, point->sequence, &event->refusals);
}

CUresult sim_cuEventSynchronize(CUevent event)
{
    CUresult result = check_for_host(event);
    CUcontext context;
    struct sim_point *point;

    if (result != CUDA_SUCCESS || event->point == NULL)
        return result;
    context = event->context;
    point = sim_point_hold(event->point);
    if (!point->done)
        result = sim_drain(point->stream, point->sequence);
    sim_observed(context, point->stream_id, point->sequence);
    sim_ordering_host_saw_point(point);
    sim_point_drop(point);
    return result;
}

CUresult sim_cuEventElapsedTime_v2(float *milliseconds, CUevent start, CUevent end)
{
    CUresult result = check_for_host(start);
    if (result == CUDA_SUCCESS)
        result = check_for_host(end);
    if (result != CUDA_SUCCESS)
        return result;
    if (milliseconds == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    *milliseconds = 0;
    if (start->context != end->context)
        return SIM_REFUSE(elapsed_one_context, CUDA_ERROR_INVALID_HANDLE);
    if (start->point == NULL || end->point == NULL ||
        (((start->flags | end->flags) & CU_EVENT_DISABLE_TIMING) && SIM_RULE(event_timing)))
        return CUDA_ERROR_INVALID_HANDLE;
    if (!start->point->done || !end->point->done)
        return CUDA_ERROR_NOT_READY;
    *milliseconds = (float)((double)((int64_t)(end->point->time_ns - start->point->time_ns)) / 1e6);
    return CUDA_SUCCESS;
}

CUresult sim_cuEventElapsedTime(float *milliseconds, CUevent start, CUevent end)
{
    return sim_cuEventElapsedTime_v2(milliseconds, start, end);
}
