/* locks.h: every lock of the library, named for what it protects, and their order.
 *
 * The order is simple: no lock is taken while another is held, and none is held across a call that can block, allocate
 * device memory, write to a pipe or enter the loader. Where such a call is needed in the middle, the lock is left, and
 * what it protects is looked at again afterwards. The exceptions stand at vs_noted_lock, vs_visible_lock and
 * vs_addresses_lock. A forked child of a process that has begun with CUDA takes none but vs_noted_lock. Looking up a
 * pointer that is certainly not ours takes none.
 */
#ifndef VS_LOCKS_H
#define VS_LOCKS_H

#include <pthread.h>

extern pthread_mutex_t vs_placement_lock; /* placement.c: open loads, what they miss and their plans */
extern pthread_mutex_t vs_told_lock;      /* load_plan.c: what was said about plans */
extern pthread_mutex_t vs_arena_lock;     /* arena.c: spans and blocks */
extern pthread_mutex_t vs_retired_lock;   /* retire.c: frees that wait for their streams */
extern pthread_mutex_t vs_capture_lock;   /* capture.c: captures, and waits for devices that they must not overlap */
extern pthread_mutex_t vs_compute_lock;   /* compute.c: contexts of compute devices */
extern pthread_mutex_t vs_driver_lock;    /* driver.c: the real driver's functions */
extern pthread_mutex_t vs_noted_lock;     /* models.c: files opened before the first CUDA call; held across a fork */
extern pthread_mutex_t vs_unmatched_lock; /* stats.c: names for the last words */
/* devices.c: the variable CUDA_VISIBLE_DEVICES while it is widened; held across the real cuInit, once, since nobody may
 * start CUDA, or go on as if it were started, before that is done. cuInit calls nothing of ours that takes a lock. */
extern pthread_mutex_t vs_visible_lock;
/* address_range.c: the range of addresses; held across cuMemAddressReserve, once, which reserves and does not wait. */
extern pthread_mutex_t vs_addresses_lock;

#endif
