/* fill.c: tensor.fill_(value). */
#include "elementwise.h"
#include "implementations.h"

#define FILL(SUFFIX, TYPE)                                                                                             \
    void sim_fill_##SUFFIX(const struct sim_block *block, void *result, const void *const *in)                         \
    {                                                                                                                  \
        TYPE value = sim_member_##SUFFIX(block, 0), *out = result;                                                     \
        (void)in;                                                                                                      \
        for (size_t i = 0; i < block->count; i++)                                                                      \
            out[i] = value;                                                                                            \
    }

FILL(f32, float)
FILL(f64, double)
FILL(i64, int64_t)
