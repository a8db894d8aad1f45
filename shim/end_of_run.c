/* end_of_run.c: the last words. Only numbers are read: CUDA calls of the program may still arrive after this, and other
 * libraries may be gone. What is still allocated goes with the process. */
#include "activate.h"
#include "neighbours.h"
#include "placement.h"
#include "stats.h"
#include "usage.h"

__attribute__((destructor)) static void tell_end_of_run(void)
{
    if (!vs_policy_in_force() || !vs_in_own_process())
        return;
    vs_placement_end_run();
    vs_stats_tell();
    vs_usage_tell_end();
    vs_neighbours_tell(); /* which may be why nothing was placed */
}
