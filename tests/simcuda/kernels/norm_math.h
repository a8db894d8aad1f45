/* norm_math.h: moments of a row, and normalising it. All in fp32, as PyTorch's accumulation type of formats up to 32
 * bits. */
#ifndef SIM_NORM_MATH_H
#define SIM_NORM_MATH_H

#include <stdbool.h>
#include <stddef.h>

struct sim_moments {
    float mean, reciprocal_deviation;
};

/* Mean, and 1 / sqrt(variance + epsilon); with `root_mean_square` the mean counts as 0, and is 0. */
struct sim_moments sim_moments_of(const float *row, size_t count, float epsilon, bool root_mean_square);
/* row[i] = (row[i] - mean) * reciprocal_deviation * gamma[i] + beta[i]; gamma and beta may be NULL. */
void sim_normalise(float *row, size_t count, struct sim_moments moments, const float *gamma, const float *beta);

#endif
