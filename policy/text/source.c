/*
 * Lines, columns and offsets of a text. See source.h.
 */
#include "source.h"

#include "text.h"

#include <string.h>

/* Bytes of the line break at `at`, 0 where there is none. */
static size_t line_break(const char *text, size_t bytes, size_t at)
{
    static const struct {
        const char *bytes;
        size_t length;
    } breaks[] = {{"\r\n", 2}, {"\r", 1}, {"\n", 1}, {"\xc2\x85", 2}, {"\xe2\x80\xa8", 3}, {"\xe2\x80\xa9", 3}};
    for (size_t i = 0; i < sizeof breaks / sizeof *breaks; i++)
        if (bytes - at >= breaks[i].length && !memcmp(text + at, breaks[i].bytes, breaks[i].length))
            return breaks[i].length;
    return 0;
}

static size_t end_of_line(const struct vs_source *source, size_t at)
{
    while (at < source->bytes && !line_break(source->text, source->bytes, at))
        at++;
    return at;
}

struct vs_place vs_place_of_file(const struct vs_source *source)
{
    return (struct vs_place){.source = source};
}

struct vs_place vs_place_at(const struct vs_source *source, size_t offset)
{
    struct vs_place place = {.source = source, .line = 1};
    size_t start = 0;
    for (;;) {
        size_t end = end_of_line(source, start);
        size_t next = end + (end < source->bytes ? line_break(source->text, source->bytes, end) : 0);
        if (offset < next || next == end)
            break;
        start = next;
        place.line++;
    }
    place.column = 1 + vs_utf8_count(source->text + start, (offset < source->bytes ? offset : source->bytes) - start);
    return place;
}

size_t vs_place_line(struct vs_place place, size_t *length)
{
    const struct vs_source *source = place.source;
    size_t start = 0;
    for (size_t line = 1; line < place.line && start < source->bytes; line++) {
        start = end_of_line(source, start);
        if (start < source->bytes)
            start += line_break(source->text, source->bytes, start);
    }
    *length = end_of_line(source, start) - start;
    return start;
}

size_t vs_cursor_seek(struct vs_cursor *cursor, struct vs_place place)
{
    const struct vs_source *source = place.source;
    if (cursor->line > place.line || (cursor->line == place.line && cursor->column > place.column))
        *cursor = VS_CURSOR_START;
    while (cursor->offset < source->bytes) {
        size_t line_end = line_break(source->text, source->bytes, cursor->offset);
        if (cursor->line == place.line && (cursor->column >= place.column || line_end))
            break;
        if (line_end) {
            cursor->line++;
            cursor->column = 1;
            cursor->offset += line_end;
        } else {
            size_t size = vs_utf8_sequence(source->text + cursor->offset, source->bytes - cursor->offset);
            cursor->column++;
            cursor->offset += size ? size : 1;
        }
    }
    return cursor->offset;
}

size_t vs_place_offset(struct vs_place place)
{
    struct vs_cursor cursor = VS_CURSOR_START;
    return vs_cursor_seek(&cursor, place);
}

struct vs_place vs_place_advance(struct vs_place place, const char *text, size_t bytes)
{
    if (place.column)
        place.column += vs_utf8_count(text, bytes);
    return place;
}
