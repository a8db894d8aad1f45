/* elementwise.h: PyTorch's element-wise kernels (ATen/native/cuda/Loops.cuh and CUDALoops.cuh): result[i] = f(a[i],
 * b[i], ...).
 *
 * elementwise.c does the walking, the types and the casts. What is left for a functor is a loop over one block of
 * values that are in its class already. For the entries
 *
 *     FUNCTOR(mul, "BinaryFunctor<$, $, $, MulFunctor<$>>", "$2 = $0 $1", "1", ...)
 *     FUNCTOR(mul, "AUnaryFunctor<$, $, $, MulFunctor<$>>", "$2 = m1 $1", "1 $3", ...)
 *
 * in kernels.def and the line ELEMENTWISE_ALL(mul, sim_mul) in kernels_cpu.def there are three functions:
 *
 *     void sim_mul_f32(const struct sim_block *block, void *out, const void *const *in)
 *
 * and _f64 and _i64. Which one is called follows from the class of the last input that is no bool (of the result, where
 * there is none). The inputs are those of the signature, in its order, each in the class of its own type; captured
 * values that it names (m1: the second member) are arrays of the function's class, like the others. The results are of
 * the result's class: a comparison of floats gives int64_t. */
#ifndef SIM_ELEMENTWISE_H
#define SIM_ELEMENTWISE_H

#include "kernel.h"

#define SIM_BLOCK 1024

struct sim_block {
    size_t count; /* at most SIM_BLOCK */
    size_t first; /* index of its first element in the whole kernel */
    const struct sim_functor_layout *functor;
    const unsigned char *captured;
};

/* A member that the signature does not name, as an integer: an enumeration, or a flag. */
int64_t sim_member(const struct sim_block *block, unsigned index);

/* One block function: `EXPRESSION` of a[i], b[i], c[i], d[i], the inputs, of type TYPE; conditions, of type int64_t,
 * come by the names a_truth and b_truth. */
#define SIM_LOOP(NAME, TYPE, RESULT, EXPRESSION)                                                                       \
    SIM_WIDE void NAME(const struct sim_block *block, void *restrict result, const void *const *in)                    \
    {                                                                                                                  \
        const TYPE *restrict a = in[0], *restrict b = in[1], *restrict c = in[2], *restrict d = in[3];                 \
        const int64_t *restrict a_truth = in[0], *restrict b_truth = in[1];                                            \
        RESULT *restrict out = result;                                                                                 \
        (void)a, (void)b, (void)c, (void)d, (void)a_truth, (void)b_truth;                                              \
        for (size_t i = 0; i < block->count; i++)                                                                      \
            out[i] = (RESULT)(EXPRESSION);                                                                             \
    }

/* The same for both floating-point classes, and for all. */
#define SIM_LOOP_FLOATS(NAME, F32_EXPRESSION, F64_EXPRESSION)                                                          \
    SIM_LOOP(NAME##_f32, float, float, F32_EXPRESSION)                                                                 \
    SIM_LOOP(NAME##_f64, double, double, F64_EXPRESSION)

#define SIM_LOOP_ALL(NAME, EXPRESSION)                                                                                 \
    SIM_LOOP_FLOATS(NAME, EXPRESSION, EXPRESSION)                                                                      \
    SIM_LOOP(NAME##_i64, int64_t, int64_t, EXPRESSION)

/* Results are truth values. */
#define SIM_LOOP_TRUTH(NAME, EXPRESSION)                                                                               \
    SIM_LOOP(NAME##_f32, float, int64_t, EXPRESSION)                                                                   \
    SIM_LOOP(NAME##_f64, double, int64_t, EXPRESSION)                                                                  \
    SIM_LOOP(NAME##_i64, int64_t, int64_t, EXPRESSION)

#endif
