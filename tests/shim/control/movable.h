/* movable.h: what the tests of moves share: weights that the library holds, their pages, and kernels that read them. */
#ifndef TESTS_SHIM_CONTROL_MOVABLE_H
#define TESTS_SHIM_CONTROL_MOVABLE_H

#include "../fixture.h"
#include "control.h"

#define PAGE (2 * MIB)

enum { LOCAL = 0, PEER = 1 }; /* beside HOST */

/* The functions of the test build. */
int rehome(void *address, size_t bytes, int location);
int rehome_all(const struct vs_control_move *moves, size_t count);
void set_limit(uint64_t ns);
size_t extents(size_t *bytes);
size_t extent(void *address, void **base);

/* `count` weights of `bytes` each, at homes as the policy says (one for all, as "cuda:1,*"), that hold their pattern.
 */
void make_weights(const char *distorch, unsigned char *weights[], size_t count, size_t bytes);
/* Fills a weight with pattern `index`, and waits. */
void fill(void *weight, size_t index, size_t bytes);
/* By the simulator's account, once all is done. */
void expect_bytes(const void *weight, size_t index, size_t bytes, const char *when);
void expect_place(const void *pages, size_t bytes, int location, const char *when);

/* The whole pages within a weight. */
unsigned char *pages_of(void *weight, size_t weight_bytes, size_t *bytes);

/* A kernel of the current context that reads one word of memory; the simulator judges its pointer. */
CUfunction reading_kernel(void);
void read_by_kernel(CUfunction kernel, const void *address, CUstream stream);

/* Bytes in use at all locations, the host's included. */
struct used {
    size_t at[3];
};
struct used used_now(void);
/* They are as before, but `bytes` at `to` and not at `from`. */
void expect_used(struct used before, size_t bytes, int from, int to, const char *when);

#endif
