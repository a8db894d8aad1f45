/* extents.h: which parts of a number line are free.
 *
 * Used for physical offsets, for device addresses and inside blocks that are shared by small allocations. First fit,
 * so that freed space is taken again soon, as a real driver does: an address that a program kept too long meets a
 * stranger early. Not thread-safe: the driver's lock is held. */
#ifndef SIM_EXTENTS_H
#define SIM_EXTENTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sim_extent {
    uint64_t start, bytes;
};

struct sim_extents {
    struct sim_extent *free; /* sorted by start, never adjacent */
    size_t count, capacity;
};

/* Takes `bytes` at a multiple of `alignment` (a power of two). False where no free extent is large enough. */
bool sim_extents_take(struct sim_extents *extents, uint64_t bytes, uint64_t alignment, uint64_t *start);
/* Takes exactly [start, start + bytes) where all of it is free. */
bool sim_extents_take_at(struct sim_extents *extents, uint64_t start, uint64_t bytes);
/* Gives an extent back, or adds a new one. False when there is no memory for the book-keeping. */
bool sim_extents_give(struct sim_extents *extents, uint64_t start, uint64_t bytes);
void sim_extents_destroy(struct sim_extents *extents);

#endif
