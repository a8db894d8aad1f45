/*
 * The element types of safetensors files and their sizes.
 */
#ifndef VRAMSPAN_POLICY_DTYPE_H
#define VRAMSPAN_POLICY_DTYPE_H

/* Bits of one element of the type with this name ("F16"), or 0 for a name that is not known here. */
unsigned vs_dtype_bits(const char *name);

#endif
