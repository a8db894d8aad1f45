/*
 * What the subcommands of `vramspan` have in common: how they are named, what their exit status says, and how their
 * command lines are read.
 *
 * To add one: a function here, a line in the table of main.c, a manual page vramspan-NAME.1 beside them.
 */
#ifndef VRAMSPAN_TOOLS_COMMAND_H
#define VRAMSPAN_TOOLS_COMMAND_H

#include <argp.h>

/* Exit status. `vramspan run` ends with that of the program that it starts, or as shells do where there is none. */
enum {
    VS_EXIT_OK = 0,
    VS_EXIT_ERRORS = 1, /* something is wrong with what was given: a policy, a model, a machine */
    VS_EXIT_USAGE = 2,  /* the command line could not be understood */
    VS_EXIT_NOT_EXECUTABLE = 126,
    VS_EXIT_NOT_FOUND = 127,
};

/* The subcommands. argv[0] is "vramspan NAME". */
int vs_command_check(int argc, char **argv);
int vs_command_plan(int argc, char **argv);
int vs_command_run(int argc, char **argv);

/* argp_parse, which ends the process where --help was asked for (status 0) or the command line is wrong (status 2).
 * `-h` is --help. */
void vs_command_parse(const struct argp *argp, int argc, char **argv, unsigned flags, void *input);

/* Says `vramspan NAME: MESSAGE` on stderr, in one line, and the remedy in another one, if there is one. */
void vs_command_complain(const char *command, const char *remedy, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
