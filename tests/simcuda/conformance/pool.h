/* pool.h: what the checks of memory pools share. */
#ifndef CONFORMANCE_POOL_H
#define CONFORMANCE_POOL_H

#include "conformance.h"

#include <stdint.h>

/* Skips the check where device 0 has no pools; else its context is current then. */
void need_pools(void);
/* The default pool of device 0, whose context is current then. */
cudaMemPool_t default_pool(void);
/* A new pool of a device's memory. */
cudaMemPool_t new_pool(int device);

/* The 64-bit attributes. */
uint64_t pool_value(cudaMemPool_t pool, enum cudaMemPoolAttr attribute);
void set_pool_value(cudaMemPool_t pool, enum cudaMemPoolAttr attribute, uint64_t value);
/* Switches the rules of re-use (their attributes are ints). */
void set_pool_reuse(cudaMemPool_t pool, int follow_events, int opportunistic, int internal);

cudaStream_t independent_stream(void);

#endif
