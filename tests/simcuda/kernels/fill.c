/* fill.c: values that depend on nothing but the place: fill_, arange, linspace. */
#include "elementwise.h"
#include "implementations.h"

SIM_LOOP_ALL(sim_fill, a[i])

/* start + step * index, in the type that PyTorch accumulates in. */
#define INDEX (block->first + i)
SIM_LOOP(sim_arange_f32, float, float, a[i] + b[i] * (float)INDEX)
SIM_LOOP(sim_arange_f64, double, double, a[i] + b[i] * (double)INDEX)
SIM_LOOP(sim_arange_i64, int64_t, int64_t, a[i] + b[i] * (int64_t)INDEX)

/* From both ends, a and b, to the middle, in steps of c. Members: start, end, steps, step, halfway. */
#define DEFINE_LINSPACE(SUFFIX, TYPE)                                                                                  \
    void sim_linspace_##SUFFIX(const struct sim_block *block, void *result, const void *const *in)                     \
    {                                                                                                                  \
        const TYPE *a = in[0], *b = in[1], *c = in[2];                                                                 \
        size_t steps = (size_t)sim_member(block, 2), halfway = (size_t)sim_member(block, 4);                           \
        TYPE *out = result;                                                                                            \
        for (size_t i = 0; i < block->count; i++)                                                                      \
            out[i] = INDEX < halfway ? a[i] + c[i] * (TYPE)INDEX : b[i] - c[i] * (TYPE)(steps - INDEX - 1);            \
    }

DEFINE_LINSPACE(f32, float)
DEFINE_LINSPACE(f64, double)
