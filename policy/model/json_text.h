/*
 * A JSON string as the text that it means, kept by a header.
 *
 * Nearly all strings mean what stands between their quotes, and are copied. Only those with escapes go through jansson,
 * which, out of memory, may drop letters of a long string without a word (its lexer looks at no result of its buffer).
 */
#ifndef VRAMSPAN_POLICY_JSON_TEXT_H
#define VRAMSPAN_POLICY_JSON_TEXT_H

#include "header_build.h"

struct vs_json_wrong {
    char text[160]; /* what the parser says */
    size_t at;      /* the byte of the string */
};

/*
 * `string` begins with its quote and is `bytes` long. Returns the text, or NULL: out of memory, with an error added and
 * wrong->text empty; or no right string, which is for the caller to say.
 */
const char *vs_json_text(
    struct vs_header *header, const char *string, size_t bytes, struct vs_json_wrong *wrong, struct vs_diags *diags);

#endif
