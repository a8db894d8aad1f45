/* schedule.h: streams as queues of operations, and the one scheduler that runs them.
 *
 * There is no thread of the simulator's own: operations run inside API calls of the program. Which may run, and what
 * must have run when a wait ends, is decided here; when they run is the adversary's choice (adversary.h).
 *
 * The order: a stream runs its operations one after another. An operation in the legacy default stream waits for all
 * that was submitted before to the blocking streams of its context, and these wait for it (CUDA Driver API, "Stream
 * synchronization behavior"). A wait operation waits for the recording that its event had when the wait was submitted.
 */
#ifndef SIM_SCHEDULE_H
#define SIM_SCHEDULE_H

#include "state.h"

struct sim_op;
struct sim_capture;
struct sim_clock; /* ordering.h */
struct sim_work;

/* What an operation can do; one constant table per kind. */
struct sim_op_class {
    const char *name;
    bool (*ready)(const struct sim_op *op); /* NULL: always; else whether what it waits for is done */
    void (*execute)(struct sim_op *op);
    struct sim_op *(*clone)(const struct sim_op *op); /* for graphs; NULL where it cannot be captured */
    void (*destroy)(struct sim_op *op);
    bool (*touches)(const struct sim_op *op, CUdeviceptr address, size_t bytes); /* NULL: no memory */
    void (*measure)(
        const struct sim_op *op, struct sim_work *work); /* what it costs a machine (work.h); NULL: nothing */
    bool reaches_unseen;   /* may follow addresses that lie in memory: `touches` does not tell all */
    bool runs_after_error; /* book-keeping that must happen also when the context has a sticky error */
    bool runs_unlocked;    /* calls the program back */
};

/* How the random order treats a stream for a while; adversary.h. */
enum sim_mood { SIM_HELD, SIM_STEADY, SIM_EAGER, SIM_MOOD_COUNT, SIM_NO_MOOD = SIM_MOOD_COUNT };

/* Embedded first in each kind of operation. */
struct sim_op {
    const struct sim_op_class *class;
    struct sim_op *next;
    CUstream stream;
    CUcontext context;
    uint64_t sequence; /* order of submission in the whole process */
    const char *call;  /* the API function that submitted it */
    unsigned api;
    struct sim_clock *host_clock; /* what the host knew more than at the operation before, or NULL */
};

struct CUstream_st {
    CUcontext context;
    uint64_t id;
    unsigned flags;
    int priority;
    bool is_legacy, is_per_thread, destroyed;
    bool busy;           /* a host function of this stream waits for its thread, or runs, without the lock */
    CUstream next_host;  /* host_thread.c */
    unsigned references; /* 1 for the program's handle, 1 for each drain that is looking at it */
    unsigned refusals;   /* NOT_READY answers since the last progress */
    enum sim_mood mood;
    unsigned mood_moments; /* until it changes; 0: not before the stream is idle */
    struct sim_op *first, *last;
    size_t pending;
    struct sim_capture *capture;
    uint64_t captured;  /* operations and waits recorded in the capture */
    CUstream joined_to; /* the stream of the capture that waited for all of them, or NULL */
    CUstream next_in_context;
    CUstream next_active, previous_active; /* streams with pending operations */
    /* Of ordering.c: the stream's place in clocks (0: none), its clock, the host's that travelled with it last, and
     * when it last executed an operation or learnt from the default streams. */
    unsigned slot;
    struct sim_clock *clock, *host_clock;
    uint64_t last_executed, executed_tick, merged_tick;
};

/* One recording of an event. */
struct sim_point {
    unsigned references;
    bool done;
    CUstream stream; /* valid while not done */
    uint64_t sequence, stream_id, time_ns;
    /* Recorded while its stream was being captured; compared, never followed, unless the capture is open. */
    struct sim_capture *capture;
    uint64_t captured; /* what the stream had recorded then */
    /* Of ordering.c: the stream's when it was recorded. */
    unsigned slot;
    struct sim_clock *clock;
};

/* A zeroed operation of `bytes` (its first member is a struct sim_op), or NULL. */
void *sim_op_new(const struct sim_op_class *class, size_t bytes);
/* A copy of the operation's own bytes, for clone functions without pointers of their own. */
struct sim_op *sim_op_copy(const struct sim_op *op, size_t bytes);
void sim_op_destroy(struct sim_op *op);
/* Does the work of one operation in the name of its stream, context and call; its turn is the caller's business. */
void sim_op_execute(struct sim_op *op);

/* Puts the operation into the stream, or into the graph that the stream is captured into. Takes the operation over,
 * also on failure. May run operations, as the order mode says. */
CUresult sim_submit(CUstream stream, struct sim_op *op);
/* Runs what must run for the stream to be done up to `sequence`, and tells the context's sticky error. */
CUresult sim_drain(CUstream stream, uint64_t sequence);
CUresult sim_drain_stream(CUstream stream);
CUresult sim_drain_context(CUcontext context);
/* All contexts: for calls that wait for everything that may use some memory. */
void sim_drain_all(void);
/* What may use the memory, in all contexts, and all before it in the same streams. */
void sim_drain_uses(CUdeviceptr address, size_t bytes);
/* A queued operation that may use the memory on one of the devices (a mask of ordinals), or NULL. */
const struct sim_op *sim_pending_use(CUdeviceptr address, size_t bytes, uint32_t devices);
/* Whether [a, a + a_bytes) and [b, b + b_bytes) have a byte in common. */
static inline bool sim_overlaps(CUdeviceptr a, size_t a_bytes, CUdeviceptr b, size_t b_bytes)
{
    return a < b + b_bytes && b < a + a_bytes;
}
/* The answer to a query: done, or not ready; after three refusals the work is done. */
CUresult sim_query(CUstream stream, uint64_t sequence, unsigned *refusals);
/* Whether an operation that is submitted to the stream now is done when sim_submit returns. */
bool sim_runs_at_once(CUstream stream);
uint64_t sim_last_sequence(void);
/* Called when the program has learnt that a stream, or all streams of the context, are done up to `sequence`: frees in
 * pools count only then. In pool_frees.c. */
#define SIM_ALL_STREAMS 0
void sim_observed(CUcontext context, uint64_t stream_id, uint64_t sequence);

/* --- for the adversaries ------------------------------------------------------------------------------------------ */
/* The streams with pending operations, linked by next_active. */
CUstream sim_active_streams(void);
/* Whether the first operation of an active stream may run now. */
bool sim_stream_is_ready(CUstream stream);
/* Runs it. The stream may be gone afterwards unless the caller holds it. A host function may still be running. */
void sim_execute_first(CUstream stream);
/* The host function that the stream is busy with has returned. */
void sim_host_function_done(CUstream stream);

struct sim_point *sim_point_hold(struct sim_point *point);
void sim_point_drop(struct sim_point *point);
CUstream sim_stream_allocate(void); /* zeroed; NULL without memory */
void sim_stream_hold(CUstream stream);
void sim_stream_drop(CUstream stream);

#endif
