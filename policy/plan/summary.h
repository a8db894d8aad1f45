/*
 * The table that tells where a model's bytes went, in the form that DisTorch's users know: per device the number of
 * layers (here allocations), their memory, their part of the model, beside what was planned.
 */
#ifndef VRAMSPAN_POLICY_SUMMARY_H
#define VRAMSPAN_POLICY_SUMMARY_H

#include "../text/text.h"
#include "../values/device_name.h"

#include <stddef.h>
#include <stdint.h>

struct vs_summary_device {
    struct vs_device_id device;
    uint64_t planned_bytes;
    uint64_t placed_bytes;
    size_t placed_count;
    bool dropped; /* it could not lend, and its share was passed on */
};

struct vs_summary {
    const char *model_name; /* shown as it is, made fit for a terminal */
    const char *part;       /* the part's name, where the file holds several; else NULL */
    size_t tensor_count;    /* that the program loads */
    uint64_t total_bytes;   /* of those */
    const struct vs_summary_device *devices;
    size_t device_count;
};

/*
 * Appends the table to `text`, some lines that each end in a newline. Devices that were neither planned, used nor
 * dropped are left out; a last line tells what was not placed (tensors that share an allocation with others stay with
 * the program's own allocator on the compute device). Figures in MB of 2^20 bytes, two digits, rounded to nearest; no
 * locale.
 */
void vs_summary_render(const struct vs_summary *summary, struct vs_text *text);

#endif
