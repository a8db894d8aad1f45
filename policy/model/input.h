/*
 * Bytes of a model file, however they are read: the preloaded library reads through a descriptor of the program's, a
 * tool from a path, a test from memory.
 */
#ifndef VRAMSPAN_POLICY_INPUT_H
#define VRAMSPAN_POLICY_INPUT_H

#include "../text/diag.h"

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* As pread: bytes read, 0 at the end, or -1 with errno. */
typedef ssize_t vs_pread_function(void *context, void *buffer, size_t bytes, uint64_t offset);

struct vs_input {
    const char *name; /* the file's path in messages */
    vs_pread_function *read_at;
    void *context;
    uint64_t bytes; /* of the file */
    struct vs_diags *diags;
};

/* Reads exactly `bytes` bytes. Returns 0, or -1 with an error added. */
int vs_input_read(const struct vs_input *input, void *buffer, size_t bytes, uint64_t offset);

/* Adds an error about a model file with what to do about it. Returns -1. */
int vs_refuse(struct vs_diags *diags, const char *name, const char *hint, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The same of the file that is read. */
#define vs_input_refuse(input, hint, ...) vs_refuse((input)->diags, (input)->name, hint, __VA_ARGS__)

#define VS_HINT_PARTIAL "the file is probably the first part of an unfinished download; download it again"

#endif
