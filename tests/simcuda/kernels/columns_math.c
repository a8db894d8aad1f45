/* columns_math.c: see columns_math.h. */
#include "columns_math.h"

#include <string.h>

/* The patches [*first, *last) whose element at `offset` (already without the padding) lies in the picture. */
static void inside(int64_t offset, int64_t stride, int64_t size, int64_t count, int64_t *first, int64_t *last)
{
    *first = offset >= 0 ? 0 : (-offset + stride - 1) / stride;
    *last = offset >= size ? 0 : (size - 1 - offset) / stride + 1;
    if (*last > count)
        *last = count;
    if (*first > *last)
        *first = *last;
}

static void copy_strided(size_t element_bytes, const char *from, int64_t stride, int64_t count, char *to)
{
    if (stride == 1) {
        memcpy(to, from, (size_t)count * element_bytes);
        return;
    }
#define COPY(TYPE)                                                                                                     \
    for (int64_t i = 0; i < count; i++)                                                                                \
    memcpy(to + i * (int64_t)sizeof(TYPE), from + i * stride * (int64_t)sizeof(TYPE), sizeof(TYPE))
    if (element_bytes == 2)
        COPY(uint16_t);
    else if (element_bytes == 4)
        COPY(uint32_t);
    else
        for (int64_t i = 0; i < count; i++)
            memcpy(to + i * (int64_t)element_bytes, from + i * stride * (int64_t)element_bytes, element_bytes);
#undef COPY
}

void sim_patch_row(const struct sim_patches *p, size_t element_bytes, const char *picture, size_t row, char *out)
{
    const int64_t bytes = (int64_t)element_bytes, line = p->count[2] * bytes;
    const int64_t in_kernel = p->kernel[0] * p->kernel[1] * p->kernel[2];
    const int64_t at = (int64_t)row % in_kernel, channel = (int64_t)row / in_kernel;
    const int64_t place[3] = {at / p->kernel[2] / p->kernel[1], at / p->kernel[2] % p->kernel[1], at % p->kernel[2]};
    const char *plane = picture + channel * p->size[0] * p->size[1] * p->size[2] * bytes;
    int64_t offset[3], first, last;

    for (int i = 0; i < 3; i++)
        offset[i] = place[i] * p->dilation[i] - p->pad[i];
    inside(offset[2], p->stride[2], p->size[2], p->count[2], &first, &last);
    for (int64_t z = 0; z < p->count[0]; z++)
        for (int64_t y = 0; y < p->count[1]; y++, out += line) {
            const int64_t from_z = offset[0] + z * p->stride[0], from_y = offset[1] + y * p->stride[1];
            if (from_z < 0 || from_z >= p->size[0] || from_y < 0 || from_y >= p->size[1]) {
                memset(out, 0, (size_t)line);
                continue;
            }
            memset(out, 0, (size_t)(first * bytes));
            if (last > first)
                copy_strided(element_bytes,
                    plane + ((from_z * p->size[1] + from_y) * p->size[2] + offset[2] + first * p->stride[2]) * bytes,
                    p->stride[2], last - first, out + first * bytes);
            memset(out + last * bytes, 0, (size_t)((p->count[2] - last) * bytes));
        }
}

/* Kernel positions from the first to the last, and within one all patches: the order in which each sum is made. */
#define DEFINE_FOLD(TYPE)                                                                                              \
    static void fold_##TYPE(                                                                                           \
        const struct sim_patches *p, enum sim_type type, const char *columns, TYPE *sums, char *out)                   \
    {                                                                                                                  \
        const int64_t bytes = (int64_t)sim_element_bytes(type), size = p->size[0] * p->size[1] * p->size[2];           \
        memset(sums, 0, (size_t)size * sizeof *sums);                                                                  \
        for (int64_t kz = 0; kz < p->kernel[0]; kz++)                                                                  \
            for (int64_t ky = 0; ky < p->kernel[1]; ky++)                                                              \
                for (int64_t kx = 0; kx < p->kernel[2]; kx++)                                                          \
                    for (int64_t z = 0; z < p->count[0]; z++)                                                          \
                        for (int64_t y = 0; y < p->count[1]; y++)                                                      \
                            for (int64_t x = 0; x < p->count[2]; x++, columns += bytes) {                              \
                                const int64_t to_z = kz * p->dilation[0] - p->pad[0] + z * p->stride[0];               \
                                const int64_t to_y = ky * p->dilation[1] - p->pad[1] + y * p->stride[1];               \
                                const int64_t to_x = kx * p->dilation[2] - p->pad[2] + x * p->stride[2];               \
                                TYPE value;                                                                            \
                                if (to_z < 0 || to_z >= p->size[0] || to_y < 0 || to_y >= p->size[1] || to_x < 0 ||    \
                                    to_x >= p->size[2])                                                                \
                                    continue;                                                                          \
                                sim_load(type, columns, 0, 1, &value);                                                 \
                                sums[(to_z * p->size[1] + to_y) * p->size[2] + to_x] += value;                         \
                            }                                                                                          \
        sim_store(type, sums, (size_t)size, out, bytes);                                                               \
    }

DEFINE_FOLD(float)
DEFINE_FOLD(double)

void sim_patch_fold(const struct sim_patches *patches, enum sim_type type, const char *columns, void *sums, char *out)
{
    if (sim_class_of(type) == SIM_F64)
        fold_double(patches, type, columns, sums, out);
    else
        fold_float(patches, type, columns, sums, out);
}
