/*
 * Lines for a reader: sentences that wrap at words, tables with bars, all of them within the columns that there are.
 */
#ifndef VRAMSPAN_TOOLS_PAPER_H
#define VRAMSPAN_TOOLS_PAPER_H

#include "../policy/text/text.h"
#include "terminal.h"

#include <stdint.h>

struct vs_paper {
    struct vs_terminal terminal;
    bool is_unicode; /* bars are blocks, not `#` */
    struct vs_text text;
    int write_error; /* errno of the first write that failed, or 0 */
};

/* Paper for a stream; LC_ALL and its kin say whether it can show blocks. */
struct vs_paper vs_paper_for(FILE *stream);

/* Formats one or more sentences and wraps them; lines after the first are indented by `indent` columns. */
void vs_paper_write(struct vs_paper *paper, int indent, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* A column of a table: its width, negative to keep to the left, as printf has it, and its width where the whole table
 * is wider than the terminal: cells that are kept to the left are cut to it; 0 leaves the column out. */
struct vs_column {
    const char *title;
    int width, narrow_width;
};
/* The titles of columns, and a line under them. Tables whose narrow columns take 40 fit every terminal from there on.
 */
void vs_paper_head(struct vs_paper *paper, const struct vs_column *columns, size_t count);
/* One row; cells that are NULL stay empty. A bar follows, of the part that `value` is of `whole` (0: none). */
void vs_paper_row(struct vs_paper *paper, const struct vs_column *columns, const char *const *cells, size_t count,
    double value, double whole);

/* A cell: a number with decimals, and what is behind it. */
struct vs_cell {
    char text[48];
};
struct vs_cell vs_cell_number(double number, int decimals, const char *behind);
struct vs_cell vs_cell_count(uint64_t count);
/* A word of the user's, cut to so many characters. */
struct vs_cell vs_cell_word(const char *word, int width);

/* Writes what there is to the stream and empties it. Returns 0, or -1 where memory ran out. */
int vs_paper_flush(struct vs_paper *paper);

#endif
