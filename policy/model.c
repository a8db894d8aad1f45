/*
 * The tensors of a file that count for placement. See model.h.
 */
#include "model.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool is_diffusion(const struct vs_tensor *tensor)
{
    static const char prefix[] = "model.diffusion_model.";
    return !strncmp(tensor->name, prefix, sizeof prefix - 1);
}

int vs_model_init(struct vs_model *model, struct vs_safetensors *file, struct vs_diags *diags)
{
    *model = (struct vs_model){.file = *file};
    *file = (struct vs_safetensors){0};
    size_t count = model->file.tensor_count;
    bool is_checkpoint = false;
    for (size_t i = 0; i < count && !is_checkpoint; i++)
        is_checkpoint = is_diffusion(&model->file.tensors[i]);

    model->tensors = malloc((count + 1) * sizeof *model->tensors);
    if (!model->tensors) {
        vs_diag_out_of_memory(diags);
        vs_model_free(model);
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        const struct vs_tensor *tensor = &model->file.tensors[i];
        if (is_checkpoint && !is_diffusion(tensor))
            continue;
        model->tensors[model->tensor_count++] = tensor;
        model->total_bytes += tensor->bytes; /* they do not overlap in the file, so the sum cannot */
    }
    return 0;
}

void vs_model_free(struct vs_model *model)
{
    free(model->tensors);
    vs_safetensors_free(&model->file);
    *model = (struct vs_model){0};
}
