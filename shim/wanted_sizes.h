/* wanted_sizes.h: which sizes of allocations may be weights, asked before anything else.
 *
 * Programs allocate activations all the time, also while a load is open. Of a size that no load misses, an allocation
 * is known as such by two loads from a table of counts: each size that is missing is counted at two places that its
 * bits choose (a counting Bloom filter). Of hundreds of sizes that are missing, one foreign size in a hundred is let
 * through, which costs it the look behind a lock; a size that is missing is never turned away.
 */
#ifndef VS_WANTED_SIZES_H
#define VS_WANTED_SIZES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VS_WANTED_SIZES_BITS = 12 };

extern _Atomic(uint32_t) vs_wanted_sizes[1 << VS_WANTED_SIZES_BITS] __attribute__((visibility("hidden")));

static inline size_t vs_wanted_sizes_place(size_t bytes, unsigned which)
{
    uint64_t mixed = bytes * UINT64_C(0x9E3779B97F4A7C15); /* 2^64 divided by the golden ratio (Knuth) */
    return mixed >> (64 - (which + 1) * VS_WANTED_SIZES_BITS) & ((1 << VS_WANTED_SIZES_BITS) - 1);
}

/* False: no load misses a tensor for which so many bytes would be allocated. Lock-free. */
static inline bool vs_wanted_sizes_may_hold(size_t bytes)
{
    return atomic_load_explicit(&vs_wanted_sizes[vs_wanted_sizes_place(bytes, 0)], memory_order_relaxed) &&
           atomic_load_explicit(&vs_wanted_sizes[vs_wanted_sizes_place(bytes, 1)], memory_order_relaxed);
}

/* A size is missing from here on; not any more. Each time for one load and one size, in pairs. Lock-free. */
void vs_wanted_sizes_add(size_t bytes);
void vs_wanted_sizes_remove(size_t bytes);

#endif
