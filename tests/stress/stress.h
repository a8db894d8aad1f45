/* stress.h: what the parts of the stress program share.
 *
 * The program makes random CUDA calls from several threads and knows, at each moment, what every byte must be. For that
 * it keeps a *shadow* of each allocation in ordinary memory, and a model of stream order: an allocation belongs to one
 * worker (a thread) at a time, all work on it so far is ordered in one stream, and before another stream or another
 * worker uses it, an event puts that use behind the work so far. So each operation may change the shadow when it is
 * queued, and what a copy out of it will show is settled then, whenever the device gets there.
 *
 *     operations.c  the table of operations, and their choice        allocate.c, release.c, models.c   memory
 *     order.c       streams and events; who is behind whom           copy.c, fill.c, kernel.c, graph.c  work
 *     shadow.c      live allocations and their bytes                 ask.c                          questions, errors
 *     pinned.c      copies out that have not been looked at          world.c    devices, policy, what is left at the
 * end report.c      calls that fail, bytes that differ               main.c                         options, threads
 */
#ifndef STRESS_H
#define STRESS_H

#include <cuda.h>
#include <cuda_runtime_api.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KIB ((size_t)1 << 10)
#define MIB ((size_t)1 << 20)

enum {
    DEVICES_MAX = 2, /* that the program uses; a machine may have more */
    SLOTS_MAX = 12,
    OWNED_MAX = 256,
    BUFFERS_MAX = 24,
    GRAPHS_MAX = 2,
    EVENTS_MAX = 4,
    HISTORY_MAX = 12,
    HISTORY_BYTES = 104,
    WANTED_MAX = 128,
};

/* What a worker handles at most in one copy. */
#define WINDOW_BYTES (64 * KIB)

struct settings {
    uint64_t seed, operations;
    unsigned threads;
    bool turns;            /* threads take turns by the seed, so that the run replays */
    const char *faults_of; /* one driver function alone; empty: all */
    bool faults;           /* driver functions fail now and then */
    bool start_fault;      /* one fails by SIMCUDA_FAIL, perhaps while CUDA starts */
    bool plain;            /* no library is preloaded */
    const char *folder;    /* for models and the policy; made and removed by the caller */
    bool verbose;
};
extern struct settings settings;

/* --- Allocations (shadow.c) --------------------------------------------------------------------------------------- */

enum { DONE = -1 }; /* the slot of an allocation of which no work is under way */

struct allocation {
    uint64_t number; /* in the order of allocation, for reports */
    char *address;
    size_t bytes;
    int device;
    bool in_order; /* from a stream-ordered call: may be used only behind that */
    int slot;      /* of its worker, where its work so far is ordered; DONE */
    unsigned graphs;
    unsigned char *shadow;
    atomic_uint references; /* the owner's, and one a copy out that has not been looked at */
    char history[HISTORY_MAX][HISTORY_BYTES];
    unsigned told; /* lines of the history so far */
};

/* A shape within an allocation: `depth` slices of `height` rows of `width` bytes. */
struct region {
    size_t offset, width, height, depth;
    size_t pitch, rows; /* bytes from row to row, rows from slice to slice */
};

/* --- A worker ----------------------------------------------------------------------------------------------------- */

struct slot {
    enum slot_kind { SLOT_NONE, SLOT_LEGACY, SLOT_PER_THREAD, SLOT_CREATED } kind;
    int device;
    bool blocking; /* ordered with the legacy stream */
    cudaStream_t stream;
};

/* Page-locked memory that a copy uses, until its stream was waited for (pinned.c). */
struct buffer {
    unsigned char *bytes;
    bool busy;
    int slot;
    unsigned char *expected; /* of a copy out; NULL: a source */
    size_t used_bytes;
    struct allocation *allocation;
    uint64_t operation, offset;
};

struct graph; /* graph.c */

struct worker {
    unsigned number;
    uint64_t random, operation;
    const char *doing;
    const struct allocation *subject; /* of the last line of a history, for reports of failing calls */
    int device;
    struct slot slots[SLOTS_MAX];
    cudaEvent_t events[DEVICES_MAX][EVENTS_MAX];
    unsigned next_event;
    struct allocation *owned[OWNED_MAX];
    size_t owned_count, owned_bytes;
    struct buffer buffers[BUFFERS_MAX];
    unsigned char *pinned, *registered;
    struct graph *graphs[GRAPHS_MAX];
    size_t wanted[WANTED_MAX]; /* sizes of weights that a load is yet to allocate */
    size_t wanted_count;
    unsigned char *scratch; /* WINDOW_BYTES of ordinary memory */
};

/* A number below `limit`, by the worker's own seed. */
uint64_t below(struct worker *worker, uint64_t limit);
/* True in `share` of a hundred cases. */
bool chance(struct worker *worker, unsigned share);

#endif
