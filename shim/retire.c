/* retire.c: see retire.h. */
#include "retire.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "access.h"
#include "capture.h"
#include "driver.h"
#include "locks.h"

/* What waits for one stream, in the order of the frees: where the first one is not done, no other one is. What waits
 * for all work of a device has a queue for each device; what has a stream that the driver tells nothing of, one of its
 * own. */
struct queue {
    struct queue *next;
    struct vs_retirement *first, *last;
};

pthread_mutex_t vs_retired_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t collected = PTHREAD_COND_INITIALIZER;
static struct queue *queues;
static bool collecting;         /* somebody does, who alone takes anything out of the queues */
static atomic_bool any_retired; /* or what was is being released; so that the usual case, none, needs no lock */
static atomic_size_t released_count;

/* Where there is no memory to remember by: it is lost to us, but to nobody else. */
static struct vs_retirement forgotten;

/* --- The queues, with vs_retired_lock held ------------------------------------------------------------------------ */

static bool belongs(const struct queue *queue, const struct vs_retirement *retirement)
{
    const struct vs_retirement *first = queue->first;
    if (!first || !first->event != !retirement->event)
        return false;
    return first->event ? vs_stream_order_equal(&first->order, &retirement->order)
                        : first->compute == retirement->compute;
}

/* Without memory for a queue it is lost to us, as above. */
static void append(struct vs_retirement *retirement)
{
    struct queue *queue = queues;
    while (queue && !belongs(queue, retirement))
        queue = queue->next;
    if (!queue) {
        queue = calloc(1, sizeof *queue);
        if (!queue)
            return;
        queue->next = queues;
        queues = queue;
    }
    retirement->next = NULL;
    if (queue->last)
        queue->last->next = retirement;
    else
        queue->first = retirement;
    queue->last = retirement;
    atomic_store(&any_retired, true);
}

/* Takes all from the first one to this one. */
static struct vs_retirement *take_until(struct queue *queue, struct vs_retirement *last)
{
    struct vs_retirement *first = queue->first;
    queue->first = last->next;
    if (!queue->first)
        queue->last = NULL;
    last->next = NULL;
    return first;
}

/* Moves those of this device to the list `taken`. */
static void take_of(struct queue *queue, int compute_ordinal, struct vs_retirement **taken)
{
    struct vs_retirement *rest = queue->first, *next;
    queue->first = queue->last = NULL;
    for (; rest; rest = next) {
        bool of_device = rest->compute->ordinal == compute_ordinal;
        struct vs_retirement **link = of_device ? taken : queue->last ? &queue->last->next : &queue->first;
        next = rest->next;
        rest->next = of_device ? *taken : NULL;
        *link = rest;
        queue->last = of_device ? queue->last : rest;
    }
}

/* --- Retiring ----------------------------------------------------------------------------------------------------- */

static void keep(struct vs_retirement *retirement)
{
    pthread_mutex_lock(&vs_retired_lock);
    append(retirement);
    pthread_mutex_unlock(&vs_retired_lock);
}

static void release(struct vs_retirement *retirement)
{
    vs_arena_release(retirement);
    if (retirement->event)
        vs_driver()->cuEventDestroy(retirement->event);
    free(retirement);
    atomic_fetch_add(&released_count, 1);
}

/* Retires the allocation; NULL where it is none of ours. */
static struct vs_retirement *retire(CUdeviceptr base, struct vs_allocation *retired)
{
    if (!vs_pages_may_own(base))
        return NULL;
    struct vs_retirement *retirement = calloc(1, sizeof *retirement);
    if (!retirement)
        retirement = &forgotten;
    if (vs_arena_retire(base, retirement, retired))
        return retirement;
    if (retirement != &forgotten)
        free(retirement);
    return NULL;
}

/* An event behind the work of `stream`, in the stream's own context: the one that is current, since the stream's handle
 * is the program's. NULL where that fails. */
static CUevent record(CUstream stream)
{
    const struct vs_driver *driver = vs_driver();
    CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
    CUevent event = NULL;
    driver->cuThreadExchangeStreamCaptureMode(&mode);
    if (driver->cuEventCreate(&event, CU_EVENT_DISABLE_TIMING) != CUDA_SUCCESS) {
        event = NULL;
    } else if (driver->cuEventRecord(event, stream) != CUDA_SUCCESS) {
        driver->cuEventDestroy(event);
        event = NULL;
    }
    driver->cuThreadExchangeStreamCaptureMode(&mode);
    return event;
}

static void keep_unless_forgotten(struct vs_retirement *retirement, const struct vs_compute *compute)
{
    if (retirement == &forgotten)
        return;
    retirement->compute = compute;
    keep(retirement);
}

/* Releases it once all is done, now or later. */
static CUresult wait_for_all(struct vs_retirement *retirement, const struct vs_compute *compute)
{
    CUresult result = vs_capture_open() ? CUDA_ERROR_NOT_READY : vs_access_synchronize(compute);
    if (result != CUDA_ERROR_NOT_READY && retirement != &forgotten)
        release(retirement);
    else
        keep_unless_forgotten(retirement, compute);
    return result == CUDA_ERROR_NOT_READY ? CUDA_SUCCESS : result;
}

bool vs_retire_after_all(CUdeviceptr base, struct vs_allocation *retired, CUresult *result)
{
    struct vs_retirement *retirement = retire(base, retired);
    if (!retirement)
        return false;
    *result = wait_for_all(retirement, retired->compute);
    return true;
}

bool vs_retire_in_order(CUdeviceptr base, CUstream stream, struct vs_allocation *retired)
{
    struct vs_retirement *retirement = retire(base, retired);
    if (!retirement)
        return false;
    if (vs_capture_open()) {
        keep_unless_forgotten(retirement, retired->compute);
        return true;
    }
    CUevent event = retirement == &forgotten ? NULL : record(stream);
    if (event) {
        const struct vs_stream_order order = vs_stream_order_of(stream);
        retirement->event = event;
        vs_arena_set_order(retirement, &order);
        keep_unless_forgotten(retirement, retired->compute);
        return true;
    }
    vs_driver()->cuStreamSynchronize(stream); /* perhaps another device's: slower, never wrong */
    wait_for_all(retirement, retired->compute);
    return true;
}

/* --- Giving back -------------------------------------------------------------------------------------------------- */

/* False: somebody else does it, and is not waited for. */
static bool begin_collecting(bool wait)
{
    pthread_mutex_lock(&vs_retired_lock);
    while (collecting && wait)
        pthread_cond_wait(&collected, &vs_retired_lock);
    bool begun = !collecting;
    collecting = true;
    pthread_mutex_unlock(&vs_retired_lock);
    return begun;
}

static void end_collecting(void)
{
    pthread_mutex_lock(&vs_retired_lock);
    for (struct queue **link = &queues; *link;) {
        struct queue *queue = *link;
        if (queue->first) {
            link = &queue->next;
            continue;
        }
        *link = queue->next;
        free(queue);
    }
    atomic_store(&any_retired, queues != NULL);
    collecting = false;
    pthread_cond_broadcast(&collected);
    pthread_mutex_unlock(&vs_retired_lock);
}

static void release_all(struct vs_retirement *list)
{
    while (list) {
        struct vs_retirement *next = list->next;
        release(list);
        list = next;
    }
}

void vs_retire_drop(int compute_ordinal)
{
    struct vs_retirement *taken = NULL;
    begin_collecting(true);
    pthread_mutex_lock(&vs_retired_lock);
    for (struct queue *queue = queues; queue; queue = queue->next)
        take_of(queue, compute_ordinal, &taken);
    pthread_mutex_unlock(&vs_retired_lock);
    release_all(taken);
    end_collecting();
}

static bool is_done(const struct vs_retirement *retirement)
{
    if (!retirement->event)
        return vs_access_synchronize(retirement->compute) != CUDA_ERROR_NOT_READY;
    CUresult result =
        vs_driver()->cuEventQuery(retirement->event); /* any other error tells nothing: it is asked again */
    return result == CUDA_SUCCESS || vs_is_end_of_device(result);
}

static void collect_queue(struct queue *queue)
{
    for (;;) {
        pthread_mutex_lock(&vs_retired_lock);
        struct vs_retirement *first = queue->first, *last = queue->last;
        pthread_mutex_unlock(&vs_retired_lock);
        if (!first || !is_done(first))
            return;
        if (first->event) /* else what was there of the device has been waited for, too */
            last = first;
        pthread_mutex_lock(&vs_retired_lock);
        struct vs_retirement *done = take_until(queue, last);
        pthread_mutex_unlock(&vs_retired_lock);
        release_all(done);
    }
}

/* By who has begun to collect: no queue goes meanwhile, and those that come stand before the first one. */
static void collect(void)
{
    CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
    vs_driver()->cuThreadExchangeStreamCaptureMode(&mode);
    pthread_mutex_lock(&vs_retired_lock);
    struct queue *queue = queues;
    pthread_mutex_unlock(&vs_retired_lock);
    for (; queue; queue = queue->next)
        collect_queue(queue);
    vs_driver()->cuThreadExchangeStreamCaptureMode(&mode);
}

bool vs_retire_is_pending(void)
{
    return atomic_load_explicit(&any_retired, memory_order_relaxed);
}

void vs_retire_collect(void)
{
    if (!vs_retire_is_pending() || vs_capture_open() || !begin_collecting(false))
        return;
    collect();
    end_collecting();
}

bool vs_retire_settle(const struct vs_compute *compute)
{
    if (vs_capture_open())
        return false;
    size_t before = atomic_load(&released_count);
    vs_access_synchronize(compute);
    begin_collecting(true); /* after who does: what that one has taken is back by then */
    collect();
    end_collecting();
    return atomic_load(&released_count) != before;
}
