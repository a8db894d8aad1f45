/* api.c: the exported functions of the driver, made from driver_api.def, and the one way in that all of them take. */
#include "api.h"
#include "adversary.h"
#include "capture.h"
#include "failures.h"
#include "host_files.h"
#include "rules.h"
#include "trace.h"
#include "turns.h"
#include "user_object.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))

struct sim sim;
_Thread_local struct sim_thread sim_thread;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t woken = PTHREAD_COND_INITIALIZER;

enum rules { FREE, INIT, CONTEXT, UNSAFE };

/* Two-step names, so that cuda.h's own renaming macros are not applied to the table's names. */
enum api {
#define DRIVER_API(version, name, symbol, rules, parameters, arguments)              API_##symbol,
#define DRIVER_API_STREAM(version, name, symbol, twin, rules, parameters, arguments) API_##symbol,
#include "driver_api.def"
#undef DRIVER_API
#undef DRIVER_API_STREAM
    API_COUNT
};

static const char *const symbols[API_COUNT] = {
#define DRIVER_API(version, name, symbol, rules, parameters, arguments)              #symbol,
#define DRIVER_API_STREAM(version, name, symbol, twin, rules, parameters, arguments) #symbol,
#include "driver_api.def"
#undef DRIVER_API
#undef DRIVER_API_STREAM
};

static const char *const public_names[API_COUNT] = {
#define DRIVER_API(version, name, symbol, rules, parameters, arguments)              #name,
#define DRIVER_API_STREAM(version, name, symbol, twin, rules, parameters, arguments) #name,
#include "driver_api.def"
#undef DRIVER_API
#undef DRIVER_API_STREAM
};

static _Atomic uint64_t calls[API_COUNT];

/* --- the lock, messages ------------------------------------------------------------------------------------------- */

void sim_lock(void)
{
    pthread_mutex_lock(&lock);
}

void sim_unlock(void)
{
    pthread_mutex_unlock(&lock);
}

void sim_sleep(void)
{
    pthread_cond_wait(&woken, &lock);
}

bool sim_sleep_for(unsigned ms)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += (long)(ms % 1000) * 1000000;
    until.tv_sec += (time_t)(ms / 1000) + until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    return pthread_cond_timedwait(&woken, &lock, &until) != ETIMEDOUT;
}

void sim_wake(void)
{
    pthread_cond_broadcast(&woken);
}

static void say(const char *format, va_list arguments)
{
    char text[2048];
    int error = errno;
    size_t length = (size_t)snprintf(text, sizeof text, "simcuda: ");

    errno = error; /* for %m */
    vsnprintf(text + length, sizeof text - length - 1, format, arguments);
    strcat(text, "\n");
    if (write(STDERR_FILENO, text, strlen(text)) < 0)
        return; /* nobody listens */
}

void sim_say(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
}

void sim_raise(CUcontext context, CUresult result, const char *format, ...)
{
    va_list arguments;

    if (context->sticky != CUDA_SUCCESS)
        return; /* the first error is the one that matters */
    context->sticky = result;
    sim.devices[context->device].poison = result;
    va_start(arguments, format);
    say(format, arguments);
    va_end(arguments);
    if (sim_trace_is_on())
        sim_trace_error("(execution)", result);
}

/* --- names, counters ---------------------------------------------------------------------------------------------- */

const char *sim_api_name(unsigned api)
{
    return api < API_COUNT ? symbols[api] : "(no call)";
}

const char *sim_call_name(void)
{
    return sim_api_name(sim_thread.api);
}

int sim_api_find(const char *name)
{
    int found = -1;

    for (int i = 0; i < API_COUNT; i++)
        if (strcmp(symbols[i], name) == 0)
            return i;
    for (int i = 0; i < API_COUNT; i++)
        if (strcmp(public_names[i], name) == 0)
            found = i;
    return found;
}

uint64_t sim_api_calls(const char *name)
{
    uint64_t sum = 0;

    for (int i = 0; i < API_COUNT; i++)
        if (strcmp(symbols[i], name) == 0)
            return calls[i];
    for (int i = 0; i < API_COUNT; i++)
        if (strcmp(public_names[i], name) == 0)
            sum += calls[i];
    return sum;
}

/* --- the way in --------------------------------------------------------------------------------------------------- */

static CUresult check(enum rules rules)
{
    CUcontext context = sim_current();

    if (rules >= INIT && !sim.initialised && SIM_RULE(init_before_use))
        return CUDA_ERROR_NOT_INITIALIZED;
    if (rules < CONTEXT)
        return CUDA_SUCCESS;
    if (context == NULL && SIM_RULE(context_needed))
        return CUDA_ERROR_INVALID_CONTEXT;
    if (context == NULL && sim_cuDevicePrimaryCtxRetain(&context, 0) == CUDA_SUCCESS)
        sim_thread.stack[sim_thread.depth++] = context;
    if (!context->active && SIM_RULE(context_destroyed))
        return CUDA_ERROR_CONTEXT_IS_DESTROYED;
    if (context->sticky != CUDA_SUCCESS && SIM_RULE(sticky_error))
        return context->sticky;
    return rules == UNSAFE ? sim_capture_allows_unsafe_call() : CUDA_SUCCESS;
}

/* In a child after fork or vfork what needs no device is answered still, without the lock, which a thread of the parent
 * may have held: libcudart looks its functions up there before cuInit refuses. */
static bool in_child(void)
{
    return sim.initialised && getpid() != sim.pid;
}

/* On success the lock is held, and leave() must follow. */
static CUresult enter(enum api api, enum rules rules, bool per_thread_default)
{
    CUresult result;

    if (in_child() && SIM_RULE(fork_child)) /* nothing may be touched there, not even the lock */
        return CUDA_ERROR_NOT_INITIALIZED;
    if (sim.deinitialised && SIM_RULE(unloaded))
        return CUDA_ERROR_DEINITIALIZED;
    if (sim_thread.in_host_function && rules != FREE && SIM_RULE(host_function_calls))
        return CUDA_ERROR_NOT_PERMITTED;
    sim_turns_take();
    atomic_fetch_add_explicit(&calls[api], 1, memory_order_relaxed);
    sim_lock();
    if (sim_thread.id == 0)
        sim_thread.id = ++sim.next_id;
    sim_thread.api = api;
    sim_thread.per_thread_default = per_thread_default;
    if (rules >= CONTEXT)
        sim_adversary_between_calls();
    result = sim_failure_due(api);
    if (result == CUDA_SUCCESS)
        result = check(rules);
    if (result != CUDA_SUCCESS) {
        sim_thread.refused = result;
        if (sim_trace_is_on() && result != CUDA_ERROR_NOT_READY)
            sim_trace_error(symbols[api], result);
        sim_unlock();
    }
    return result;
}

static CUresult leave(enum api api, CUresult result)
{
    if (result != CUDA_SUCCESS)
        sim_thread.refused = result;
    if (sim_trace_is_on() && result != CUDA_SUCCESS && result != CUDA_ERROR_NOT_READY)
        sim_trace_error(symbols[api], result);
    sim_unlock();
    sim_user_objects_bury();
    return result;
}

#define WAY_IN(symbol, rules, twin, arguments)                                                                         \
    if (rules == FREE && in_child())                                                                                   \
        return sim_##symbol arguments;                                                                                 \
    CUresult result = enter(API_##symbol, rules, twin);                                                                \
    return result == CUDA_SUCCESS ? leave(API_##symbol, sim_##symbol arguments) : result;

/* cuda.h declares the newest forms only. */
#pragma GCC diagnostic ignored "-Wmissing-prototypes"
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
#define DRIVER_API(version, name, symbol, rules, parameters, arguments)                                                \
    EXPORT CUresult symbol parameters                                                                                  \
    {                                                                                                                  \
        WAY_IN(symbol, rules, false, arguments)                                                                        \
    }
#define DRIVER_API_STREAM(version, name, symbol, twin, rules, parameters, arguments)                                   \
    DRIVER_API(version, name, symbol, rules, parameters, arguments)                                                    \
    EXPORT CUresult twin parameters                                                                                    \
    {                                                                                                                  \
        WAY_IN(symbol, rules, true, arguments)                                                                         \
    }
#include "driver_api.def"
#undef DRIVER_API
#undef DRIVER_API_STREAM

/* Calls after this are answered as by a real driver that is gone. */
__attribute__((destructor)) static void end_of_process(void)
{
    if (!sim.initialised || getpid() != sim.pid)
        return;
    sim_lock();
    sim_trace_mark("exit");
    sim_host_files_end();
    sim.deinitialised = true;
    sim_unlock();
}
