/*
 * DisTorch allocation strings, the form in bytes: `cuda:0,600mb;cuda:1,500mb;cpu,*`.
 *
 * As ComfyUI-MultiGPU reads it: devices get their bytes in the order written; a value with a `*` anywhere in it makes
 * its device the wildcard, which takes what is left of the model, and the number beside the `*` counts for nothing
 * (`cpu,5gb*` is `cpu,*`); without a wildcard `cpu` takes the rest. Where at least one value has a unit, a value
 * without one is in bytes. What is not read yet (ratios with `%`, plain fractions, the combined form with `#`) is
 * refused by name. Stricter than there: a device named twice and a second wildcard are errors, not silently the last
 * one's.
 */
#ifndef VRAMSPAN_POLICY_DISTORCH_H
#define VRAMSPAN_POLICY_DISTORCH_H

#include "device_name.h"
#include "diag.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VS_SHARES_MAX = 32 };

struct vs_share {
    struct vs_device_id device;
    uint64_t bytes; /* in turn, before the wildcard takes the rest; 0 for a device written with `*` */
    bool wildcard;  /* takes the rest of the model as well; exactly one share has it */
};

struct vs_shares {
    struct vs_share items[VS_SHARES_MAX + 1]; /* one more for the cpu that is implied */
    size_t count;
};

/*
 * Reads the whole text. `place` is where its first character stands; errors point into the text from there (or at
 * `place` itself where `exact` is false: a text that escapes or folding have changed). Returns 0, or -1 with at least
 * one error added; warnings do not fail. Any thread.
 */
int vs_distorch_parse(const char *text, size_t length, struct vs_place place, bool exact, struct vs_shares *shares,
    struct vs_diags *diags);

#endif
