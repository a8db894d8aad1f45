/* ordering.h: which work is ordered behind which allocation of a pool.
 *
 * Memory from cuMemAllocAsync may be used only behind the allocation "in stream order": in its stream, or where an
 * event, a default stream or the host itself puts the use behind it (CUDA Runtime API, stream ordered memory
 * allocator). That the allocation happens to be done is not enough: on another day it is not. So each stream keeps a
 * clock: for every stream that allocates, the last of its operations that what runs now is known to be behind. Clocks
 * move with the operations, when these execute; the host has one too, which travels with what it submits. The host's
 * threads share it: what they tell each other is not seen here.
 *
 * Nothing is kept until the first allocation from a pool. */
#ifndef SIM_ORDERING_H
#define SIM_ORDERING_H

#include "schedule.h"

/* From the first allocation from a pool on. */
extern bool sim_ordering_on;

/* A place in all clocks for a stream that allocates from a pool. 0 without memory: then its order is not judged. */
unsigned sim_ordering_slot(CUstream stream);

/* The operation is submitted: takes along what the host knows. */
void sim_ordering_submit(CUstream stream, struct sim_op *op);
/* The stream's first operation is about to execute, or has. */
void sim_ordering_begin(CUstream stream, const struct sim_op *op);
/* The recording of a point executes; a wait for it does. */
void sim_ordering_record(CUstream stream, struct sim_point *point);
void sim_ordering_wait(CUstream stream, const struct sim_point *point);
/* The host has learnt that all that the stream has executed, or a point, is done. */
void sim_ordering_host_saw_stream(CUstream stream);
void sim_ordering_host_saw_context(CUcontext context);
void sim_ordering_host_saw_point(const struct sim_point *point);
/* Whether what executes in the stream now is behind operation `sequence` of the slot's stream. */
bool sim_ordering_is_behind(CUstream stream, unsigned slot, uint64_t sequence);

void sim_clock_drop(struct sim_clock *clock);
/* The stream's memory goes. */
void sim_ordering_forget(CUstream stream);

#endif
