/*
 * The tensors of a file by part. See model.h.
 *
 * One block of pointers: all tensors in the file's order, then again part by part.
 */
#include "model.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static bool is_of_checkpoint(const struct vs_tensor *tensor)
{
    return tensor->part == VS_PART_DIFFUSION && tensor->prefix_bytes;
}

int vs_model_init(struct vs_model *model, struct vs_header *file, struct vs_diags *diags)
{
    *model = (struct vs_model){.file = *file};
    *file = (struct vs_header){0};
    size_t count = model->file.tensor_count;
    const struct vs_tensor **pointers = malloc((2 * count + 1) * sizeof *pointers);
    if (!pointers) {
        vs_diag_out_of_memory(diags);
        vs_model_free(model);
        return -1;
    }
    bool is_checkpoint = false;
    for (int part = 0; part < VS_PART_COUNT; part++) {
        struct vs_tensors *tensors = &model->parts[part];
        tensors->items = pointers;
        for (size_t i = 0; i < count; i++) {
            const struct vs_tensor *tensor = &model->file.tensors[i];
            if (part != VS_PART_ANY && part != tensor->part)
                continue;
            tensors->items[tensors->count++] = tensor;
            tensors->bytes += tensor->bytes; /* at most the files' bytes: they do not overlap */
            is_checkpoint |= is_of_checkpoint(tensor);
        }
        pointers += tensors->count;
    }
    const struct vs_tensors *counting = &model->parts[is_checkpoint ? VS_PART_DIFFUSION : VS_PART_ANY];
    model->tensors = counting->items;
    model->tensor_count = counting->count;
    model->total_bytes = counting->bytes;
    return 0;
}

void vs_model_free(struct vs_model *model)
{
    free(model->parts[VS_PART_ANY].items); /* the block begins with them */
    vs_header_free(&model->file);
    *model = (struct vs_model){0};
}
