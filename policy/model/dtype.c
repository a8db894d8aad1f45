/*
 * Element types by name and by number. See dtype.h.
 */
#include "dtype.h"

#include <stddef.h>
#include <string.h>

static const struct {
    const char *name;
    unsigned bits;
} dtypes[] = {
    {"F16", 16},
    {"BF16", 16},
    {"F32", 32},
    {"F8_E4M3", 8},
    {"F8_E5M2", 8},
    {"F8_E8M0", 8},
    {"F8_E4M3FNUZ", 8},
    {"F8_E5M2FNUZ", 8},
    {"F6_E2M3", 6},
    {"F6_E3M2", 6},
    {"F4", 4},
    {"I8", 8},
    {"U8", 8},
    {"BOOL", 8},
    {"I16", 16},
    {"U16", 16},
    {"I32", 32},
    {"U32", 32},
    {"I64", 64},
    {"U64", 64},
    {"F64", 64},
    {"C64", 64},
};

static size_t find(const char *name) /* its index, or their count */
{
    size_t i = 0;
    while (i < sizeof dtypes / sizeof *dtypes && strcmp(dtypes[i].name, name) != 0)
        i++;
    return i;
}

unsigned vs_dtype_bits(const char *name)
{
    size_t i = find(name);
    return i < sizeof dtypes / sizeof *dtypes ? dtypes[i].bits : 0;
}

const char *vs_dtype_name(const char *name)
{
    size_t i = find(name);
    return i < sizeof dtypes / sizeof *dtypes ? dtypes[i].name : NULL;
}

/* ggml's enum ggml_type (ggml.h) and the sizes of its block structures (ggml-common.h). A block has its elements' bits
 * and, of 16 bits unless told, scales and minima. */
static const struct vs_ggml_type ggml_types[] = {
    [0] = {"F32", 1, 4},
    [1] = {"F16", 1, 2},
    [2] = {"Q4_0", 32, 2 + 16},
    [3] = {"Q4_1", 32, 2 + 2 + 16},
    [6] = {"Q5_0", 32, 2 + 4 + 16},
    [7] = {"Q5_1", 32, 2 + 2 + 4 + 16},
    [8] = {"Q8_0", 32, 2 + 32},
    [9] = {"Q8_1", 32, 2 + 2 + 32}, /* in memory only; gguf-py's table says 40, as it was in 2023 */
    /* super-blocks of 256 */
    [10] = {"Q2_K", 256, 2 + 2 + 16 + 64},
    [11] = {"Q3_K", 256, 2 + 12 + 32 + 64},
    [12] = {"Q4_K", 256, 2 + 2 + 12 + 128},
    [13] = {"Q5_K", 256, 2 + 2 + 12 + 32 + 128},
    [14] = {"Q6_K", 256, 2 + 16 + 64 + 128},
    [15] = {"Q8_K", 256, 4 + 32 + 256}, /* scale of 32 bits, sums of groups */
    [16] = {"IQ2_XXS", 256, 2 + 64},
    [17] = {"IQ2_XS", 256, 2 + 8 + 64},
    [18] = {"IQ3_XXS", 256, 2 + 32 + 64},
    [19] = {"IQ1_S", 256, 2 + 16 + 32},
    [20] = {"IQ4_NL", 32, 2 + 16},
    [21] = {"IQ3_S", 256, 2 + 4 + 8 + 32 + 64},
    [22] = {"IQ2_S", 256, 2 + 8 + 8 + 64},
    [23] = {"IQ4_XS", 256, 2 + 2 + 4 + 128},
    [24] = {"I8", 1, 1},
    [25] = {"I16", 1, 2},
    [26] = {"I32", 1, 4},
    [27] = {"I64", 1, 8},
    [28] = {"F64", 1, 8},
    [29] = {"IQ1_M", 256, 8 + 16 + 32}, /* the scale lies in spare bits */
    [30] = {"BF16", 1, 2},
    [34] = {"TQ1_0", 256, 2 + 4 + 48}, /* five elements of three values in a byte */
    [35] = {"TQ2_0", 256, 2 + 64},
    [39] = {"MXFP4", 32, 1 + 16}, /* scale of 8 bits */
    [40] = {"NVFP4", 64, 4 + 32}, /* four scales of 8 bits */
    [41] = {"Q1_0", 128, 2 + 16},
    [42] = {"Q2_0", 64, 2 + 16},
};

const struct vs_ggml_type *vs_ggml_type(uint32_t number)
{
    return number < sizeof ggml_types / sizeof *ggml_types ? &ggml_types[number] : NULL;
}
