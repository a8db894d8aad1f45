/*
 * A text with lines and places in it, so that a message can point at what it speaks of.
 *
 * Lines end where YAML 1.1 ends them (CR, LF, CRLF, U+0085, U+2028, U+2029). Lines and columns count from 1, columns in
 * characters. Places refer to their source and live no longer than it. Nothing here allocates; safe from any thread.
 */
#ifndef VRAMSPAN_POLICY_SOURCE_H
#define VRAMSPAN_POLICY_SOURCE_H

#include <stddef.h>

struct vs_source {
    const char *name; /* the file's path, or what else the text is called in messages */
    const char *text; /* may be NULL where the text is not shown (binary files) */
    size_t bytes;
};

struct vs_place {
    const struct vs_source *source;
    size_t line;   /* 0: the whole file is meant */
    size_t column; /* 0: the whole line is meant */
};

/* Walks a source forward, so that many places in ascending order cost one pass. Begins as VS_CURSOR_START. */
struct vs_cursor {
    size_t line;
    size_t column;
    size_t offset;
};
#define VS_CURSOR_START ((struct vs_cursor){.line = 1, .column = 1})
/* The byte offset of a place; a place before the cursor costs a walk from the start. Beyond a line's end: that end. */
size_t vs_cursor_seek(struct vs_cursor *cursor, struct vs_place place);

/* The place of the whole file. */
struct vs_place vs_place_of_file(const struct vs_source *source);
/* The place of the byte at `offset` (at most source->bytes). */
struct vs_place vs_place_at(const struct vs_source *source, size_t offset);
/* The byte offset of a place, as vs_cursor_seek has it. */
size_t vs_place_offset(struct vs_place place);
/* The place that lies `bytes` bytes of `text` further on the same line. */
struct vs_place vs_place_advance(struct vs_place place, const char *text, size_t bytes);
/* The line of a place without its break: its first byte's offset, its length in *length. */
size_t vs_place_line(struct vs_place place, size_t *length);

#endif
