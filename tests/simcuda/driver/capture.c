/* capture.c: stream capture and what it forbids; see capture.h. The rules are those of cuda.h at cuStreamBeginCapture
 * and cuThreadExchangeStreamCaptureMode. */
#include "capture.h"
#include "api.h"
#include "graph.h"
#include "objects.h"
#include "rules.h"
#include "stream.h"

#include <stdlib.h>

static struct sim_capture *captures; /* all that are open in the process */

static bool is_invalid(const struct sim_capture *capture)
{
    return capture->invalidated && SIM_RULE(capture_stays_invalid);
}

/* The stream recorded something more: who waited for it before must wait again. */
static void note_captured(CUstream stream)
{
    stream->captured++;
    stream->joined_to = NULL;
}

/* While it is captured, as no real driver does (SIMCUDA_WEAK=capture_runs_nothing). */
static void execute_now(struct sim_op *op)
{
    if (!op->class->runs_unlocked && !op->class->runs_after_error)
        sim_op_execute(op);
}

CUresult sim_capture_op(struct sim_capture *capture, struct sim_op *op)
{
    if (is_invalid(capture) || op->class->clone == NULL) {
        bool was_invalid = is_invalid(capture);
        capture->invalidated = true;
        sim_op_destroy(op);
        return was_invalid ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
    if (!SIM_RULE(capture_runs_nothing))
        execute_now(op);
    note_captured(op->stream);
    sim_graph_append(capture->graph, op);
    return CUDA_SUCCESS;
}

/* Invalidates the captures of blocking streams of the context: the legacy stream would have to wait for them. */
static bool invalidate_blocking(CUcontext context)
{
    bool found = false;
    for (CUstream stream = context->streams; stream != NULL; stream = stream->next_in_context) {
        if (stream->capture != NULL && !(stream->flags & CU_STREAM_NON_BLOCKING)) {
            stream->capture->invalidated = true;
            found = true;
        }
    }
    return found;
}

CUresult sim_capture_allows_work(CUstream stream)
{
    if (captures == NULL)
        return CUDA_SUCCESS;
    if (stream->capture != NULL)
        return is_invalid(stream->capture) ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : CUDA_SUCCESS;
    if (stream->is_legacy && SIM_RULE(capture_legacy_implicit) && invalidate_blocking(stream->context))
        return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
    return CUDA_SUCCESS;
}

CUresult sim_capture_allows_waiting(CUstream stream)
{
    if (captures == NULL || (stream->capture != NULL && !SIM_RULE(capture_not_waited_for)))
        return CUDA_SUCCESS;
    if (stream->capture != NULL) {
        stream->capture->invalidated = true;
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    }
    return sim_capture_allows_work(stream);
}

CUresult sim_capture_allows_unsafe_call(void)
{
    CUresult result = CUDA_SUCCESS;

    if (captures == NULL || sim_thread.capture_mode == CU_STREAM_CAPTURE_MODE_RELAXED)
        return CUDA_SUCCESS;
    for (struct sim_capture *capture = captures; capture != NULL; capture = capture->next) {
        bool own = capture->thread_id == sim_thread.id;
        bool forbidden = own ? capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED && SIM_RULE(capture_own_unsafe)
                             : capture->mode == CU_STREAM_CAPTURE_MODE_GLOBAL &&
                                   sim_thread.capture_mode == CU_STREAM_CAPTURE_MODE_GLOBAL &&
                                   SIM_RULE(capture_global_unsafe);
        if (capture->origin->context != sim_current() && !SIM_RULE(capture_of_any_device))
            forbidden = false;
        if (forbidden) {
            capture->invalidated = true;
            result = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
        }
    }
    return result;
}

CUresult sim_capture_allows_context_wait(CUcontext context)
{
    CUresult result = CUDA_SUCCESS;

    if (captures == NULL || !SIM_RULE(capture_context_wait))
        return CUDA_SUCCESS;
    for (CUstream stream = context->streams; stream != NULL; stream = stream->next_in_context) {
        if (stream->capture != NULL) {
            stream->capture->invalidated = true;
            result = CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
        }
    }
    return result;
}

static bool is_open(const struct sim_capture *wanted)
{
    for (const struct sim_capture *capture = captures; capture != NULL; capture = capture->next)
        if (capture == wanted)
            return true;
    return false;
}

CUresult sim_capture_wait(CUstream stream, struct sim_point *point)
{
    if (stream->capture == NULL) {
        if (!is_open(point->capture))
            return CUDA_ERROR_INVALID_VALUE; /* recorded in a capture that has ended: there is nothing to wait for */
        if (stream->is_legacy) {
            point->capture->invalidated = true;
            return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
        }
        stream->capture = point->capture;
        note_captured(stream);
        return CUDA_SUCCESS;
    }
    if (point->capture == stream->capture) {
        note_captured(stream);
        if (point->stream != stream && point->captured == point->stream->captured)
            point->stream->joined_to = stream;
        return CUDA_SUCCESS;
    }
    if (point->capture != NULL ? !SIM_RULE(capture_not_merged) : !SIM_RULE(capture_isolated))
        return CUDA_SUCCESS;
    stream->capture->invalidated = true;
    return point->capture != NULL ? CUDA_ERROR_STREAM_CAPTURE_MERGE : CUDA_ERROR_STREAM_CAPTURE_ISOLATION;
}

CUresult sim_capture_refuses_event(struct sim_point *point)
{
    if (!SIM_RULE(captured_event))
        return CUDA_SUCCESS;
    if (is_open(point->capture))
        point->capture->invalidated = true;
    return CUDA_ERROR_CAPTURED_EVENT;
}

/* Whether every stream that was drawn in was waited for, directly or through others, by the origin. */
static bool is_joined(const struct sim_capture *capture)
{
    for (CUcontext context = sim.contexts; context != NULL; context = context->next) {
        for (CUstream stream = context->streams; stream != NULL; stream = stream->next_in_context) {
            CUstream end = stream->capture == capture ? stream : capture->origin;
            while (end != capture->origin && end->joined_to != NULL)
                end = end->joined_to;
            if (end != capture->origin)
                return false;
        }
    }
    return true;
}

/* Takes the capture out of the list and its streams out of the capture. */
static void close_capture(struct sim_capture *capture)
{
    struct sim_capture **link = &captures;

    while (*link != capture)
        link = &(*link)->next;
    *link = capture->next;
    for (CUcontext context = sim.contexts; context != NULL; context = context->next)
        for (CUstream stream = context->streams; stream != NULL; stream = stream->next_in_context)
            if (stream->capture == capture) {
                stream->capture = NULL;
                stream->joined_to = NULL;
                stream->captured = 0;
            }
}

void sim_capture_abandon(CUstream stream)
{
    struct sim_capture *capture = stream->capture;

    if (capture->origin != stream) {
        capture->invalidated = true;
        stream->capture = NULL;
        return;
    }
    close_capture(capture);
    sim_graph_destroy(capture->graph);
    free(capture);
}

CUresult sim_cuStreamBeginCapture_v2(CUstream handle, CUstreamCaptureMode mode)
{
    struct sim_capture *capture;
    CUstream stream;
    CUresult result = sim_stream_resolve(handle, &stream);

    if (result != CUDA_SUCCESS)
        return result;
    if (mode > CU_STREAM_CAPTURE_MODE_RELAXED)
        return CUDA_ERROR_INVALID_VALUE;
    if (stream->is_legacy && SIM_RULE(capture_not_of_legacy))
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    if (stream->capture != NULL)
        return SIM_RULE(capture_begun_once) ? CUDA_ERROR_ILLEGAL_STATE : CUDA_SUCCESS;
    capture = calloc(1, sizeof *capture);
    if (capture == NULL || (capture->graph = sim_graph_new()) == NULL) {
        free(capture);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    capture->graph->being_captured = true;
    capture->id = ++sim.next_id;
    capture->mode = mode;
    capture->origin = stream;
    capture->thread_id = sim_thread.id;
    capture->next = captures;
    captures = capture;
    stream->capture = capture;
    return CUDA_SUCCESS;
}

CUresult sim_cuStreamBeginCapture(CUstream stream)
{
    return sim_cuStreamBeginCapture_v2(stream, CU_STREAM_CAPTURE_MODE_GLOBAL);
}

CUresult sim_cuStreamEndCapture(CUstream handle, CUgraph *graph)
{
    struct sim_capture *capture;
    CUstream stream;
    bool joined;
    CUresult result = sim_stream_resolve(handle, &stream);

    if (result != CUDA_SUCCESS)
        return result;
    capture = stream->capture;
    if (graph == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    if (capture == NULL) {
        *graph = NULL;
        return SIM_RULE(capture_begun) ? CUDA_ERROR_ILLEGAL_STATE : CUDA_SUCCESS;
    }
    if (capture->origin != stream && SIM_RULE(capture_ends_in_origin))
        return CUDA_ERROR_STREAM_CAPTURE_UNMATCHED;
    if (capture->mode != CU_STREAM_CAPTURE_MODE_RELAXED && capture->thread_id != sim_thread.id &&
        SIM_RULE(capture_ends_in_thread))
        return CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD;
    joined = is_joined(capture) || !SIM_RULE(capture_joined);
    close_capture(capture);
    capture->graph->being_captured = false;
    *graph = capture->graph;
    if (is_invalid(capture) || !joined) {
        sim_graph_destroy(capture->graph);
        *graph = NULL;
        result = is_invalid(capture) ? CUDA_ERROR_STREAM_CAPTURE_INVALIDATED : CUDA_ERROR_STREAM_CAPTURE_UNJOINED;
    }
    free(capture);
    return result;
}

CUresult sim_cuStreamIsCapturing(CUstream handle, CUstreamCaptureStatus *status)
{
    CUstream stream;
    CUresult result = status == NULL ? CUDA_ERROR_INVALID_VALUE : sim_stream_resolve(handle, &stream);

    if (result != CUDA_SUCCESS)
        return result;
    /* Asking about the legacy stream while it would have to wait for a capture is an error that spoils nothing. */
    if (stream->is_legacy && captures != NULL)
        for (CUstream other = stream->context->streams; other != NULL; other = other->next_in_context)
            if (other->capture != NULL && !(other->flags & CU_STREAM_NON_BLOCKING))
                return CUDA_ERROR_STREAM_CAPTURE_IMPLICIT;
    *status = stream->capture == NULL ? CU_STREAM_CAPTURE_STATUS_NONE
                                      : (stream->capture->invalidated ? CU_STREAM_CAPTURE_STATUS_INVALIDATED
                                                                      : CU_STREAM_CAPTURE_STATUS_ACTIVE);
    return CUDA_SUCCESS;
}

CUresult sim_cuStreamGetCaptureInfo_v2(CUstream handle, CUstreamCaptureStatus *status, cuuint64_t *id, CUgraph *graph,
    const CUgraphNode **dependencies, size_t *dependency_count)
{
    CUstream stream;
    CUresult result = sim_cuStreamIsCapturing(handle, status);

    if (result != CUDA_SUCCESS)
        return result;
    sim_stream_resolve(handle, &stream);
    if (*status != CU_STREAM_CAPTURE_STATUS_ACTIVE)
        return CUDA_SUCCESS;
    if (id != NULL)
        *id = stream->capture->id;
    if (graph != NULL)
        *graph = stream->capture->graph;
    if (dependencies != NULL)
        *dependencies = (const CUgraphNode *)&stream->capture->graph->last;
    if (dependency_count != NULL)
        *dependency_count = stream->capture->graph->last != NULL;
    return CUDA_SUCCESS;
}

CUresult sim_cuStreamGetCaptureInfo(CUstream stream, CUstreamCaptureStatus *status, cuuint64_t *id)
{
    return sim_cuStreamGetCaptureInfo_v2(stream, status, id, NULL, NULL, NULL);
}

CUresult sim_cuStreamGetCaptureInfo_v3(CUstream stream, CUstreamCaptureStatus *status, cuuint64_t *id, CUgraph *graph,
    const CUgraphNode **dependencies, const CUgraphEdgeData **edges, size_t *dependency_count)
{
    if (edges != NULL)
        *edges = NULL;
    return sim_cuStreamGetCaptureInfo_v2(stream, status, id, graph, dependencies, dependency_count);
}

CUresult sim_cuThreadExchangeStreamCaptureMode(CUstreamCaptureMode *mode)
{
    CUstreamCaptureMode before = sim_thread.capture_mode;

    if (mode == NULL || *mode > CU_STREAM_CAPTURE_MODE_RELAXED)
        return CUDA_ERROR_INVALID_VALUE;
    sim_thread.capture_mode = *mode;
    *mode = before;
    return CUDA_SUCCESS;
}
