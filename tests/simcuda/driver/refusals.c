/* refusals.c: see refusals.h. Seen in normal use of comfy-aimdo (its issue 100, ComfyUI 12943), where waiting and
 * trying again helped. */
#include "refusals.h"
#include "api.h"

#include <stdlib.h>

/* splitmix64, apart from the scheduler's: what one decides does not move the other. */
static uint64_t random_number(void)
{
    static uint64_t state;
    static bool seeded;
    uint64_t z;

    if (!seeded) {
        const char *seed = getenv("SIMCUDA_SEED");
        state = (seed != NULL ? strtoull(seed, NULL, 0) : 1) ^ 0x6163636573736573ULL;
        seeded = true;
    }
    z = (state += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
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
