/*
 * vramspan run: starts a program under the library, once its policy has been read without errors. What is in force is
 * handed down in the variables that the library reads, so that the program's children get it, too.
 */
#include "command.h"

#include "../policy/suggest.h"
#include "beside.h"
#include "environment.h"
#include "machine_check.h"
#include "machine_option.h"
#include "program.h"
#include "settings_options.h"
#include "terminal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEY_SIMULATE = 0x2000, KEY_LOG };

struct arguments {
    struct vs_said said;
    const char *machine_text; /* to simulate; NULL: none */
    struct vs_machine machine;
    char *log;
    bool only_shows;
    char **program; /* its argv */
    int program_argc;
};

static void read_level(struct argp_state *state, struct arguments *arguments, char *level)
{
    static const char *const levels[] = {"error", "warn", "info", "debug"};
    enum { COUNT = sizeof levels / sizeof *levels };
    for (size_t i = 0; i < COUNT; i++)
        if (!strcmp(level, levels[i]))
            arguments->log = level;
    if (arguments->log == level)
        return;
    const char *guess = vs_suggest(level, strlen(level), levels, COUNT);
    argp_error(state, "--log: `%s` is no level: say error, warn, info or debug%s%s%s", vs_quote_string(level).text,
        guess ? "; did you mean `" : "", guess ? guess : "", guess ? "`?" : "");
}

static error_t read_option(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->said;
        return 0;
    case KEY_SIMULATE:
        arguments->machine_text = argument;
        return 0;
    case KEY_LOG:
        read_level(state, arguments, argument);
        return 0;
    case 'n':
        arguments->only_shows = true;
        return 0;
    case ARGP_KEY_ARG: /* what is behind the program is the program's */
        arguments->program = state->argv + state->next - 1;
        arguments->program_argc = state->argc - state->next + 1;
        state->next = state->argc;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "there is no program to start");
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Returns whether --simulate names a machine, or was not given. */
static bool read_machine(struct arguments *arguments)
{
    struct vs_diags diags = {0};
    bool is_good = !arguments->machine_text ||
                   vs_machine_option("--simulate", arguments->machine_text, &arguments->machine, &diags) == 0;
    vs_terminal_show_diagnostics(stderr, &diags);
    vs_diags_free(&diags);
    return is_good;
}

/* Whether the policy's devices are those of a machine that is described: not where the user renumbers them. */
static bool is_on_machine(const struct arguments *arguments)
{
    return arguments->machine_text && !getenv("CUDA_VISIBLE_DEVICES") && !getenv("CUDA_DEVICE_ORDER");
}

/* What the program gets of the library. */
enum verdict {
    WITH_LIBRARY,
    WITHOUT_LIBRARY,
    NO_START, /* *status tells how it ends */
};

/* Says what is wrong with the policy; warnings are the library's to say, where they matter. */
static enum verdict judge_policy(const struct arguments *arguments, int *status)
{
    struct vs_settings settings;
    struct vs_diags diags = {0};
    enum verdict verdict = WITH_LIBRARY;
    *status = VS_EXIT_ERRORS;
    if (vs_settings_load(&arguments->said, &settings, &diags) == 0 && settings.has_policy && is_on_machine(arguments))
        vs_machine_check(&settings, &arguments->machine, &diags);
    if (diags.error_count) {
        vs_terminal_show_diagnostics(stderr, &diags);
        verdict = settings.policy.on_error == VS_ON_ERROR_PASSTHROUGH ? WITHOUT_LIBRARY : NO_START;
        if (verdict == WITHOUT_LIBRARY)
            fprintf(stderr, "vramspan run: the program runs without vramspan, as on-error: passthrough asks\n");
    } else if (!settings.has_policy) {
        *status = vs_settings_complain_none("run");
        verdict = NO_START;
    }
    vs_diags_free(&diags);
    vs_settings_free(&settings);
    return verdict;
}

/* LD_PRELOAD with the library in front of what is there. */
static char *preload_with(const char *library)
{
    const char *others = getenv("LD_PRELOAD");
    size_t length = strlen(library);
    char *list = NULL;
    if (!others || !*others)
        return strdup(library);
    if (!strncmp(others, library, length) && strchr(" :", others[length])) /* also at its end */
        return strdup(others);
    return asprintf(&list, "%s:%s", library, others) < 0 ? NULL : list;
}

static void set(struct vs_environment *environment, const char *name, char *value)
{
    if (value)
        vs_environment_change(environment, name, value);
    else
        environment->failed = true;
}

static void hand_down(const struct arguments *arguments, const char *library, struct vs_environment *environment)
{
    set(environment, "LD_PRELOAD", preload_with(library));
    for (int i = 0; i < VS_SETTING_COUNT; i++) {
        enum vs_setting setting = (enum vs_setting)i;
        const char *text = vs_setting_in_force(&arguments->said, setting).text, *name = vs_setting_variable(setting);
        if (!text)
            vs_environment_change(environment, name, NULL);
        else /* the program may change its working folder */
            set(environment, name, setting == VS_SETTING_POLICY ? vs_absolute_path(text) : strdup(text));
    }
    if (arguments->log)
        set(environment, "VRAMSPAN_LOG", strdup(arguments->log));
}

/* Tells where preloading will have no effect. Returns 0, or -1 where it has none in all that the program starts. */
static int check_preload(const char *path, const char *name)
{
    const char *shown = vs_quote_string(name).text, *what = NULL;
    switch (vs_program_preload(path)) {
    case VS_PRELOAD_WORKS:
        return 0;
    case VS_PRELOAD_SECURE:
        vs_command_complain("run",
            "start vramspan with those rights: `sudo vramspan run ...` for `vramspan run sudo ...`",
            "`%s` gets rights of its own (setuid, setgid or capabilities), so the dynamic loader preloads nothing "
            "into it",
            shown);
        return -1;
    case VS_PRELOAD_STATIC:
        what = "is statically linked";
        break;
    case VS_PRELOAD_FOREIGN:
        what = "is a program for another machine or word size";
        break;
    }
    struct vs_terminal terminal = vs_terminal_of(stderr);
    fprintf(stderr, "vramspan run: %swarning:%s `%s` %s: nothing is spread in it, only in what it starts\n",
        terminal.warning, terminal.plain, shown, what);
    return 0;
}

/* Tells why there is no program. Returns the status that shells give. */
static int complain_program(const char *name, int error)
{
    bool is_missing = error == ENOENT || error == ENOTDIR;
    vs_command_complain("run", NULL, "cannot start `%s`: %s", vs_quote_string(name).text,
        is_missing ? strchr(name, '/') ? "there is no such file" : "there is no such program in PATH"
                   : strerror(error));
    return is_missing ? VS_EXIT_NOT_FOUND : VS_EXIT_NOT_EXECUTABLE;
}

/* The argv of the simulator with the program behind it. NULL: it is not there, which was told. */
static char **simulated(const struct arguments *arguments)
{
    static char home[] = "--home", machine[] = "--machine", end[] = "--";
    char *simulator, *libraries;
    if (vs_beside_simulator("run", &simulator, &libraries))
        return NULL;
    char *front[] = {simulator, home, libraries, machine, (char *)arguments->machine_text, end};
    size_t front_count = sizeof front / sizeof *front, count = (size_t)arguments->program_argc;
    char **argv = calloc(front_count + count + 1, sizeof *argv);
    if (argv) {
        memcpy(argv, front, sizeof front);
        memcpy(argv + front_count, arguments->program, count * sizeof *argv);
    } else {
        free(simulator);
        free(libraries);
    }
    return argv;
}

static void free_simulated(char **argv)
{
    free(argv[0]);
    free(argv[2]);
    free(argv);
}

static void show(const struct vs_environment *environment, char *const *argv)
{
    struct vs_text shown = {0};
    vs_environment_show(environment, argv, &shown);
    fputs(shown.failed ? "out of memory\n" : shown.data, stdout);
    vs_text_free(&shown);
}

/* Becomes the program. Returns the exit status where that fails. */
static int become(const struct vs_environment *environment, char *const *argv)
{
    if (vs_environment_apply(environment)) {
        vs_command_complain("run", NULL, "out of memory");
        return VS_EXIT_ERRORS;
    }
    execvp(argv[0], argv);
    int error = errno;
    if (error != ENOENT)
        return complain_program(argv[0], error);
    vs_command_complain("run", NULL,
        "cannot start `%s`: the interpreter that it names in its first line, or its dynamic loader, is not there",
        vs_quote_string(argv[0]).text);
    return VS_EXIT_NOT_FOUND;
}

static int start(const struct arguments *arguments, const struct vs_environment *environment)
{
    char **argv = arguments->machine_text ? simulated(arguments) : arguments->program;
    int status = VS_EXIT_OK;
    if (!argv)
        return VS_EXIT_ERRORS;
    if (arguments->only_shows)
        show(environment, argv);
    else
        status = become(environment, argv);
    if (arguments->machine_text)
        free_simulated(argv);
    return status;
}

int vs_command_run(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"simulate", KEY_SIMULATE, "MACHINE", 0,
            "Run it on a simulated machine with GPUs (2x24gb, 8gb+24gb, or a file): what becomes of memory can be "
            "seen, "
            "times cannot",
            0},
        {"log", KEY_LOG, "LEVEL", 0, "What the library tells: error, warn, info (the default) or debug", 0},
        {"dry-run", 'n', NULL, 0, "Check everything, and print the command that does the same by hand", 0},
        {0},
    };
    static const struct argp_child children[] = {{.argp = &vs_settings_argp, .group = 1}, {0}};
    static const struct argp argp = {
        .options = options,
        .parser = read_option,
        .args_doc = "[--] PROGRAM [ARGUMENT...]",
        .doc = "Starts a program with the weights of its models spread over several devices.\v"
               "Exit status: the program's own. Before it starts: 1 something is wrong with the policy, 2 with the "
               "command line; 126 the program cannot be executed, 127 there is none.",
        .children = children,
    };
    struct arguments arguments = {.said = {.variable = vs_variable_of_process}};
    struct vs_environment environment = {0};
    char *library = NULL, *path = NULL;
    int status;
    vs_command_parse(&argp, argc, argv, ARGP_IN_ORDER, &arguments);
    if (!read_machine(&arguments))
        return VS_EXIT_ERRORS;
    enum verdict verdict = judge_policy(&arguments, &status);
    if (verdict == NO_START)
        return status;
    int error = vs_program_find(arguments.program[0], &path);
    if (error)
        return complain_program(arguments.program[0], error);
    if (verdict == WITH_LIBRARY) {
        library = vs_beside_library("run");
        if (!library || check_preload(path, arguments.program[0])) {
            status = VS_EXIT_ERRORS;
            goto end;
        }
        hand_down(&arguments, library, &environment);
    }
    status = start(&arguments, &environment);
end:
    vs_environment_free(&environment);
    free(library);
    free(path);
    return status;
}
