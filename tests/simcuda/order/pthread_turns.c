/* pthread_turns.c: linked into a C test, it makes mutexes and conditions part of the turns of simcudaTurnsEnter.
 *
 * A thread that waits for a turn sleeps at the gate of the simulated driver, so that one thread runs at a time. Where
 * one gets to wait for another (a mutex held across a CUDA call, a condition), the order in which they wake would be
 * the system's. Here an enrolled thread never sleeps in a mutex or a condition: it tries, and gives its turn on. That
 * holds for the locks of all libraries of the process: these definitions come before libc's. A timed wait ends, with
 * its time-out, when the thread gets a turn and was not woken before. Other threads get the real functions. */
#include "../simcuda.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define EXPORT __attribute__((visibility("default")))

/* The next definition of `name`, found at its first use. */
#define REAL(name)                                                                                                     \
    ({                                                                                                                 \
        static _Atomic(void *) found;                                                                                  \
        void *now = atomic_load_explicit(&found, memory_order_relaxed);                                                \
        if (now == NULL)                                                                                               \
            atomic_store_explicit(&found, now = find(#name), memory_order_relaxed);                                    \
        (typeof(&(name)))now;                                                                                          \
    })

static void *find(const char *name)
{
    void *function = dlsym(RTLD_NEXT, name);
    if (function == NULL) {
        fprintf(stderr, "pthread_turns: there is no %s to call\n", name);
        abort();
    }
    return function;
}

EXPORT int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    int error;

    if (!simcudaTurnsEntered())
        return REAL(pthread_mutex_lock)(mutex);
    while ((error = REAL(pthread_mutex_trylock)(mutex)) == EBUSY)
        simcudaTurnsYield();
    return error;
}

static int wait_for(pthread_cond_t *condition, pthread_mutex_t *mutex, bool timed)
{
    bool woken;

    simcudaTurnsAwait(
        condition, timed); /* before the mutex is free: who changes what is waited for finds this thread */
    pthread_mutex_unlock(mutex);
    woken = simcudaTurnsSleep();
    pthread_mutex_lock(mutex);
    return woken ? 0 : ETIMEDOUT;
}

EXPORT int pthread_cond_wait(pthread_cond_t *condition, pthread_mutex_t *mutex)
{
    return simcudaTurnsEntered() ? wait_for(condition, mutex, false) : REAL(pthread_cond_wait)(condition, mutex);
}

EXPORT int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until)
{
    return simcudaTurnsEntered() ? wait_for(condition, mutex, true)
                                 : REAL(pthread_cond_timedwait)(condition, mutex, until);
}

/* Waiters may be enrolled or not. One too many may wake: conditions allow that. */
EXPORT int pthread_cond_signal(pthread_cond_t *condition)
{
    simcudaTurnsWake(condition, false);
    return REAL(pthread_cond_signal)(condition);
}

EXPORT int pthread_cond_broadcast(pthread_cond_t *condition)
{
    simcudaTurnsWake(condition, true);
    return REAL(pthread_cond_broadcast)(condition);
}
