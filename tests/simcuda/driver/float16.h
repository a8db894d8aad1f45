/* float16.h: IEEE 754 binary16 and bfloat16 (the upper half of a binary32), to float and back.
 *
 * Converted on their bits and without branches, so that the compiler makes vectors of a loop over them (SIM_WIDE).
 * Rounding is to nearest, ties to even; too large values become infinite; a NaN stays a NaN, quiet. No operand or
 * result of the arithmetic is a subnormal float that matters, so the thread's mode for them (PyTorch can switch
 * flushing on) changes nothing. */
#ifndef SIM_FLOAT16_H
#define SIM_FLOAT16_H

#include <stdint.h>
#include <string.h>

static inline float sim_float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t sim_bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* Subnormals count units of 2^-24. */
static inline float sim_half_to_float(uint16_t half)
{
    uint32_t magnitude = (uint32_t)(half & 0x7fffu) << 13, sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t subnormal = sim_bits_of((float)(int32_t)(half & 0x3ffu) * 0x1p-24f);
    uint32_t special = magnitude | 0x7f800000u | (magnitude > 0x0f800000u ? 0x400000u : 0);
    uint32_t result = magnitude + (112u << 23);

    result = magnitude < 0x00800000u ? subnormal : result;
    result = magnitude >= 0x0f800000u ? special : result;
    return sim_float_of(sign | result);
}

/* Results below 2^-14 are rounded by an addition: the sum with 0.5 has the subnormal's unit, 2^-24, as its last place.
 */
static inline uint16_t sim_float_to_half(float value)
{
    uint32_t bits = sim_bits_of(value), sign = bits >> 16 & 0x8000u, magnitude = bits & 0x7fffffffu;
    uint32_t normal = (magnitude - (112u << 23) + 0xfffu + (magnitude >> 13 & 1u)) >> 13;
    uint32_t small = sim_bits_of(sim_float_of(magnitude) + 0.5f) - sim_bits_of(0.5f);
    uint32_t nan = 0x7e00u | (magnitude >> 13 & 0x3ffu);
    uint32_t result = magnitude < 0x38800000u ? small : normal;

    result = magnitude >= 0x477ff000u ? 0x7c00u : result; /* 65520 and above */
    result = magnitude > 0x7f800000u ? nan : result;
    return (uint16_t)(sign | result);
}

static inline float sim_bfloat16_to_float(uint16_t value)
{
    return sim_float_of((uint32_t)value << 16);
}

static inline uint16_t sim_float_to_bfloat16(float value)
{
    uint32_t bits = sim_bits_of(value);
    uint32_t rounded = (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
    return (uint16_t)((bits & 0x7fffffffu) > 0x7f800000u ? bits >> 16 | 0x40u : rounded);
}

#endif
