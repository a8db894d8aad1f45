/*
 * A model as placement sees it: the tensors of a file that count.
 *
 * Of a checkpoint (a file that also holds text encoder and VAE) only the diffusion part counts: the tensors whose names
 * begin with `model.diffusion_model.`. In a file without such names, a bare diffusion model, all of them do.
 *
 * A model that was made is never changed: any number of threads may ask it.
 */
#ifndef VRAMSPAN_POLICY_MODEL_H
#define VRAMSPAN_POLICY_MODEL_H

#include "safetensors.h"

#include <stddef.h>
#include <stdint.h>

struct vs_model {
    const struct vs_tensor **tensors; /* those that count, by file offset */
    size_t tensor_count;
    uint64_t total_bytes;       /* of those */
    struct vs_safetensors file; /* everything in the file; owned */
};

/*
 * Makes a model of what a file holds. Takes the file over, also on failure (which frees it and empties *file).
 * Returns 0, or -1 with an out-of-memory error. Freed with vs_model_free.
 */
int vs_model_init(struct vs_model *model, struct vs_safetensors *file, struct vs_diags *diags);
void vs_model_free(struct vs_model *model);

#endif
