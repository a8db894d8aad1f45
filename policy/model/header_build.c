/*
 * Filling a header, and the checks that all formats share. See header_build.h.
 *
 * Texts and shapes lie in chunks that are never moved, so that tensors can point into them while more are added.
 */
#include "header_build.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES  ((size_t)64 << 10)
#define DAMAGED_HINT "the file is damaged or was not written by a program that knows the format; download it again"

struct chunk {
    struct chunk *next;
    size_t used, capacity;
    _Alignas(max_align_t) char data[];
};

struct vs_header_storage {
    struct chunk *newest;
    size_t tensor_capacity, file_capacity;
    uint64_t text_bytes; /* of the files' headers: bounds what is kept of them */
};

static struct vs_header_storage *storage_of(struct vs_header *header, struct vs_diags *diags)
{
    if (!header->storage)
        header->storage = calloc(1, sizeof *header->storage);
    if (!header->storage)
        vs_diag_out_of_memory(diags);
    return header->storage;
}

void *vs_header_room(struct vs_header *header, size_t count, size_t element_bytes, struct vs_diags *diags)
{
    struct vs_header_storage *storage = storage_of(header, diags);
    if (!storage)
        return NULL;
    size_t align = element_bytes < sizeof(uint64_t) ? 1 : sizeof(uint64_t), bytes = count * element_bytes;
    struct chunk *chunk = storage->newest;
    size_t at = chunk ? (chunk->used + align - 1) / align * align : 0;
    if (!chunk || at > chunk->capacity || bytes > chunk->capacity - at) {
        size_t capacity = bytes > CHUNK_BYTES ? bytes : CHUNK_BYTES;
        chunk = malloc(sizeof *chunk + capacity);
        if (!chunk) {
            vs_diag_out_of_memory(diags);
            return NULL;
        }
        *chunk = (struct chunk){.next = storage->newest, .capacity = capacity};
        storage->newest = chunk;
        at = 0;
    }
    chunk->used = at + bytes;
    return chunk->data + at;
}

const char *vs_header_text(struct vs_header *header, const char *text, size_t bytes, struct vs_diags *diags)
{
    char *copy = vs_header_room(header, bytes + 1, 1, diags);
    if (!copy)
        return NULL;
    memcpy(copy, text, bytes);
    copy[bytes] = '\0';
    return copy;
}

/* Room for one more element in an array that doubles. Returns the array, moved perhaps; NULL: out of memory. */
static void *grow(void *array, size_t count, size_t *capacity, size_t element_bytes, struct vs_diags *diags)
{
    if (count < *capacity)
        return array;
    size_t larger = *capacity ? *capacity * 2 : 16;
    void *moved = realloc(array, larger * element_bytes);
    if (moved)
        *capacity = larger;
    else
        vs_diag_out_of_memory(diags);
    return moved;
}

int vs_header_add_file(struct vs_header *header, const char *path, uint64_t bytes, struct vs_diags *diags)
{
    struct vs_header_storage *storage = storage_of(header, diags);
    struct vs_shard *files =
        storage ? grow(header->files, header->file_count, &storage->file_capacity, sizeof *files, diags) : NULL;
    if (!files)
        return -1;
    header->files = files;
    const char *copy = vs_header_text(header, path, strlen(path), diags);
    if (!copy)
        return -1;
    uint64_t sum;
    if (__builtin_add_overflow(header->file_bytes, bytes, &sum) || sum > INT64_MAX)
        return vs_refuse(diags, path, DAMAGED_HINT, "the model's files are larger than 63 bits can count");
    header->file_bytes = sum;
    header->files[header->file_count++] = (struct vs_shard){.path = copy, .bytes = bytes};
    return 0;
}

int vs_header_claim(struct vs_header *header, const char *path, uint64_t text_bytes, struct vs_diags *diags)
{
    struct vs_header_storage *storage = storage_of(header, diags);
    if (!storage)
        return -1;
    if (text_bytes > VS_HEADER_BYTES_MAX - storage->text_bytes)
        return vs_refuse(diags, path, "check that this is the file that was meant",
            "the headers of the model's files are longer than %d bytes, which no model's are", VS_HEADER_BYTES_MAX);
    storage->text_bytes += text_bytes;
    return 0;
}

struct vs_tensor *vs_header_add_tensor(struct vs_header *header, struct vs_diags *diags)
{
    const struct vs_shard *file = &header->files[header->file_count - 1];
    if (header->tensor_count == VS_TENSORS_MAX) {
        vs_refuse(diags, file->path, "check that this is the file that was meant",
            "the model lists more than %d tensors, which no model has", VS_TENSORS_MAX);
        return NULL;
    }
    struct vs_tensor *tensors =
        grow(header->tensors, header->tensor_count, &header->storage->tensor_capacity, sizeof *header->tensors, diags);
    if (!tensors)
        return NULL;
    header->tensors = tensors;
    struct vs_tensor *tensor = &tensors[header->tensor_count++];
    *tensor = (struct vs_tensor){.file = (uint32_t)(header->file_count - 1)};
    return tensor;
}

bool vs_tensor_elements(const struct vs_tensor *tensor, uint64_t *elements)
{
    *elements = 1;
    for (size_t i = 0; i < tensor->rank; i++)
        if (!tensor->shape[i])
            *elements = 0;
    for (size_t i = 0; *elements && i < tensor->rank; i++)
        if (__builtin_mul_overflow(*elements, tensor->shape[i], elements) || *elements > INT64_MAX)
            return false;
    return true;
}

static int by_name(const void *left, const void *right)
{
    const struct vs_tensor *a = left, *b = right;
    return strcmp(a->name, b->name);
}

static int by_place(const void *left, const void *right)
{
    const struct vs_tensor *a = left, *b = right;
    if (a->file != b->file)
        return a->file < b->file ? -1 : 1;
    if (a->file_offset != b->file_offset)
        return a->file_offset < b->file_offset ? -1 : 1;
    if (a->bytes != b->bytes) /* an empty tensor before the one whose first byte is at the same place */
        return a->bytes < b->bytes ? -1 : 1;
    return strcmp(a->name, b->name);
}

/* Of tensors sorted by name. */
static void check_names(const struct vs_header *header, struct vs_diags *diags)
{
    const struct vs_tensor *tensors = header->tensors;
    for (size_t i = 1; i < header->tensor_count; i++) {
        const struct vs_tensor *first = &tensors[i - 1], *second = &tensors[i];
        if (strcmp(first->name, second->name) != 0)
            continue;
        const char *in = header->files[first->file].path, *also_in = header->files[second->file].path;
        struct vs_quoted name = vs_quote_string(first->name);
        if (first->file == second->file)
            vs_refuse(diags, in, DAMAGED_HINT, "the tensor `%s` is there twice", name.text);
        else
            vs_refuse(diags, in, "the index and the shards do not belong together; download all of them again",
                "the tensor `%s` is also in %s", name.text, vs_quote_string(also_in).text);
    }
}

/* Of tensors sorted by place. */
static void check_overlap(const struct vs_header *header, struct vs_diags *diags)
{
    const struct vs_tensor *last = NULL; /* the one of the same file that reaches furthest */
    for (size_t i = 0; i < header->tensor_count; i++) {
        const struct vs_tensor *tensor = &header->tensors[i];
        if (last && last->file != tensor->file)
            last = NULL;
        if (last && tensor->bytes && tensor->file_offset < last->file_offset + last->bytes)
            vs_refuse(diags, header->files[tensor->file].path, DAMAGED_HINT,
                "the tensors `%s` and `%s` overlap in the file", vs_quote_string(last->name).text,
                vs_quote_string(tensor->name).text);
        if (!last || tensor->file_offset + tensor->bytes > last->file_offset + last->bytes)
            last = tensor;
    }
}

/* A checkpoint is known by one prefix; in a file without, one tensor tells what it is, else it is a diffusion model. */
static void tell_parts(struct vs_header *header)
{
    bool is_checkpoint = false, has_diffusion = false;
    enum vs_part whole = VS_PART_ANY;
    for (size_t i = 0; i < header->tensor_count; i++) {
        struct vs_tensor *tensor = &header->tensors[i];
        size_t prefix_bytes;
        tensor->part = (uint8_t)vs_part_of_name(tensor->name, &prefix_bytes);
        tensor->prefix_bytes = (uint16_t)prefix_bytes;
        is_checkpoint |= prefix_bytes > 0;
        has_diffusion |= tensor->part == VS_PART_DIFFUSION;
        if (whole == VS_PART_ANY)
            whole = vs_part_of_file_with(tensor->name);
    }
    for (size_t i = 0; i < header->tensor_count; i++) {
        struct vs_tensor *tensor = &header->tensors[i];
        size_t prefix_bytes;
        if (!is_checkpoint) {
            tensor->part = (uint8_t)(whole == VS_PART_ANY ? VS_PART_DIFFUSION : whole);
        } else if (!has_diffusion && !tensor->prefix_bytes && vs_part_of_fallback(tensor->name, &prefix_bytes)) {
            tensor->part = VS_PART_DIFFUSION;
            tensor->prefix_bytes = (uint16_t)prefix_bytes;
        }
    }
}

int vs_header_finish(struct vs_header *header, size_t errors_before, struct vs_diags *diags)
{
    if (diags->error_count == errors_before && header->tensor_count) {
        qsort(header->tensors, header->tensor_count, sizeof *header->tensors, by_name);
        check_names(header, diags);
        qsort(header->tensors, header->tensor_count, sizeof *header->tensors, by_place);
        check_overlap(header, diags);
        tell_parts(header);
    }
    if (diags->error_count == errors_before)
        return 0;
    vs_header_free(header);
    return -1;
}

void vs_header_free(struct vs_header *header)
{
    struct chunk *chunk = header->storage ? header->storage->newest : NULL;
    while (chunk) {
        struct chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
    free(header->storage);
    free(header->tensors);
    free(header->files);
    *header = (struct vs_header){0};
}
