/*
 * Colours and columns. See terminal.h.
 */
#include "terminal.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static bool is_set(const char *name)
{
    const char *value = getenv(name);
    return value && *value;
}

static int columns_of(int descriptor)
{
    enum { FEWEST = 20 };
    struct winsize size;
    if (ioctl(descriptor, TIOCGWINSZ, &size) || size.ws_col == 0 || size.ws_col > VS_TERMINAL_COLUMNS)
        return VS_TERMINAL_COLUMNS;
    return size.ws_col < FEWEST ? FEWEST : size.ws_col;
}

struct vs_terminal vs_terminal_of(FILE *stream)
{
    const char *kind = getenv("TERM");
    int descriptor = fileno(stream);
    struct vs_terminal terminal = {stream, false, VS_TERMINAL_COLUMNS, "", "", "", "", "", ""};
    if (!isatty(descriptor))
        return terminal;
    terminal.columns = columns_of(descriptor);
    terminal.is_coloured = !is_set("NO_COLOR") && kind && *kind && strcmp(kind, "dumb") != 0;
    if (terminal.is_coloured) {
        terminal.bold = "\033[1m";
        terminal.error = "\033[1;31m";
        terminal.warning = "\033[1;35m";
        terminal.hint = "\033[1;36m";
        terminal.good = "\033[32m";
        terminal.plain = "\033[0m";
    }
    return terminal;
}

/* Writes one rendered diagnostic with its severity in colour. */
static void show_coloured(const struct vs_terminal *terminal, const struct vs_diag *diag, const char *rendered)
{
    const char *word = diag->severity == VS_ERROR ? "error:" : "warning:";
    const char *colour = diag->severity == VS_ERROR ? terminal->error : terminal->warning;
    const char *behind_name = rendered + strlen(diag->file); /* a name may hold the word, too */
    const char *at = strstr(behind_name, word);
    if (at)
        fprintf(terminal->stream, "%.*s%s%s%s%s", (int)(at - rendered), rendered, colour, word, terminal->plain,
            at + strlen(word));
    else
        fputs(rendered, terminal->stream);
}

void vs_terminal_show_diagnostics(FILE *stream, const struct vs_diags *diags)
{
    struct vs_terminal terminal = vs_terminal_of(stream);
    struct vs_diags rest = *diags;
    struct vs_text text = {0};
    for (size_t i = 0; terminal.is_coloured && i < diags->count; i++) {
        vs_diag_render(&diags->items[i], &text);
        if (text.data)
            show_coloured(&terminal, &diags->items[i], text.data);
        vs_text_free(&text);
        rest.count = 0; /* what is left to say are those that were not kept */
    }
    vs_diags_render(&rest, &text);
    if (text.data)
        fputs(text.data, stream);
    vs_text_free(&text);
}
