/* report.h: what `--json` writes: the machine, each check, the costs. Made into a page by gpu_check.py. */
#ifndef CONFORMANCE_REPORT_H
#define CONFORMANCE_REPORT_H

#include "apart.h"
#include "conformance.h"

#include <stdbool.h>

struct report;

/* Describes the machine, in a child. NULL, after a message, where CUDA finds no device. */
struct report *report_new(void);

void report_check(struct report *report, const struct conformance_check *check, const struct apart_outcome *outcome);

/* Measures all costs, each in a child. */
void report_costs(struct report *report);

/* Writes the file, and frees the report. Returns false, after a message, where the file cannot be written. */
bool report_write(struct report *report, const char *path);

#endif
