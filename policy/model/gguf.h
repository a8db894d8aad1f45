/*
 * GGUF, the format of ggml's programs (ggml, docs/gguf.md): a fixed start, metadata (key, type, value), the tensors'
 * names, shapes, types and offsets, padding to the alignment, and the data.
 *
 * Versions 2 and 3, little endian: what runs on NVIDIA's GPUs. Of the metadata only what is needed is kept: the
 * architecture, the alignment, and the shapes that ComfyUI-GGUF's converter had to fold (`comfy.gguf.orig_shape.NAME`).
 *
 * For header.h. Any thread; nothing is shared.
 */
#ifndef VRAMSPAN_POLICY_GGUF_H
#define VRAMSPAN_POLICY_GGUF_H

#include "header.h"

#define VS_GGUF_MAGIC "GGUF"

/* Adds the file with its tensors to the header. Returns 0, or -1 with an error; the caller finishes. */
int vs_gguf_read(const struct vs_input *input, struct vs_header *header);

#endif
