/* call.h: runs one launch of a kernel that is computed, and keeps its views of memory. For launch.c. */
#ifndef SIM_CALL_H
#define SIM_CALL_H

#include "catalogue.h"

/* Computes; afterwards what the kernel has written is known or unknown. False where nothing was decided, so that the
 * caller must judge the pointers: the family gave up before it asked for memory. */
bool sim_call_run(struct sim_call *call);

#endif
