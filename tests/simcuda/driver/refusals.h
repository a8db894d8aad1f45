/* refusals.h: errors that a real driver gives now and then, for no reason that the program could see. */
#ifndef SIM_REFUSALS_H
#define SIM_REFUSALS_H

#include <stdbool.h>

/* Whether this cuMemSetAccess answers CUDA_ERROR_NOT_READY (`set-access-not-ready` in the machine file): by chance,
 * from SIMCUDA_SEED, and from then on until the program has waited for a context, a stream or an event. */
bool sim_access_is_not_ready(void);

#endif
