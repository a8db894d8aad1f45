/*
 * Reading a GGUF header from its start, in pieces: the header's length is told nowhere, so a buffer goes over it, and
 * what is not needed is passed over unread. Little-endian numbers, texts with their length, and whole values.
 *
 * Every length is compared with what is left of the file (and of VS_HEADER_BYTES_MAX) before it is believed. After the
 * first error every call fails.
 */
#ifndef VRAMSPAN_POLICY_GGUF_CURSOR_H
#define VRAMSPAN_POLICY_GGUF_CURSOR_H

#include "header.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VS_GGUF_DAMAGED_HINT "the file is damaged or was not written by a GGUF program; download or convert it again"

struct vs_gguf_cursor {
    const struct vs_input *input;
    uint64_t offset; /* of the next byte */
    uint64_t buffer_offset;
    size_t buffer_bytes;
    unsigned char buffer[8192];
};

/* The types of metadata (docs/gguf.md, gguf_metadata_value_type) that are looked at. */
enum { VS_GGUF_UINT16 = 2, VS_GGUF_UINT32 = 4, VS_GGUF_INT32 = 5, VS_GGUF_STRING = 8, VS_GGUF_ARRAY = 9 };

/* All return 0, or -1 with an error added. */
int vs_gguf_take(struct vs_gguf_cursor *cursor, void *to, size_t bytes);
int vs_gguf_skip(struct vs_gguf_cursor *cursor, uint64_t bytes);
int vs_gguf_u16(struct vs_gguf_cursor *cursor, uint16_t *value);
int vs_gguf_u32(struct vs_gguf_cursor *cursor, uint32_t *value);
int vs_gguf_u64(struct vs_gguf_cursor *cursor, uint64_t *value);
/* A text's length, which fits in what is left; its bytes come next. */
int vs_gguf_length(struct vs_gguf_cursor *cursor, uint64_t *bytes);
/* A value of this type is passed over. */
int vs_gguf_skip_value(struct vs_gguf_cursor *cursor, uint32_t type);

#endif
