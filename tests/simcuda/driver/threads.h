/* threads.h: a few threads that share out large copies and computations. */
#ifndef SIM_THREADS_H
#define SIM_THREADS_H

#include <stddef.h>

#define SIM_MAX_THREADS 16

/* How many threads may work at a time, the caller among them: SIMCUDA_THREADS, else the processors that the program may
 * use; SIM_MAX_THREADS at most. */
size_t sim_threads_wanted(void);

/* Calls work(state, first, last) for parts of [0, count), each of at least `grain` items, on a few threads
 * (SIMCUDA_THREADS); returns when all are done. Parts must be independent. Workers must not call the simulator. One
 * call at a time: the simulator's lock is held. */
void sim_parallel(size_t count, size_t grain, void (*work)(void *state, size_t first, size_t last), void *state);
/* memmove, by several threads where it is large and the two do not overlap. */
void sim_move(void *to, const void *from, size_t bytes);

#endif
