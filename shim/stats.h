/* stats.h: what the library did, in numbers, and the lines at the end of the run that tell it. */
#ifndef VS_STATS_H
#define VS_STATS_H

#include <stdbool.h>
#include <stddef.h>

#include "home.h"

/* A weight of `bytes` was placed at `home`, or freed there. Lock-free, any thread. */
void vs_stats_placed(struct vs_home home, size_t bytes);
void vs_stats_freed(struct vs_home home, size_t bytes);

/* A weight that was to be placed found no memory at a home. Lock-free, any thread. */
void vs_stats_refused(void);

/* How many bytes of weights are at that home now. */
size_t vs_stats_bytes(struct vs_home home);

/* Pages of `bytes` changed their home, with the weights in them; as many bytes as weights are known to have there. */
void vs_stats_moved(struct vs_home from, struct vs_home to, size_t bytes);

/* A model that the policy names was opened. */
void vs_stats_model_opened(void);

/* A model file was opened that no section of the policy names. */
void vs_stats_model_unmatched(const char *path);

/* The run ends: one line per device, or why there is none to tell of. */
void vs_stats_tell(void);

#endif
