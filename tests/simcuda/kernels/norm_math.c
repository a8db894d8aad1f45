/* norm_math.c: see norm_math.h. Two passes: the variance is that of the differences to the mean. Long rows are summed
 * up in runs, and those in double, so that the number of elements costs no precision. */
#include "norm_math.h"
#include "kernel.h"
#include "rows.h"

#include <math.h>

#define RUN ((size_t)1024)

struct sim_moments sim_moments_of(const float *row, size_t count, float epsilon, bool root_mean_square)
{
    struct sim_moments moments = {0};
    double sum = 0, squares = 0;

    if (!root_mean_square) {
        for (size_t i = 0; i < count; i += RUN)
            sum += (double)sim_row_sum(row + i, count - i < RUN ? count - i : RUN);
        moments.mean = (float)(sum / (double)count);
    }
    for (size_t i = 0; i < count; i += RUN)
        squares += (double)sim_row_squares(row + i, count - i < RUN ? count - i : RUN, moments.mean);
    moments.reciprocal_deviation = (float)(1 / sqrt(squares / (double)count + (double)epsilon));
    return moments;
}

SIM_WIDE void sim_normalise(float *row, size_t count, struct sim_moments moments, const float *gamma, const float *beta)
{
    for (size_t i = 0; i < count; i++)
        row[i] = (row[i] - moments.mean) * moments.reciprocal_deviation;
    if (gamma != NULL)
        for (size_t i = 0; i < count; i++)
            row[i] *= gamma[i];
    if (beta != NULL)
        for (size_t i = 0; i < count; i++)
            row[i] += beta[i];
}
