/*
 * The parts of a file that a policy names. See named_parts.h.
 */
#include "named_parts.h"

#include <stdlib.h>

static bool is_checkpoint(const struct vs_model *model)
{
    return model->tensors == model->parts[VS_PART_DIFFUSION].items;
}

const struct vs_policy_section *vs_section_of_part(
    const struct vs_policy *policy, const char *path, const struct vs_model *model, enum vs_part part)
{
    if (part != VS_PART_ANY && part != VS_PART_DIFFUSION && is_checkpoint(model))
        return vs_policy_match_named(policy, path, part);
    return vs_policy_match(policy, path, part);
}

size_t vs_named_parts(const struct vs_policy *policy, const char *path, const struct vs_model *model,
    struct vs_named_part named[VS_PART_COUNT])
{
    size_t count = 0;
    for (int part = VS_PART_ANY + 1; part < VS_PART_COUNT; part++) {
        const struct vs_policy_section *section = vs_section_of_part(policy, path, model, (enum vs_part)part);
        if (!model->parts[part].count || !section)
            continue;
        named[count++] = (struct vs_named_part){(enum vs_part)part, section, &model->parts[part]};
    }
    return count;
}

struct vs_plan_tensor *vs_named_part_tensors(
    const struct vs_named_part *named, uint64_t *total_bytes, struct vs_diags *diags)
{
    const struct vs_tensors *given = named->tensors;
    struct vs_plan_tensor *tensors = calloc(given->count, sizeof *tensors);
    if (!tensors) {
        vs_diag_out_of_memory(diags);
        return NULL;
    }
    *total_bytes = 0;
    for (size_t i = 0; i < given->count; i++) {
        const struct vs_tensor *tensor = given->items[i];
        uint64_t bytes = vs_load_bytes(tensor, named->section->dtype);
        tensors[i] = (struct vs_plan_tensor){tensor->name, tensor->shape, tensor->rank, bytes, tensor->prefix_bytes};
        if (!__builtin_add_overflow(*total_bytes, bytes, total_bytes) && *total_bytes <= INT64_MAX)
            continue;
        const struct vs_source source = {.name = named->section->file};
        struct vs_place place = vs_place_of_file(&source);
        place.line = named->section->line;
        vs_diag_add(diags, VS_ERROR, place, "loaded as `%s`, the model is larger than 63 bits can count",
            named->section->dtype ? named->section->dtype->name : "stored");
        vs_diag_hint(diags, "leave `dtype` out, or check that the model's file is the one that was meant");
        free(tensors);
        return NULL;
    }
    return tensors;
}
