/*
 * safetensors: 8 bytes (the header's length, little endian), the header (JSON: name -> dtype, shape, offsets into the
 * data; `__metadata__` is passed over), and the data. A tensor of a dtype that is not known here is as large as its
 * offsets say.
 *
 * For header.h; the functions that read whole texts are for tests too. Any thread; nothing is shared.
 */
#ifndef VRAMSPAN_POLICY_SAFETENSORS_H
#define VRAMSPAN_POLICY_SAFETENSORS_H

#include "header.h"

enum { VS_SAFETENSORS_PREFIX_BYTES = 8 };

/*
 * The length of the header that follows the 8 bytes at `prefix`. Returns 0, or -1 with an error (a length that the
 * format forbids or the file cannot hold). `name` is the file's path in messages.
 */
int vs_safetensors_header_bytes(const char *name, const unsigned char prefix[VS_SAFETENSORS_PREFIX_BYTES],
    uint64_t file_bytes, size_t *header_bytes, struct vs_diags *diags);

/* Adds the file with its tensors to the header. Returns 0, or -1 with an error; the caller finishes. */
int vs_safetensors_read(const struct vs_input *input, struct vs_header *header);
/* The same for a header's text whose data begins at `data_start` of a file of `file_bytes` bytes. */
int vs_safetensors_add(const char *name, const char *text, size_t text_bytes, uint64_t data_start, uint64_t file_bytes,
    struct vs_header *header, struct vs_diags *diags);
/* The text of a whole header, without its 8 bytes of length, to a finished header. Returns 0, or -1 with an error. */
int vs_safetensors_parse(const char *name, const char *text, size_t text_bytes, uint64_t file_bytes,
    struct vs_header *header, struct vs_diags *diags);
/* The same for a header without a file: its tensors' offsets count from the beginning of the data. */
int vs_safetensors_parse_bare(
    const char *name, const char *text, size_t text_bytes, struct vs_header *header, struct vs_diags *diags);

#endif
