/* drain.c: see drain.h. */
#include "drain.h"

#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "capture.h"
#include "contexts.h"
#include "deadline.h"
#include "driver.h"
#include "hook.h"
#include "locks.h"

pthread_mutex_t vs_drain_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed; /* counts by the monotonic clock */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool has_thread;

/* With vs_drain_lock held: the job, from when it is given until the thread has done with it. Of a job that nobody waits
 * for any more only what is under way is done: its gate is open, and contexts may be destroyed, or captured in. */
static CUcontext job[VS_CONTEXTS_MAX];
static size_t job_count;
static bool given, abandoned;
static CUresult job_result;

static CUresult synchronize(CUcontext context)
{
    struct vs_driver_scope scope;
    CUresult result = vs_driver_enter(&scope, context);
    if (result == CUDA_SUCCESS) {
        result = vs_driver()->cuCtxSynchronize();
        vs_driver_leave(&scope);
    }
    return result;
}

static CUresult synchronize_all(const CUcontext *contexts, size_t count)
{
    CUresult first = CUDA_SUCCESS;
    for (size_t i = 0; i < count; i++) {
        CUresult result = synchronize(contexts[i]);
        if (first == CUDA_SUCCESS)
            first = result;
    }
    return first;
}

/* Leaves vs_drain_lock while it waits. That the wait spoils no capture, the closed gate sees to no longer once the job
 * is abandoned. */
static CUresult synchronize_job(void)
{
    CUresult first = CUDA_SUCCESS;
    for (size_t i = 0; i < job_count && !abandoned; i++) {
        CUcontext context = job[i];
        pthread_mutex_unlock(&vs_drain_lock);
        CUresult result = CUDA_ERROR_NOT_READY;
        if (vs_capture_held_off()) {
            result = synchronize(context);
            vs_capture_released();
        }
        pthread_mutex_lock(&vs_drain_lock);
        if (first == CUDA_SUCCESS)
            first = result;
    }
    return first;
}

static void *wait_for_jobs(void *unused)
{
    vs_depth++; /* nothing that this thread does is the program's */
    pthread_mutex_lock(&vs_drain_lock);
    for (;;) {
        while (!given)
            pthread_cond_wait(&changed, &vs_drain_lock);
        job_result = synchronize_job();
        given = false;
        pthread_cond_broadcast(&changed);
    }
    return unused;
}

static void start(void)
{
    pthread_attr_t detached;
    pthread_t thread;
    vs_deadline_condition(&changed);
    pthread_attr_init(&detached);
    pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
    has_thread = pthread_create(&thread, &detached, wait_for_jobs, NULL) == 0;
    pthread_attr_destroy(&detached);
}

/* With vs_drain_lock held. False: the time is over. */
static bool wait_while_given(const struct timespec *until)
{
    while (given && !vs_deadline_is_past(until))
        pthread_cond_timedwait(&changed, &vs_drain_lock, until);
    return !given;
}

CUresult vs_drain(const CUcontext *contexts, size_t count, uint64_t limit_ns)
{
    if (limit_ns == 0)
        return synchronize_all(contexts, count);
    pthread_once(&once, start);
    if (!has_thread)
        return CUDA_ERROR_NOT_READY;
    const struct timespec until = vs_deadline_after(limit_ns);
    CUresult result = CUDA_ERROR_NOT_READY;
    pthread_mutex_lock(&vs_drain_lock);
    if (wait_while_given(&until)) { /* else the job before this one is still stuck */
        memcpy(job, contexts, count * sizeof *job);
        job_count = count;
        given = true;
        abandoned = false;
        pthread_cond_broadcast(&changed);
        if (wait_while_given(&until))
            result = job_result;
        else
            abandoned = true;
    }
    pthread_mutex_unlock(&vs_drain_lock);
    return result;
}

bool vs_drain_is_out(void)
{
    pthread_mutex_lock(&vs_drain_lock);
    bool out = given && abandoned;
    pthread_mutex_unlock(&vs_drain_lock);
    return out;
}
