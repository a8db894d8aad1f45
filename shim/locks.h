/* locks.h: every lock of the library and the order in which they may be taken together (outer first).
 *
 *   placement   placement.c: open loads, quotas, tables
 *   arena       arena.c: spans and blocks
 *   retired     retire.c: frees that wait for their streams
 *   compute     compute.c: contexts of compute devices
 *
 * None is held across a call into the driver that can block or allocate device memory. A lock that must be left for
 * such a call is left, and what it protects is looked at again afterwards. Looking up a pointer that is not ours takes
 * none.
 */
#ifndef VS_LOCKS_H
#define VS_LOCKS_H

#include <pthread.h>

extern pthread_mutex_t vs_placement_lock;
extern pthread_mutex_t vs_arena_lock;
extern pthread_mutex_t vs_retired_lock;

#endif
