/*
 * GGUF by hand. See gguf_writer.h.
 */
#include "gguf_writer.h"

#include <string.h>

void put_number(struct vs_text *file, uint64_t number, size_t bytes)
{
    for (; bytes--; number >>= 8)
        vs_text_append(file, &(char){(char)number}, 1);
}

void put_string(struct vs_text *file, const char *string)
{
    put_number(file, strlen(string), 8);
    vs_text_append(file, string, strlen(string));
}

void put_start(struct vs_text *file, uint32_t version, uint64_t tensors, uint64_t pairs)
{
    vs_text_append(file, "GGUF", 4);
    put_number(file, version, 4);
    put_number(file, tensors, 8);
    put_number(file, pairs, 8);
}

void put_u32_pair(struct vs_text *file, const char *key, uint32_t value)
{
    put_string(file, key);
    put_number(file, 4, 4);
    put_number(file, value, 4);
}

void put_string_pair(struct vs_text *file, const char *key, const char *value)
{
    put_string(file, key);
    put_number(file, 8, 4);
    put_string(file, value);
}

void put_tensor(
    struct vs_text *file, const char *name, uint32_t rank, const uint64_t *dimensions, uint32_t type, uint64_t offset)
{
    put_string(file, name);
    put_number(file, rank, 4);
    for (uint32_t i = 0; i < rank; i++)
        put_number(file, dimensions[i], 8);
    put_number(file, type, 4);
    put_number(file, offset, 8);
}

void put_data(struct vs_text *file, size_t alignment, size_t bytes)
{
    bytes += (alignment - file->length % alignment) % alignment;
    while (bytes--)
        vs_text_append(file, "", 1);
}
