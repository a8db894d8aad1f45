/* type.c: conversion between element types and the classes that they are computed in; see type.h. */
#include "type.h"
#include "../driver/float16.h"
#include "float8.h"
#include "kernel.h"

#include <string.h>

static const struct {
    const char *name;
    uint8_t bytes;
    uint8_t class;
    int scalar;
} types[] = {
#define TYPE(id, name, bytes, class, scalar) {name, bytes, SIM_##class, scalar},
#include "types.def"
};

size_t sim_element_bytes(enum sim_type type)
{
    return types[type].bytes;
}

enum sim_class sim_class_of(enum sim_type type)
{
    return types[type].class;
}

enum sim_type sim_type_of_scalar(unsigned scalar)
{
    for (unsigned i = 0; i < SIM_TYPES; i++)
        if (types[i].scalar == (int)scalar)
            return i;
    return SIM_TYPES;
}

enum sim_type sim_type_named(const char *text, size_t *length)
{
    enum sim_type found = SIM_TYPES;

    *length = 0;
    for (unsigned i = 0; i < SIM_TYPES; i++) {
        size_t name_length = strlen(types[i].name);
        if (name_length > *length && strncmp(text, types[i].name, name_length) == 0) {
            found = i;
            *length = name_length;
        }
    }
    return found;
}

enum sim_type sim_type_raw(enum sim_type type)
{
    switch (types[type].bytes) {
    case 1:
        return SIM_TYPE_U8;
    case 2:
        return SIM_TYPE_U16;
    case 4:
        return SIM_TYPE_U32;
    case 8:
        return SIM_TYPE_I64;
    default:
        return SIM_TYPES;
    }
}

enum sim_type sim_type_opmath(enum sim_type type)
{
    return types[type].class == SIM_F32 ? SIM_TYPE_F32 : type;
}

static inline int64_t to_bool(int64_t value)
{
    return value != 0;
}

/* --- loads and stores --------------------------------------------------------------------------------------------- */

/* memcpy: what a program makes of a view may be less aligned than its type. */
#define DEFINE_LOAD(NAME, STORED, VALUE, CONVERT)                                                                      \
    SIM_WIDE static void load_##NAME(const char *restrict from, int64_t stride, size_t count, VALUE *restrict out)     \
    {                                                                                                                  \
        STORED element;                                                                                                \
        if (stride == (int64_t)sizeof element)                                                                         \
            for (size_t i = 0; i < count; i++) {                                                                       \
                memcpy(&element, from + i * sizeof element, sizeof element);                                           \
                out[i] = (VALUE)CONVERT(element);                                                                      \
            }                                                                                                          \
        else                                                                                                           \
            for (size_t i = 0; i < count; i++) {                                                                       \
                memcpy(&element, from + (int64_t)i * stride, sizeof element);                                          \
                out[i] = (VALUE)CONVERT(element);                                                                      \
            }                                                                                                          \
    }

#define DEFINE_STORE(NAME, STORED, VALUE, CONVERT)                                                                     \
    SIM_WIDE static void store_##NAME(const VALUE *restrict in, size_t count, char *restrict to, int64_t stride)       \
    {                                                                                                                  \
        STORED element;                                                                                                \
        if (stride == (int64_t)sizeof element)                                                                         \
            for (size_t i = 0; i < count; i++) {                                                                       \
                element = (STORED)CONVERT(in[i]);                                                                      \
                memcpy(to + i * sizeof element, &element, sizeof element);                                             \
            }                                                                                                          \
        else                                                                                                           \
            for (size_t i = 0; i < count; i++) {                                                                       \
                element = (STORED)CONVERT(in[i]);                                                                      \
                memcpy(to + (int64_t)i * stride, &element, sizeof element);                                            \
            }                                                                                                          \
    }

/* A(id, stored as, class's C type, load, store) */
#define ALL_TYPES(A)                                                                                                   \
    A(F16, uint16_t, float, sim_half_to_float, sim_float_to_half)                                                      \
    A(BF16, uint16_t, float, sim_bfloat16_to_float, sim_float_to_bfloat16)                                             \
    A(F32, float, float, , )                                                                                           \
    A(F64, double, double, , )                                                                                         \
    A(E4M3, uint8_t, float, sim_e4m3_to_float, sim_float_to_e4m3)                                                      \
    A(E5M2, uint8_t, float, sim_e5m2_to_float, sim_float_to_e5m2)                                                      \
    A(BOOL, uint8_t, int64_t, to_bool, to_bool)                                                                        \
    A(U8, uint8_t, int64_t, , )                                                                                        \
    A(I8, int8_t, int64_t, , )                                                                                         \
    A(I16, int16_t, int64_t, , )                                                                                       \
    A(I32, int32_t, int64_t, , )                                                                                       \
    A(I64, int64_t, int64_t, , )                                                                                       \
    A(U16, uint16_t, int64_t, , )                                                                                      \
    A(U32, uint32_t, int64_t, , )

#define DEFINE_BOTH(ID, STORED, VALUE, LOAD, STORE)                                                                    \
    DEFINE_LOAD(ID, STORED, VALUE, LOAD) DEFINE_STORE(ID, STORED, VALUE, STORE)
ALL_TYPES(DEFINE_BOTH)

void sim_load(enum sim_type type, const char *from, int64_t stride, size_t count, void *out)
{
    switch (type) {
#define CASE(ID, STORED, VALUE, LOAD, STORE)                                                                           \
    case SIM_TYPE_##ID:                                                                                                \
        load_##ID(from, stride, count, out);                                                                           \
        break;
        ALL_TYPES(CASE)
#undef CASE
    default:
        break;
    }
}

void sim_store(enum sim_type type, const void *in, size_t count, char *to, int64_t stride)
{
    switch (type) {
#define CASE(ID, STORED, VALUE, LOAD, STORE)                                                                           \
    case SIM_TYPE_##ID:                                                                                                \
        store_##ID(in, count, to, stride);                                                                             \
        break;
        ALL_TYPES(CASE)
#undef CASE
    default:
        break;
    }
}

/* --- between classes ---------------------------------------------------------------------------------------------- */

static inline int64_t to_integer(double value)
{
    if (value != value)
        return 0;
    if (value >= 0x1p63)
        return INT64_MAX;
    return value < -0x1p63 ? INT64_MIN : (int64_t)value;
}

#define CONVERT(FROM, TO, EXPRESSION)                                                                                  \
    do {                                                                                                               \
        const FROM *values = in;                                                                                       \
        TO *results = out;                                                                                             \
        for (size_t i = 0; i < count; i++)                                                                             \
            results[i] = EXPRESSION;                                                                                   \
        return;                                                                                                        \
    } while (0)

void sim_convert(enum sim_class from, const void *in, enum sim_class to, void *out, size_t count)
{
    switch (from * 4 + to) {
    case SIM_F32 * 4 + SIM_F64:
        CONVERT(float, double, values[i]);
    case SIM_F32 * 4 + SIM_I64:
        CONVERT(float, int64_t, to_integer((double)values[i]));
    case SIM_F64 * 4 + SIM_F32:
        CONVERT(double, float, (float)values[i]);
    case SIM_F64 * 4 + SIM_I64:
        CONVERT(double, int64_t, to_integer(values[i]));
    case SIM_I64 * 4 + SIM_F32:
        CONVERT(int64_t, float, (float)values[i]);
    case SIM_I64 * 4 + SIM_F64:
        CONVERT(int64_t, double, (double)values[i]);
    default:
        memcpy(out, in, count * (from == SIM_F32 ? sizeof(float) : sizeof(double)));
    }
}

void sim_truth(enum sim_class from, const void *in, int64_t *out, size_t count)
{
    for (size_t i = 0; i < count; i++)
        out[i] = from == SIM_F32   ? ((const float *)in)[i] != 0
                 : from == SIM_F64 ? ((const double *)in)[i] != 0
                                   : ((const int64_t *)in)[i] != 0;
}

void sim_narrow(enum sim_type type, void *values, size_t count)
{
    switch (type) {
#define CASE(ID, STORED, VALUE, LOAD, STORE)                                                                           \
    case SIM_TYPE_##ID:                                                                                                \
        for (size_t i = 0; i < count; i++)                                                                             \
            ((VALUE *)values)[i] = (VALUE)LOAD((STORED)STORE(((VALUE *)values)[i]));                                   \
        break;
        ALL_TYPES(CASE)
#undef CASE
    default:
        break;
    }
}
