/* adversary.h: the adversaries: when queued work is done, and the other moments that CUDA leaves open.
 *
 * SIMCUDA_ORDER chooses one. All of them show orders that a real device may show; README.md says which mistake each one
 * finds.
 *
 *     early    every operation runs in the call that makes it ready: each stream is as early as it legally can be
 *     late     an operation runs only when a call must wait for it: each stream is as late as it legally can be
 *     random   by SIMCUDA_SEED: each stream has a mood that changes now and then
 *
 * A mood is held (nothing runs unless it is waited for), steady (a step now and then) or eager (all that is ready
 * runs), so that one stream can run far ahead while another is delayed; during waits, streams that nobody waits for go
 * on too.
 */
#ifndef SIM_ADVERSARY_H
#define SIM_ADVERSARY_H

#include "schedule.h"

/* Reads SIMCUDA_ORDER and SIMCUDA_SEED; false with a message when they are not understood. */
bool sim_adversary_start(void);
/* A number below `limit`, by the seed; the same sequence in each run. */
uint64_t sim_random(uint64_t limit);
/* One of two behaviours that CUDA allows: `early` or `late` as the order is, or one of them by the seed. */
bool sim_adversary_choice(bool early, bool late);
/* Whether operations run in the call that makes them ready. */
bool sim_adversary_is_early(void);

/* The moments at which the adversary may let work be done: after a submission, when a call comes in (the device works
 * while the program does something else), and while the program waits. Streams that the caller uses must be held. */
void sim_adversary_after_submission(void);
void sim_adversary_between_calls(void);
void sim_adversary_during_wait(void);

#endif
