/*
 * Sizes as people write them, in exact integer arithmetic. See size.h.
 */
#include "size.h"

#include <string.h>

enum { FRACTION_DIGITS = 18 }; /* kept behind the point: 10^18 times the largest unit fits in 128 bits */

static const char *const error_texts[] = {
    [VS_SIZE_OK] = "it is right",
    [VS_SIZE_EMPTY] = "nothing is written there",
    [VS_SIZE_NEGATIVE] = "a size cannot be negative",
    [VS_SIZE_NO_NUMBER] = "a size begins with a digit",
    [VS_SIZE_UNKNOWN_UNIT] = "the unit is not one of b, kb, mb, gb, tb (or kib, mib, gib, tib, or one letter)",
    [VS_SIZE_PART_OF_BYTE] = "there is no part of a byte; a number with a point needs a unit",
    [VS_SIZE_TOO_LARGE] = "it is more than 64 bits can count",
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

enum vs_size_error vs_size_parse(const char *text, size_t length, struct vs_size *size, size_t *error_offset)
{
    size_t at = 0;
    uint64_t whole = 0, fraction = 0, divisor = 1;
    bool has_point = false;

    *error_offset = 0;
    if (!length)
        return VS_SIZE_EMPTY;
    if (text[0] == '-')
        return VS_SIZE_NEGATIVE;
    if (!is_digit(text[0]))
        return VS_SIZE_NO_NUMBER;
    for (; at < length && is_digit(text[at]); at++)
        if (__builtin_mul_overflow(whole, 10u, &whole) || __builtin_add_overflow(whole, text[at] - '0', &whole))
            return VS_SIZE_TOO_LARGE;
    if (at < length && text[at] == '.') {
        has_point = true;
        at++;
        for (int digits = 0; at < length && is_digit(text[at]); at++, digits++) {
            if (digits >= FRACTION_DIGITS)
                continue;
            fraction = fraction * 10 + (uint64_t)(text[at] - '0');
            divisor *= 10;
        }
    }
    while (at < length && (text[at] == ' ' || text[at] == '\t'))
        at++;
    int shift = unit_shift(text + at, length - at);
    *error_offset = at;
    if (shift < 0)
        return VS_SIZE_UNKNOWN_UNIT;
    if (has_point && !shift)
        return VS_SIZE_PART_OF_BYTE;
    unsigned __int128 bytes = ((unsigned __int128)whole << shift) + (((unsigned __int128)fraction << shift) / divisor);
    if (bytes > UINT64_MAX) {
        *error_offset = 0;
        return VS_SIZE_TOO_LARGE;
    }
    *size = (struct vs_size){.bytes = (uint64_t)bytes, .has_unit = at < length};
    return VS_SIZE_OK;
}

const char *vs_size_error_text(enum vs_size_error error)
{
    return error_texts[error];
}
