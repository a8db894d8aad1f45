/*
 * How the readers of the formats fill a struct vs_header: storage that only grows, files, tensors, and the checks that
 * all formats share at the end.
 */
#ifndef VRAMSPAN_POLICY_HEADER_BUILD_H
#define VRAMSPAN_POLICY_HEADER_BUILD_H

#include "header.h"

/* Memory for `count` elements that lives as long as the header. NULL: out of memory, with an error added. */
void *vs_header_room(struct vs_header *header, size_t count, size_t element_bytes, struct vs_diags *diags);
/* A copy of a text, NUL-terminated. */
const char *vs_header_text(struct vs_header *header, const char *text, size_t bytes, struct vs_diags *diags);

/* Begins a file; tensors that are added belong to it. Returns 0, or -1 with an error. */
int vs_header_add_file(struct vs_header *header, const char *path, uint64_t bytes, struct vs_diags *diags);
/* So many bytes of text will be read for the file: all files together may have VS_HEADER_BYTES_MAX. Returns 0 or -1. */
int vs_header_claim(struct vs_header *header, const char *path, uint64_t text_bytes, struct vs_diags *diags);
/* The place for the next tensor, empty but for its file. NULL: too many, or out of memory, with an error added. */
struct vs_tensor *vs_header_add_tensor(struct vs_header *header, struct vs_diags *diags);
/* Elements of a tensor's shape; false where 63 bits cannot count them. A zero anywhere makes it zero. */
bool vs_tensor_elements(const struct vs_tensor *tensor, uint64_t *elements);

/*
 * The model is whole: refuses a name that is there twice and tensors that overlap, sorts, and tells the tensors' parts.
 * Empties the header where more errors were added than `errors_before`. Returns 0 or -1.
 */
int vs_header_finish(struct vs_header *header, size_t errors_before, struct vs_diags *diags);

#endif
