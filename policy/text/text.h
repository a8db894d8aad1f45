/*
 * Text that grows: the one way in which policy/ makes output. Nothing here prints; the caller decides where text goes.
 *
 * A vs_text begins as {0}. Running out of memory sets `failed` and leaves what was there; later calls then do nothing,
 * so that a writer checks once, at the end. Numbers are written without the locale's help. Not shared between threads.
 */
#ifndef VRAMSPAN_POLICY_TEXT_H
#define VRAMSPAN_POLICY_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct vs_text {
    char *data; /* NUL-terminated once anything was written, else NULL; owned */
    size_t length;
    size_t capacity;
    bool failed; /* out of memory: data is cut short */
};

void vs_text_append(struct vs_text *text, const char *bytes, size_t length);
void vs_text_printf(struct vs_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void vs_text_free(struct vs_text *text);

/* Bytes of the UTF-8 sequence at `bytes` (1 to 4), or 0 where they are no valid one. */
size_t vs_utf8_sequence(const char *bytes, size_t length);
/* Characters in the first `length` bytes; a byte that is no valid UTF-8 counts as one. */
size_t vs_utf8_count(const char *bytes, size_t length);

/* A word of the user's, fit for a message: control characters and invalid bytes as \xNN, cut with "..." when long. */
struct vs_quoted {
    char text[100];
};
struct vs_quoted vs_quote(const char *bytes, size_t length);
struct vs_quoted vs_quote_string(const char *string);
/* The same, appended whole, however long it is. */
void vs_text_append_quoted(struct vs_text *text, const char *bytes, size_t length);

#endif
