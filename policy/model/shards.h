/*
 * A model in several safetensors files: `NAME.safetensors.index.json` beside them says which tensor is in which file
 * (`weight_map`), as huggingface_hub writes it.
 *
 * Shards lie in the index's own folder; anything else is refused. They are read as safetensors and nothing else, so an
 * index cannot name an index. What the index says has to be so: a tensor that its shard does not hold, and one that two
 * shards hold, are errors. (`metadata.total_size` is wrong in many files, and is not looked at.)
 *
 * For header.h. Any thread; nothing is shared.
 */
#ifndef VRAMSPAN_POLICY_SHARDS_H
#define VRAMSPAN_POLICY_SHARDS_H

#include "header.h"

#include <stdbool.h>
#include <stddef.h>

enum {
    VS_SHARDS_MAX = 4096,
    VS_INDEX_BYTES_MAX = 32 * 1000 * 1000, /* an entry takes about a hundred */
};

/* An index's text, read. */
struct vs_index {
    struct vs_index_entry {
        const char *tensor, *file;
    } * entries; /* by file, then by tensor */
    size_t entry_count;
    size_t file_count;        /* different ones */
    struct vs_header storage; /* owns the texts; holds no tensors */
};

/* Whether a text, an object's, is an index rather than a header. */
bool vs_index_recognise(const char *text, size_t bytes);
/* Returns 0, or -1 with an error added and *index empty. */
int vs_index_parse(const char *name, const char *text, size_t bytes, struct vs_index *index, struct vs_diags *diags);
void vs_index_free(struct vs_index *index);

/* The headers of all shards beside `path`, the index, to a finished header. Returns 0, or -1 with an error. */
int vs_index_load(const struct vs_index *index, const char *path, struct vs_header *header, struct vs_diags *diags);

#endif
