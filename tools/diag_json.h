/*
 * Diagnostics as JSON, for programs that show them in their own way: a list of
 *
 *     {"severity": "error", "file": "flux.yaml", "line": 3, "column": 5, "message": "...", "hint": "..."}
 *
 * `line`, `column` and `hint` are left out where there is none. Texts are those of the rendered diagnostics.
 */
#ifndef VRAMSPAN_TOOLS_DIAG_JSON_H
#define VRAMSPAN_TOOLS_DIAG_JSON_H

#include "../policy/text/diag.h"

#include <jansson.h>

/* The list, owned by the caller; NULL out of memory. */
json_t *vs_diags_json(const struct vs_diags *diags);

#endif
