/* retire.c: see retire.h. */
#include "retire.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "capture.h"
#include "driver.h"
#include "locks.h"
#include "log.h"

struct retired {
    struct retired *next;
    struct vs_allocation allocation;
    CUevent event; /* NULL: all work of the device must be done, and could not be waited for yet (a capture) */
};

pthread_mutex_t vs_retired_lock = PTHREAD_MUTEX_INITIALIZER;
static struct retired *retired_list;
static atomic_bool any_retired; /* so that the usual case, none, needs no lock */

static void keep(struct retired *retired)
{
    pthread_mutex_lock(&vs_retired_lock);
    retired->next = retired_list;
    retired_list = retired;
    atomic_store(&any_retired, true);
    pthread_mutex_unlock(&vs_retired_lock);
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

CUresult vs_retire_after_all(const struct vs_allocation *allocation)
{
    CUresult result = vs_capture_open() ? CUDA_ERROR_NOT_READY : vs_compute_synchronize(allocation->compute);
    if (result != CUDA_ERROR_NOT_READY) {
        vs_arena_release(allocation->base);
        return result;
    }
    struct retired *retired = calloc(1, sizeof *retired);
    if (retired) { /* else the memory is lost to us, but to nobody else */
        retired->allocation = *allocation;
        keep(retired);
    }
    return CUDA_SUCCESS;
}

void vs_retire_in_order(const struct vs_allocation *allocation, CUstream stream)
{
    struct retired *retired = calloc(1, sizeof *retired);
    if (retired) {
        retired->allocation = *allocation;
        retired->event = vs_capture_open() ? NULL : record(stream);
    }
    if (retired && (retired->event || vs_capture_open())) {
        keep(retired);
        return;
    }
    free(retired);
    vs_driver()->cuStreamSynchronize(stream); /* perhaps another device's: slower, never wrong */
    vs_retire_after_all(allocation);
}

void vs_retire_drop(int compute_ordinal)
{
    pthread_mutex_lock(&vs_retired_lock);
    for (struct retired **link = &retired_list; *link;) {
        struct retired *retired = *link;
        if (retired->allocation.compute->ordinal != compute_ordinal) {
            link = &retired->next;
            continue;
        }
        *link = retired->next;
        if (retired->event)
            vs_driver()->cuEventDestroy(retired->event);
        free(retired);
    }
    pthread_mutex_unlock(&vs_retired_lock);
}

static bool is_done(const struct retired *retired)
{
    if (!retired->event)
        return vs_compute_synchronize(retired->allocation.compute) != CUDA_ERROR_NOT_READY;
    return vs_driver()->cuEventQuery(retired->event) != CUDA_ERROR_NOT_READY;
}

void vs_retire_collect(void)
{
    if (vs_capture_open() || !atomic_load_explicit(&any_retired, memory_order_relaxed))
        return;
    pthread_mutex_lock(&vs_retired_lock);
    struct retired *list = retired_list;
    retired_list = NULL;
    atomic_store(&any_retired, false);
    pthread_mutex_unlock(&vs_retired_lock);

    CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
    vs_driver()->cuThreadExchangeStreamCaptureMode(&mode);
    while (list) {
        struct retired *next = list->next;
        if (is_done(list)) {
            if (list->event)
                vs_driver()->cuEventDestroy(list->event);
            vs_arena_release(list->allocation.base);
            free(list);
        } else {
            keep(list);
        }
        list = next;
    }
    vs_driver()->cuThreadExchangeStreamCaptureMode(&mode);
}
