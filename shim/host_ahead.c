/* host_ahead.c: see host_ahead.h. Wants in a list, one for each owner and size; a want is freed by the thread, once
 * nothing of it is to be made or lies ready. */
#include "host_ahead.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "activate.h"
#include "backing.h"
#include "capture.h"
#include "driver.h"
#include "host_memory.h"
#include "locks.h"
#include "log.h"

#define MOST_READY_BYTES   ((size_t)1 << 30)
#define STACK_BYTES        ((size_t)512 << 10) /* of which the loader takes some for the libraries' thread-locals */
#define EXIT_PATIENCE_SECS 5

struct want {
    struct want *next;
    const void *owner;
    const struct vs_backing *backing;
    const struct vs_compute *compute;
    size_t bytes;
    size_t asked, done; /* pieces: wanted in all; made, or asked for before they were */
    size_t missing;     /* to be made yet */
    bool dropped;
    size_t ready;
    CUmemGenericAllocationHandle handles[]; /* `ready` of them; room for all that were asked for */
};

pthread_mutex_t vs_host_ahead_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
/* Protected by it: */
static struct want *wants;
static const struct want *making; /* the thread makes a piece for it, without the lock */
static size_t ready_bytes;
static bool running, joinable, ended; /* the thread: it lives; it was not joined yet; there will be none any more */
static pthread_t thread;
/* Not protected: the list is not empty. Nobody takes the lock for nothing. */
static atomic_bool any_want;

/* --- With vs_host_ahead_lock held --------------------------------------------------------------------------------- */

static bool is_for(
    const struct want *want, const struct vs_backing *backing, const struct vs_compute *compute, size_t bytes)
{
    return want->backing == backing && want->compute == compute && want->bytes == bytes && !want->dropped;
}

static bool is_settled(const struct want *want)
{
    return want->missing == 0 && want->ready == 0 && want != making;
}

static void free_settled(void)
{
    struct want **link = &wants;
    while (*link) {
        struct want *want = *link;
        if (!is_settled(want)) {
            link = &want->next;
            continue;
        }
        *link = want->next;
        free(want);
    }
    atomic_store(&any_want, wants != NULL);
}

static CUmemGenericAllocationHandle pop(struct want *want)
{
    ready_bytes -= want->bytes;
    return want->handles[--want->ready];
}

static struct want *find_dropped(void)
{
    struct want *want = wants;
    while (want && !(want->dropped && want->ready > 0))
        want = want->next;
    return want;
}

/* Of what may be made, that of which the smallest part is done: sizes come mixed, as they are asked for. */
static struct want *find_next(void)
{
    struct want *next = NULL;
    for (struct want *want = wants; want; want = want->next) {
        bool near = ready_bytes == 0 || ready_bytes + want->bytes <= MOST_READY_BYTES;
        if (want->missing > 0 && near && (!next || want->done * next->asked < next->done * want->asked))
            next = want;
    }
    return next;
}

/* --- Memory ------------------------------------------------------------------------------------------------------- */

static CUresult create(const struct vs_backing *backing, const struct vs_compute *compute, size_t bytes,
    CUmemGenericAllocationHandle *handle)
{
    const struct vs_home host = {VS_HOME_HOST, 0};
    if (backing->kind == VS_BACKING_PINNED) /* pages of the program's own */
        return backing->create_physical(compute, host, bytes, handle);
    uint64_t before_bytes = vs_host_memory_before_lending();
    CUresult result = backing->create_physical(compute, host, bytes, handle);
    if (result == CUDA_SUCCESS)
        vs_host_memory_lent(bytes, before_bytes);
    return result;
}

void vs_host_ahead_release(const struct vs_backing *backing, size_t bytes, CUmemGenericAllocationHandle handle)
{
    backing->release(handle);
    if (backing->kind != VS_BACKING_PINNED)
        vs_host_memory_returned(bytes);
}

/* --- The thread --------------------------------------------------------------------------------------------------- */

static CUresult make(const struct want *want, CUmemGenericAllocationHandle *handle)
{
    struct vs_driver_scope scope;
    if (!vs_host_memory_has_room(want->bytes))
        return CUDA_ERROR_OUT_OF_MEMORY;
    CUresult result = vs_driver_enter(&scope, want->compute->context);
    if (result != CUDA_SUCCESS)
        return result;
    result = create(want->backing, want->compute, want->bytes, handle);
    vs_driver_leave(&scope);
    return result;
}

/* Releasing needs no context: it is tried in any case. */
static void give_back(const struct want *want, CUmemGenericAllocationHandle handle)
{
    struct vs_driver_scope scope;
    bool entered = vs_driver_enter(&scope, want->compute->context) == CUDA_SUCCESS;
    vs_host_ahead_release(want->backing, want->bytes, handle);
    if (entered)
        vs_driver_leave(&scope);
}

/* One thing that is to be done, the lock left meanwhile. False where there is none now. */
static bool work_once(void)
{
    struct want *want = find_dropped();
    CUmemGenericAllocationHandle handle;
    if (want) {
        making = want; /* it must not be gone meanwhile, nor the context */
        handle = pop(want);
        pthread_mutex_unlock(&vs_host_ahead_lock);
        give_back(want, handle);
        pthread_mutex_lock(&vs_host_ahead_lock);
        making = NULL;
        return true;
    }
    want = vs_capture_open() ? NULL : find_next(); /* vs_host_ahead_resume wakes it */
    if (!want)
        return false;
    making = want;
    want->missing--;
    pthread_mutex_unlock(&vs_host_ahead_lock);
    CUresult result = make(want, &handle);
    pthread_mutex_lock(&vs_host_ahead_lock);
    making = NULL;
    want->done++;
    if (result == CUDA_SUCCESS) {
        want->handles[want->ready++] = handle;
        ready_bytes += want->bytes;
    } else {
        want->missing = 0; /* who asks for it finds out, and is told why; other sizes may fit */
    }
    return true;
}

static void *work(void *unused)
{
    pthread_mutex_lock(&vs_host_ahead_lock);
    for (;;) {
        bool worked = work_once();
        free_settled();
        pthread_cond_broadcast(&changed);
        if (!wants)
            break;
        if (!worked)
            pthread_cond_wait(&changed, &vs_host_ahead_lock);
    }
    running = false;
    pthread_mutex_unlock(&vs_host_ahead_lock);
    return unused;
}

/* Runs before the driver's own handlers, which were registered before (atexit(3): in reverse order). The wait has an
 * end: a program may exit in the middle of a call of the driver, which the thread then waits for. */
static void end_at_exit(void)
{
    struct timespec deadline;
    if (!vs_in_own_process())
        return;
    pthread_mutex_lock(&vs_host_ahead_lock);
    bool join = joinable;
    ended = true;
    joinable = false;
    for (struct want *want = wants; want; want = want->next) {
        want->missing = 0;
        want->dropped = true;
    }
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&vs_host_ahead_lock);
    if (!join)
        return;
    clock_gettime(CLOCK_REALTIME, &deadline);
    deadline.tv_sec += EXIT_PATIENCE_SECS;
    pthread_timedjoin_np(thread, NULL, &deadline);
}

/* With the lock held: neither of the two waits for anything but a thread's last steps. The program's signals are not
 * for this thread. */
static bool start_thread(void)
{
    static bool registered;
    sigset_t all, before;
    pthread_attr_t attributes;
    if (joinable)
        pthread_join(thread, NULL);
    joinable = false;
    if (!registered && atexit(end_at_exit) != 0)
        return false;
    registered = true;
    if (pthread_attr_init(&attributes) != 0)
        return false;
    pthread_attr_setstacksize(&attributes, STACK_BYTES);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    joinable = pthread_create(&thread, &attributes, work, NULL) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    if (joinable)
        pthread_setname_np(thread, "vramspan-host");
    return joinable;
}

/* --- For others --------------------------------------------------------------------------------------------------- */

static bool is_switched_off(void)
{
    static atomic_bool told;
    const char *text = getenv("VRAMSPAN_HOST_AHEAD");
    if (!text || !text[0] || strcmp(text, "on") == 0)
        return false;
    if (strcmp(text, "off") != 0 && !atomic_exchange(&told, true))
        vs_log(VS_LOG_WARN, "host", "VRAMSPAN_HOST_AHEAD=%s is not followed: use on or off", text);
    return strcmp(text, "off") == 0;
}

void vs_host_ahead_want(
    const void *owner, const struct vs_backing *backing, const struct vs_compute *compute, size_t bytes, size_t count)
{
    if (count == 0 || is_switched_off() || !vs_in_own_process())
        return;
    struct want *want = malloc(sizeof *want + count * sizeof *want->handles);
    if (!want)
        return;
    *want = (struct want){
        .owner = owner, .backing = backing, .compute = compute, .bytes = bytes, .asked = count, .missing = count};
    pthread_mutex_lock(&vs_host_ahead_lock);
    if (!ended && !running)
        running = start_thread();
    if (!ended && running) {
        want->next = wants;
        wants = want;
        want = NULL;
        atomic_store(&any_want, true);
        pthread_cond_broadcast(&changed);
    }
    pthread_mutex_unlock(&vs_host_ahead_lock);
    free(want);
}

/* A child has no such thread, and its copy of the lock may be held for ever. */
static bool is_anything_wanted(void)
{
    return atomic_load(&any_want) && vs_in_own_process();
}

static bool take(const struct vs_backing *backing, const struct vs_compute *compute, size_t bytes,
    CUmemGenericAllocationHandle *handle)
{
    bool taken = false;
    struct want *want;
    pthread_mutex_lock(&vs_host_ahead_lock);
    for (;;) {
        for (want = wants; want; want = want->next)
            if (is_for(want, backing, compute, bytes) && want->ready > 0)
                break;
        if (want || !making || !is_for(making, backing, compute, bytes))
            break;
        pthread_cond_wait(&changed, &vs_host_ahead_lock); /* a second one would be one too many */
    }
    if (want) {
        *handle = pop(want);
        taken = true;
    } else {
        for (want = wants; want; want = want->next)
            if (is_for(want, backing, compute, bytes) && want->missing > 0)
                break;
        if (want) {
            want->missing--;
            want->done++;
        }
    }
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&vs_host_ahead_lock);
    return taken;
}

enum { ANY_DEVICE = -1 };

static bool is_about(const struct want *want, const void *owner, int ordinal)
{
    return (!owner || want->owner == owner) && (ordinal == ANY_DEVICE || want->compute->ordinal == ordinal);
}

/* Whether there was anything. */
static bool drop(const void *owner, int ordinal, bool wait)
{
    bool any = false;
    if (!is_anything_wanted())
        return false;
    pthread_mutex_lock(&vs_host_ahead_lock);
    for (struct want *want = wants; want; want = want->next) {
        if (!is_about(want, owner, ordinal))
            continue;
        want->missing = 0;
        want->dropped = any = true;
    }
    pthread_cond_broadcast(&changed);
    while (any && wait) {
        struct want *want = wants;
        while (want && !(want->dropped && is_about(want, owner, ordinal)))
            want = want->next;
        if (!want)
            break;
        pthread_cond_wait(&changed, &vs_host_ahead_lock);
    }
    pthread_mutex_unlock(&vs_host_ahead_lock);
    return any;
}

CUresult vs_host_ahead_create(const struct vs_backing *backing, const struct vs_compute *compute, size_t bytes,
    CUmemGenericAllocationHandle *handle)
{
    if (is_anything_wanted() && take(backing, compute, bytes, handle))
        return CUDA_SUCCESS;
    if (!vs_host_memory_has_room(bytes) && (!drop(NULL, ANY_DEVICE, true) || !vs_host_memory_has_room(bytes)))
        return CUDA_ERROR_OUT_OF_MEMORY; /* the driver would give it, and the kernel end a process for it */
    CUresult result = create(backing, compute, bytes, handle);
    if (result == CUDA_ERROR_OUT_OF_MEMORY && drop(NULL, ANY_DEVICE, true)) /* what lies ready may be what it lacks */
        result = create(backing, compute, bytes, handle);
    return result;
}

void vs_host_ahead_resume(void)
{
    if (!is_anything_wanted())
        return;
    pthread_mutex_lock(&vs_host_ahead_lock);
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&vs_host_ahead_lock);
}

void vs_host_ahead_drop(const void *owner)
{
    drop(owner, ANY_DEVICE, false);
}

void vs_host_ahead_flush(void)
{
    drop(NULL, ANY_DEVICE, true);
}

void vs_host_ahead_drop_device(int ordinal)
{
    drop(NULL, ordinal, true);
}
