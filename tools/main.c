/*
 * vramspan: the command. Here is the table of its subcommands; each has a file of its own.
 */
#include "command.h"

#include "../policy/text/suggest.h"
#include "../policy/text/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"check", "tell what is wrong with a policy", vs_command_check},
    {"plan", "tell where a model's weights will go, and what that costs", vs_command_plan},
    {"run", "start a program with its models spread over several devices", vs_command_run},
};
enum { COMMAND_COUNT = sizeof commands / sizeof *commands };

static int run_command(const char *name, int argc, char **argv)
{
    const char *names[COMMAND_COUNT];
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        names[i] = commands[i].name;
        if (strcmp(name, commands[i].name) != 0)
            continue;
        char *whole = NULL; /* for argp's messages; lives as long as the process */
        if (asprintf(&whole, "vramspan %s", name) < 0)
            return VS_EXIT_ERRORS;
        argv[0] = whole;
        return commands[i].run(argc, argv);
    }
    const char *guess = vs_suggest(name, strlen(name), names, COMMAND_COUNT);
    fprintf(stderr, "vramspan: there is no command `%s`%s%s%s\nTry `vramspan --help' for more information.\n",
        vs_quote_string(name).text, guess ? "; did you mean `" : "", guess ? guess : "", guess ? "`?" : "");
    return VS_EXIT_USAGE;
}

static int help(int argc, char **argv)
{
    char option[] = "--help", *instead[] = {argv[0], option, NULL};
    return argc > 1 ? run_command(argv[1], 2, instead) : -1;
}

/* The list of commands behind the options. */
static char *fill_in_help(int key, const char *text, void *input)
{
    (void)input;
    if (key != ARGP_KEY_HELP_POST_DOC)
        return (char *)text;
    struct vs_text list = {0};
    vs_text_printf(&list, "Commands:\n");
    for (size_t i = 0; i < COMMAND_COUNT; i++)
        vs_text_printf(&list, "  %-10s %s\n", commands[i].name, commands[i].summary);
    vs_text_printf(&list, "\n`vramspan help COMMAND` tells the options of one; man vramspan tells more.");
    return list.data; /* argp frees it */
}

struct chosen {
    int argc; /* the command and what is behind it; 0: none */
    char **argv;
};

static error_t read_option(int key, char *argument, struct argp_state *state)
{
    struct chosen *chosen = state->input;
    (void)argument;
    if (key == ARGP_KEY_NO_ARGS)
        argp_state_help(state, stderr, ARGP_HELP_STD_USAGE);
    if (key != ARGP_KEY_ARG)
        return ARGP_ERR_UNKNOWN;
    chosen->argc = state->argc - state->next + 1;
    chosen->argv = state->argv + state->next - 1;
    state->next = state->argc; /* what is behind the command is the command's */
    return 0;
}

/* What was printed may not have arrived, on a full disk, say: then nothing is right, whatever the command thinks. As
 * the process ends, because argp ends it itself after --help. */
static void check_output(int status, void *unused)
{
    (void)unused;
    if (status != VS_EXIT_OK || (fflush(stdout) == 0 && !ferror(stdout)))
        return;
    fprintf(stderr, "vramspan: cannot write to standard output: %m\n");
    _exit(VS_EXIT_ERRORS);
}

int main(int argc, char **argv)
{
    static const struct argp argp = {
        .parser = read_option,
        .args_doc = "COMMAND [ARGUMENT...]",
        .doc = "Spreads the weights of PyTorch's models over several devices, by a policy.\v",
        .help_filter = fill_in_help,
    };
    static char name[] = "vramspan";
    struct chosen chosen = {0};
    argv[0] = name;
    if (on_exit(check_output, NULL))
        return VS_EXIT_ERRORS;
    vs_command_parse(&argp, argc, argv, ARGP_IN_ORDER, &chosen);
    if (strcmp(chosen.argv[0], "help") != 0)
        return run_command(chosen.argv[0], chosen.argc, chosen.argv);
    if (chosen.argc > 1)
        return help(chosen.argc, chosen.argv);
    char option[] = "--help", *instead[] = {name, option, NULL};
    vs_command_parse(&argp, 2, instead, 0, &chosen);
    return VS_EXIT_OK;
}
