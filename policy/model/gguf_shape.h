/*
 * Shapes that were folded. ggml quantises rows, and the rows of a convolution's kernel are too short for it; so
 * ComfyUI-GGUF's converter (tools/convert.py) writes such tensors as rows of 256 elements, and keeps the shape that the
 * model knows as metadata: `comfy.gguf.orig_shape.NAME`, an array of 32-bit integers, outermost dimension first.
 */
#ifndef VRAMSPAN_POLICY_GGUF_SHAPE_H
#define VRAMSPAN_POLICY_GGUF_SHAPE_H

#include "gguf_cursor.h"

#define VS_GGUF_ORIGINAL_SHAPE "comfy.gguf.orig_shape."

struct vs_gguf_shape;

struct vs_gguf_shapes { /* begins as {0} */
    struct vs_gguf_shape *items;
    size_t count, capacity;
};

/* Reads the value of such a key. Memory is the header's. Returns 0, or -1 with an error. */
int vs_gguf_shapes_read(struct vs_gguf_shapes *shapes, struct vs_gguf_cursor *cursor, const char *key, uint32_t type,
    struct vs_header *header);
/* Gives the tensors their shapes; one of a tensor that is not there is passed over. Returns 0, or -1 with an error. */
int vs_gguf_shapes_apply(struct vs_gguf_shapes *shapes, const struct vs_input *input, struct vs_header *header);
void vs_gguf_shapes_free(struct vs_gguf_shapes *shapes);

#endif
