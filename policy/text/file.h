/*
 * Reading a whole small file, and reading part of a file at an offset: for tools and for policy files. (The preloaded
 * library reads through the real libc functions behind its own hooks, and hands the bytes to the parsers.)
 */
#ifndef VRAMSPAN_POLICY_FILE_H
#define VRAMSPAN_POLICY_FILE_H

#include "diag.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/*
 * Reads the file, or the pipe, up to its end into *data (owned by the caller, freed with free; a NUL follows the last
 * byte). More than max_bytes is an error. `what` names the kind of file in messages ("policy"). Returns 0, or -1 with
 * an error added. Any thread; may block as open and read do.
 */
int vs_file_read(
    const char *path, const char *what, size_t max_bytes, char **data, size_t *bytes, struct vs_diags *diags);

/* Opens a regular file for reading and tells its size. Returns the descriptor (the caller closes), or -1 with an error
 * and errno. */
int vs_file_open(const char *path, const char *what, uint64_t *bytes, struct vs_diags *diags);
/* Reads from the descriptor at `context`, as vs_pread_function (input.h) has it. */
ssize_t vs_file_pread(void *context, void *buffer, size_t bytes, uint64_t offset);

/* The name of the file without its folders: points into `path`. */
const char *vs_base_name(const char *path);

#endif
