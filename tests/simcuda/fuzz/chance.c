/* chance.c: splitmix64. */
#include "fuzz.h"

static uint64_t state;

void chance_seed(uint64_t seed)
{
    state = seed;
    state = chance() ^ seed << 32; /* neighbouring seeds have nothing in common */
}

uint64_t chance(void)
{
    uint64_t z = (state += 0x9E3779B97F4A7C15ULL);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
}

uint64_t below(uint64_t limit)
{
    return limit ? chance() % limit : 0;
}

bool one_in(unsigned n)
{
    return below(n) == 0;
}
