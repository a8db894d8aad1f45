/*
 * What DisTorch2 itself computed, against the planner. A file of cases (golden/cases.json: its form is in
 * golden/README.md) has its models' modules in models/ beside it.
 */
#ifndef VRAMSPAN_TESTS_POLICY_GOLDEN_CASES_H
#define VRAMSPAN_TESTS_POLICY_GOLDEN_CASES_H

#include "../../../policy/text/text.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How the planner gets a model's tensors. */
enum golden_source {
    GOLDEN_MODULES,  /* as the list of modules has them */
    GOLDEN_SHUFFLED, /* the same, in an order of no meaning, behind a prefix */
    GOLDEN_FILE,     /* through a safetensors file of that size, header and data in different random orders */
    GOLDEN_SOURCES,
};

/*
 * Plans every case and appends a line for each, `case N: ok` or the first difference. Returns how many were right, and
 * in *count how many there are; 0 of 0 with a line that says why where the cases cannot be read. Where `builtin_only`,
 * a model that is not recognised without its list of modules counts as wrong.
 */
size_t golden_run(const char *cases_path, enum golden_source source, bool builtin_only, uint64_t seed,
    struct vs_text *said, size_t *count);

#endif
