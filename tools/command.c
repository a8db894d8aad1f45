/*
 * Reading command lines and complaining. See command.h.
 */
#include "command.h"

#include "../policy/text/text.h"
#include "terminal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Read by the C library, which would not see a hidden one. */
__attribute__((visibility("default"))) const char *argp_program_version = "vramspan " VS_VERSION;

enum { KEY_SHORT_HELP = 'h' };

/* The command's own argp is the only child: its input is handed through. */
static error_t read_option(int key, char *argument, struct argp_state *state)
{
    (void)argument;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = state->input;
        return 0;
    case KEY_SHORT_HELP:
        argp_state_help(state, stdout, ARGP_HELP_STD_HELP);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

void vs_command_parse(const struct argp *argp, int argc, char **argv, unsigned flags, void *input)
{
    static const struct argp_option options[] = {{.name = NULL, .key = KEY_SHORT_HELP, .flags = OPTION_HIDDEN}, {0}};
    const struct argp_child children[] = {{.argp = argp}, {0}};
    const struct argp whole = {.options = options, .parser = read_option, .children = children};
    argp_err_exit_status = VS_EXIT_USAGE;
    if (argp_parse(&whole, argc, argv, flags, NULL, input))
        exit(VS_EXIT_USAGE);
}

void vs_command_complain(const char *command, const char *remedy, const char *format, ...)
{
    struct vs_terminal terminal = vs_terminal_of(stderr);
    char *message = NULL;
    va_list arguments;
    va_start(arguments, format);
    if (vasprintf(&message, format, arguments) < 0)
        message = NULL;
    va_end(arguments);
    fprintf(stderr, "vramspan %s: %serror:%s %s\n", command, terminal.error, terminal.plain,
        message ? message : "out of memory");
    if (remedy)
        fprintf(stderr, "  %shint:%s %s\n", terminal.hint, terminal.plain, remedy);
    free(message);
}
