/* gemm_types.c: conversion of matrix elements (gemm_types.h). The formats are IEEE 754 binary16 and its truncated
 * binary32 cousin bfloat16. */
#include "gemm_types.h"

#include <string.h>

#define FLOAT_INFINITY 0x7f800000u
#define HALF_INFINITY  0x7c00u

/* binary32 biases the exponent by 127, binary16 by 15: the difference, at binary32's exponent position. */
#define EXPONENT_SHIFT ((127u - 15u) << 23)

static uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

size_t sim_type_bytes(enum simcuda_type type)
{
    static const uint8_t bytes[] = {[SIMCUDA_F16] = 2, [SIMCUDA_BF16] = 2, [SIMCUDA_F32] = 4, [SIMCUDA_F64] = 8};
    return bytes[type];
}

float sim_half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t magnitude = half & 0x7fffu;

    if (magnitude >= HALF_INFINITY) {
        uint32_t quiet = magnitude > HALF_INFINITY ? 0x400000u : 0;
        return float_of(sign | FLOAT_INFINITY | quiet | (magnitude & 0x3ffu) << 13);
    }
    if (magnitude >= 0x400u)
        return float_of(sign | ((magnitude << 13) + EXPONENT_SHIFT));
    if (magnitude == 0)
        return float_of(sign);

    /* Subnormal: magnitude * 2^-24. Its leading bit becomes the implicit one. */
    uint32_t leading = 31u - (uint32_t)__builtin_clz(magnitude);
    uint32_t mantissa = (magnitude << (23u - leading)) & 0x7fffffu;
    return float_of(sign | (leading + 127u - 24u) << 23 | mantissa);
}

uint16_t sim_float_to_half(float value)
{
    uint32_t bits = bits_of(value);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000u);
    uint32_t magnitude = bits & 0x7fffffffu;

    if (magnitude > FLOAT_INFINITY)
        return sign | HALF_INFINITY | 0x200u | (uint16_t)((magnitude >> 13) & 0x3ffu);
    /* 65520 lies half way between the largest finite value and the next step, and rounds up. */
    if (magnitude >= 0x477ff000u)
        return sign | HALF_INFINITY;
    if (magnitude >= 0x38800000u) {
        magnitude -= EXPONENT_SHIFT;
        return sign | (uint16_t)((magnitude + 0xfffu + (magnitude >> 13 & 1u)) >> 13);
    }
    /* Less than half of the smallest subnormal, 2^-24. */
    if (magnitude < 0x33000000u)
        return sign;

    /* Subnormal result: count steps of 2^-24. The value is mantissa * 2^(exponent - 150). */
    uint32_t mantissa = (magnitude & 0x7fffffu) | 0x800000u;
    uint32_t shift = 126u - (magnitude >> 23);
    uint32_t steps = mantissa >> shift;
    uint32_t rest = mantissa & ((1u << shift) - 1u);
    uint32_t half_way = 1u << (shift - 1u);
    steps += rest > half_way || (rest == half_way && (steps & 1u));
    return sign | (uint16_t)steps;
}

float sim_bfloat16_to_float(uint16_t bfloat16)
{
    return float_of((uint32_t)bfloat16 << 16);
}

uint16_t sim_float_to_bfloat16(float value)
{
    uint32_t bits = bits_of(value);
    if ((bits & 0x7fffffffu) > FLOAT_INFINITY)
        return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

#define CONVERT_LOOP(FROM, TO, EXPRESSION)                                                                             \
    for (size_t i = 0; i < count; i++) {                                                                               \
        FROM element;                                                                                                  \
        memcpy(&element, (const char *)in + i * sizeof element, sizeof element);                                       \
        TO converted = (EXPRESSION);                                                                                   \
        memcpy((char *)out + i * sizeof converted, &converted, sizeof converted);                                      \
    }                                                                                                                  \
    break

void sim_load_floats(enum simcuda_type type, const void *in, float *out, size_t count)
{
    switch (type) {
    case SIMCUDA_F16:
        CONVERT_LOOP(uint16_t, float, sim_half_to_float(element));
    case SIMCUDA_BF16:
        CONVERT_LOOP(uint16_t, float, sim_bfloat16_to_float(element));
    case SIMCUDA_F32:
        memcpy(out, in, count * sizeof *out);
        break;
    case SIMCUDA_F64:
        CONVERT_LOOP(double, float, (float)element);
    }
}

void sim_load_doubles(enum simcuda_type type, const void *in, double *out, size_t count)
{
    switch (type) {
    case SIMCUDA_F16:
        CONVERT_LOOP(uint16_t, double, sim_half_to_float(element));
    case SIMCUDA_BF16:
        CONVERT_LOOP(uint16_t, double, sim_bfloat16_to_float(element));
    case SIMCUDA_F32:
        CONVERT_LOOP(float, double, element);
    case SIMCUDA_F64:
        memcpy(out, in, count * sizeof *out);
        break;
    }
}

void sim_store_floats(enum simcuda_type type, const float *in, void *out, size_t count)
{
    switch (type) {
    case SIMCUDA_F16:
        CONVERT_LOOP(float, uint16_t, sim_float_to_half(element));
    case SIMCUDA_BF16:
        CONVERT_LOOP(float, uint16_t, sim_float_to_bfloat16(element));
    case SIMCUDA_F32:
        memcpy(out, in, count * sizeof *in);
        break;
    case SIMCUDA_F64:
        CONVERT_LOOP(float, double, element);
    }
}

void sim_store_doubles(enum simcuda_type type, const double *in, void *out, size_t count)
{
    switch (type) {
    case SIMCUDA_F16:
        CONVERT_LOOP(double, uint16_t, sim_float_to_half((float)element));
    case SIMCUDA_BF16:
        CONVERT_LOOP(double, uint16_t, sim_float_to_bfloat16((float)element));
    case SIMCUDA_F32:
        CONVERT_LOOP(double, float, (float)element);
    case SIMCUDA_F64:
        memcpy(out, in, count * sizeof *in);
        break;
    }
}
