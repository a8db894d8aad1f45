/* locks.h: every lock of the library, named for what it protects, and their order.
 *
 * The order is simple: no lock is taken while another is held, and none is held across a call that can block, allocate
 * device memory, write to a pipe or enter the loader. Where such a call is needed in the middle, the lock is left, and
 * what it protects is looked at again afterwards. The exceptions stand at vs_noted_lock, vs_visible_lock,
 * vs_addresses_lock and vs_guests_lock. A forked child of a process that has begun with CUDA takes none but
 * vs_noted_lock. Looking up a pointer that is certainly not ours takes none.
 */
#ifndef VS_LOCKS_H
#define VS_LOCKS_H

#include <pthread.h>

extern pthread_mutex_t vs_placement_lock; /* placement.c: open loads, what they miss and their plans */
extern pthread_mutex_t vs_told_lock;      /* load_plan.c: what was said about plans */
extern pthread_mutex_t vs_arena_lock;  /* span_claims.c: spans, blocks, what retirements hold; who has claimed a span */
extern pthread_mutex_t vs_pages_lock;  /* extents.c: which extent each page belongs to, and who has claimed it */
extern pthread_mutex_t vs_ranges_lock; /* pages.c: the making of a new table of ranges */
extern pthread_mutex_t vs_retired_lock;  /* retire.c: frees that wait for their streams */
extern pthread_mutex_t vs_capture_lock;  /* capture.c: captures, and waits for devices that they must not overlap */
extern pthread_mutex_t vs_gate_lock;     /* gate.c: who is inside, and whether the gate is closed */
extern pthread_mutex_t vs_drain_lock;    /* drain.c: what the thread that waits for devices is to wait for */
extern pthread_mutex_t vs_contexts_lock; /* contexts.c: the program's own contexts */
extern pthread_mutex_t vs_compute_lock;  /* compute.c: contexts of compute devices */
extern pthread_mutex_t vs_driver_lock;   /* driver.c: the real driver's functions */
extern pthread_mutex_t vs_noted_lock;    /* models.c: files opened before the first CUDA call; held across a fork */
/* host_ahead.c: host memory that is made ahead; held while its thread is begun, and while an ended one is joined. */
extern pthread_mutex_t vs_host_ahead_lock;
extern pthread_mutex_t vs_below_lock;     /* below.c: what was allocated below the runtime */
extern pthread_mutex_t vs_unmatched_lock; /* stats.c: names for the last words */
/* devices.c: the variable CUDA_VISIBLE_DEVICES while it is widened; held across the real cuInit, once, since nobody may
 * start CUDA, or go on as if it were started, before that is done. cuInit calls nothing of ours that takes a lock. */
extern pthread_mutex_t vs_visible_lock;
/* address_space.c: which addresses are assigned; held across cuMemAddressReserve, once for each range, which reserves
 * and does not wait, and while vs_ranges_lock is taken for the new range. */
extern pthread_mutex_t vs_addresses_lock;
/* guest_ranges.c: what the program has reserved; held while vs_ranges_lock is taken for a range that comes or goes. */
extern pthread_mutex_t vs_reservations_lock;
/* guest.c: virtual handles and where they are mapped; held across the driver's cuMemMap, cuMemUnmap, cuMemSetAccess and
 * cuMemRelease, which it does one after the other itself; while parts that are mapped nowhere are copied together, with
 * cuMemCreate and the wait for that copy in a stream of its own (guest_home.c); and while claims of extents
 * (vs_pages_lock) are waited for and vs_reservations_lock is taken. Who moves pages never takes it: so a claim that is
 * waited for comes. */
extern pthread_mutex_t vs_guests_lock;

#endif
