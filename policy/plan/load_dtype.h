/*
 * The number formats that a program can be told to load weights in (`dtype:` in a policy), by the names that ComfyUI,
 * PyTorch and the safetensors format have for them.
 */
#ifndef VRAMSPAN_POLICY_LOAD_DTYPE_H
#define VRAMSPAN_POLICY_LOAD_DTYPE_H

#include "../model/header.h"
#include "../values/values.h"

struct vs_load_dtype {
    const char *name;       /* as a policy writes it: "fp16" */
    const char *aliases[2]; /* or NULL */
    const char *stored_as;  /* the safetensors format's name: "F16" */
    unsigned bits;          /* of one element */
};

/* The format of this name, or NULL with an error added. Lives as long as the process. */
const struct vs_load_dtype *vs_read_load_dtype(struct vs_word word, struct vs_diags *diags);

/*
 * What a tensor takes once the program has loaded it: weights in floating point are converted (`dtype` NULL: they are
 * not); integers, truth values and quantised blocks stay as they are in the file. UINT64_MAX where 64 bits cannot tell.
 */
uint64_t vs_load_bytes(const struct vs_tensor *tensor, const struct vs_load_dtype *dtype);

#endif
