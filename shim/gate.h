/* gate.h: what every call that launches work passes, and what is closed while pages change their homes.
 *
 * A page must not be unmapped under a launch whose arguments are chosen and whose work is not queued yet; waiting for
 * the device alone does not see that one. So a hook says that it is inside before the real call and that it has left
 * after it; who moves pages closes the gate, waits until nobody is inside, and then for what is queued. Who comes
 * meanwhile stands at the gate until it opens.
 *
 * Passing costs two stores and two loads of the thread's own, without an atomic read-modify-write: each thread has a
 * record, and the mover pays for the order between a record and the closed gate with membarrier(2). Where the kernel
 * has none, passing threads pay.
 */
#ifndef VS_GATE_H
#define VS_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One thread's. Alone in its cache line. */
struct vs_gate_thread {
    uint32_t inside;
    uint32_t was_inside; /* while the thread moves pages: whether it did so from inside */
    bool taken;          /* by a thread that lives */
    struct vs_gate_thread *next;
} __attribute__((aligned(64)));

extern __thread struct vs_gate_thread *vs_gate_self __attribute__((tls_model("initial-exec"), visibility("hidden")));
extern uint32_t vs_gate_bars __attribute__((visibility("hidden"))); /* not 0: who passes must look closer */
extern bool vs_gate_in_use __attribute__((visibility("hidden")));

/* Whether calls must pass at all: not before there are pages that may move, and never in a forked child. */
static inline bool vs_gate_is_needed(void)
{
    return __builtin_expect(__atomic_load_n(&vs_gate_in_use, __ATOMIC_RELAXED), 0);
}

/* From now on they must: called before the first page of ours can be known. Any thread. */
void vs_gate_arm(void);

void vs_gate_stand(void) __attribute__((visibility("hidden")));
void vs_gate_tell(void) __attribute__((visibility("hidden")));

/* Around the real call, on one thread, not nested (the outermost hook does it: hook.h). vs_gate_enter returns when the
 * gate is open. */
static inline void vs_gate_enter(void)
{
    struct vs_gate_thread *self = vs_gate_self;
    if (__builtin_expect(!self, 0)) {
        vs_gate_stand();
        return;
    }
    __atomic_store_n(&self->inside, 1, __ATOMIC_RELAXED);
    __atomic_signal_fence(__ATOMIC_SEQ_CST); /* for the processor, membarrier in vs_gate_close */
    if (__builtin_expect(__atomic_load_n(&vs_gate_bars, __ATOMIC_ACQUIRE), 0))
        vs_gate_stand();
}

static inline void vs_gate_leave(void)
{
    __atomic_store_n(&vs_gate_self->inside, 0, __ATOMIC_RELEASE);
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    if (__builtin_expect(__atomic_load_n(&vs_gate_bars, __ATOMIC_ACQUIRE), 0))
        vs_gate_tell();
}

static inline bool vs_gate_is_inside(void)
{
    return vs_gate_self && __atomic_load_n(&vs_gate_self->inside, __ATOMIC_RELAXED);
}

/* Closes the gate and waits until no other thread is inside, at most `limit_ns`; before that for another mover, as long
 * again at most. True: the caller is the only mover until vs_gate_open. False: the gate is as before, since a call did
 * not return (it may itself wait for a thread that stands here) or another mover has it still, or since a thread could
 * not be given a record.
 *
 * The caller may be inside itself. While it waits for another mover it counts as outside, and waits without a limit:
 * what it had looked up about pages before may be stale afterwards. Holds no lock when it returns. */
bool vs_gate_close(uint64_t limit_ns);
/* False: a thread could not be given a record, and the gate does not close any more in this process. */
bool vs_gate_can_close(void);
void vs_gate_open(void);

/* In a forked child, where neither the threads nor the devices of the parent exist. */
void vs_gate_forget(void);

#endif
