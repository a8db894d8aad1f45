/*
 * Growing text and the few UTF-8 helpers that messages need. See text.h.
 */
#include "text.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(struct vs_text *text, size_t more)
{
    if (text->failed)
        return false;
    if (more >= (size_t)-1 / 2 - text->length) {
        text->failed = true;
        return false;
    }
    size_t needed = text->length + more + 1;
    if (needed <= text->capacity)
        return true;
    size_t capacity = needed < 256 ? 256 : needed * 2;
    char *data = realloc(text->data, capacity);
    if (!data) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

void vs_text_append(struct vs_text *text, const char *bytes, size_t length)
{
    if (!reserve(text, length))
        return;
    if (length)
        memcpy(text->data + text->length, bytes, length);
    text->length += length;
    text->data[text->length] = '\0';
}

void vs_text_printf(struct vs_text *text, const char *format, ...)
{
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, arguments);
    if (length < 0)
        text->failed = true;
    else if (reserve(text, (size_t)length))
        text->length += (size_t)vsnprintf(text->data + text->length, (size_t)length + 1, format, again);
    va_end(again);
    va_end(arguments);
}

void vs_text_free(struct vs_text *text)
{
    free(text->data);
    *text = (struct vs_text){0};
}

size_t vs_utf8_sequence(const char *bytes, size_t length)
{
    /* The lead byte decides the length and the range of the second byte (Unicode, table 3-7): that range excludes
     * overlong forms, surrogates and what lies beyond U+10FFFF. */
    static const struct {
        unsigned char lead_low, lead_high, second_low, second_high, size;
    } forms[] = {
        {0xc2, 0xdf, 0x80, 0xbf, 2},
        {0xe0, 0xe0, 0xa0, 0xbf, 3},
        {0xe1, 0xec, 0x80, 0xbf, 3},
        {0xed, 0xed, 0x80, 0x9f, 3},
        {0xee, 0xef, 0x80, 0xbf, 3},
        {0xf0, 0xf0, 0x90, 0xbf, 4},
        {0xf1, 0xf3, 0x80, 0xbf, 4},
        {0xf4, 0xf4, 0x80, 0x8f, 4},
    };
    const unsigned char *at = (const unsigned char *)bytes;
    if (!length)
        return 0;
    if (at[0] < 0x80)
        return 1;
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        if (at[0] < forms[i].lead_low || at[0] > forms[i].lead_high)
            continue;
        if (length < forms[i].size || at[1] < forms[i].second_low || at[1] > forms[i].second_high)
            return 0;
        for (size_t k = 2; k < forms[i].size; k++)
            if (at[k] < 0x80 || at[k] > 0xbf)
                return 0;
        return forms[i].size;
    }
    return 0;
}

size_t vs_utf8_count(const char *bytes, size_t length)
{
    size_t count = 0;
    for (size_t at = 0; at < length; count++) {
        size_t size = vs_utf8_sequence(bytes + at, length - at);
        at += size ? size : 1;
    }
    return count;
}

/* Whether a terminal shows the valid sequence as it is: no C0 or C1 control, no line separator, no change of direction.
 */
static bool is_shown(const char *bytes, size_t size)
{
    const unsigned char *at = (const unsigned char *)bytes;
    if (size == 1)
        return at[0] >= 0x20 && at[0] != 0x7f;
    if (size == 2)
        return at[0] != 0xc2 || at[1] >= 0xa0;
    if (size == 3 && at[0] == 0xe2) /* U+200B..U+200F, U+2028..U+202E, U+2066..U+2069 */
        return !(at[1] == 0x80 && ((at[2] >= 0x8b && at[2] <= 0x8f) || (at[2] >= 0xa8 && at[2] <= 0xae))) &&
               !(at[1] == 0x81 && at[2] >= 0xa6 && at[2] <= 0xa9);
    return true;
}

struct vs_quoted vs_quote(const char *bytes, size_t length)
{
    static const char hex[] = "0123456789abcdef";
    struct vs_quoted quoted;
    size_t used = 0;
    for (size_t at = 0; at < length;) {
        size_t size = vs_utf8_sequence(bytes + at, length - at);
        bool shown = size && is_shown(bytes + at, size);
        size_t needed = shown ? size : 4 * (size ? size : 1);
        if (used + needed + sizeof "..." > sizeof quoted.text) {
            memcpy(quoted.text + used, "...", 3);
            used += 3;
            break;
        }
        if (shown) {
            memcpy(quoted.text + used, bytes + at, size);
            used += size;
        } else {
            for (size_t k = 0; k < (size ? size : 1); k++) {
                unsigned char byte = (unsigned char)bytes[at + k];
                memcpy(quoted.text + used, (char[]){'\\', 'x', hex[byte >> 4], hex[byte & 15]}, 4);
                used += 4;
            }
        }
        at += size ? size : 1;
    }
    quoted.text[used] = '\0';
    return quoted;
}

struct vs_quoted vs_quote_string(const char *string)
{
    return vs_quote(string, strlen(string));
}

void vs_text_append_quoted(struct vs_text *text, const char *bytes, size_t length)
{
    for (size_t at = 0; at < length;) {
        size_t size = vs_utf8_sequence(bytes + at, length - at);
        struct vs_quoted character = vs_quote(bytes + at, size ? size : 1);
        vs_text_append(text, character.text, strlen(character.text));
        at += size ? size : 1;
    }
}
