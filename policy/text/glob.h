/*
 * Globs, as fnmatch(3) reads them (`*`, `?`, `[...]`, `\x`; a `/` is a letter like any other), and what can be told
 * about them without a name at hand: mistakes in them, and whether one leaves anything to another.
 *
 * The answers about globs are for warnings: "no" may also mean that it was not found out. Any thread; no allocation.
 */
#ifndef VRAMSPAN_POLICY_GLOB_H
#define VRAMSPAN_POLICY_GLOB_H

#include <stdbool.h>
#include <stddef.h>

enum { VS_GLOB_BYTES_MAX = 255 };

bool vs_glob_matches(const char *glob, const char *text);

/*
 * Whether `wider` matches everything that `narrower` matches. *steps bounds the time of many such questions: it is
 * counted down, and at 0 the answer is no. Globs of at most VS_GLOB_BYTES_MAX bytes.
 */
bool vs_glob_covers(const char *wider, const char *narrower, size_t *steps);

/* Whether some text that ends in one of the suffixes (ASCII, any case) can match. */
bool vs_glob_can_end_in(const char *glob, const char *const *suffixes, size_t suffix_count);

enum vs_glob_flaw {
    VS_GLOB_SOUND,
    VS_GLOB_UNCLOSED,  /* a `[` without its `]`, which stands for itself */
    VS_GLOB_EMPTY_SET, /* `[z-a]`: no letter matches */
    VS_GLOB_CUT_OFF,   /* a `\` at the end */
};

/* The first flaw; *offset is where it begins. */
enum vs_glob_flaw vs_glob_flaw(const char *glob, size_t *offset);

#endif
