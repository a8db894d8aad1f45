/*
 * Diagnostics: everything that policy/ has to say about a policy or a model file. Nothing in policy/ prints; functions
 * add to a list, and the caller renders and shows it:
 *
 *     flux.yaml:3:5: error: unknown key `distroch`
 *         distroch: "cuda:0,8gb;cpu,*"
 *         ^
 *       hint: did you mean `distorch`?
 *
 * A list begins as {0} and belongs to one thread at a time. It copies what it is given. It is bounded: beyond
 * VS_DIAGS_MAX entries, or out of memory, diagnostics are counted and not kept, warnings before errors; error_count is
 * right in any case, and whoever reports failure has raised it.
 */
#ifndef VRAMSPAN_POLICY_DIAG_H
#define VRAMSPAN_POLICY_DIAG_H

#include "source.h"
#include "text.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

enum { VS_DIAGS_MAX = 50 };

enum vs_severity { VS_ERROR, VS_WARNING };

struct vs_diag {
    char *file;
    size_t line;   /* from 1; 0: the whole file */
    size_t column; /* from 1, in characters; 0: the whole line */
    enum vs_severity severity;
    char *message; /* without full stop, fit for a terminal */
    char *hint;    /* what to do about it, or NULL */
    char *excerpt; /* the source line, or a window of it, or NULL */
    size_t caret;  /* characters before the caret under the excerpt */
};

struct vs_diags {
    struct vs_diag *items;
    size_t count;
    size_t error_count; /* errors added, kept or not */
    size_t dropped;     /* diagnostics not kept */
    bool out_of_memory;
    bool last_kept; /* whether a hint has a diagnostic to go to */
};

/* Adds a diagnostic with a printf-formatted message. What it quotes of the user's goes through vs_quote first. */
void vs_diag_add(struct vs_diags *diags, enum vs_severity severity, struct vs_place place, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void vs_diag_vadd(struct vs_diags *diags, enum vs_severity severity, struct vs_place place, const char *format,
    va_list arguments) __attribute__((format(printf, 4, 0)));
/* Gives the diagnostic added last its hint. */
void vs_diag_hint(struct vs_diags *diags, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* An allocation failed: an error that needs no memory. */
void vs_diag_out_of_memory(struct vs_diags *diags);

/* Puts the diagnostics from index `first` on, which are about one file, in the order of their places. */
void vs_diags_sort(struct vs_diags *diags, size_t first);

/* Appends one diagnostic, or the whole list, as lines that end in a newline. */
void vs_diag_render(const struct vs_diag *diag, struct vs_text *text);
void vs_diags_render(const struct vs_diags *diags, struct vs_text *text);
void vs_diags_free(struct vs_diags *diags);

#endif
