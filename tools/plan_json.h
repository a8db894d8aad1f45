/*
 * A plan for programs: JSON, whose form has a number. examples/plan.schema.json describes it, vramspan-plan(1) tells
 * what the members mean. Members may be added under the same number; what is there stays.
 */
#ifndef VRAMSPAN_TOOLS_PLAN_JSON_H
#define VRAMSPAN_TOOLS_PLAN_JSON_H

#include "plan_report.h"

#include <jansson.h>

enum { VS_PLAN_JSON_FORMAT = 1 };

/* Which tensors are listed: none, all, or those that a glob fits. */
struct vs_plan_json_wish {
    bool all_tensors;
    const char *glob; /* or NULL */
};

/* The member of `plans` for a report; *matched grows by the tensors that the glob fits. NULL: no memory. */
json_t *vs_plan_json(const struct vs_plan_report *report, const struct vs_plan_json_wish *wish, size_t *matched);

/* Appends what was said of a model (its path), or of what all models share (NULL). Returns 0, or -1: no memory. */
int vs_plan_json_add_diagnostics(json_t *diagnostics, const char *model, const struct vs_diags *diags);

/* The whole document; takes both lists over. NULL: no memory. */
json_t *vs_plan_json_document(json_t *plans, json_t *diagnostics);

#endif
