/* splitmix64.h: a random sequence that is the same everywhere for a seed (Steele, Lea, Flood: Fast splittable
 * pseudorandom number generators, 2014). */
#ifndef SIM_SPLITMIX64_H
#define SIM_SPLITMIX64_H

#include <stdint.h>

/* The next number of the sequence that `*state` began as the seed of. */
static inline uint64_t splitmix64(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
}

#endif
