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

static int ascending(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
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
    model->sizes = malloc((count + 1) * sizeof *model->sizes);
    if (!model->tensors || !model->sizes) {
        vs_diag_out_of_memory(diags);
        vs_model_free(model);
        return -1;
    }
    for (size_t i = 0; i < count; i++) {
        const struct vs_tensor *tensor = &model->file.tensors[i];
        if (is_checkpoint && !is_diffusion(tensor))
            continue;
        model->sizes[model->tensor_count] = tensor->bytes;
        model->tensors[model->tensor_count++] = tensor;
        model->total_bytes += tensor->bytes; /* they do not overlap in the file, so the sum cannot */
    }
    qsort(model->sizes, model->tensor_count, sizeof *model->sizes, ascending);
    return 0;
}

void vs_model_free(struct vs_model *model)
{
    free(model->tensors);
    free(model->sizes);
    vs_safetensors_free(&model->file);
    *model = (struct vs_model){0};
}

/* How many sizes are below `bytes`. */
static size_t count_below(const struct vs_model *model, uint64_t bytes)
{
    size_t low = 0, high = model->tensor_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (model->sizes[middle] < bytes)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* How many sizes are in (above, upto]. */
static size_t count_between(const struct vs_model *model, uint64_t above, uint64_t upto)
{
    size_t end = upto == UINT64_MAX ? model->tensor_count : count_below(model, upto + 1);
    return end - count_below(model, above + 1);
}

size_t vs_model_count_of_size(const struct vs_model *model, uint64_t bytes)
{
    return bytes ? count_between(model, bytes - 1, bytes) : count_below(model, 1);
}

size_t vs_model_count_rounded(const struct vs_model *model, uint64_t bytes, uint64_t granule)
{
    if (bytes % granule)
        return 0;
    return bytes ? count_between(model, bytes - granule, bytes) : count_below(model, 1);
}

const struct vs_tensor *vs_model_tensor_at(const struct vs_model *model, uint64_t file_offset)
{
    size_t low = 0, high = model->tensor_count; /* the first tensor that begins behind the offset */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (model->tensors[middle]->file_offset <= file_offset)
            low = middle + 1;
        else
            high = middle;
    }
    if (!low)
        return NULL;
    const struct vs_tensor *tensor = model->tensors[low - 1]; /* empty ones at the same offset come before */
    return file_offset - tensor->file_offset < tensor->bytes ? tensor : NULL;
}
