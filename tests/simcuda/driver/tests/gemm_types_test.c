/* gemm_types_test.c: the number formats of matrices against their definition; all 65536 values of each. */
#include "../float16.h"

#include <criterion/criterion.h>
#include <math.h>
/* binary16's definition: sign, five bits of exponent biased by 15, ten bits of fraction. */
static double half_by_definition(unsigned half)
{
    int exponent = (int)(half >> 10 & 31);
    int fraction = (int)(half & 1023);
    double magnitude = exponent == 0    ? ldexp(fraction, -24)
                       : exponent == 31 ? (fraction ? NAN : INFINITY)
                                        : ldexp(1024 + fraction, exponent - 25);
    return half & 0x8000 ? -magnitude : magnitude;
}

Test(gemm_types, every_half_has_the_value_of_its_definition)
{
    for (unsigned half = 0; half < 65536; half++) {
        double want = half_by_definition(half), got = sim_half_to_float((uint16_t)half);
        cr_assert(isnan(want) ? isnan(got) : got == want && signbit(got) == signbit(want), "%04x", half);
    }
}

Test(gemm_types, every_half_survives_the_way_through_float)
{
    for (unsigned half = 0; half < 65536; half++) {
        bool nan = (half & 0x7fff) > 0x7c00;
        cr_assert_eq(sim_float_to_half(sim_half_to_float((uint16_t)half)), nan ? half | 0x200 : half, "%04x", half);
    }
}

/* Between each pair of neighbours: the middle goes to the even one, what is nearer to one goes there. */
Test(gemm_types, floats_round_to_the_nearest_half_and_ties_to_even)
{
    for (unsigned half = 0; half < 0x7c00; half++) {
        double low = half_by_definition(half);
        double high = half == 0x7bff ? 65536 : half_by_definition(half + 1);
        float middle = (float)((low + high) / 2);
        unsigned even = half & 1 ? half + 1 : half;
        cr_assert_eq(sim_float_to_half(middle), even, "%04x", half);
        cr_assert_eq(sim_float_to_half(-middle), even | 0x8000, "-%04x", half);
        cr_assert_eq(sim_float_to_half(nextafterf(middle, 0)), half, "below the middle of %04x", half);
        cr_assert_eq(sim_float_to_half(nextafterf(middle, INFINITY)), half + 1, "above the middle of %04x", half);
    }
    cr_assert_eq(sim_float_to_half(1e30f), 0x7c00);
    cr_assert_eq(sim_float_to_half(1e-30f), 0);
    cr_assert_eq(sim_float_to_half(-1e-30f), 0x8000);
    cr_assert_eq(sim_float_to_half(-INFINITY), 0xfc00);
}

Test(gemm_types, bfloat16_is_the_upper_half_of_a_float_rounded_to_even)
{
    for (unsigned bits = 0; bits < 65536; bits++) {
        bool nan = (bits & 0x7fff) > 0x7f80;
        cr_assert_eq(
            sim_float_to_bfloat16(sim_bfloat16_to_float((uint16_t)bits)), nan ? bits | 0x40 : bits, "%04x", bits);
    }
    /* 1 + 2^-8 lies between 1 and 1 + 2^-7. */
    cr_assert_eq(sim_float_to_bfloat16(1.00390625f), 0x3f80);
    cr_assert_eq(sim_float_to_bfloat16(1.00390637f), 0x3f81);
    cr_assert_eq(sim_float_to_bfloat16(1.01171875f), 0x3f82);
    cr_assert_eq(sim_float_to_bfloat16(3.4e38f), 0x7f80);
}
