/*
 * From the bytes of a header to a checked list of tensors. See safetensors.h; safetensors_read.c has the input.
 *
 * The header is one line of JSON, so messages name the tensor instead of a column. Two passes over jansson's tree: one
 * counts what has to be stored, one fills a single block of memory.
 */
#include "safetensors.h"

#include "dtype.h"
#include "json_guard.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum {
    DEPTH_MAX = 3,             /* header, tensor, shape */
    MARKS_MAX = 2 * (1 << 20), /* about 150 000 tensors; the largest models have some thousands in a file */
};

#define METADATA_KEY "__metadata__"
#define DAMAGED_HINT "the file is damaged or was not written by safetensors; download or save it again"
#define PARTIAL_HINT "the file is probably the first part of an unfinished download; download it again"

struct reader {
    struct vs_source source;
    uint64_t data_start; /* of the data in the file */
    uint64_t data_bytes;
    struct vs_safetensors *model;
    struct vs_diags *diags;
    uint64_t *shapes; /* where the next shape goes */
    char *names;      /* where the next text goes */
};

__attribute__((format(printf, 3, 4))) static int refuse(
    const struct reader *reader, const char *hint, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vs_diag_vadd(reader->diags, VS_ERROR, vs_place_of_file(&reader->source), format, arguments);
    va_end(arguments);
    vs_diag_hint(reader->diags, "%s", hint);
    return -1;
}

/* What has to be stored, in elements and bytes. The header's limit keeps the sums small. */
struct needs {
    size_t tensors, metadata, dimensions, text_bytes;
};

static struct needs count_needs(json_t *root)
{
    struct needs needs = {0};
    const char *key, *inner;
    json_t *value, *text;
    json_object_foreach(root, key, value)
    {
        if (!strcmp(key, METADATA_KEY)) {
            json_object_foreach(value, inner, text)
            {
                needs.metadata++;
                needs.text_bytes += strlen(inner) + 1 + json_string_length(text) + 1;
            }
            continue;
        }
        needs.tensors++;
        needs.dimensions += json_array_size(json_object_get(value, "shape"));
        needs.text_bytes += strlen(key) + 1 + json_string_length(json_object_get(value, "dtype")) + 1;
    }
    return needs;
}

static int make_room(struct reader *reader, const struct needs *needs)
{
    struct vs_safetensors *model = reader->model;
    size_t tensors_bytes = needs->tensors * sizeof *model->tensors;
    size_t metadata_bytes = needs->metadata * sizeof *model->metadata;
    size_t shapes_bytes = needs->dimensions * sizeof *reader->shapes;
    char *block = malloc(tensors_bytes + metadata_bytes + shapes_bytes + needs->text_bytes + 1);
    if (!block) {
        vs_diag_out_of_memory(reader->diags);
        return -1;
    }
    model->storage = block;
    model->tensors = (struct vs_tensor *)block;
    model->metadata = (struct vs_metadata *)(block + tensors_bytes);
    reader->shapes = (uint64_t *)(block + tensors_bytes + metadata_bytes);
    reader->names = block + tensors_bytes + metadata_bytes + shapes_bytes;
    return 0;
}

static const char *keep(struct reader *reader, const char *text)
{
    size_t bytes = strlen(text) + 1;
    char *copy = memcpy(reader->names, text, bytes);
    reader->names += bytes;
    return copy;
}

/* Elements of a shape; false where 64 bits cannot count them. A zero anywhere makes it zero. */
static bool count_elements(const struct vs_tensor *tensor, uint64_t *elements)
{
    *elements = 1;
    for (size_t i = 0; i < tensor->rank; i++)
        if (!tensor->shape[i])
            *elements = 0;
    for (size_t i = 0; *elements && i < tensor->rank; i++)
        if (__builtin_mul_overflow(*elements, tensor->shape[i], elements))
            return false;
    return true;
}

static bool read_count(const json_t *value, uint64_t *count)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *count = (uint64_t)json_integer_value(value);
    return true;
}

static int read_shape(
    struct reader *reader, const struct vs_quoted *name, const json_t *shape, struct vs_tensor *tensor)
{
    if (!json_is_array(shape))
        return refuse(reader, DAMAGED_HINT, "tensor `%s` has no `shape` list", name->text);
    tensor->shape = reader->shapes;
    tensor->rank = json_array_size(shape);
    if (tensor->rank > VS_SAFETENSORS_RANK_MAX)
        return refuse(reader, DAMAGED_HINT, "tensor `%s` has %zu dimensions, more than any tensor's %d", name->text,
            tensor->rank, VS_SAFETENSORS_RANK_MAX);
    for (size_t i = 0; i < tensor->rank; i++, reader->shapes++)
        if (!read_count(json_array_get(shape, i), reader->shapes))
            return refuse(reader, DAMAGED_HINT, "tensor `%s`: dimension %zu of its shape is no count", name->text, i);
    return 0;
}

static int read_offsets(
    struct reader *reader, const struct vs_quoted *name, const json_t *offsets, struct vs_tensor *tensor)
{
    uint64_t begin, end;
    if (!json_is_array(offsets) || json_array_size(offsets) != 2)
        return refuse(reader, DAMAGED_HINT, "tensor `%s` has no `data_offsets` pair", name->text);
    if (!read_count(json_array_get(offsets, 0), &begin) || !read_count(json_array_get(offsets, 1), &end))
        return refuse(reader, DAMAGED_HINT, "tensor `%s`: its `data_offsets` are no counts of bytes", name->text);
    if (begin > end)
        return refuse(reader, DAMAGED_HINT, "tensor `%s` ends (%" PRIu64 ") before it begins (%" PRIu64 ")", name->text,
            end, begin);
    if (end > reader->data_bytes)
        return refuse(reader, PARTIAL_HINT,
            "tensor `%s` ends at byte %" PRIu64 " of the data, but the file holds only %" PRIu64 " bytes of data",
            name->text, end, reader->data_bytes);
    tensor->file_offset = reader->data_start + begin;
    tensor->bytes = end - begin;
    return 0;
}

static int check_bytes(const struct reader *reader, const struct vs_quoted *name, const struct vs_tensor *tensor)
{
    uint64_t elements, bits_total, bits = vs_dtype_bits(tensor->dtype);
    bool counted = count_elements(tensor, &elements);
    if (!counted)
        return refuse(
            reader, DAMAGED_HINT, "tensor `%s`: its shape has more elements than 64 bits can count", name->text);
    if (!bits) /* a type of the future: the offsets alone tell */
        return 0;
    if (__builtin_mul_overflow(elements, bits, &bits_total) || bits_total % 8 || bits_total / 8 != tensor->bytes)
        return refuse(reader, DAMAGED_HINT,
            "tensor `%s`: %" PRIu64 " elements of %s do not take the %" PRIu64 " bytes between its offsets", name->text,
            elements, tensor->dtype, tensor->bytes);
    return 0;
}

static int read_tensor(struct reader *reader, const char *key, const json_t *value)
{
    struct vs_tensor *tensor = &reader->model->tensors[reader->model->tensor_count];
    struct vs_quoted name = vs_quote_string(key);
    const json_t *dtype = json_object_get(value, "dtype");
    if (!json_is_object(value))
        return refuse(reader, DAMAGED_HINT, "the entry of tensor `%s` is no object", name.text);
    if (!json_is_string(dtype))
        return refuse(reader, DAMAGED_HINT, "tensor `%s` has no `dtype`", name.text);
    *tensor = (struct vs_tensor){.name = keep(reader, key), .dtype = keep(reader, json_string_value(dtype))};
    if (read_shape(reader, &name, json_object_get(value, "shape"), tensor) ||
        read_offsets(reader, &name, json_object_get(value, "data_offsets"), tensor) ||
        check_bytes(reader, &name, tensor))
        return -1;
    reader->model->tensor_count++;
    return 0;
}

static int read_metadata(struct reader *reader, json_t *object)
{
    const char *key;
    json_t *value;
    if (!json_is_object(object))
        return refuse(reader, DAMAGED_HINT, "`" METADATA_KEY "` is no object");
    json_object_foreach(object, key, value)
    {
        if (!json_is_string(value))
            return refuse(
                reader, DAMAGED_HINT, "the entry `%s` of `" METADATA_KEY "` is no text", vs_quote_string(key).text);
        struct vs_metadata *entry = &reader->model->metadata[reader->model->metadata_count++];
        *entry = (struct vs_metadata){.key = keep(reader, key), .value = keep(reader, json_string_value(value))};
    }
    return 0;
}

static int by_place(const void *left, const void *right)
{
    const struct vs_tensor *a = left, *b = right;
    if (a->file_offset != b->file_offset)
        return a->file_offset < b->file_offset ? -1 : 1;
    if (a->bytes != b->bytes) /* an empty tensor before the one whose first byte is at the same place */
        return a->bytes < b->bytes ? -1 : 1;
    return strcmp(a->name, b->name);
}

static void check_overlap(struct reader *reader)
{
    const struct vs_tensor *tensors = reader->model->tensors, *last = NULL; /* the one that reaches furthest */
    for (size_t i = 0; i < reader->model->tensor_count; i++) {
        if (last && tensors[i].bytes && tensors[i].file_offset < last->file_offset + last->bytes)
            refuse(reader, DAMAGED_HINT, "the tensors `%s` and `%s` overlap in the file",
                vs_quote_string(last->name).text, vs_quote_string(tensors[i].name).text);
        if (!last || tensors[i].file_offset + tensors[i].bytes > last->file_offset + last->bytes)
            last = &tensors[i];
    }
}

static json_t *parse_json(const struct reader *reader, const char *header, size_t header_bytes)
{
    json_error_t error;
    size_t offset;
    enum vs_json_guard guard = vs_json_guard(header, header_bytes, DEPTH_MAX, MARKS_MAX, &offset);
    if (guard != VS_JSON_OK) {
        refuse(reader, DAMAGED_HINT, "the header %s at its byte %zu",
            guard == VS_JSON_TOO_DEEP ? "is nested deeper than a list of tensors" : "lists too many tensors", offset);
        return NULL;
    }
    json_t *root = json_loadb(header, header_bytes, JSON_REJECT_DUPLICATES, &error);
    if (root && json_is_object(root))
        return root;
    if (root)
        refuse(reader, DAMAGED_HINT, "the header is a list, not an object");
    else if (!error.text[0] || json_error_code(&error) == json_error_out_of_memory)
        vs_diag_out_of_memory(reader->diags);
    else
        refuse(reader, DAMAGED_HINT, "the header is not JSON that safetensors would write: %s (at its byte %d)",
            vs_quote_string(error.text).text, error.position);
    json_decref(root);
    return NULL;
}

int vs_safetensors_parse(const char *name, const char *header, size_t header_bytes, uint64_t file_bytes,
    struct vs_safetensors *model, struct vs_diags *diags)
{
    struct reader reader = {.source = {.name = name}, .model = model, .diags = diags};
    size_t errors_before = diags->error_count;
    const char *key;
    json_t *value, *root = NULL;

    *model = (struct vs_safetensors){.file_bytes = file_bytes};
    if (header_bytes > VS_SAFETENSORS_HEADER_MAX || header_bytes + VS_SAFETENSORS_PREFIX_BYTES > file_bytes) {
        refuse(&reader, PARTIAL_HINT, "a header of %zu bytes does not fit in a file of %" PRIu64 " bytes", header_bytes,
            file_bytes);
        goto done;
    }
    reader.data_start = VS_SAFETENSORS_PREFIX_BYTES + header_bytes;
    reader.data_bytes = file_bytes - reader.data_start;
    root = parse_json(&reader, header, header_bytes);
    if (!root)
        goto done;
    struct needs needs = count_needs(root);
    if (make_room(&reader, &needs))
        goto done;
    json_object_foreach(root, key, value)
    {
        if (!strcmp(key, METADATA_KEY))
            read_metadata(&reader, value);
        else
            read_tensor(&reader, key, value);
    }
    if (model->tensor_count)
        qsort(model->tensors, model->tensor_count, sizeof *model->tensors, by_place);
    check_overlap(&reader);
done:
    json_decref(root);
    if (diags->error_count == errors_before)
        return 0;
    vs_safetensors_free(model);
    return -1;
}

void vs_safetensors_free(struct vs_safetensors *model)
{
    free(model->storage);
    *model = (struct vs_safetensors){0};
}
