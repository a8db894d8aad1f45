/*
 * Wrapping, columns and bars. See paper.h.
 */
#include "paper.h"

#include <errno.h>
#include <inttypes.h>
#include <langinfo.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Asks a locale of its own: the process's stays that of C, in which numbers have points. */
static bool is_utf8(void)
{
    locale_t locale = newlocale(LC_CTYPE_MASK, "", (locale_t)0);
    bool answer = locale && !strcmp(nl_langinfo_l(CODESET, locale), "UTF-8");
    if (locale)
        freelocale(locale);
    return answer;
}

struct vs_paper vs_paper_for(FILE *stream)
{
    return (struct vs_paper){.terminal = vs_terminal_of(stream), .is_unicode = is_utf8()};
}

/* The columns that a word takes: colours take none. */
static int width_of(const char *word)
{
    int width = (int)vs_utf8_count(word, strlen(word));
    for (const char *escape = strchr(word, '\033'); escape; escape = strchr(escape + 1, '\033'))
        width -= (int)strcspn(escape, "m") + 1;
    return width;
}

void vs_paper_write(struct vs_paper *paper, int indent, const char *format, ...)
{
    char *sentence = NULL;
    int column = 0;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&sentence, format, arguments) < 0) {
        sentence = NULL;
        paper->text.failed = true;
    }
    va_end(arguments);
    char *rest = sentence;
    for (char *word; sentence && (word = strsep(&rest, " "));) {
        int width = width_of(word);
        if (column && column + 1 + width > paper->terminal.columns) {
            vs_text_printf(&paper->text, "\n%*s", indent, "");
            column = indent;
        } else if (column) {
            vs_text_printf(&paper->text, " ");
            column++;
        }
        vs_text_printf(&paper->text, "%s", word);
        column += width;
    }
    vs_text_printf(&paper->text, "\n");
    free(sentence);
}

static bool is_too_wide(const struct vs_paper *paper, const struct vs_column *columns, size_t count)
{
    int width = (int)count - 1;
    for (size_t i = 0; i < count; i++)
        width += abs(columns[i].width);
    return width > paper->terminal.columns;
}

/* The bytes of the first so many characters. */
static int bytes_of(const char *cell, int characters)
{
    size_t length = strlen(cell), bytes = 0;
    while (characters-- > 0 && bytes < length) {
        size_t next = vs_utf8_sequence(cell + bytes, length - bytes);
        bytes += next ? next : 1;
    }
    return (int)bytes;
}

static int add_cell(struct vs_paper *paper, int column, const char *cell, bool first)
{
    int width = abs(column), shown = (int)vs_utf8_count(cell, strlen(cell));
    if (column < 0 && shown > width)
        shown = width;
    int blanks = width > shown ? width - shown : 0;
    vs_text_printf(&paper->text, "%s%*s%.*s%*s", first ? "" : " ", column > 0 ? blanks : 0, "", bytes_of(cell, shown),
        cell, column > 0 ? 0 : blanks, "");
    return (first ? 0 : 1) + shown + blanks;
}

/* Returns the columns that are used. */
static int add_cells(struct vs_paper *paper, const struct vs_column *columns, const char *const *cells, size_t count)
{
    bool is_narrow = is_too_wide(paper, columns, count);
    int used = 0;
    for (size_t i = 0; i < count; i++) {
        int width = is_narrow ? columns[i].narrow_width : columns[i].width;
        const char *cell = cells ? cells[i] : columns[i].title;
        if (width)
            used += add_cell(paper, width, cell ? cell : "", i == 0);
    }
    return used;
}

/* Takes away the blanks that a last column on the left may end in. */
static void end_line(struct vs_paper *paper)
{
    struct vs_text *text = &paper->text;
    while (!text->failed && text->length && text->data[text->length - 1] == ' ')
        text->data[--text->length] = '\0';
    vs_text_printf(text, "\n");
}

void vs_paper_head(struct vs_paper *paper, const struct vs_column *columns, size_t count)
{
    vs_text_printf(&paper->text, "%s", paper->terminal.bold);
    add_cells(paper, columns, NULL, count);
    vs_text_printf(&paper->text, "%s\n", paper->terminal.plain);
    for (int i = 0; i < paper->terminal.columns; i++)
        vs_text_printf(&paper->text, "-");
    vs_text_printf(&paper->text, "\n");
}

static void add_bar(struct vs_paper *paper, int columns, double part)
{
    static const char *const blocks[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"};
    int steps = paper->is_unicode ? 8 : 1;
    long filled = lround((part < 1 ? part : 1) * columns * steps);
    if (columns <= 0 || !(part > 0))
        return;
    filled = filled ? filled : 1; /* something is there */
    vs_text_printf(&paper->text, "%s", paper->terminal.good);
    for (long i = 0; i < filled / steps; i++)
        vs_text_printf(&paper->text, "%s", paper->is_unicode ? blocks[8] : "#");
    vs_text_printf(&paper->text, "%s%s", blocks[filled % steps], paper->terminal.plain);
}

void vs_paper_row(struct vs_paper *paper, const struct vs_column *columns, const char *const *cells, size_t count,
    double value, double whole)
{
    enum { GAP = 2 };
    int used = add_cells(paper, columns, cells, count);
    if (whole > 0 && value > 0) {
        vs_text_printf(&paper->text, "%*s", GAP, "");
        add_bar(paper, paper->terminal.columns - used - GAP, value / whole);
    }
    end_line(paper);
}

struct vs_cell vs_cell_number(double number, int decimals, const char *behind)
{
    struct vs_cell cell;
    snprintf(cell.text, sizeof cell.text, "%.*f%s", decimals, number, behind);
    return cell;
}

struct vs_cell vs_cell_count(uint64_t count)
{
    struct vs_cell cell;
    snprintf(cell.text, sizeof cell.text, "%" PRIu64, count);
    return cell;
}

struct vs_cell vs_cell_word(const char *word, int width)
{
    struct vs_cell cell;
    struct vs_quoted shown = vs_quote_string(word);
    size_t end = 0;
    for (int i = 0; i < width && shown.text[end]; i++) {
        size_t next = vs_utf8_sequence(shown.text + end, strlen(shown.text + end));
        if (end + next >= sizeof cell.text)
            break;
        end += next ? next : 1;
    }
    memcpy(cell.text, shown.text, end);
    cell.text[end] = '\0';
    return cell;
}

int vs_paper_flush(struct vs_paper *paper)
{
    bool failed = paper->text.failed;
    FILE *stream = paper->terminal.stream;
    bool is_written =
        fwrite(paper->text.data ? paper->text.data : "", 1, paper->text.length, stream) == paper->text.length;
    if ((!is_written || fflush(stream)) && !paper->write_error)
        paper->write_error = errno;
    vs_text_free(&paper->text);
    paper->text = (struct vs_text){0};
    return failed ? -1 : 0;
}
