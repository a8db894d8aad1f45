/* shadow.h: live allocations, and the bytes that they must hold. */
#ifndef STRESS_SHADOW_H
#define STRESS_SHADOW_H

#include "stress.h"

/* A new allocation, which the worker owns; ends the program where it overlaps a live one. */
struct allocation *adopt(struct worker *worker, void *address, size_t bytes, int device, bool in_order, int slot);
/* Before the call that frees it: its addresses may be another's from then on. The caller holds the last look at it,
 * which `drop` gives back. */
void forget(struct worker *worker, struct allocation *allocation);
void drop(struct worker *worker, struct allocation *allocation);

/* Moves it to or from the worker's own. */
void take_over(struct worker *worker, struct allocation *allocation);
void hand_out(struct worker *worker, struct allocation *allocation);

/* A random one of the worker's; `device` < 0: of any. NULL where it has none. */
struct allocation *any_owned(struct worker *worker, int device);
/* One that no graph uses. */
struct allocation *any_free_to_go(struct worker *worker);

/* A shape of at most `most` bytes (and never more than WINDOW_BYTES), with bias to the borders of pages and of the
 * allocation. Flat: one row. */
struct region flat_region(struct worker *worker, const struct allocation *allocation, size_t most, size_t alignment);
/* The same bytes in rows and slices of the shape's own width, height and depth, anywhere in the allocation. False where
 * it is too small. */
bool place_region(struct worker *worker, const struct allocation *allocation, struct region *shape, size_t alignment);
size_t region_extent(const struct region *region);

/* The shadow's bytes of a region to or from dense bytes in host memory of the pitch and rows of `host`. */
void write_shadow(struct allocation *allocation, const struct region *region, const unsigned char *host,
    const struct region *host_region);
void read_shadow(const struct allocation *allocation, const struct region *region, unsigned char *host,
    const struct region *host_region);

/* Compares the whole allocation, through the simulator's own look at memory or by a copy. Waits for its work. */
void check_whole(struct worker *worker, struct allocation *allocation);

void do_check_whole(struct worker *worker);
/* Gives an allocation to another worker, behind an event; takes what others gave. */
void do_give(struct worker *worker);
void receive(struct worker *worker);

size_t live_allocations(void);
/* A random one of any worker, who may free it at any time. */
bool any_live(struct worker *worker, char **address, size_t *bytes);

#endif
