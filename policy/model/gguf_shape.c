/*
 * Unfolding shapes. See gguf_shape.h.
 */
#include "gguf_shape.h"

#include "header_build.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct vs_gguf_shape {
    const char *tensor_name;
    const uint64_t *sizes;
    size_t rank;
};

static struct vs_gguf_shape *add(struct vs_gguf_shapes *shapes, struct vs_diags *diags)
{
    if (shapes->count == shapes->capacity) {
        size_t capacity = shapes->capacity ? shapes->capacity * 2 : 64;
        struct vs_gguf_shape *items = realloc(shapes->items, capacity * sizeof *items);
        if (!items) {
            vs_diag_out_of_memory(diags);
            return NULL;
        }
        shapes->items = items;
        shapes->capacity = capacity;
    }
    return &shapes->items[shapes->count++];
}

int vs_gguf_shapes_read(struct vs_gguf_shapes *shapes, struct vs_gguf_cursor *cursor, const char *key, uint32_t type,
    struct vs_header *header)
{
    const struct vs_input *input = cursor->input;
    uint32_t element_type, size;
    uint64_t rank;
    if (type != VS_GGUF_ARRAY)
        return vs_input_refuse(input, VS_GGUF_DAMAGED_HINT, "its `%s` is no array", vs_quote_string(key).text);
    if (vs_gguf_u32(cursor, &element_type) || vs_gguf_u64(cursor, &rank))
        return -1;
    if (element_type != VS_GGUF_INT32 || rank > VS_RANK_MAX || shapes->count == VS_TENSORS_MAX)
        return vs_input_refuse(input, VS_GGUF_DAMAGED_HINT, "its `%s` is no shape", vs_quote_string(key).text);
    const char *name = key + strlen(VS_GGUF_ORIGINAL_SHAPE);
    struct vs_gguf_shape *shape = add(shapes, input->diags);
    const char *copy = shape ? vs_header_text(header, name, strlen(name), input->diags) : NULL;
    uint64_t *sizes = copy ? vs_header_room(header, (size_t)rank, sizeof *sizes, input->diags) : NULL;
    if (!sizes)
        return -1;
    *shape = (struct vs_gguf_shape){.tensor_name = copy, .sizes = sizes, .rank = (size_t)rank};
    for (size_t i = 0; i < rank; i++) {
        if (vs_gguf_u32(cursor, &size))
            return -1;
        if (size > INT32_MAX)
            return vs_input_refuse(
                input, VS_GGUF_DAMAGED_HINT, "its `%s` has a negative size", vs_quote_string(key).text);
        sizes[i] = size;
    }
    return 0;
}

static int by_name(const void *left, const void *right)
{
    const struct vs_gguf_shape *a = left, *b = right;
    return strcmp(a->tensor_name, b->tensor_name);
}

int vs_gguf_shapes_apply(struct vs_gguf_shapes *shapes, const struct vs_input *input, struct vs_header *header)
{
    if (shapes->count)
        qsort(shapes->items, shapes->count, sizeof *shapes->items, by_name);
    for (size_t i = 0; shapes->count && i < header->tensor_count; i++) {
        struct vs_tensor *tensor = &header->tensors[i], unfolded = *tensor;
        const struct vs_gguf_shape wanted = {.tensor_name = tensor->name};
        const struct vs_gguf_shape *shape =
            bsearch(&wanted, shapes->items, shapes->count, sizeof *shapes->items, by_name);
        uint64_t folded_elements, elements;
        if (!shape)
            continue;
        unfolded.shape = shape->sizes;
        unfolded.rank = shape->rank;
        if (!vs_tensor_elements(tensor, &folded_elements) || !vs_tensor_elements(&unfolded, &elements) ||
            elements != folded_elements)
            return vs_input_refuse(input, VS_GGUF_DAMAGED_HINT,
                "tensor `%s` has %" PRIu64 " elements, which its original shape has not",
                vs_quote_string(tensor->name).text, folded_elements);
        *tensor = unfolded;
    }
    return 0;
}

void vs_gguf_shapes_free(struct vs_gguf_shapes *shapes)
{
    free(shapes->items);
    *shapes = (struct vs_gguf_shapes){0};
}
