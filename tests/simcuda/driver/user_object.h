/* user_object.h: objects of the program that graphs keep alive (cuda.h, cuUserObjectCreate).
 *
 * A graph holds references; its copies and its executable forms hold as many, and so does each launch until it is done.
 * The program's destructor runs when the last reference is gone: at the end of the call in which that happened, without
 * the lock; a real driver runs it on a thread of its own, and likewise permits it no CUDA calls. */
#ifndef SIM_USER_OBJECT_H
#define SIM_USER_OBJECT_H

#include "schedule.h"

/* References that one graph, executable graph or launch holds; a list, NULL where there are none. */
struct sim_held;

/* Adds the same references for another holder; false without memory (and nothing added). */
bool sim_held_copy(const struct sim_held *held, struct sim_held **copy);
/* Gives them all up and frees the list. */
void sim_held_release(struct sim_held *held);
/* An operation that holds such references until it is done; NULL without memory. */
struct sim_op *sim_held_op(const struct sim_held *held);
/* Runs the destructors that are due. Called without the lock. */
void sim_user_objects_bury(void);

#endif
