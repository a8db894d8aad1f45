/*
 * From a model file and a policy to what the planner is given: which parts of the file the policy names, by which
 * section each, and their tensors with the bytes that the program will load.
 *
 * A section that says `part:` names that part. One that does not names what counts by itself (model.h): of a checkpoint
 * the diffusion model, of other files everything.
 */
#ifndef VRAMSPAN_POLICY_NAMED_PARTS_H
#define VRAMSPAN_POLICY_NAMED_PARTS_H

#include "../model/model.h"
#include "../plan/plan.h"
#include "policy.h"

struct vs_named_part {
    enum vs_part part;
    const struct vs_policy_section *section;
    const struct vs_tensors *tensors; /* at least one */
};

/* The section that says how this part of the model at `path` is placed, or NULL. */
const struct vs_policy_section *vs_section_of_part(
    const struct vs_policy *policy, const char *path, const struct vs_model *model, enum vs_part part);

/* The named parts of the model at `path`, in the order of enum vs_part. Returns how many; what is told refers to policy
 * and model. */
size_t vs_named_parts(const struct vs_policy *policy, const char *path, const struct vs_model *model,
    struct vs_named_part named[VS_PART_COUNT]);

/* The part's tensors for vs_plan, in the order of named->tensors, and the sum of their bytes as loaded. NULL with an
 * error added: out of memory, or `dtype:` makes more of them than 63 bits can count. Freed with free; names and shapes
 * are the model's. */
struct vs_plan_tensor *vs_named_part_tensors(
    const struct vs_named_part *named, uint64_t *total_bytes, struct vs_diags *diags);

#endif
