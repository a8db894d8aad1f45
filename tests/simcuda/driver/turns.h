/* turns.h: threads of C tests that take turns at their CUDA calls, by the seed; see simcudaTurnsEnter in ../simcuda.h.
 */
#ifndef SIM_TURNS_H
#define SIM_TURNS_H

#include "state.h"

/* Waits for the turn of this thread, which has a seat. */
void sim_turns_wait(void);

/* To be called by each CUDA call before it takes the lock. */
static inline void sim_turns_take(void)
{
    if (__builtin_expect(sim_thread.seat != 0, 0))
        sim_turns_wait();
}

#endif
