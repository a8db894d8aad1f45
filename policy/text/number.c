/*
 * Numbers. See number.h.
 */
#include "number.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

bool vs_number_parse(const char *text, size_t length, double *number)
{
    char copy[64], *end;
    if (!length || length >= sizeof copy)
        return false;
    memcpy(copy, text, length);
    copy[length] = '\0';
    /* strtod alone would also take signs, blanks, hexadecimal numbers and names. */
    if (strspn(copy, "0123456789.eE+-") != length || strchr("eE+-", copy[0]))
        return false;
    /* glibc keeps the "C" locale: this neither allocates nor fails. */
    double value = strtod_l(copy, &end, newlocale(LC_ALL_MASK, "C", (locale_t)0));
    if (*end || !isfinite(value))
        return false;
    *number = value;
    return true;
}

uint64_t vs_number_round4(double value)
{
    int exponent;
    uint64_t mantissa = (uint64_t)ldexp(frexp(value, &exponent), 53);
    exponent -= 53;                                                  /* value = mantissa * 2^exponent */
    unsigned __int128 product = (unsigned __int128)mantissa * 10000; /* of at most 67 bits */
    if (!(value < 1e15))
        return UINT64_MAX;
    if (exponent >= 0)
        return (uint64_t)(product << exponent);
    if (exponent < -68)
        return 0;
    unsigned __int128 half = (unsigned __int128)1 << (-exponent - 1);
    unsigned __int128 whole = product >> -exponent, rest = product - (whole << -exponent);
    return (uint64_t)whole + (rest > half || (rest == half && (whole & 1)));
}
