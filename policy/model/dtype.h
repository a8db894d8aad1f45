/*
 * The element types of model files and their sizes: safetensors has one size for an element; ggml packs a block of
 * elements of one row into some bytes.
 */
#ifndef VRAMSPAN_POLICY_DTYPE_H
#define VRAMSPAN_POLICY_DTYPE_H

#include <stdint.h>

/* Bits of one element of the safetensors type with this name ("F16"), or 0 for a name that is not known here. */
unsigned vs_dtype_bits(const char *name);
/* The same name as a text that stays, or NULL where it is not known. */
const char *vs_dtype_name(const char *name);

struct vs_ggml_type {
    const char *name; /* "Q4_K"; NULL: no such type any more */
    unsigned block_elements;
    unsigned block_bytes;
};
/* The type with this number in a GGUF file, or NULL for one that is not known here. */
const struct vs_ggml_type *vs_ggml_type(uint32_t number);

#endif
