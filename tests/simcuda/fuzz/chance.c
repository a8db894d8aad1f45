/* chance.c: what the fuzzer leaves to chance, by its seed. */
#include "../driver/splitmix64.h"
#include "fuzz.h"

static uint64_t state;

void chance_seed(uint64_t seed)
{
    state = seed;
    state = chance() ^ seed << 32; /* neighbouring seeds have nothing in common */
}

uint64_t chance(void)
{
    return splitmix64(&state);
}

uint64_t below(uint64_t limit)
{
    return limit ? chance() % limit : 0;
}

bool one_in(unsigned n)
{
    return below(n) == 0;
}
