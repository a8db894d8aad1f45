/* world.h: the devices, and what is left on them at the end. */
#ifndef STRESS_WORLD_H
#define STRESS_WORLD_H

#include "stress.h"

extern int device_count; /* that the program uses */

/* Makes contexts, modules, policy and models; goes through a life of each model once, so that all that is made once is
 * there; and takes the account that the end is compared with. */
void open_world(struct worker *worker);
/* Everything is freed: nothing more may be there than at the beginning. Then resets the devices: nothing at all. */
void close_world(struct worker *worker);

void open_worker(struct worker *worker, unsigned number);
/* Frees all that the worker has. */
void empty_worker(struct worker *worker);
void close_worker(struct worker *worker);

#endif
