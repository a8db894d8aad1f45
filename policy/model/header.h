/*
 * The header of a model: which tensors it holds, and where in its files their bytes lie.
 *
 * What is read, recognised by content first and by suffix second:
 *
 *     safetensors       one file (safetensors.h)
 *     an index          `*.safetensors.index.json`, with its shards beside it (shards.h)
 *     GGUF              versions 2 and 3, little endian (gguf.h)
 *     a bare header     of a safetensors file, saved as JSON: what a model on another machine holds
 *
 * Pickles (.ckpt, .pt, .pth, .bin) and what a failed download leaves are recognised, and refused with what to do.
 *
 * Everything in a file is checked before it is believed: lengths, counts, nesting, offsets within the file, no overlap,
 * no name twice, bytes equal to shape times type. A hostile file costs bounded memory (VS_HEADER_MEMORY_MAX at any one
 * time, with the libraries under us) and time (linear in the header's bytes, at most VS_HEADER_BYTES_MAX, and n log n
 * in its tensors, at most VS_TENSORS_MAX), and gets a diagnostic.
 *
 * A header that was read is not changed any more: any number of threads may look at it.
 */
#ifndef VRAMSPAN_POLICY_HEADER_H
#define VRAMSPAN_POLICY_HEADER_H

#include "input.h"
#include "part.h"

#include <stddef.h>
#include <stdint.h>

enum {
    VS_HEADER_BYTES_MAX = 100 * 1000 * 1000, /* the limit of the safetensors format, taken for the others too */
    VS_TENSORS_MAX = 1 << 17,                /* of a model, shards together; the largest have some thousands */
    VS_RANK_MAX = 64,                        /* as PyTorch's tensors have at most */
    VS_NAME_BYTES_MAX = 1 << 16,             /* of a tensor; GGUF itself allows 64, safetensors says nothing */
    VS_HEADER_MEMORY_MAX = 300 * 1000 * 1000,
};

enum vs_format { VS_FORMAT_SAFETENSORS, VS_FORMAT_INDEX, VS_FORMAT_GGUF, VS_FORMAT_JSON };

struct vs_tensor {
    const char *name;
    const char *dtype;     /* as the format writes it: "F16", "Q4_K" */
    const uint64_t *shape; /* as PyTorch has it, outermost dimension first, also of GGUF */
    size_t rank;           /* 0: a scalar */
    uint64_t file_offset;  /* in its file; in a bare header, which has no file: among the data */
    uint64_t bytes;
    uint32_t file;         /* index into the header's files */
    uint16_t prefix_bytes; /* of the name: what tells the part in a checkpoint ("model.diffusion_model."), else 0 */
    uint8_t part;          /* enum vs_part, never VS_PART_ANY */
};

struct vs_shard {
    const char *path;
    uint64_t bytes;
};

struct vs_header {
    enum vs_format format;
    const char *architecture;  /* general.architecture of a GGUF file, or NULL */
    struct vs_tensor *tensors; /* by file, then by offset, then by name */
    size_t tensor_count;
    struct vs_shard *files; /* one, except for an index: its shards in the order of their names */
    size_t file_count;
    uint64_t file_bytes; /* of all of them */
    struct vs_header_storage *storage;
};

/*
 * Reads the header of the model at `path`. Returns 0 (warnings may have been added), or -1 with an error added and
 * *header empty. May block as open and read do.
 */
int vs_header_load(const char *path, struct vs_header *header, struct vs_diags *diags);
/*
 * The same by a callback, for one file of `file_bytes` bytes; `name` is its path in messages, and its suffix counts. An
 * index is refused: its shards are files of their own.
 */
int vs_header_read(const char *name, vs_pread_function *read_at, void *context, uint64_t file_bytes,
    struct vs_header *header, struct vs_diags *diags);
void vs_header_free(struct vs_header *header);

#endif
