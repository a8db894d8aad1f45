/*
 * Decimal numbers as text, independent of the locale: `8`, `0.25`, `.5`, `1e-3`. Never negative, never infinite.
 */
#ifndef VRAMSPAN_POLICY_NUMBER_H
#define VRAMSPAN_POLICY_NUMBER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Reads the whole text, to the nearest double. False, and *number untouched, for anything else. */
bool vs_number_parse(const char *text, size_t length, double *number);

/*
 * The number of ten-thousandths that `%.4f` would write, exact and half to even, as Python rounds; `value` is not
 * negative. UINT64_MAX for what 64 bits cannot count.
 */
uint64_t vs_number_round4(double value);

#endif
