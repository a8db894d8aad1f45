/* fuzz.h: random calls, legal and illegal, of the simulated CUDA: the world that they act on, and how a call is
 * written.
 *
 *   CALL(cuStreamCreate)
 *   {
 *       CUstream made = NULL;
 *       int result = cuStreamCreate(OUT(&made), flags_of(CU_STREAM_NON_BLOCKING));
 *       return born(result, STREAM, made);
 *   }
 *
 * A body makes one call with arguments that are mostly legal and sometimes not, tells the world what came to be or
 * ended, and returns the call's result, or NOT_MADE.
 *
 * Episodes are processes of some thousand calls. A `careful` one avoids what only the running device can notice (a
 * freed pointer in a kernel, unmapping under queued work): no sticky error may arise there, shadowed buffers hold the
 * bytes that were written to them, and all memory comes back. In a reckless one everything is allowed that cannot make
 * the program itself crash on a real driver too: host pointers lead to memory. */
#ifndef FUZZ_H
#define FUZZ_H

#include <cuda.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NOT_MADE (-1)

enum kind {
    CONTEXT,
    STREAM,
    EVENT,
    POOL,
    ALLOCATION, /* cuMemAlloc and kin */
    BLOCK,      /* stream-ordered */
    PINNED,
    REGISTERED,
    HANDLE,
    RESERVATION,
    MAPPING,
    MODULE,
    FUNCTION,
    LIBRARY,
    KERNEL,
    GRAPH,
    EXEC,
    KIND_COUNT
};

struct object {
    uintptr_t value;
    size_t bytes;
    CUcontext owner;  /* goes with it; NULL: belongs to no context */
    int device;       /* of memory; -1: the host's */
    CUstream stream;  /* BLOCK: where it was allocated */
    bool cpu;         /* memory that the CPU may touch */
    unsigned devices; /* MAPPING: which may write to it, a bit each */
};

struct call {
    const char *name;
    int (*make)(void);
    unsigned weight;
    bool runtime; /* the result is a cudaError_t */
};

#define CALL_OF(name, weight, runtime)                                                                                 \
    static int call_##name(void);                                                                                      \
    static const struct call entry_##name                                                                              \
        __attribute__((used, no_reorder, section("fuzz_calls"), aligned(8))) = {#name, call_##name, weight, runtime};  \
    static int call_##name(void)
#define CALL(name)         CALL_OF(name, 8, false)
#define RARE_CALL(name)    CALL_OF(name, 1, false)
#define RUNTIME_CALL(name) CALL_OF(name, 6, true)

extern const struct call __start_fuzz_calls[], __stop_fuzz_calls[];

/* --- Chance (chance.c): the same numbers for the same seed -------------------------------------------------------- */
void chance_seed(uint64_t seed);
uint64_t chance(void);
uint64_t below(uint64_t limit);
bool one_in(unsigned n);

/* --- Arguments (arguments.c) -------------------------------------------------------------------------------------- */
#define OUT(pointer) (one_in(40) ? NULL : (pointer))
uintptr_t any(enum kind kind); /* a live one; sometimes a stale one, one of another kind, null or garbage */
#define ANY(type, kind) ((type)any(kind))
CUstream any_stream(void); /* also the default ones */
int any_device(void);
size_t any_bytes(void);           /* of an allocation */
size_t small_bytes(size_t limit); /* 1 to the limit; sometimes 0 or far beyond */
size_t any_number(void);
unsigned flags_of(unsigned known); /* some of the known bits; sometimes others */
int number_of(int known_count);    /* 0 to known_count - 1; sometimes beyond */
CUmemLocation any_location(void);
/* Memory to work on, and in *bytes how much follows. Where `careful`, work on it in `stream` of the current context
 * cannot break the context, whatever is refused at the call. */
CUdeviceptr any_memory(CUstream stream, size_t *bytes);
CUdeviceptr any_device_memory(CUstream stream, size_t *bytes); /* never pageable memory */
char *host_bytes(size_t *bytes);                               /* the program's own: pageable or registered */
CUfunction any_function(void);

/* --- The world (world.c) ------------------------------------------------------------------------------------------ */
struct world {
    bool careful;
    bool sticky; /* an error that stays was returned */
    int device_count;
    CUcontext primary[16];
    size_t captures;   /* streams that are being captured */
    CUstream captured; /* one of them */
    uint64_t callbacks_queued;
    _Atomic uint64_t callbacks_run; /* a thread of the driver runs them */
    const char *failure;            /* what went wrong, when something did */
};
extern struct world world;

size_t count_of(enum kind kind);
struct object *live(enum kind kind);                  /* a random one, or NULL */
struct object *find(enum kind kind, uintptr_t value); /* or NULL */
uintptr_t stale(enum kind kind);                      /* a former one, or 0 */
bool room_for(enum kind kind);                        /* there are not too many already */
/* All of them return `result`; they act when it is 0. */
#define born(call, kind, handle)                                                                                       \
    ({                                                                                                                 \
        int called = (call); /* before the handle is read */                                                           \
        born_as(called, kind, (struct object){.value = (uintptr_t)(handle)});                                          \
    })
int born_as(
    int result, enum kind kind, struct object object); /* the owner is the current context where kinds have one */
int died(int result, enum kind kind, uintptr_t value);
void forget(enum kind kind, uintptr_t value);    /* it ends some time later: never to be named again */
int context_died(int result, CUcontext context); /* and all that belongs to it */
void fail(const char *sentence);                 /* a rule of this program's own was broken */

/* Waits for all work; false where a capture or an error forbids it. Careful callers then leave their call alone. */
bool settle(void);
/* Where only the running device would notice: true in a reckless episode, or when nothing is queued. */
bool may_pull_away(void);
bool is_captured(CUstream stream); /* also where that cannot be asked */
void count_captures(void);         /* after what may have begun or ended some */
void end_captures(void);
/* Gives everything back and compares with the memory that was free. */
void world_begin(void);
void world_end(void);

/* --- Shadowed buffers (shadow.c) ---------------------------------------------------------------------------------- */
bool shadow_overlaps(CUdeviceptr address, size_t bytes);
void shadow_context_died(CUcontext context);
void shadow_begin(void);
void shadow_end(void); /* compares and frees all */

#endif
