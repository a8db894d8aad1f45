/*
 * JSON strings. See json_text.h.
 */
#include "json_text.h"

#include <jansson.h>
#include <stdio.h>

/* No escape, no control character, valid UTF-8. */
static bool is_plain(const char *text, size_t bytes)
{
    for (size_t i = 0, step; i < bytes; i += step) {
        step = (unsigned char)text[i] < 0x20 || text[i] == '\\' || text[i] == '"'
                   ? 0
                   : vs_utf8_sequence(text + i, bytes - i);
        if (!step)
            return false;
    }
    return true;
}

const char *vs_json_text(
    struct vs_header *header, const char *string, size_t bytes, struct vs_json_wrong *wrong, struct vs_diags *diags)
{
    json_error_t error;
    *wrong = (struct vs_json_wrong){.at = 0};
    if (bytes >= 2 && string[0] == '"' && string[bytes - 1] == '"' && is_plain(string + 1, bytes - 2))
        return vs_header_text(header, string + 1, bytes - 2, diags);
    json_t *value = json_loadb(string, bytes, JSON_DECODE_ANY, &error);
    if (!value && (!error.text[0] || json_error_code(&error) == json_error_out_of_memory)) {
        vs_diag_out_of_memory(diags);
        return NULL;
    }
    if (!json_is_string(value)) {
        snprintf(wrong->text, sizeof wrong->text, "%s", value ? "no string" : error.text);
        wrong->at = value ? 0 : (size_t)error.position;
        json_decref(value);
        return NULL;
    }
    const char *text = vs_header_text(header, json_string_value(value), json_string_length(value), diags);
    json_decref(value);
    return text;
}
