/* rows.c: arithmetic over rows of floats; see rows.h.
 *
 * Sums run over eight lanes, which are added up in a fixed order: as fast as vectors allow, and the same with or
 * without them. */
#include "rows.h"
#include "kernel.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef __x86_64__
#include <immintrin.h>
#endif

#define LANES ((size_t)8)
typedef float lanes __attribute__((vector_size(32), aligned(4), may_alias));
typedef int32_t lane_bits __attribute__((vector_size(32), aligned(4), may_alias));

static float added_up(const lanes *sums)
{
    const lanes s = *sums;
    return ((s[0] + s[4]) + (s[1] + s[5])) + ((s[2] + s[6]) + (s[3] + s[7]));
}

float sim_row_max(const float *row, size_t count)
{
    float largest = -INFINITY;

    for (size_t i = 0; i < count; i++)
        if (row[i] > largest || isnan(row[i])) {
            largest = row[i];
            if (isnan(largest))
                break;
        }
    return largest;
}

/* exp over eight lanes: 2^n times the series of exp(r), |r| <= ln(2)/2, whose eighth term is below 2^-27. */
static inline __attribute__((always_inline)) void exp_lanes(lanes *in_out)
{
    const lanes x = *in_out;
    const float lowest = -87.33654f, highest = 88.72283f, to_integer = 12582912.0f; /* 1.5 * 2^23: rounds in its sum */
    const lane_bits too_low = x<lowest, too_high = x> highest, odd = x != x;
    const lanes bounded = (lanes)(((lane_bits)x & ~(too_low | too_high | odd)));
    const lanes n = (bounded * 1.44269504f + to_integer) - to_integer;
    const lanes r = (bounded - n * 0.693359375f) - n * -2.12194440e-4f; /* ln(2) in two parts; the first has few bits */
    lanes e = r * (1.0f / 5040) + 1.0f / 720;

    e = e * r + 1.0f / 120;
    e = e * r + 1.0f / 24;
    e = e * r + 1.0f / 6;
    e = e * r + 0.5f;
    e = e * r + 1.0f;
    e = e * r + 1.0f;
    /* In two factors: n may be 128, and 2^128 is no float. */
    const lane_bits whole = __builtin_convertvector(n, lane_bits), half = whole >> 1;
    e = e * (lanes)((half + 127) << 23) * (lanes)((whole - half + 127) << 23);
    const lanes infinite = {INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY, INFINITY};
    *in_out =
        (lanes)(((lane_bits)e & ~(too_low | too_high | odd)) | ((lane_bits)infinite & too_high) | ((lane_bits)x & odd));
}

SIM_WIDE float sim_row_exp(float *row, size_t count, float shift)
{
    lanes sums = {0};
    size_t done = 0;

    for (; done + LANES <= count; done += LANES) {
        lanes e = *(const lanes *)(row + done) - shift;
        exp_lanes(&e);
        *(lanes *)(row + done) = e;
        sums += e;
    }
    if (done < count) {
        lanes rest = {0};
        memcpy(&rest, row + done, (count - done) * sizeof *row);
        rest -= shift;
        exp_lanes(&rest);
        memcpy(row + done, &rest, (count - done) * sizeof *row);
        for (size_t i = 0; done + i < count; i++)
            sums[i] += rest[i];
    }
    return added_up(&sums);
}

SIM_WIDE float sim_row_sum(const float *row, size_t count)
{
    lanes sums = {0};
    size_t done = 0;

    for (; done + LANES <= count; done += LANES)
        sums += *(const lanes *)(row + done);
    for (size_t i = 0; done + i < count; i++)
        sums[i] += row[done + i];
    return added_up(&sums);
}

SIM_WIDE float sim_row_squares(const float *row, size_t count, float shift)
{
    lanes sums = {0};
    size_t done = 0;

    for (; done + LANES <= count; done += LANES) {
        const lanes difference = *(const lanes *)(row + done) - shift;
        sums += difference * difference;
    }
    for (size_t i = 0; done + i < count; i++) {
        const float difference = row[done + i] - shift;
        sums[i] += difference * difference;
    }
    return added_up(&sums);
}

SIM_WIDE void sim_row_scale(float *row, size_t count, float factor)
{
    for (size_t i = 0; i < count; i++)
        row[i] *= factor;
}

/* --- products ----------------------------------------------------------------------------------------------------- */

static void tile_plain(
    size_t depth, const float *a, size_t a_step, const float *b, size_t b_step, float *out, size_t out_step)
{
    for (size_t i = 0; i < SIM_TILE_ROWS; i++)
        for (size_t j = 0; j < SIM_TILE_WIDTH; j++) {
            float sum = 0;
            for (size_t p = 0; p < depth; p++)
                sum = fmaf(b[p * b_step + j], a[i * a_step + p], sum);
            out[i * out_step + j] = sum;
        }
}

#ifdef __x86_64__
__attribute__((target("avx2,fma"))) static void tile_wide(
    size_t depth, const float *a, size_t a_step, const float *b, size_t b_step, float *out, size_t out_step)
{
    __m256 low[SIM_TILE_ROWS], high[SIM_TILE_ROWS];

#pragma GCC unroll 4
    for (size_t i = 0; i < SIM_TILE_ROWS; i++)
        low[i] = high[i] = _mm256_setzero_ps();
    for (size_t p = 0; p < depth; p++) {
        const __m256 b_low = _mm256_loadu_ps(b + p * b_step), b_high = _mm256_loadu_ps(b + p * b_step + LANES);
#pragma GCC unroll 4
        for (size_t i = 0; i < SIM_TILE_ROWS; i++) {
            const __m256 factor = _mm256_set1_ps(a[i * a_step + p]);
            low[i] = _mm256_fmadd_ps(b_low, factor, low[i]);
            high[i] = _mm256_fmadd_ps(b_high, factor, high[i]);
        }
    }
#pragma GCC unroll 4
    for (size_t i = 0; i < SIM_TILE_ROWS; i++) {
        _mm256_storeu_ps(out + i * out_step, low[i]);
        _mm256_storeu_ps(out + i * out_step + LANES, high[i]);
    }
}
#endif

void sim_row_tile(
    size_t depth, const float *a, size_t a_step, const float *b, size_t b_step, float *out, size_t out_step)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) {
        tile_wide(depth, a, a_step, b, b_step, out, out_step);
        return;
    }
#endif
    tile_plain(depth, a, a_step, b, b_step, out, out_step);
}
