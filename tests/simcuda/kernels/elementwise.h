/* elementwise.h: PyTorch's element-wise kernels (ATen/native/cuda/Loops.cuh and CUDALoops.cuh): result[i] = f(a[i], b[i], ...).
 *
 * elementwise.c does the walking, the types and the casts. What is left for a functor is a loop over one block of values
 * that are in its class already. For an entry
 *
 *     FUNCTOR(mul_scalar, "AUnaryFunctor<$, $, $, MulFunctor<$>>", "$2 = $1", "1 $3", ...)
 *
 * in kernels.def and the line ELEMENTWISE_ALL(mul_scalar, sim_mul_scalar) in kernels_cpu.def there are three functions:
 *
 *     void sim_mul_scalar_f32(const struct sim_block *block, void *out, const void *const *in)
 *
 * and _f64 and _i64: which one is called follows from the class of the last operand (of the result, where there is no input).
 * The results are of the result's class: a comparison of floats gives int64_t. Members are what the functor captured, by
 * their index in the entry. */
#ifndef SIM_ELEMENTWISE_H
#define SIM_ELEMENTWISE_H

#include "kernel.h"

#define SIM_BLOCK 1024

struct sim_block {
    size_t count; /* at most SIM_BLOCK */
    const struct sim_functor_layout *functor;
    const unsigned char *captured;
};

/* A member in the class that it is needed in; of a member without type, the bytes (four or eight) as an integer. */
float sim_member_f32(const struct sim_block *block, unsigned index);
double sim_member_f64(const struct sim_block *block, unsigned index);
int64_t sim_member_i64(const struct sim_block *block, unsigned index);

/* SIM_BLOCK_FUNCTION(name, class, result's C type, statements over i, in, out, block): one function. `a`, `b`, `c` are the
 * inputs as arrays of `type`. */
#define SIM_LOOP(NAME, TYPE, RESULT, EXPRESSION)                                                                       \
    SIM_WIDE void NAME(const struct sim_block *block, void *restrict result, const void *const *in)                    \
    {                                                                                                                  \
        const TYPE *restrict a = in[0], *restrict b = in[1], *restrict c = in[2];                                      \
        RESULT *restrict out = result;                                                                                 \
        (void)a, (void)b, (void)c;                                                                                     \
        for (size_t i = 0; i < block->count; i++)                                                                      \
            out[i] = (RESULT)(EXPRESSION);                                                                             \
    }

#endif
