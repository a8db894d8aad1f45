/*
 * The values of the policy language that are one word each, wherever they stand: in a policy file, in an environment
 * variable, on the command line. Every reader adds what is wrong, with what was expected, to the diagnostics.
 */
#ifndef VRAMSPAN_POLICY_VALUES_H
#define VRAMSPAN_POLICY_VALUES_H

#include "../text/diag.h"
#include "device_name.h"
#include "size.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vs_word {
    const char *text; /* need not end in NUL */
    size_t length;
    struct vs_place place; /* of its first letter */
    bool exact;            /* the source shows the text letter by letter from there on */
};

/* A part of a word, without the blanks around it. */
struct vs_word vs_word_part(struct vs_word word, size_t start, size_t end);

/* A device, or the compute device, whichever that is. */
struct vs_target {
    bool is_compute;
    struct vs_device_id device; /* unless is_compute */
};

/* Where a value was said, for messages when its text is gone: a file of the policy, an option, a variable. */
struct vs_said_at {
    const char *name; /* lives as long as the policy; NULL: nowhere */
    size_t line, column;
};
static inline struct vs_said_at vs_said_at(struct vs_place place)
{
    return (struct vs_said_at){place.source ? place.source->name : NULL, place.line, place.column};
}

/* A device that lends memory. */
struct vs_donor {
    struct vs_device_id device;
    struct vs_said_at at;
    bool is_limited;
    uint64_t limit_bytes; /* the most that it lends, where is_limited */
};

/* Each returns whether the value was read; false means that an error was added. */
bool vs_read_size(struct vs_word word, uint64_t *bytes, struct vs_diags *diags);
bool vs_read_amount(struct vs_word word, struct vs_amount *amount, struct vs_diags *diags);
/* The GPU that computes. */
bool vs_read_compute(struct vs_word word, struct vs_device_id *device, struct vs_diags *diags);
/* `cuda:1`, or with the most that it lends: `cpu:48gb`, `cuda:1:20gb`. */
bool vs_read_donor(struct vs_word word, struct vs_donor *donor, struct vs_diags *diags);
/* `compute`, or a device's name. With cpu_for_unknown, a device that is not known or not served is `cpu` with a
 * warning, as ComfyUI-MultiGPU has it for text encoders. */
bool vs_read_target(struct vs_word word, bool cpu_for_unknown, struct vs_target *target, struct vs_diags *diags);

/* One of some words: its index, or -1. `what` as in "`x` is no way to treat an error". */
int vs_read_choice(struct vs_word word, const char *const *names, size_t count, const char *what, const char *hint,
    struct vs_diags *diags);

#endif
