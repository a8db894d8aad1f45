/* columns_math.h: a picture's (or a volume's) patches as columns of a matrix, so that a convolution is a matrix
 * product; and the way back, which adds up what overlaps. */
#ifndef SIM_COLUMNS_MATH_H
#define SIM_COLUMNS_MATH_H

#include "type.h"

/* Order of dimensions: depth, height, width; a picture has depth 1. */
struct sim_patches {
    int64_t size[3], kernel[3], pad[3], stride[3], dilation[3];
    int64_t count[3]; /* patches along each dimension */
};

/* Row `row` of the matrix (channel, and position within the kernel, last dimension fastest): count[0] * count[1] *
 * count[2] elements, zero outside of the picture. */
void sim_patch_row(const struct sim_patches *patches, size_t element_bytes, const char *picture, size_t row, char *out);

/* One channel of the picture from its rows of the matrix. `sums` has room for the channel, as floats or doubles after
 * the type's class. */
void sim_patch_fold(const struct sim_patches *patches, enum sim_type type, const char *columns, void *sums, char *out);

#endif
