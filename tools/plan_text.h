/*
 * A plan for people: DisTorch's three tables, what does not fit, the forecast, and why each tensor is where it is.
 */
#ifndef VRAMSPAN_TOOLS_PLAN_TEXT_H
#define VRAMSPAN_TOOLS_PLAN_TEXT_H

#include "paper.h"
#include "plan_report.h"

/* Where a report is from, its tables, what does not fit, and (plan_forecast.c) the forecast. */
void vs_plan_show(struct vs_paper *paper, const struct vs_plan_report *report);
void vs_plan_show_forecast(struct vs_paper *paper, const struct vs_plan_report *report);

/* A line for each tensor, in the order of execution: bytes, device, reason, name. */
void vs_plan_show_tensors(struct vs_paper *paper, const struct vs_plan_report *report);

/* Why the tensors are where they are whose names the glob fits, whole or without the part's prefix. Returns how many.
 */
size_t vs_plan_show_reasons(struct vs_paper *paper, const struct vs_plan_report *report, const char *glob);
bool vs_plan_glob_fits(const struct vs_plan_report *report, size_t tensor, const char *glob);

/* A reason in one word: "share", "small". */
const char *vs_plan_reason_word(const struct vs_plan_place *place);

/* What the order of execution comes from: "learned", "table" or "names". */
const char *vs_plan_execution_source(const struct vs_plan_report *report);

#endif
