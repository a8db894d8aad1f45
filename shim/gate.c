/* gate.c: see gate.h. */
#include "gate.h"

#include <linux/membarrier.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "deadline.h"
#include "locks.h"

enum { CLOSED = 1, NO_MEMBARRIER = 2 }; /* vs_gate_bars */

__thread struct vs_gate_thread *vs_gate_self __attribute__((tls_model("initial-exec"), visibility("hidden")));
uint32_t vs_gate_bars;
bool vs_gate_in_use;

pthread_mutex_t vs_gate_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t opened, left; /* count by the monotonic clock: made in prepare() */

/* With vs_gate_lock held. Records are never freed: a thread takes over that of one that ended. */
static struct vs_gate_thread *threads;
static bool closed;
static bool unwatched_exists;

static struct vs_gate_thread unwatched; /* of threads for which there was no memory */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool forgotten;

static void end_of_thread(void *record)
{
    vs_gate_self = NULL; /* a destructor that comes after this one may launch work again, and takes another record */
    if (__atomic_load_n(&forgotten, __ATOMIC_ACQUIRE))
        return;
    pthread_mutex_lock(&vs_gate_lock);
    ((struct vs_gate_thread *)record)->taken = false;
    pthread_mutex_unlock(&vs_gate_lock);
}

static void prepare(void)
{
    vs_deadline_condition(&opened);
    vs_deadline_condition(&left);
    if (syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) != 0)
        __atomic_fetch_or(&vs_gate_bars, NO_MEMBARRIER, __ATOMIC_SEQ_CST);
    unwatched_exists = pthread_key_create(&key, end_of_thread) != 0;
}

void vs_gate_arm(void)
{
    pthread_once(&once, prepare);
    if (!__atomic_load_n(&forgotten, __ATOMIC_ACQUIRE))
        __atomic_store_n(&vs_gate_in_use, true, __ATOMIC_RELEASE);
}

void vs_gate_forget(void)
{
    __atomic_store_n(&forgotten, true, __ATOMIC_RELEASE);
    __atomic_store_n(&vs_gate_in_use, false, __ATOMIC_RELEASE);
    __atomic_store_n(&vs_gate_bars, 0, __ATOMIC_RELEASE);
}

/* With vs_gate_lock held. */
static struct vs_gate_thread *take_record(void)
{
    struct vs_gate_thread *record = threads;
    while (record && record->taken)
        record = record->next;
    if (!record) {
        record = aligned_alloc(_Alignof(struct vs_gate_thread), sizeof *record);
        if (!record)
            return NULL;
        *record = (struct vs_gate_thread){.next = threads};
        threads = record;
    }
    record->taken = true;
    return record;
}

/* With vs_gate_lock held. */
static struct vs_gate_thread *own_record(void)
{
    if (!vs_gate_self) {
        struct vs_gate_thread *record = unwatched_exists ? NULL : take_record();
        if (record && pthread_setspecific(key, record) != 0) {
            record->taken = false;
            record = NULL;
        }
        unwatched_exists = unwatched_exists || !record;
        vs_gate_self = record ? record : &unwatched;
    }
    return vs_gate_self;
}

/* The way in that is not the usual one: the thread's first, or there are bars. Who gets in under the lock is seen by
 * everybody who closes the gate later, since that takes the lock, too. */
void vs_gate_stand(void)
{
    struct vs_gate_thread *self = vs_gate_self;
    if (self && __atomic_load_n(&vs_gate_bars, __ATOMIC_ACQUIRE) == NO_MEMBARRIER) {
        __atomic_exchange_n(&self->inside, 1, __ATOMIC_SEQ_CST); /* ordered before the look that follows */
        if (!(__atomic_load_n(&vs_gate_bars, __ATOMIC_SEQ_CST) & CLOSED))
            return;
    }
    pthread_once(&once, prepare);
    pthread_mutex_lock(&vs_gate_lock);
    self = own_record();
    while (closed) {
        __atomic_store_n(&self->inside, 0, __ATOMIC_RELEASE);
        pthread_cond_broadcast(&left);
        pthread_cond_wait(&opened, &vs_gate_lock);
    }
    __atomic_store_n(&self->inside, 1, __ATOMIC_RELAXED);
    pthread_mutex_unlock(&vs_gate_lock);
}

/* The thread has left, and there are bars: a mover may be waiting for it. */
void vs_gate_tell(void)
{
    /* Without membarrier, this orders the leaving before the look that follows. */
    __atomic_exchange_n(&vs_gate_self->inside, 0, __ATOMIC_SEQ_CST);
    if (!(__atomic_load_n(&vs_gate_bars, __ATOMIC_SEQ_CST) & CLOSED))
        return;
    pthread_mutex_lock(&vs_gate_lock);
    pthread_cond_broadcast(&left);
    pthread_mutex_unlock(&vs_gate_lock);
}

/* With vs_gate_lock held. */
static bool anybody_is_inside(void)
{
    for (struct vs_gate_thread *thread = threads; thread; thread = thread->next)
        if (__atomic_load_n(&thread->inside, __ATOMIC_ACQUIRE))
            return true;
    return false;
}

/* With vs_gate_lock held. */
static void open_gate(struct vs_gate_thread *self)
{
    closed = false;
    __atomic_fetch_and(&vs_gate_bars, ~(uint32_t)CLOSED, __ATOMIC_SEQ_CST);
    __atomic_store_n(&self->inside, self->was_inside, __ATOMIC_RELAXED);
    pthread_cond_broadcast(&opened);
}

/* With vs_gate_lock held. Who came from inside must not go back there while another mover has closed the gate. */
static void await_other_mover(const struct vs_gate_thread *self, uint64_t limit_ns)
{
    const struct timespec until = vs_deadline_after(limit_ns);
    while (closed && self->was_inside)
        pthread_cond_wait(&opened, &vs_gate_lock);
    while (closed && !vs_deadline_is_past(&until))
        pthread_cond_timedwait(&opened, &vs_gate_lock, &until);
}

bool vs_gate_can_close(void)
{
    pthread_mutex_lock(&vs_gate_lock);
    bool can = !unwatched_exists;
    pthread_mutex_unlock(&vs_gate_lock);
    return can;
}

bool vs_gate_close(uint64_t limit_ns)
{
    pthread_once(&once, prepare);
    pthread_mutex_lock(&vs_gate_lock);
    struct vs_gate_thread *self = own_record();
    self->was_inside = __atomic_load_n(&self->inside, __ATOMIC_RELAXED);
    __atomic_store_n(&self->inside, 0, __ATOMIC_RELEASE);
    pthread_cond_broadcast(&left); /* another mover may be waiting for this thread */
    await_other_mover(self, limit_ns);
    if (closed || unwatched_exists) {
        __atomic_store_n(&self->inside, self->was_inside, __ATOMIC_RELAXED);
        pthread_mutex_unlock(&vs_gate_lock);
        return false;
    }
    closed = true;
    __atomic_fetch_or(&vs_gate_bars, CLOSED, __ATOMIC_SEQ_CST);
    pthread_mutex_unlock(&vs_gate_lock);
    /* After this every thread either sees the gate closed, or is seen inside. */
    if (!(__atomic_load_n(&vs_gate_bars, __ATOMIC_RELAXED) & NO_MEMBARRIER))
        syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
    const struct timespec until = vs_deadline_after(limit_ns);
    pthread_mutex_lock(&vs_gate_lock);
    bool alone;
    /* Each must be seen outside once: who is seen inside later is on its way to the bars, and stands there. */
    while (!(alone = !anybody_is_inside()) && !vs_deadline_is_past(&until))
        pthread_cond_timedwait(&left, &vs_gate_lock, &until);
    if (!alone)
        open_gate(self);
    pthread_mutex_unlock(&vs_gate_lock);
    return alone;
}

void vs_gate_open(void)
{
    pthread_mutex_lock(&vs_gate_lock);
    open_gate(vs_gate_self);
    pthread_mutex_unlock(&vs_gate_lock);
}
