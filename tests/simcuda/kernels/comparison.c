/* comparison.c: comparisons and logic. Results are truth values. */
#include "elementwise.h"
#include "implementations.h"

#include <math.h>

/* The operation is the first member: OpType { GE, GT, LE, LT } and EqOpType { EQ, NE } (CompareKernels.cu,
 * CompareEQKernel.cu).
 */
#define DEFINE_COMPARISONS(SUFFIX, TYPE)                                                                               \
    static SIM_LOOP(ge_##SUFFIX, TYPE, int64_t, a[i] >= b[i]) static SIM_LOOP(gt_##SUFFIX, TYPE, int64_t,              \
        a[i] > b[i]) static SIM_LOOP(le_##SUFFIX, TYPE, int64_t, a[i] <= b[i]) static SIM_LOOP(lt_##SUFFIX, TYPE,      \
        int64_t, a[i] < b[i]) static SIM_LOOP(eq_##SUFFIX, TYPE, int64_t, a[i] == b[i]) static SIM_LOOP(ne_##SUFFIX,   \
        TYPE, int64_t,                                                                                                 \
        a[i] != b[i]) void sim_compare_##SUFFIX(const struct sim_block *block, void *out, const void *const *in)       \
    {                                                                                                                  \
        static sim_block_function *const functions[] = {ge_##SUFFIX, gt_##SUFFIX, le_##SUFFIX, lt_##SUFFIX};           \
        functions[sim_member(block, 0) & 3](block, out, in);                                                           \
    }                                                                                                                  \
    void sim_equal_##SUFFIX(const struct sim_block *block, void *out, const void *const *in)                           \
    {                                                                                                                  \
        static sim_block_function *const functions[] = {eq_##SUFFIX, ne_##SUFFIX};                                     \
        functions[sim_member(block, 0) & 1](block, out, in);                                                           \
    }

DEFINE_COMPARISONS(f32, float)
DEFINE_COMPARISONS(f64, double)
DEFINE_COMPARISONS(i64, int64_t)

SIM_LOOP_TRUTH(sim_logical_and, a[i] != 0 && b[i] != 0)
SIM_LOOP_TRUTH(sim_logical_or, a[i] != 0 || b[i] != 0)
SIM_LOOP_TRUTH(sim_logical_xor, (a[i] != 0) != (b[i] != 0))
SIM_LOOP_TRUTH(sim_logical_not, a[i] == 0)

SIM_LOOP(sim_signbit_f32, float, int64_t, signbit(a[i]) != 0)
SIM_LOOP(sim_signbit_f64, double, int64_t, signbit(a[i]) != 0)
SIM_LOOP(sim_signbit_i64, int64_t, int64_t, a[i] < 0)
SIM_LOOP(sim_isposinf_f32, float, int64_t, a[i] == INFINITY)
SIM_LOOP(sim_isposinf_f64, double, int64_t, a[i] == (double)INFINITY)
SIM_LOOP(sim_isneginf_f32, float, int64_t, a[i] == -INFINITY)
SIM_LOOP(sim_isneginf_f64, double, int64_t, a[i] == (double)-INFINITY)
