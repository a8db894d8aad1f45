/*
 * Sizes as people write them, in exact integer arithmetic. See size.h.
 */
#include "size.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FRACTION_DIGITS = 18 };         /* kept behind the point: 10^18 times the largest unit fits in 128 bits */
#define PER_PERCENT UINT64_C(10000000) /* billionths */

static const char *const error_texts[] = {
    [VS_SIZE_OK] = "it is right",
    [VS_SIZE_EMPTY] = "nothing is written there",
    [VS_SIZE_NEGATIVE] = "a size cannot be negative",
    [VS_SIZE_NO_NUMBER] = "a size begins with a digit",
    [VS_SIZE_UNKNOWN_UNIT] = "the unit is not one of b, kb, mb, gb, tb (or kib, mib, gib, tib, or one letter)",
    [VS_SIZE_PART_OF_BYTE] = "there is no part of a byte; a number with a point needs a unit",
    [VS_SIZE_TOO_LARGE] = "it is more than 64 bits can count",
    [VS_SIZE_PERCENT] = "a percentage has nothing here that it could be a part of",
    [VS_SIZE_OVER_WHOLE] = "100 % is the whole model",
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* The unit's power of two, or -1 for an unknown one. */
static int unit_shift(const char *unit, size_t length)
{
    static const struct {
        char letter;
        int shift;
    } units[] = {{'b', 0}, {'k', 10}, {'m', 20}, {'g', 30}, {'t', 40}};
    char lower[4] = "";
    if (!length)
        return 0;
    if (length > 3)
        return -1;
    for (size_t i = 0; i < length; i++)
        lower[i] = (char)(unit[i] >= 'A' && unit[i] <= 'Z' ? unit[i] - 'A' + 'a' : unit[i]);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (lower[0] != units[i].letter)
            continue;
        bool alone = length == 1;
        bool full = units[i].shift && ((length == 2 && lower[1] == 'b') || (length == 3 && !strcmp(lower + 1, "ib")));
        return alone || full ? units[i].shift : -1;
    }
    return -1;
}

/* A number as it is written: `whole` and `fraction / divisor`. */
struct number {
    uint64_t whole, fraction, divisor;
    bool has_point;
};

/* Reads the number that the text begins with, and the blanks behind it; *at is where reading stopped. */
static enum vs_size_error read_number(const char *text, size_t length, struct number *number, size_t *at)
{
    *number = (struct number){.divisor = 1};
    *at = 0;
    if (!length)
        return VS_SIZE_EMPTY;
    if (text[0] == '-')
        return VS_SIZE_NEGATIVE;
    if (!is_digit(text[0]))
        return VS_SIZE_NO_NUMBER;
    size_t i = 0;
    for (; i < length && is_digit(text[i]); i++)
        if (__builtin_mul_overflow(number->whole, 10u, &number->whole) ||
            __builtin_add_overflow(number->whole, text[i] - '0', &number->whole))
            return VS_SIZE_TOO_LARGE;
    if (i < length && text[i] == '.') {
        number->has_point = true;
        i++;
        for (int digits = 0; i < length && is_digit(text[i]); i++, digits++) {
            if (digits >= FRACTION_DIGITS)
                continue;
            number->fraction = number->fraction * 10 + (uint64_t)(text[i] - '0');
            number->divisor *= 10;
        }
    }
    while (i < length && (text[i] == ' ' || text[i] == '\t'))
        i++;
    *at = i;
    return VS_SIZE_OK;
}

static bool is_percent(const char *text, size_t length, size_t at)
{
    return length - at == 1 && text[at] == '%';
}

enum vs_size_error vs_size_parse(const char *text, size_t length, struct vs_size *size, size_t *error_offset)
{
    struct number number;
    enum vs_size_error error = read_number(text, length, &number, error_offset);
    size_t at = *error_offset;
    if (error != VS_SIZE_OK)
        return error;
    if (is_percent(text, length, at))
        return VS_SIZE_PERCENT;
    int shift = unit_shift(text + at, length - at);
    if (shift < 0)
        return VS_SIZE_UNKNOWN_UNIT;
    if (number.has_point && !shift)
        return VS_SIZE_PART_OF_BYTE;
    unsigned __int128 bytes =
        ((unsigned __int128)number.whole << shift) + (((unsigned __int128)number.fraction << shift) / number.divisor);
    if (bytes > UINT64_MAX) {
        *error_offset = 0;
        return VS_SIZE_TOO_LARGE;
    }
    *size = (struct vs_size){.bytes = (uint64_t)bytes, .has_unit = at < length};
    return VS_SIZE_OK;
}

enum vs_size_error vs_amount_parse(const char *text, size_t length, struct vs_amount *amount, size_t *error_offset)
{
    struct vs_size size;
    enum vs_size_error error = vs_size_parse(text, length, &size, error_offset);
    if (error == VS_SIZE_OK)
        *amount = (struct vs_amount){.size = size};
    if (error != VS_SIZE_PERCENT)
        return error;
    struct number number;
    read_number(text, length, &number, error_offset);
    unsigned __int128 part = (unsigned __int128)number.whole * PER_PERCENT +
                             (unsigned __int128)number.fraction * PER_PERCENT / number.divisor;
    if (number.whole > 100 || (number.whole == 100 && number.fraction)) {
        *error_offset = 0;
        return VS_SIZE_OVER_WHOLE;
    }
    *amount = (struct vs_amount){.is_part = true, .part_billionths = (uint32_t)part};
    return VS_SIZE_OK;
}

uint64_t vs_amount_bytes(const struct vs_amount *amount, uint64_t whole_bytes)
{
    if (!amount->is_part)
        return amount->size.bytes;
    return (uint64_t)((unsigned __int128)whole_bytes * amount->part_billionths / 100 / PER_PERCENT);
}

const char *vs_size_error_text(enum vs_size_error error)
{
    return error_texts[error];
}

struct vs_size_text vs_size_text(double bytes)
{
    struct vs_size_text size;
    bool is_large = bytes >= 0x1p30;
    snprintf(size.text, sizeof size.text, "%.4g%s", ldexp(bytes, is_large ? -30 : -20), is_large ? "gb" : "mb");
    return size;
}
