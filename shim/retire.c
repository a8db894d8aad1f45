/* retire.c: see retire.h. */
#include "retire.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "access.h"
#include "capture.h"
#include "driver.h"
#include "locks.h"

pthread_mutex_t vs_retired_lock = PTHREAD_MUTEX_INITIALIZER;
static struct vs_retirement *retired_list;
static atomic_bool any_retired; /* so that the usual case, none, needs no lock */

/* Where there is no memory to remember by: it is lost to us, but to nobody else. */
static struct vs_retirement forgotten;

static void keep(struct vs_retirement *retirement)
{
    pthread_mutex_lock(&vs_retired_lock);
    retirement->next = retired_list;
    retired_list = retirement;
    atomic_store(&any_retired, true);
    pthread_mutex_unlock(&vs_retired_lock);
}

static void release(struct vs_retirement *retirement)
{
    vs_arena_release(retirement);
    if (retirement->event)
        vs_driver()->cuEventDestroy(retirement->event);
    free(retirement);
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

/* Takes all that wait out of the list; of one device, if `compute_ordinal` is not negative. */
static struct vs_retirement *take_list(int compute_ordinal)
{
    struct vs_retirement *taken = NULL;
    pthread_mutex_lock(&vs_retired_lock);
    for (struct vs_retirement **link = &retired_list; *link;) {
        struct vs_retirement *retirement = *link;
        if (compute_ordinal >= 0 && retirement->compute->ordinal != compute_ordinal) {
            link = &retirement->next;
            continue;
        }
        *link = retirement->next;
        retirement->next = taken;
        taken = retirement;
    }
    atomic_store(&any_retired, retired_list != NULL);
    pthread_mutex_unlock(&vs_retired_lock);
    return taken;
}

void vs_retire_drop(int compute_ordinal)
{
    struct vs_retirement *list = take_list(compute_ordinal);
    while (list) {
        struct vs_retirement *next = list->next;
        release(list);
        list = next;
    }
}

static bool is_done(const struct vs_retirement *retirement)
{
    if (!retirement->event)
        return vs_access_synchronize(retirement->compute) != CUDA_ERROR_NOT_READY;
    CUresult result =
        vs_driver()->cuEventQuery(retirement->event); /* any other error tells nothing: it is asked again */
    return result == CUDA_SUCCESS || vs_is_end_of_device(result);
}

bool vs_retire_is_pending(void)
{
    return atomic_load_explicit(&any_retired, memory_order_relaxed);
}

void vs_retire_collect(void)
{
    if (!vs_retire_is_pending() || vs_capture_open())
        return;
    CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
    vs_driver()->cuThreadExchangeStreamCaptureMode(&mode);
    struct vs_retirement *list = take_list(-1);
    while (list) {
        struct vs_retirement *next = list->next;
        if (is_done(list))
            release(list);
        else
            keep(list);
        list = next;
    }
    vs_driver()->cuThreadExchangeStreamCaptureMode(&mode);
}

bool vs_retire_settle(const struct vs_compute *compute)
{
    if (vs_capture_open())
        return false;
    vs_access_synchronize(compute);
    bool any = atomic_load(&any_retired);
    vs_retire_collect();
    return any;
}
