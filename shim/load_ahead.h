/* load_ahead.h: what a load will want of the host, told to host_ahead.h as soon as it is planned: the pieces of memory
 * that arena.c will take for what is missing.
 *
 * A prediction: pieces that the arena does not take after all, since it had room elsewhere, go back when the load ends.
 */
#ifndef VS_LOAD_AHEAD_H
#define VS_LOAD_AHEAD_H

#include "load.h"

enum { VS_LOAD_AHEAD_SIZES = 64 }; /* models have some ten sizes of tensors that get a piece of their own */

struct vs_load_ahead {
    struct {
        size_t bytes, count;
    } pieces[VS_LOAD_AHEAD_SIZES];
    size_t size_count;
};

/* With vs_placement_lock held; the part is planned. */
void vs_load_ahead_list(const struct vs_load_part *part, struct vs_load_ahead *ahead);
/* Without it: what an earlier plan of the part wanted is wanted no more. */
void vs_load_ahead_want(
    const struct vs_load_part *part, const struct vs_compute *compute, const struct vs_load_ahead *ahead);

#endif
