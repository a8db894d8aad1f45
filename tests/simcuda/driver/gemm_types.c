/* gemm_types.c: conversion of matrix elements; see gemm_types.h. */
#include "gemm_types.h"
#include "float16.h"
#include "wide.h"

#include <string.h>

size_t sim_type_bytes(enum simcuda_type type)
{
    static const uint8_t bytes[] = {[SIMCUDA_F16] = 2, [SIMCUDA_BF16] = 2, [SIMCUDA_F32] = 4, [SIMCUDA_F64] = 8};
    return bytes[type];
}

#define CONVERT_LOOP(FROM, TO, EXPRESSION)                                                                             \
    for (size_t i = 0; i < count; i++) {                                                                               \
        FROM element;                                                                                                  \
        memcpy(&element, (const char *)in + i * sizeof element, sizeof element);                                       \
        TO converted = (EXPRESSION);                                                                                   \
        memcpy((char *)out + i * sizeof converted, &converted, sizeof converted);                                      \
    }                                                                                                                  \
    break

SIM_WIDE void sim_load_floats(enum simcuda_type type, const void *in, float *out, size_t count)
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

SIM_WIDE void sim_load_doubles(enum simcuda_type type, const void *in, double *out, size_t count)
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

SIM_WIDE void sim_store_floats(enum simcuda_type type, const float *in, void *out, size_t count)
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

SIM_WIDE void sim_store_doubles(enum simcuda_type type, const double *in, void *out, size_t count)
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
