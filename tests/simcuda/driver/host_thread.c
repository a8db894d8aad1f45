/* host_thread.c: see host_thread.h. */
#include "host_thread.h"
#include "adversary.h"

#include <pthread.h>
#include <signal.h>

/* A host function may wait for the program, which CUDA allows: nobody waits longer for it than this, except who asks
 * for its stream to be done. */
#define PATIENCE_MS 300

static bool started;
static CUstream first, last; /* whose functions are to be called; linked by next_host */

static void call(CUstream stream)
{
    struct sim_op *op = stream->first;

    sim_unlock();
    op->class->execute(op);
    sim_lock();
    sim_host_function_done(stream);
    sim_wake();
}

static void *serve(void *unused)
{
    sim_thread.in_host_function = true;
    sim_lock();
    for (;;) {
        CUstream stream = first;
        if (stream == NULL) {
            sim_sleep();
            continue;
        }
        first = stream->next_host;
        if (first == NULL)
            last = NULL;
        call(stream);
        sim_adversary_between_calls(); /* what waited for the function may be ready, and nobody calls */
    }
    return unused;
}

/* Signals of the program are not for this thread. */
static bool start(void)
{
    pthread_t thread;
    sigset_t all, before;
    bool made;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    made = pthread_create(&thread, NULL, serve, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (made)
        pthread_detach(thread);
    return made;
}

static void call_here(CUstream stream)
{
    bool before = sim_thread.in_host_function;

    sim_thread.in_host_function = true;
    call(stream);
    sim_thread.in_host_function = before;
}

void sim_host_thread_call(CUstream stream)
{
    uint64_t sequence = stream->first->sequence;

    if (sim_thread.seat != 0 || (!started && !(started = start()))) {
        call_here(stream);
        return;
    }
    stream->next_host = NULL;
    if (last != NULL)
        last->next_host = stream;
    else
        first = stream;
    last = stream;
    sim_wake();
    sim_stream_hold(stream);
    while (!sim_thread.in_host_function && stream->busy && stream->first->sequence == sequence)
        if (!sim_sleep_for(PATIENCE_MS))
            break;
    sim_stream_drop(stream);
}
