/*
 * Depth and number of values of a JSON text. See json_guard.h.
 */
#include "json_guard.h"

#include <stdbool.h>

enum vs_json_guard vs_json_guard(const char *text, size_t bytes, unsigned depth_max, size_t marks_max, size_t *offset)
{
    bool in_string = false;
    unsigned depth = 0;
    size_t marks = 0;
    for (size_t i = 0; i < bytes; i++) {
        char c = text[i];
        *offset = i;
        if (in_string) {
            if (c == '\\')
                i++; /* whatever is escaped ends no string */
            else if (c == '"')
                in_string = false;
            continue;
        }
        if (c == '"')
            in_string = true;
        else if (c == '[' || c == '{')
            depth++;
        else if (c == ']' || c == '}')
            depth -= depth > 0;
        else if (c != ',' && c != ':')
            continue;
        if (depth > depth_max)
            return VS_JSON_TOO_DEEP;
        if (++marks > marks_max)
            return VS_JSON_TOO_MANY;
    }
    return VS_JSON_OK;
}
