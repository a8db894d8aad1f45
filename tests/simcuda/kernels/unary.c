/* unary.c: functions of one value. The functions of libm take the place of the device's: their last bits may differ
 * from a GPU's, and between versions of libm, but not within one machine. */
#include "elementwise.h"
#include "implementations.h"

#include <math.h>

SIM_LOOP_FLOATS(sim_abs, fabsf(a[i]), fabs(a[i]))
SIM_LOOP(sim_abs_i64, int64_t, int64_t, a[i] < 0 ? -a[i] : a[i])
SIM_LOOP_ALL(sim_neg, -a[i])
SIM_LOOP_ALL(sim_sign, (a[i] > 0) - (a[i] < 0))
SIM_LOOP(sim_sign_bool_i64, int64_t, int64_t, a[i])

#define MATHS(NAME) SIM_LOOP_FLOATS(sim_##NAME, NAME##f(a[i]), NAME(a[i]))
MATHS(exp)
MATHS(expm1)
MATHS(sqrt)
MATHS(log)
MATHS(log10)
MATHS(log1p)
MATHS(log2)
MATHS(sin)
MATHS(cos)
MATHS(tan)
MATHS(tanh)
MATHS(sinh)
MATHS(cosh)
MATHS(asin)
MATHS(acos)
MATHS(atan)
MATHS(ceil)
MATHS(floor)
MATHS(trunc)
MATHS(erf)

SIM_LOOP_FLOATS(sim_rsqrt, 1 / sqrtf(a[i]), 1 / sqrt(a[i]))
SIM_LOOP_FLOATS(sim_reciprocal, 1 / a[i], 1 / a[i])
SIM_LOOP_FLOATS(sim_round, rintf(a[i]), rint(a[i])) /* halves to even */
SIM_LOOP_FLOATS(sim_frac, a[i] - truncf(a[i]), a[i] - trunc(a[i]))
SIM_LOOP_FLOATS(sim_sigmoid, 1 / (1 + expf(-a[i])), 1 / (1 + exp(-a[i])))

/* Instead of NaN, infinity, -infinity. */
SIM_LOOP_FLOATS(sim_nan_to_num,
    a[i] != a[i]        ? b[i]
    : a[i] == INFINITY  ? c[i]
    : a[i] == -INFINITY ? d[i]
                        : a[i],
    a[i] != a[i]                ? b[i]
    : a[i] == (double)INFINITY  ? c[i]
    : a[i] == (double)-INFINITY ? d[i]
                                : a[i])
