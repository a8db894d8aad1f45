/* capture.c: see capture.h. */
#include "capture.h"

#include <stdatomic.h>

#include "deadline.h"
#include "locks.h"

#define BEGINNING_NS 100000000u /* for a wait to have begun */

pthread_mutex_t vs_capture_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t nobody_waits; /* counts by the monotonic clock */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static atomic_int open_captures; /* raised with the lock, lowered without */
static unsigned device_waits;
static struct timespec latest_wait; /* by when the latest of them has begun, whatever it waits for */

static void prepare(void)
{
    vs_deadline_condition(&nobody_waits);
}

bool vs_capture_open(void)
{
    return atomic_load_explicit(&open_captures, memory_order_relaxed) > 0;
}

void vs_capture_begun(void)
{
    pthread_once(&once, prepare);
    pthread_mutex_lock(&vs_capture_lock);
    atomic_fetch_add(&open_captures, 1); /* no other wait begins from here on */
    while (device_waits > 0 && !vs_deadline_is_past(&latest_wait))
        pthread_cond_timedwait(&nobody_waits, &vs_capture_lock, &latest_wait);
    pthread_mutex_unlock(&vs_capture_lock);
}

void vs_capture_ended(void)
{
    int open = atomic_load(&open_captures);
    while (open > 0 && !atomic_compare_exchange_weak(&open_captures, &open, open - 1))
        ;
}

bool vs_capture_held_off(void)
{
    pthread_mutex_lock(&vs_capture_lock);
    bool open = vs_capture_open();
    if (!open) {
        device_waits++;
        latest_wait = vs_deadline_after(BEGINNING_NS);
    }
    pthread_mutex_unlock(&vs_capture_lock);
    return !open;
}

void vs_capture_released(void)
{
    pthread_once(&once, prepare);
    pthread_mutex_lock(&vs_capture_lock);
    if (--device_waits == 0)
        pthread_cond_broadcast(&nobody_waits);
    pthread_mutex_unlock(&vs_capture_lock);
}
