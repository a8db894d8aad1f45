/* float8.c: see float8.h. */
#include "float8.h"

#include <math.h>
#include <string.h>

struct format {
    int mantissa_bits, bias;
    uint8_t largest;  /* the magnitude of the largest finite value */
    uint8_t overflow; /* what larger values become */
    uint8_t nan;
};

static const struct format e4m3 = {3, 7, 0x7e, 0x7f, 0x7f}, e5m2 = {2, 15, 0x7b, 0x7c, 0x7f};

static float decode(const struct format *format, uint8_t value)
{
    int magnitude = value & 0x7f, unit = 1 << format->mantissa_bits;
    int exponent = magnitude >> format->mantissa_bits, mantissa = magnitude & (unit - 1);
    float result;

    if (magnitude > format->largest)
        result = magnitude == format->overflow && format->overflow != format->nan ? INFINITY : NAN;
    else if (exponent == 0)
        result = ldexpf((float)mantissa, 1 - format->bias - format->mantissa_bits);
    else
        result = ldexpf((float)(unit + mantissa), exponent - format->bias - format->mantissa_bits);
    return value & 0x80 ? -result : result;
}

static uint8_t encode(const struct format *format, float value)
{
    uint8_t sign = signbit(value) ? 0x80 : 0;
    int exponent;
    float steps;
    uint32_t magnitude;

    if (isnan(value))
        return sign | format->nan;
    value = fabsf(value);
    if (value >= 0x1p17f)
        return sign | format->overflow;
    if (value == 0)
        return sign;
    /* Count units in the last place of the value's binade, or of the subnormals' one. */
    frexpf(value, &exponent);
    exponent = exponent - 1 < 1 - format->bias ? 1 - format->bias : exponent - 1;
    steps = rintf(ldexpf(value, format->mantissa_bits - exponent));
    /* A carry out of the mantissa goes into the exponent by itself; a subnormal's exponent field is 0. */
    magnitude = (uint32_t)steps + ((uint32_t)(exponent + format->bias - 1) << format->mantissa_bits);
    return sign | (magnitude > format->largest ? format->overflow : (uint8_t)magnitude);
}

float sim_e4m3_to_float(uint8_t value)
{
    return decode(&e4m3, value);
}

uint8_t sim_float_to_e4m3(float value)
{
    return encode(&e4m3, value);
}

float sim_e5m2_to_float(uint8_t value)
{
    return decode(&e5m2, value);
}

uint8_t sim_float_to_e5m2(float value)
{
    return encode(&e5m2, value);
}
