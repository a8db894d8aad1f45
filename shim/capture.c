/* capture.c: see capture.h. */
#include "capture.h"

#include <stdatomic.h>

static atomic_int open_captures;

bool vs_capture_open(void)
{
    return atomic_load_explicit(&open_captures, memory_order_relaxed) > 0;
}

void vs_capture_begun(void)
{
    atomic_fetch_add(&open_captures, 1);
}

void vs_capture_ended(void)
{
    int open = atomic_load(&open_captures);
    while (open > 0 && !atomic_compare_exchange_weak(&open_captures, &open, open - 1))
        ;
}
