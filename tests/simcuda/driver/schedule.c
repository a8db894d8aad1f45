/* schedule.c: the scheduler; see schedule.h. */
#include "schedule.h"
#include "access.h"
#include "adversary.h"
#include "api.h"
#include "capture.h"
#include "handles.h"
#include "host_thread.h"
#include "ordering.h"
#include "rules.h"

#include <stdlib.h>
#include <string.h>

/* A real launch queue is finite as well: beyond it the call waits for the oldest operation. */
#define QUEUE_LIMIT 1024
#define REFUSALS    3

static uint64_t last_sequence;
static CUstream active; /* streams with pending operations */

uint64_t sim_last_sequence(void)
{
    return last_sequence;
}

/* --- operations and points ---------------------------------------------------------------------------------------- */

void *sim_op_new(const struct sim_op_class *class, size_t bytes)
{
    struct sim_op *op = calloc(1, bytes);
    if (op != NULL)
        op->class = class;
    return op;
}

struct sim_op *sim_op_copy(const struct sim_op *op, size_t bytes)
{
    struct sim_op *copy = malloc(bytes);
    if (copy != NULL)
        memcpy(copy, op, bytes);
    return copy;
}

void sim_op_destroy(struct sim_op *op)
{
    if (op == NULL)
        return;
    if (op->class->destroy != NULL)
        op->class->destroy(op);
    sim_clock_drop(op->host_clock);
    free(op);
}

struct sim_point *sim_point_hold(struct sim_point *point)
{
    if (point != NULL)
        point->references++;
    return point;
}

void sim_point_drop(struct sim_point *point)
{
    if (point == NULL || --point->references > 0)
        return;
    sim_clock_drop(point->clock);
    free(point);
}

void sim_stream_hold(CUstream stream)
{
    stream->references++;
}

static struct sim_handles stream_handles;

CUstream sim_stream_allocate(void)
{
    return sim_handle_new(&stream_handles, sizeof(struct CUstream_st));
}

void sim_stream_drop(CUstream stream)
{
    if (--stream->references > 0)
        return;
    sim_ordering_forget(stream);
    sim_handle_retire(&stream_handles, stream);
}

/* --- the order ---------------------------------------------------------------------------------------------------- */

/* The stream that must run before this one's first operation may, and up to where; NULL when it is ready now. */
static CUstream blocker_of(CUstream stream, uint64_t *sequence)
{
    const struct sim_op *op = stream->first;

    if (!SIM_RULE(legacy_stream_order)) {
        /* no order between the legacy stream and others */
    } else if (stream->is_legacy) {
        for (CUstream other = active; other != NULL; other = other->next_active)
            if (other != stream && other->context == stream->context && !(other->flags & CU_STREAM_NON_BLOCKING) &&
                other->first->sequence < op->sequence) {
                *sequence = op->sequence - 1;
                return other;
            }
    } else if (!(stream->flags & CU_STREAM_NON_BLOCKING)) {
        CUstream legacy = stream->context->legacy_stream;
        if (legacy->first != NULL && legacy->first->sequence < op->sequence) {
            *sequence = op->sequence - 1;
            return legacy;
        }
    }
    if (op->class->ready != NULL && !op->class->ready(op)) {
        struct sim_point *point = sim_wait_point(op);
        *sequence = point->sequence;
        return point->stream;
    }
    return NULL;
}

CUstream sim_active_streams(void)
{
    return active;
}

bool sim_stream_is_ready(CUstream stream)
{
    uint64_t needed;
    return !stream->busy && blocker_of(stream, &needed) == NULL;
}

static void unlink_active(CUstream stream)
{
    if (stream->previous_active != NULL)
        stream->previous_active->next_active = stream->next_active;
    else
        active = stream->next_active;
    if (stream->next_active != NULL)
        stream->next_active->previous_active = stream->previous_active;
    stream->next_active = stream->previous_active = NULL;
}

static void link_active(CUstream stream)
{
    stream->mood = SIM_NO_MOOD;
    stream->previous_active = NULL;
    stream->next_active = active;
    if (active != NULL)
        active->previous_active = stream;
    active = stream;
}

/* Takes the first operation, which was executed, out of the stream. */
static void end_first(CUstream stream)
{
    struct sim_op *op = stream->first;

    stream->first = op->next;
    stream->refusals = 0;
    stream->pending--;
    if (stream->first == NULL) {
        stream->last = NULL;
        unlink_active(stream);
        if (stream->destroyed)
            sim_stream_drop(stream);
    }
    sim_op_destroy(op);
}

/* The device stopped at an error: what was queued behind it never runs. */
static bool is_dropped(CUstream stream, const struct sim_op *op)
{
    if (op->class->runs_after_error)
        return false;
    if (stream->destroyed && !SIM_RULE(stream_destroy_keeps_work))
        return true;
    return op->context->sticky != CUDA_SUCCESS &&
           (op->class->runs_unlocked ? SIM_RULE(host_function_not_after_error) : SIM_RULE(error_stops_work));
}

void sim_op_execute(struct sim_op *op)
{
    CUcontext before = sim_executing;
    CUstream stream_before = sim_executing_stream;
    unsigned api_before = sim_thread.api;

    sim_executing = op->context;
    sim_executing_stream = op->stream;
    sim_thread.api = op->api; /* messages and the trace name the call that asked for this, not the one that waits */
    op->class->execute(op);
    sim_executing = before;
    sim_executing_stream = stream_before;
    sim_thread.api = api_before;
}

void sim_execute_first(CUstream stream)
{
    struct sim_op *op = stream->first;

    sim_ordering_begin(stream, op);
    if (is_dropped(stream, op)) {
        end_first(stream);
        return;
    }
    if (op->class->runs_unlocked) {
        stream->busy = true;
        sim_ordering_host_saw_stream(stream); /* to start is to see all before done (cuda.h, cuLaunchHostFunc) */
        sim_host_thread_call(stream);
        return;
    }
    sim_op_execute(op);
    end_first(stream);
}

void sim_host_function_done(CUstream stream)
{
    stream->busy = false;
    end_first(stream);
}

/* Runs what must run for the stream to be done up to `sequence`. False where a host function that is running would have
 * to be waited for, and `sleeps` is not set. */
static bool drain(CUstream stream, uint64_t sequence, bool sleeps)
{
    bool done = true;

    sim_stream_hold(stream);
    while (done && stream->first != NULL && stream->first->sequence <= sequence) {
        uint64_t needed;
        CUstream blocker;
        if (stream->busy) {
            done = sleeps;
            if (sleeps)
                sim_sleep();
            continue;
        }
        blocker = blocker_of(stream, &needed);
        if (blocker != NULL) {
            done = drain(blocker, needed, sleeps);
            continue;
        }
        sim_execute_first(stream);
        sim_adversary_during_wait();
    }
    sim_stream_drop(stream);
    return done;
}

CUresult sim_drain(CUstream stream, uint64_t sequence)
{
    CUcontext context = stream->context;
    drain(stream, sequence, true);
    return context->sticky;
}

CUresult sim_drain_stream(CUstream stream)
{
    CUresult result;
    CUcontext context = stream->context;
    uint64_t sequence = last_sequence, id = stream->id;

    if (stream->is_legacy && SIM_RULE(legacy_stream_order)) {
        /* Waiting for the legacy stream waits for the blocking streams that it would wait for. */
        for (CUstream other = active, next; other != NULL; other = next) {
            next = other->next_active;
            if (other->context == stream->context && !(other->flags & CU_STREAM_NON_BLOCKING) &&
                other->first->sequence <= sequence) {
                uint64_t other_id = other->id;
                sim_stream_hold(other);
                sim_drain(other, sequence);
                sim_observed(context, other_id, sequence);
                sim_ordering_host_saw_stream(other);
                sim_stream_drop(other);
                next = active; /* the list may have changed */
            }
        }
    }
    sim_stream_hold(stream);
    result = sim_drain(stream, sequence);
    sim_observed(context, id, sequence);
    sim_ordering_host_saw_stream(stream);
    sim_stream_drop(stream);
    return result;
}

CUresult sim_drain_context(CUcontext context)
{
    uint64_t sequence = last_sequence;

    for (CUstream stream = active, next; stream != NULL; stream = next) {
        next = stream->next_active;
        if (stream->context == context && stream->first->sequence <= sequence) {
            sim_drain(stream, sequence);
            next = active;
        }
    }
    sim_observed(context, SIM_ALL_STREAMS, sequence);
    sim_ordering_host_saw_context(context);
    return context->sticky;
}

void sim_drain_all(void)
{
    uint64_t sequence = last_sequence;

    for (CUstream stream = active, next; stream != NULL; stream = next) {
        next = stream->next_active;
        if (stream->first->sequence <= sequence) {
            sim_drain(stream, sequence);
            next = active;
        }
    }
}

const struct sim_op *sim_pending_use(CUdeviceptr address, size_t bytes, uint32_t devices)
{
    for (CUstream stream = active; stream != NULL; stream = stream->next_active)
        for (const struct sim_op *op = stream->first; op != NULL; op = op->next)
            if ((devices >> op->context->device & 1) != 0 && op->class->touches != NULL &&
                op->class->touches(op, address, bytes))
                return op;
    return NULL;
}

void sim_drain_uses(CUdeviceptr address, size_t bytes)
{
    for (CUstream stream = active, next; stream != NULL; stream = next) {
        uint64_t last_use = 0;
        next = stream->next_active;
        for (const struct sim_op *op = stream->first; op != NULL; op = op->next)
            if (op->class->reaches_unseen || (op->class->touches != NULL && op->class->touches(op, address, bytes)))
                last_use = op->sequence;
        if (last_use > 0) {
            sim_drain(stream, last_use);
            next = active;
        }
    }
}

bool sim_runs_at_once(CUstream stream)
{
    return sim_adversary_is_early() && active == NULL && stream->capture == NULL;
}

CUresult sim_submit(CUstream stream, struct sim_op *op)
{
    op->stream = stream;
    op->context = stream->context;
    op->call = op->call != NULL ? op->call : sim_call_name();
    op->api = sim_thread.api;
    if (stream->capture != NULL)
        return sim_capture_op(stream->capture, op);

    op->sequence = ++last_sequence;
    sim_ordering_submit(stream, op);
    op->next = NULL;
    if (stream->last != NULL)
        stream->last->next = op;
    else
        stream->first = op;
    stream->last = op;
    if (stream->pending++ == 0)
        link_active(stream);

    sim_stream_hold(stream);
    sim_adversary_after_submission();
    while (stream->pending > QUEUE_LIMIT && !stream->busy)
        sim_drain(stream, stream->first->sequence);
    sim_stream_drop(stream);
    return CUDA_SUCCESS;
}

CUresult sim_query(CUstream stream, uint64_t sequence, unsigned *refusals)
{
    CUresult result;

    if (stream->first == NULL || stream->first->sequence > sequence) {
        sim_observed(stream->context, stream->id, sequence);
        sim_ordering_host_saw_stream(stream);
        return stream->context->sticky;
    }
    if (++*refusals <= REFUSALS || !SIM_RULE(query_progress))
        return CUDA_ERROR_NOT_READY;
    *refusals = 0;
    sim_stream_hold(stream);
    result = drain(stream, sequence, false) ? stream->context->sticky : CUDA_ERROR_NOT_READY;
    if (result != CUDA_ERROR_NOT_READY) {
        sim_observed(stream->context, stream->id, sequence);
        sim_ordering_host_saw_stream(stream);
    }
    sim_stream_drop(stream);
    return result;
}
