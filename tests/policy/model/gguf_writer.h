/*
 * GGUF files by hand, right and wrong: what each function writes is one field of the format.
 */
#ifndef VRAMSPAN_TESTS_POLICY_GGUF_WRITER_H
#define VRAMSPAN_TESTS_POLICY_GGUF_WRITER_H

#include "../../../policy/text/text.h"

#include <stddef.h>
#include <stdint.h>

/* Begins as {0} and is added to; freed with vs_text_free. */
void put_number(struct vs_text *file, uint64_t number, size_t bytes); /* little endian */
void put_string(struct vs_text *file, const char *string);            /* its length, and it */
void put_start(struct vs_text *file, uint32_t version, uint64_t tensors, uint64_t pairs);
void put_u32_pair(struct vs_text *file, const char *key, uint32_t value);
void put_string_pair(struct vs_text *file, const char *key, const char *value);
/* Dimensions in the file's order, innermost first. */
void put_tensor(
    struct vs_text *file, const char *name, uint32_t rank, const uint64_t *dimensions, uint32_t type, uint64_t offset);
/* Zeros up to a multiple of the alignment, then so many bytes. */
void put_data(struct vs_text *file, size_t alignment, size_t bytes);

#endif
