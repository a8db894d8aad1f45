/* state.h: the whole state of the simulated machine, and the rules under which a call enters it.
 *
 * One lock protects everything; api.c takes it for the length of each call (see driver_api.def for the rules per call).
 * It is given up only while a host function of the program runs. All else in this folder assumes that it is held. */
#ifndef SIM_STATE_H
#define SIM_STATE_H

#include "machine.h"

#include <cuda.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define SIM_HOST       (-1) /* the location of host memory; devices are 0, 1, ... */
#define SIM_PAGE_BYTES ((size_t)2 << 20)
#define SIM_MIB        ((size_t)1 << 20)
/* What a primary context takes from its device. */
#define SIM_CONTEXT_BYTES (400 * SIM_MIB)
/* What the first load of a module takes: its code and constants. */
#define SIM_MODULE_BYTES ((size_t)128 << 10)

struct sim_device {
    struct vs_machine_device description;
    CUcontext primary; /* kept for good, so that its handle never changes; may be inactive */
    unsigned primary_flags;
    CUmemoryPool default_pool, current_pool;
    CUresult poison; /* a sticky error outlives the context: only a new process is clean (cuda.h, error 700) */
};

struct sim {
    atomic_bool initialised;   /* set last by cuInit; read without the lock */
    atomic_bool deinitialised; /* the library's destructor ran */
    pid_t pid;                 /* of the process that initialised */
    int driver_version;
    struct vs_machine machine;
    struct sim_device devices[VS_MACHINE_DEVICES_MAX];
    CUcontext contexts; /* all that were made, linked by next */
    uint64_t next_id;   /* ids of streams, contexts, buffers: process-wide, never re-used */
    uint64_t pointers_judged, pointers_unknown;
};
extern struct sim sim;

/* A context: of a device's primary context, or made by cuCtxCreate. */
struct CUctx_st {
    int device;
    bool primary, active;
    unsigned flags, references;
    uint64_t id;
    CUresult sticky;                         /* the error that every later call returns */
    CUcontext peers[VS_MACHINE_DEVICES_MAX]; /* whose allocations its kernels reach, by device; NULL: none */
    CUstream legacy_stream;
    CUstream streams; /* all of the context, linked by next_in_context */
    size_t limits[CU_LIMIT_MAX];
    CUfunc_cache cache_config;
    size_t library_bytes;       /* charged for the kernels of libraries */
    struct sim_clock *departed; /* of ordering.c: what its streams did that are gone */
    CUcontext next;
};

/* What belongs to a thread. */
struct sim_thread {
    CUcontext stack[64];
    int depth;
    CUstreamCaptureMode capture_mode;
    bool in_host_function;   /* CUDA calls are not permitted there */
    bool per_thread_default; /* during a _ptsz or _ptds call: stream 0 is the thread's own */
    CUstream own_streams[VS_MACHINE_DEVICES_MAX * 2];
    uint64_t own_context_ids[VS_MACHINE_DEVICES_MAX * 2];
    CUresult refused; /* the last error that a call returned */
    unsigned api;     /* the call that is being served */
    unsigned seat;    /* turns.h: 1 + its number; 0: takes no turns */
    bool in_turns;    /* inside turns.c */
    uint64_t id;
};
extern _Thread_local struct sim_thread sim_thread;

/* The current context of this thread, or NULL. */
static inline CUcontext sim_current(void)
{
    return sim_thread.depth > 0 ? sim_thread.stack[sim_thread.depth - 1] : NULL;
}

static inline bool sim_is_device(int ordinal)
{
    return ordinal >= 0 && ordinal < sim.machine.device_count;
}

void sim_lock(void);
void sim_unlock(void);
/* Waits until another thread says sim_wake(); the lock is given up meanwhile. */
void sim_sleep(void);
bool sim_sleep_for(unsigned ms); /* false when the time is over */
void sim_wake(void);

/* Raises a sticky error in `context` and prints why. Later calls in the context return `result`. */
void sim_raise(CUcontext context, CUresult result, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* One line on stderr, beginning with "simcuda: ". */
void sim_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
