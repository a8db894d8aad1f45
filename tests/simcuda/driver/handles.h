/* handles.h: memory of streams and events, whose handles a real driver uses again: a destroyed stream's handle may be
 * the next stream's. A program that remembers something by handle gets to see that: at once in the order early, as late
 * as memory allows in the order late, and by the seed in the random one. Ids are never used again. */
#ifndef SIM_HANDLES_H
#define SIM_HANDLES_H

#include <stddef.h>

#define SIM_HANDLES_KEPT 64

/* Handles of one kind, all of one size; zeroed at the start. */
struct sim_handles {
    void *kept[SIM_HANDLES_KEPT]; /* retired, oldest first */
    size_t count;
};

/* `bytes` zeroed bytes, or NULL. */
void *sim_handle_new(struct sim_handles *handles, size_t bytes);
/* Nothing refers to it any more. */
void sim_handle_retire(struct sim_handles *handles, void *handle);

#endif
