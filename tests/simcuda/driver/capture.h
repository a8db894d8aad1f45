/* capture.h: streams that are recorded into a graph instead of running. */
#ifndef SIM_CAPTURE_H
#define SIM_CAPTURE_H

#include "schedule.h"

struct CUgraph_st;

struct sim_capture {
    uint64_t id;
    CUstreamCaptureMode mode;
    CUstream origin;
    uint64_t thread_id;
    struct CUgraph_st *graph;
    bool invalidated;
    struct sim_capture *next;
};

/* Appends the operation to the capture's graph; takes it over. */
CUresult sim_capture_op(struct sim_capture *capture, struct sim_op *op);
/* May work be submitted to the stream? 906 for the legacy stream while a blocking stream of its context is captured
 * (and that capture is invalidated); 901 for a stream whose capture is invalid. */
CUresult sim_capture_allows_work(CUstream stream);
/* May the host wait for or query the stream? 900 while it is captured, 906 for the legacy stream; invalidates. */
CUresult sim_capture_allows_waiting(CUstream stream);
/* May the thread make a potentially unsafe call (cuThreadExchangeStreamCaptureMode)? 900, and the captures that forbid
 * it are invalidated. */
CUresult sim_capture_allows_unsafe_call(void);
/* The same for a call that waits for a whole context. */
CUresult sim_capture_allows_context_wait(CUcontext context);
/* A wait where the stream or the event is being captured: the stream joins the capture, or the two do not fit (905). */
CUresult sim_capture_wait(CUstream stream, struct sim_point *point);
/* The error for a host wait on an event that was recorded in a capture: 907, and a capture still open is invalidated.
 */
CUresult sim_capture_refuses_event(struct sim_point *point);
/* The stream is destroyed while captured. */
void sim_capture_abandon(CUstream stream);

/* In event.c: what a wait operation waits for. */
struct sim_point *sim_wait_point(const struct sim_op *op);

#endif
