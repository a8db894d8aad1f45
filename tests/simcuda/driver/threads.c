/* threads.c: see threads.h.
 *
 * They are started at the first use and wait for work until the process ends; the caller works with them. Calls come
 * one at a time, under the simulator's lock; the workers themselves take only the lock below. A child of fork has none
 * of them, and computes nothing (its CUDA calls are refused). */
#include "threads.h"

#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Shares per thread: small enough that a thread that was kept waiting does not hold up the rest. */
#define SHARES 4

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work_is_there = PTHREAD_COND_INITIALIZER, work_is_done = PTHREAD_COND_INITIALIZER;
static size_t thread_count; /* with the caller; 0 before the first use */
static pid_t owner;
static uint64_t generation; /* of jobs */
static size_t busy;         /* workers that have not finished the current job */

static struct {
    void (*work)(void *state, size_t first, size_t last);
    void *state;
    size_t count, step;
    atomic_size_t next;
} job;

static void take_shares(void)
{
    for (;;) {
        size_t first = atomic_fetch_add(&job.next, job.step);
        if (first >= job.count)
            return;
        job.work(job.state, first, job.count - first < job.step ? job.count : first + job.step);
    }
}

static void *worker(void *unused)
{
    uint64_t seen = 0;

    (void)unused;
    pthread_mutex_lock(&lock);
    for (;;) {
        while (generation == seen)
            pthread_cond_wait(&work_is_there, &lock);
        seen = generation;
        pthread_mutex_unlock(&lock);
        take_shares();
        pthread_mutex_lock(&lock);
        if (--busy == 0)
            pthread_cond_signal(&work_is_done);
    }
    return NULL;
}

size_t sim_threads_wanted(void)
{
    const char *text = getenv("SIMCUDA_THREADS");
    long wanted = text != NULL ? strtol(text, NULL, 10) : 0;
    cpu_set_t set;

    if (wanted <= 0)
        wanted = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
    return wanted < SIM_MAX_THREADS ? (size_t)wanted : SIM_MAX_THREADS;
}

static void start_threads(void)
{
    size_t wanted = sim_threads_wanted();
    sigset_t all, before;
    Dl_info self;

    /* The threads run this library's code: it must stay. */
    if (dladdr(&lock, &self) == 0 || dlopen(self.dli_fname, RTLD_LAZY | RTLD_NOLOAD | RTLD_NODELETE) == NULL)
        wanted = 1;
    owner = getpid();
    thread_count = 1;
    /* The program's signals are not for our threads. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (thread_count < wanted) {
        pthread_t thread;
        if (pthread_create(&thread, NULL, worker, NULL) != 0)
            break;
        pthread_detach(thread);
        thread_count++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void sim_parallel(size_t count, size_t grain, void (*work)(void *state, size_t first, size_t last), void *state)
{
    size_t step;

    if (count <= grain) {
        if (count > 0)
            work(state, 0, count);
        return;
    }
    if (thread_count == 0)
        start_threads();
    if (thread_count == 1 || owner != getpid()) {
        work(state, 0, count);
        return;
    }
    step = (count + thread_count * SHARES - 1) / (thread_count * SHARES);
    job.work = work;
    job.state = state;
    job.count = count;
    job.step = step > grain ? step : grain;
    atomic_store(&job.next, 0);
    pthread_mutex_lock(&lock);
    generation++;
    busy = thread_count - 1;
    pthread_cond_broadcast(&work_is_there);
    pthread_mutex_unlock(&lock);
    take_shares();
    pthread_mutex_lock(&lock);
    while (busy > 0)
        pthread_cond_wait(&work_is_done, &lock);
    pthread_mutex_unlock(&lock);
}

/* One thread moves a megabyte in less time than it takes to wake another. */
#define MOVE_GRAIN ((size_t)1 << 20)

struct move {
    char *to;
    const char *from;
};

static void move_part(void *state, size_t first, size_t last)
{
    const struct move *move = state;
    memcpy(move->to + first, move->from + first, last - first);
}

void sim_move(void *to, const void *from, size_t bytes)
{
    struct move move = {to, from};
    uintptr_t gap = (uintptr_t)to > (uintptr_t)from ? (uintptr_t)to - (uintptr_t)from : (uintptr_t)from - (uintptr_t)to;

    if (gap >= bytes)
        sim_parallel(bytes, MOVE_GRAIN, move_part, &move);
    else
        memmove(to, from, bytes);
}
