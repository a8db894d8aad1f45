/*
 * The header of a safetensors file: which tensors it holds, and where in the file their bytes lie.
 *
 * A file is 8 bytes (the header's length, little endian), the header (JSON: name -> dtype, shape, offsets into the
 * data;
 * `__metadata__` is kept aside), and the data. Everything is checked before it is believed: lengths, nesting, offsets
 * within the file, no overlap, bytes equal to shape times dtype. A tensor of a dtype that is not known here is as large
 * as its offsets say.
 *
 * A caller that reads with functions of its own (the preloaded library) uses vs_safetensors_read with a callback, or
 * vs_safetensors_header_bytes on the first 8 bytes and then vs_safetensors_parse. Any thread; nothing is shared.
 */
#ifndef VRAMSPAN_POLICY_SAFETENSORS_H
#define VRAMSPAN_POLICY_SAFETENSORS_H

#include "diag.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    VS_SAFETENSORS_PREFIX_BYTES = 8,
    VS_SAFETENSORS_HEADER_MAX = 100 * 1000 * 1000, /* the format's own limit */
    VS_SAFETENSORS_RANK_MAX = 64,                  /* as PyTorch's tensors have at most */
};

struct vs_tensor {
    const char *name;
    const char *dtype; /* as written in the file: "F16" */
    const uint64_t *shape;
    size_t rank; /* 0: a scalar */
    uint64_t file_offset;
    uint64_t bytes;
};

struct vs_metadata {
    const char *key;
    const char *value;
};

struct vs_safetensors {
    struct vs_tensor *tensors; /* by file offset, then by name */
    size_t tensor_count;
    struct vs_metadata *metadata; /* in the file's order */
    size_t metadata_count;
    uint64_t file_bytes;
    void *storage; /* owns all names and shapes; free with vs_safetensors_free */
};

/*
 * The length of the header that follows the 8 bytes at `prefix`. Returns 0, or -1 with an error (a length that the
 * format forbids or the file cannot hold). `name` is the file's path in messages.
 */
int vs_safetensors_header_bytes(const char *name, const unsigned char prefix[VS_SAFETENSORS_PREFIX_BYTES],
    uint64_t file_bytes, size_t *header_bytes, struct vs_diags *diags);
/* Reads a header without its 8 bytes of length. Returns 0, or -1 with an error added and *model empty. Copies. */
int vs_safetensors_parse(const char *name, const char *header, size_t header_bytes, uint64_t file_bytes,
    struct vs_safetensors *model, struct vs_diags *diags);

/* As pread: bytes read, 0 at the end, or -1 with errno. */
typedef ssize_t vs_pread_function(void *context, void *buffer, size_t bytes, uint64_t offset);
/* Both steps by a callback. */
int vs_safetensors_read(const char *name, vs_pread_function *read_at, void *context, uint64_t file_bytes,
    struct vs_safetensors *model, struct vs_diags *diags);
/* The same for a path, with the plain open and pread. */
int vs_safetensors_load(const char *path, struct vs_safetensors *model, struct vs_diags *diags);

void vs_safetensors_free(struct vs_safetensors *model);

#endif
