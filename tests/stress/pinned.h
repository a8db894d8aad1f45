/* pinned.h: page-locked memory of a worker, which copies use while the program goes on. */
#ifndef STRESS_PINNED_H
#define STRESS_PINNED_H

#include "stress.h"

void open_buffers(struct worker *worker);
void close_buffers(struct worker *worker);

/* A buffer of WINDOW_BYTES that nothing uses; waits for a stream where there is none. */
struct buffer *take_buffer(struct worker *worker);
/* It is the source of a copy in the slot from now on: its bytes must stay. */
void buffer_is_source(struct buffer *buffer, int slot, size_t bytes);
/* It is where a copy in the slot will put bytes of the allocation; `expected` (malloc) is what it must then show. */
void buffer_is_target(struct worker *worker, struct buffer *buffer, int slot, struct allocation *allocation,
    size_t offset, unsigned char *expected, size_t bytes);

/* The slot's work is done: looks at what was copied out, and spoils the buffers. */
void settle_buffers(struct worker *worker, int slot);
/* Another slot is behind this one: the buffers are settled with that. */
void move_buffers(struct worker *worker, int from, int to);

#endif
