/* activation.c: activation functions. */
#include "elementwise.h"
#include "implementations.h"

#include <math.h>

#define SQRT_HALF         0.70710678118654752440
#define SQRT_TWO_OVER_PI  0.79788456080286535588
#define GELU_CUBIC_FACTOR 0.044715

SIM_LOOP_FLOATS(sim_gelu, a[i] * 0.5f * (1 + erff(a[i] * (float)SQRT_HALF)), a[i] * 0.5 * (1 + erf(a[i] * SQRT_HALF)))
SIM_LOOP_FLOATS(sim_gelu_tanh,
    0.5f * a[i] * (1 + tanhf((float)SQRT_TWO_OVER_PI * (a[i] + (float)GELU_CUBIC_FACTOR * (a[i] * a[i] * a[i])))),
    0.5 * a[i] * (1 + tanh(SQRT_TWO_OVER_PI * (a[i] + GELU_CUBIC_FACTOR * (a[i] * a[i] * a[i])))))
SIM_LOOP_FLOATS(sim_silu, a[i] / (1 + expf(-a[i])), a[i] / (1 + exp(-a[i])))
SIM_LOOP_FLOATS(sim_mish, a[i] * tanhf(log1pf(expf(a[i]))), a[i] * tanh(log1p(exp(a[i]))))
SIM_LOOP_FLOATS(sim_leaky_relu, a[i] > 0 ? a[i] : a[i] * b[i], a[i] > 0 ? a[i] : a[i] * b[i])
/* b is beta, c the threshold. */
SIM_LOOP_FLOATS(sim_softplus, a[i] * b[i] > c[i] ? a[i] : log1pf(expf(a[i] * b[i])) / b[i],
    a[i] * b[i] > c[i] ? a[i] : log1p(exp(a[i] * b[i])) / b[i])
/* The coefficients of the negative side, of the positive side, of the input. */
SIM_LOOP_FLOATS(
    sim_elu, a[i] > 0 ? a[i] * c[i] : expm1f(a[i] * d[i]) * b[i], a[i] > 0 ? a[i] * c[i] : expm1(a[i] * d[i]) * b[i])
