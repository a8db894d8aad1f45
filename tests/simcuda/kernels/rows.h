/* rows.h: arithmetic over rows of floats, for the families that compute in fp32: norms, softmax, attention.
 *
 * All of it gives the same bits on every processor: sums have an order that follows from the length alone, and what is
 * fused is fused everywhere. */
#ifndef SIM_ROWS_H
#define SIM_ROWS_H

#include <stddef.h>

/* The largest element; NaN where one is NaN, -infinity for an empty row. */
float sim_row_max(const float *row, size_t count);
/* Elements become exp(element - shift), within 2 units in the last place and 0 below 2^-126; returns their sum. */
float sim_row_exp(float *row, size_t count, float shift);
float sim_row_sum(const float *row, size_t count);
/* Sum of (element - shift)^2. */
float sim_row_squares(const float *row, size_t count, float shift);
void sim_row_scale(float *row, size_t count, float factor);

/* out[4][16] = a[4][depth] times b[depth][16], with fused multiply-adds. Steps are from row to row. */
#define SIM_TILE_ROWS  ((size_t)4)
#define SIM_TILE_WIDTH ((size_t)16)
void sim_row_tile(
    size_t depth, const float *a, size_t a_step, const float *b, size_t b_step, float *out, size_t out_step);

#endif
