/* arithmetic.c: sums, products and their kin, powers, choices between values. */
#include "elementwise.h"
#include "implementations.h"

#include <math.h>

/* c is alpha. */
SIM_LOOP_ALL(sim_add, a[i] + c[i] * b[i])
SIM_LOOP_ALL(sim_mul, a[i] * b[i])

/* The device has no trap for a division by zero: all bits are set. INT64_MIN / -1 wraps. */
static inline int64_t divide(int64_t a, int64_t b)
{
    return b == 0 ? -1 : b == -1 ? (int64_t)(0 - (uint64_t)a) : a / b;
}

static inline int64_t modulo(int64_t a, int64_t b)
{
    return b == 0 ? a : b == -1 ? 0 : a % b;
}

SIM_LOOP_FLOATS(sim_div, a[i] / b[i], a[i] / b[i])
SIM_LOOP(sim_div_i64, int64_t, int64_t, divide(a[i], b[i]))

/* c10::div_floor_floating (c10/util/generic_math.h): as Python's //. */
#define DEFINE_FLOOR(SUFFIX, TYPE, M)                                                                                  \
    static inline TYPE floor_quotient_##SUFFIX(TYPE a, TYPE b)                                                         \
    {                                                                                                                  \
        TYPE rest, quotient, floored;                                                                                  \
        if (b == 0)                                                                                                    \
            return a / b;                                                                                              \
        rest = M(fmod)(a, b);                                                                                          \
        quotient = (a - rest) / b;                                                                                     \
        if (rest != 0 && (b < 0) != (rest < 0))                                                                        \
            quotient -= 1;                                                                                             \
        if (quotient == 0)                                                                                             \
            return M(copysign)(0, a / b);                                                                              \
        floored = M(floor)(quotient);                                                                                  \
        return quotient - floored > (TYPE)0.5 ? floored + 1 : floored;                                                 \
    }                                                                                                                  \
    static inline TYPE remainder_of_##SUFFIX(TYPE a, TYPE b)                                                           \
    {                                                                                                                  \
        TYPE rest = M(fmod)(a, b);                                                                                     \
        return rest != 0 && (b < 0) != (rest < 0) ? rest + b : rest;                                                   \
    }                                                                                                                  \
    /* The quotient is taken with the inverse, 1 / b, which was rounded: BinaryDivFloorKernel.cu. */                   \
    static inline TYPE floor_inverse_##SUFFIX(TYPE a, TYPE b, TYPE inverse)                                            \
    {                                                                                                                  \
        TYPE rest = M(fmod)(a, b), quotient = (a - rest) * inverse, floored;                                           \
        if (rest != 0 && (b < 0) != (rest < 0))                                                                        \
            quotient -= 1;                                                                                             \
        if (quotient == 0)                                                                                             \
            return M(copysign)(0, a * inverse);                                                                        \
        floored = M(floor)(quotient);                                                                                  \
        return quotient - floored > (TYPE)0.5 ? floored + 1 : floored;                                                 \
    }

#define FLOAT_FUNCTION(name)  name##f
#define DOUBLE_FUNCTION(name) name
DEFINE_FLOOR(f32, float, FLOAT_FUNCTION)
DEFINE_FLOOR(f64, double, DOUBLE_FUNCTION)

static inline int64_t floor_quotient_i64(int64_t a, int64_t b)
{
    int64_t rest = modulo(a, b);
    return divide(a, b) - (b != 0 && rest != 0 && (rest < 0) != (b < 0));
}

static inline int64_t remainder_of_i64(int64_t a, int64_t b)
{
    int64_t rest = modulo(a, b);
    return rest != 0 && b != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

SIM_LOOP_FLOATS(sim_div_floor, floor_quotient_f32(a[i], b[i]), floor_quotient_f64(a[i], b[i]))
SIM_LOOP(sim_div_floor_i64, int64_t, int64_t, floor_quotient_i64(a[i], b[i]))
SIM_LOOP_FLOATS(sim_div_floor_inverse, floor_inverse_f32(a[i], b[i], c[i]), floor_inverse_f64(a[i], b[i], c[i]))
SIM_LOOP_FLOATS(sim_div_trunc, truncf(a[i] / b[i]), trunc(a[i] / b[i]))
SIM_LOOP(sim_div_trunc_i64, int64_t, int64_t, divide(a[i], b[i]))
SIM_LOOP_FLOATS(sim_div_trunc_inverse, truncf(a[i] * b[i]), trunc(a[i] * b[i]))
SIM_LOOP_FLOATS(sim_remainder, remainder_of_f32(a[i], b[i]), remainder_of_f64(a[i], b[i]))
SIM_LOOP(sim_remainder_i64, int64_t, int64_t, remainder_of_i64(a[i], b[i]))
SIM_LOOP_FLOATS(sim_fmod, fmodf(a[i], b[i]), fmod(a[i], b[i]))
SIM_LOOP(sim_fmod_i64, int64_t, int64_t, modulo(a[i], b[i]))

/* maximum and minimum pass NaN on; fmax and fmin prefer the number. */
SIM_LOOP_ALL(sim_maximum, a[i] != a[i] ? a[i] : b[i] != b[i] ? b[i] : a[i] > b[i] ? a[i] : b[i])
SIM_LOOP_ALL(sim_minimum, a[i] != a[i] ? a[i] : b[i] != b[i] ? b[i] : a[i] < b[i] ? a[i] : b[i])
SIM_LOOP_ALL(sim_fmax, a[i] != a[i] ? b[i] : b[i] != b[i] ? a[i] : a[i] > b[i] ? a[i] : b[i])
SIM_LOOP_ALL(sim_fmin, a[i] != a[i] ? b[i] : b[i] != b[i] ? a[i] : a[i] < b[i] ? a[i] : b[i])
SIM_LOOP_FLOATS(sim_atan2, atan2f(a[i], b[i]), atan2(a[i], b[i]))

/* d is the factor. PyTorch asks for fused multiply-adds here (DeviceAddCmulCdiv.cuh). */
SIM_LOOP_FLOATS(sim_addcmul, d[i] == 1 ? fmaf(b[i], c[i], a[i]) : fmaf(d[i], b[i] * c[i], a[i]),
    d[i] == 1 ? fma(b[i], c[i], a[i]) : fma(d[i], b[i] * c[i], a[i]))
SIM_LOOP(sim_addcmul_i64, int64_t, int64_t, a[i] + d[i] * (b[i] * c[i]))
SIM_LOOP_FLOATS(sim_addcdiv, d[i] == 1 ? a[i] + b[i] / c[i] : fmaf(d[i], b[i] / c[i], a[i]),
    d[i] == 1 ? a[i] + b[i] / c[i] : fma(d[i], b[i] / c[i], a[i]))
SIM_LOOP(sim_addcdiv_i64, int64_t, int64_t, a[i] + d[i] * divide(b[i], c[i]))

/* From a to b by the weight c, from the nearer end (../Lerp.h). */
SIM_LOOP_FLOATS(sim_lerp, fabsf(c[i]) < 0.5f ? a[i] + c[i] * (b[i] - a[i]) : b[i] - (b[i] - a[i]) * (1 - c[i]),
    fabs(c[i]) < 0.5 ? a[i] + c[i] * (b[i] - a[i]) : b[i] - (b[i] - a[i]) * (1 - c[i]))

/* The first member says which limits count: ClampLimits (ATen/native/TensorCompare.h). With one limit it is b. */
enum { CLAMP_MIN, CLAMP_MAX, CLAMP_BOTH };

#define DEFINE_CLAMP(SUFFIX, TYPE)                                                                                     \
    static SIM_LOOP(at_least_##SUFFIX, TYPE, TYPE, a[i] < b[i] ? b[i] : a[i]) static SIM_LOOP(                         \
        at_most_##SUFFIX, TYPE, TYPE, a[i] > b[i] ? b[i] : a[i]) static SIM_LOOP(between_##SUFFIX, TYPE, TYPE,         \
        a[i]<b[i] ? (b[i] < c[i] ? b[i] : c[i]) : a[i]> c[i]                                                           \
            ? c[i]                                                                                                     \
            : a[i]) void sim_clamp_##SUFFIX(const struct sim_block *block, void *out, const void *const *in)           \
    {                                                                                                                  \
        static sim_block_function *const functions[] = {                                                               \
            [CLAMP_MIN] = at_least_##SUFFIX, [CLAMP_MAX] = at_most_##SUFFIX, [CLAMP_BOTH] = between_##SUFFIX};         \
        functions[sim_member(block, 0)](block, out, in);                                                               \
    }

DEFINE_CLAMP(f32, float)
DEFINE_CLAMP(f64, double)
DEFINE_CLAMP(i64, int64_t)
SIM_LOOP_ALL(sim_clamp_tensors, a[i] != a[i]   ? a[i]
                                : b[i] != b[i] ? b[i]
                                : c[i] != c[i] ? c[i]
                                : a[i] < b[i]  ? (b[i] < c[i] ? b[i] : c[i])
                                : a[i] > c[i]  ? c[i]
                                               : a[i])

SIM_LOOP_ALL(sim_where, a_truth[i] ? b[i] : c[i])
SIM_LOOP_ALL(sim_masked_fill, b_truth[i] ? c[i] : a[i])

SIM_LOOP_ALL(sim_square, a[i] * a[i])
SIM_LOOP_ALL(sim_cube, a[i] * a[i] * a[i])
SIM_LOOP_FLOATS(sim_inverse_square, 1 / (a[i] * a[i]), 1 / (a[i] * a[i]))
SIM_LOOP(sim_inverse_square_i64, int64_t, int64_t, divide(1, a[i] * a[i]))

/* ../Pow.h: a negative power of an integer is 0, but of 1 and -1. */
static int64_t integer_power(int64_t base, int64_t exponent)
{
    uint64_t result = 1, factor = (uint64_t)base;

    if (exponent < 0)
        return base == 1 ? 1 : base == -1 ? (exponent % 2 != 0 ? -1 : 1) : 0;
    for (; exponent > 0; exponent >>= 1, factor *= factor)
        if (exponent & 1)
            result *= factor;
    return (int64_t)result;
}

SIM_LOOP_FLOATS(sim_pow, powf(a[i], b[i]), pow(a[i], b[i]))
SIM_LOOP(sim_pow_i64, int64_t, int64_t, integer_power(a[i], b[i]))
