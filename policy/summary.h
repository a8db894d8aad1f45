/*
 * The table that tells where a model's bytes went, in the form that DisTorch's users know: per device the number of
 * layers (here allocations), their memory, their part of the model, beside what the policy planned.
 */
#ifndef VRAMSPAN_POLICY_SUMMARY_H
#define VRAMSPAN_POLICY_SUMMARY_H

#include "quota.h"
#include "text.h"

struct vs_summary {
    const char *model_name; /* shown as it is, made fit for a terminal */
    size_t tensor_count;    /* of the part that counts, as in struct vs_model */
    const struct vs_quota *quota;
};

/*
 * Appends the table to `text`, some lines that each end in a newline. Devices that were neither planned nor used are
 * left out; a last line tells what was not placed (tensors that share an allocation with others stay with the program's
 * own allocator on the compute device). Figures in MB of 2^20 bytes, two digits, rounded to nearest; no locale.
 */
void vs_summary_render(const struct vs_summary *summary, struct vs_text *text);

#endif
