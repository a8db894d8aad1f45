/* refusals.c: see refusals.h. Seen in normal use of comfy-aimdo (its issue 100, ComfyUI 12943), where waiting and
 * trying again helped. */
#include "refusals.h"
#include "api.h"
#include "splitmix64.h"

#include <stdlib.h>

/* Apart from the scheduler's: what one decides does not move the other. */
static uint64_t random_number(void)
{
    static uint64_t state;
    static bool seeded;

    if (!seeded) {
        const char *seed = getenv("SIMCUDA_SEED");
        state = (seed != NULL ? strtoull(seed, NULL, 0) : 1) ^ 0x6163636573736573ULL;
        seeded = true;
    }
    return splitmix64(&state);
}

static uint64_t waits(void)
{
    return sim_api_calls("cuCtxSynchronize") + sim_api_calls("cuStreamSynchronize") +
           sim_api_calls("cuEventSynchronize");
}

bool sim_access_is_not_ready(void)
{
    static bool refusing;
    static uint64_t waits_before;

    if (sim.machine.access_not_ready == 0)
        return false;
    if (refusing) {
        refusing = waits() == waits_before;
        return refusing;
    }
    refusing = random_number() % sim.machine.access_not_ready == 0;
    waits_before = waits();
    return refusing;
}
