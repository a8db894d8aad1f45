/* upsample_math.h: where a pixel of a resized picture takes its value from (ATen/native/cuda/UpSample.cuh), in fp32. */
#ifndef SIM_UPSAMPLE_MATH_H
#define SIM_UPSAMPLE_MATH_H

#include <stdbool.h>
#include <stdint.h>

/* `scale` is pixels of the source per pixel of the result. */
int64_t sim_nearest_source(float scale, int64_t to, int64_t size, bool exact);

/* One dimension of a weighted mean: up to four neighbours, clamped to the picture, and their weights. */
struct sim_taps {
    unsigned count;
    int64_t from[4];
    float weight[4];
};
struct sim_taps sim_linear_taps(float scale, int64_t to, int64_t size, bool align_corners);
struct sim_taps sim_cubic_taps(float scale, int64_t to, int64_t size, bool align_corners);

#endif
