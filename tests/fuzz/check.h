/*
 * What has to hold of anything that policy/ read from a hostile input. A broken promise ends the process, which the
 * fuzzer reports.
 */
#ifndef VRAMSPAN_TESTS_FUZZ_CHECK_H
#define VRAMSPAN_TESTS_FUZZ_CHECK_H

#include "../../policy/model/header.h"
#include "../../policy/text/diag.h"

#include <stddef.h>
#include <stdint.h>

#define PROMISE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            __builtin_trap();                                                                                          \
    } while (0)

/* Refused with an error that can be shown, or read without one. Frees the diagnostics. */
void check_diagnostics(int result, struct vs_diags *diags);

/* Tensors within their files, each byte in one at most, no name twice, and every byte in one part. Takes the header. */
void check_header(struct vs_header *header);

/* A file of `bytes` bytes that holds `data` and then zeros, so that headers may speak of data that is not there. */
struct fuzz_file {
    const uint8_t *data;
    size_t bytes;
};
ssize_t fuzz_read(void *file, void *buffer, size_t bytes, uint64_t offset);

#endif
