/*
 * The list of diagnostics and its rendering. See diag.h.
 */
#include "diag.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXCERPT_MAX = 100, EXCERPT_LEAD = 70 }; /* characters shown of a line, and at most before the caret */

static const char *const severity_names[] = {[VS_ERROR] = "error", [VS_WARNING] = "warning"};

static void release(struct vs_diag *diag)
{
    free(diag->file);
    free(diag->message);
    free(diag->hint);
    free(diag->excerpt);
}

/* Copies the place's line into the diagnostic, one shown character for each of the line's, so that the caret fits. */
static void take_excerpt(struct vs_diag *diag, struct vs_place place)
{
    if (!place.line || !place.source->text)
        return;
    size_t length, column = place.column ? place.column - 1 : 0,
                   first = column > EXCERPT_LEAD ? column - EXCERPT_LEAD : 0;
    const char *line = place.source->text + vs_place_line(place, &length);
    struct vs_text excerpt = {0};
    size_t at = 0;
    for (size_t character = 0; at < length && character < first + EXCERPT_MAX; character++) {
        size_t size = vs_utf8_sequence(line + at, length - at);
        if (character >= first) {
            struct vs_quoted shown = vs_quote(line + at, size ? size : 1);
            /* What cannot be shown in one character becomes a space (a tab) or a question mark. */
            if (shown.text[0] == '\\' && line[at] != '\\')
                vs_text_append(&excerpt, line[at] == '\t' ? " " : "?", 1);
            else
                vs_text_append(&excerpt, line + at, size);
        }
        at += size ? size : 1;
    }
    if (excerpt.failed || !excerpt.length) {
        vs_text_free(&excerpt);
        return;
    }
    diag->excerpt = excerpt.data;
    diag->caret = column - first;
}

/* Drops the last warning of a full list, so that an error finds room. */
static bool make_room(struct vs_diags *diags)
{
    size_t i = diags->count;
    while (i > 0 && diags->items[i - 1].severity != VS_WARNING)
        i--;
    if (!i)
        return false;
    release(&diags->items[i - 1]);
    memmove(&diags->items[i - 1], &diags->items[i], (diags->count - i) * sizeof *diags->items);
    diags->count--;
    return true;
}

void vs_diag_vadd(
    struct vs_diags *diags, enum vs_severity severity, struct vs_place place, const char *format, va_list arguments)
{
    struct vs_diag diag = {.line = place.line, .column = place.column, .severity = severity};
    diags->last_kept = false;
    diags->error_count += severity == VS_ERROR;
    if (diags->count == VS_DIAGS_MAX) {
        diags->dropped++;
        if (severity != VS_ERROR || !make_room(diags))
            return;
    }
    if (!diags->items)
        diags->items = calloc(VS_DIAGS_MAX, sizeof *diags->items);
    if (!diags->items)
        goto no_memory;
    int length = vasprintf(&diag.message, format, arguments);
    if (length < 0) {
        diag.message = NULL; /* vasprintf leaves it undefined */
        goto no_memory;
    }
    diag.file = strdup(place.source->name);
    if (!diag.file)
        goto no_memory;
    take_excerpt(&diag, place);
    diags->items[diags->count++] = diag;
    diags->last_kept = true;
    return;
no_memory:
    release(&diag);
    diags->out_of_memory = true;
    diags->dropped++;
}

void vs_diag_add(struct vs_diags *diags, enum vs_severity severity, struct vs_place place, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vs_diag_vadd(diags, severity, place, format, arguments);
    va_end(arguments);
}

void vs_diag_hint(struct vs_diags *diags, const char *format, ...)
{
    if (!diags->last_kept)
        return;
    struct vs_diag *diag = &diags->items[diags->count - 1];
    char *hint;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&hint, format, arguments);
    va_end(arguments);
    if (length < 0) {
        diags->out_of_memory = true;
        return;
    }
    free(diag->hint);
    diag->hint = hint;
}

void vs_diag_out_of_memory(struct vs_diags *diags)
{
    diags->out_of_memory = true;
    diags->error_count++;
    diags->last_kept = false;
}

static bool is_behind(const struct vs_diag *a, const struct vs_diag *b)
{
    return a->line != b->line ? a->line > b->line : a->column > b->column;
}

/* By insertion: the list is short, and diagnostics of one place keep the order in which they were added. */
void vs_diags_sort(struct vs_diags *diags, size_t first)
{
    for (size_t i = first + 1; i < diags->count; i++) {
        struct vs_diag diag = diags->items[i];
        size_t k = i;
        for (; k > first && is_behind(&diags->items[k - 1], &diag); k--)
            diags->items[k] = diags->items[k - 1];
        diags->items[k] = diag;
    }
    diags->last_kept = false;
}

void vs_diag_render(const struct vs_diag *diag, struct vs_text *text)
{
    vs_text_append_quoted(text, diag->file, strlen(diag->file)); /* whole: users click on it */
    if (diag->line)
        vs_text_printf(text, ":%zu", diag->line);
    if (diag->line && diag->column)
        vs_text_printf(text, ":%zu", diag->column);
    vs_text_printf(text, ": %s: %s\n", severity_names[diag->severity], diag->message);
    if (diag->excerpt) {
        vs_text_printf(text, "    %s\n", diag->excerpt);
        if (diag->column)
            vs_text_printf(text, "    %*s^\n", (int)diag->caret, "");
    }
    if (diag->hint)
        vs_text_printf(text, "  hint: %s\n", diag->hint);
}

void vs_diags_render(const struct vs_diags *diags, struct vs_text *text)
{
    for (size_t i = 0; i < diags->count; i++)
        vs_diag_render(&diags->items[i], text);
    if (diags->out_of_memory)
        vs_text_printf(text, "error: out of memory while a policy or a model file was read\n");
    else if (diags->dropped)
        vs_text_printf(text, "%zu further errors and warnings are not shown\n", diags->dropped);
}

void vs_diags_free(struct vs_diags *diags)
{
    for (size_t i = 0; i < diags->count; i++)
        release(&diags->items[i]);
    free(diags->items);
    *diags = (struct vs_diags){0};
}
