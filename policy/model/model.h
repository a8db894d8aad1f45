/*
 * A model as placement sees it: the tensors of a file, and of each of its parts.
 *
 * A checkpoint (a file that also holds text encoder and VAE) has its parts in one file; part.h says how they are told
 * apart. Of other files all tensors belong to one part: text encoder or VAE where a name says so, else diffusion.
 *
 * What counts by itself, where nobody asks for a part: of a checkpoint the diffusion model, of other files everything.
 *
 * A model that was made is never changed: any number of threads may ask it.
 */
#ifndef VRAMSPAN_POLICY_MODEL_H
#define VRAMSPAN_POLICY_MODEL_H

#include "header.h"

#include <stddef.h>
#include <stdint.h>

/* Some of a model's tensors, by file and file offset. */
struct vs_tensors {
    const struct vs_tensor **items;
    size_t count;
    uint64_t bytes; /* of all of them */
};

struct vs_model {
    const struct vs_tensor **tensors; /* those that count by themselves, by file offset */
    size_t tensor_count;
    uint64_t total_bytes;                   /* of those */
    struct vs_tensors parts[VS_PART_COUNT]; /* VS_PART_ANY: all tensors */
    struct vs_header file;                  /* everything in the file; owned */
};

/*
 * Makes a model of what a file holds. Takes the header over, also on failure (which frees it and empties *file).
 * Returns 0, or -1 with an out-of-memory error. Freed with vs_model_free.
 */
int vs_model_init(struct vs_model *model, struct vs_header *file, struct vs_diags *diags);
void vs_model_free(struct vs_model *model);

#endif
