/* order.h: streams and events: what is behind what. A *slot* is one of a worker's streams. */
#ifndef STRESS_ORDER_H
#define STRESS_ORDER_H

#include "stress.h"

void open_streams(struct worker *worker);
/* All work is waited for first. */
void close_streams(struct worker *worker);

/* Makes the device current. */
void use_device(struct worker *worker, int device);
/* A random slot of the device; `created_only`: neither a default stream nor a per-thread one. */
int any_slot(struct worker *worker, int device);
int independent_slot(struct worker *worker, int device);
int legacy_slot(const struct worker *worker, int device);

/* Puts what is queued in the slot next behind all work on the allocation so far, and makes the slot's device current:
 * its stream may be used then. */
cudaStream_t order_in(struct worker *worker, struct allocation *allocation, int slot);
/* The slot's stream, its device made current. */
cudaStream_t stream_of(struct worker *worker, int slot);

/* Waits for the slot's work, in one of several ways, and looks at what it has copied out. */
void wait_for(struct worker *worker, int slot);
/* The same for one allocation. */
void wait_for_allocation(struct worker *worker, struct allocation *allocation);

/* An event of its own behind the allocation's work, for another worker, who destroys it; NULL where all is done. */
cudaEvent_t event_behind(struct worker *worker, struct allocation *allocation);

/* Operations. */
void do_wait(struct worker *worker);
void do_wait_for_device(struct worker *worker);
void do_replace_stream(struct worker *worker);
void do_change_stream(struct worker *worker);

/* Waiting for a whole device and capturing exclude each other (CUDA: cudaErrorStreamCaptureUnsupported). False where
 * the other one is under way: nothing is to be done then. */
bool begin_device_wait(void);
void end_device_wait(void);
bool begin_capture(void);
void end_capture(void);

#endif
