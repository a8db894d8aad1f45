/*
 * Diagnostics as JSON. See diag_json.h.
 */
#include "diag_json.h"

#include <string.h>

static json_t *diag_json(const struct vs_diag *diag)
{
    struct vs_text file = {0}; /* names of files need not be UTF-8 */
    vs_text_append_quoted(&file, diag->file, strlen(diag->file));
    json_t *object =
        json_pack("{s:s, s:s?}", "severity", diag->severity == VS_ERROR ? "error" : "warning", "file", file.data);
    vs_text_free(&file);
    if (diag->line)
        json_object_set_new(object, "line", json_integer((json_int_t)diag->line));
    if (diag->line && diag->column)
        json_object_set_new(object, "column", json_integer((json_int_t)diag->column));
    json_object_set_new(object, "message", json_string(diag->message));
    if (diag->hint)
        json_object_set_new(object, "hint", json_string(diag->hint));
    return object;
}

json_t *vs_diags_json(const struct vs_diags *diags)
{
    json_t *list = json_array();
    for (size_t i = 0; i < diags->count; i++)
        json_array_append_new(list, diag_json(&diags->items[i]));
    return list;
}
