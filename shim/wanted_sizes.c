/* wanted_sizes.c: see wanted_sizes.h. */
#include "wanted_sizes.h"

_Atomic(uint32_t) vs_wanted_sizes[1 << VS_WANTED_SIZES_BITS];

void vs_wanted_sizes_add(size_t bytes)
{
    for (unsigned which = 0; which < 2; which++)
        atomic_fetch_add(&vs_wanted_sizes[vs_wanted_sizes_place(bytes, which)], 1);
}

void vs_wanted_sizes_remove(size_t bytes)
{
    for (unsigned which = 0; which < 2; which++)
        atomic_fetch_sub(&vs_wanted_sizes[vs_wanted_sizes_place(bytes, which)], 1);
}
