/*
 * What a stream's reader can show: colours only on a terminal, and there only without NO_COLOR (https://no-color.org)
 * and TERM=dumb; 80 columns, or fewer where a terminal has fewer.
 *
 * Colours are texts that are empty where there are none, so that a caller writes them without asking.
 */
#ifndef VRAMSPAN_TOOLS_TERMINAL_H
#define VRAMSPAN_TOOLS_TERMINAL_H

#include "../policy/text/diag.h"

#include <stdbool.h>
#include <stdio.h>

enum { VS_TERMINAL_COLUMNS = 80 };

struct vs_terminal {
    FILE *stream;
    bool is_coloured;
    int columns; /* at most VS_TERMINAL_COLUMNS, at least 20 */
    const char *bold, *error, *warning, *hint, *good;
    const char *plain; /* ends any of them */
};

/* Asks the stream and the environment each time. */
struct vs_terminal vs_terminal_of(FILE *stream);

/* Writes diagnostics as policy/ renders them; on a terminal their severities have colours. */
void vs_terminal_show_diagnostics(FILE *stream, const struct vs_diags *diags);

#endif
