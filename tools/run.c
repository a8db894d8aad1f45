/*
 * vramspan run: starts a program under the library, once its policy has been read without errors. What is in force is
 * handed down in the variables that the library reads, so that the program's children get it, too.
 */
#include "command.h"

#include "../policy/model/input.h"
#include "../policy/text/file.h"
#include "../policy/text/suggest.h"
#include "../policy/values/values.h"
#include "beside.h"
#include "hand_down.h"
#include "machine_check.h"
#include "machine_option.h"
#include "program.h"
#include "settings_options.h"
#include "terminal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

static const char *const levels[] = {"error", "warn", "info", "debug"};
enum { LEVEL_COUNT = sizeof levels / sizeof *levels };

static void read_level(struct argp_state *state, struct arguments *arguments, char *level)
{
    for (size_t i = 0; i < LEVEL_COUNT; i++)
        if (!strcmp(level, levels[i]))
            arguments->log = level;
    if (arguments->log == level)
        return;
    const char *guess = vs_suggest(level, strlen(level), levels, LEVEL_COUNT);
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

/* Returns the exit status that a --simulate which names no machine asks for. */
static int read_machine(struct arguments *arguments)
{
    struct vs_diags diags = {0};
    int status = VS_EXIT_OK;
    if (arguments->machine_text &&
        vs_machine_option("--simulate", arguments->machine_text, &arguments->machine, &diags))
        status = vs_settings_status(&diags);
    vs_terminal_show_diagnostics(stderr, &diags);
    vs_diags_free(&diags);
    return status;
}

/* Whether the policy's devices are those of a machine that is described: not where the user renumbers them. */
static bool is_on_machine(const struct arguments *arguments)
{
    return arguments->machine_text && !getenv("CUDA_VISIBLE_DEVICES") && !getenv("CUDA_DEVICE_ORDER");
}

/* The library in the program and in each of its children reads the policy anew: what can be read only once, or is
 * something else in another process, will not do. Returns whether it will. */
static bool lasts(const struct vs_said *said, struct vs_diags *diags)
{
    static const char *const passing[] = {"/dev/stdin", "/dev/fd/", "/proc/"};
    struct vs_setting_value policy = vs_setting_in_force(said, VS_SETTING_POLICY);
    struct stat status;
    if (!policy.text || stat(policy.text, &status)) /* which the reader tells */
        return true;
    bool is_good = S_ISREG(status.st_mode) || S_ISDIR(status.st_mode);
    for (size_t i = 0; i < sizeof passing / sizeof *passing; i++)
        is_good &= strncmp(policy.text, passing[i], strlen(passing[i])) != 0;
    if (!is_good)
        vs_refuse(diags, policy.text, "save it to a file, and name that",
            "the program could not read the policy from here again: it is neither a file nor a folder that stays");
    return is_good;
}

static void check_level(const struct arguments *arguments, struct vs_diags *diags)
{
    const char *text = getenv("VRAMSPAN_LOG");
    if (arguments->log || !text || !*text)
        return;
    struct vs_source source = {.name = "VRAMSPAN_LOG", .text = text, .bytes = strlen(text)};
    struct vs_word word = {text, strlen(text), vs_place_at(&source, 0), true};
    vs_read_choice(word, levels, LEVEL_COUNT, "level", "write error, warn, info or debug", diags);
}

/* What the program gets of the library. */
struct verdict {
    enum {
        WITH_LIBRARY,
        WITHOUT_LIBRARY,
        NO_START, /* `status` tells how it ends */
    } start;
    bool may_step_aside; /* where the library cannot be had: on-error: passthrough */
    int status;
};

static void judge_settings(const struct arguments *arguments, struct verdict *verdict, struct vs_diags *diags)
{
    struct vs_settings settings;
    bool is_read = vs_settings_load(&arguments->said, &settings, diags) == 0;
    if (!is_read)
        verdict->status = vs_settings_status(diags);
    else if (settings.has_policy && is_on_machine(arguments))
        vs_machine_check(&settings, &arguments->machine, diags);
    verdict->may_step_aside = settings.policy.on_error == VS_ON_ERROR_PASSTHROUGH;
    if (is_read && !settings.has_policy) {
        verdict->start = NO_START;
        verdict->status = vs_settings_complain_none("run");
    }
    vs_settings_free(&settings);
}

/* Says what is wrong with the policy; warnings are the library's to say, where they matter. */
static struct verdict judge(const struct arguments *arguments)
{
    struct verdict verdict = {.start = WITH_LIBRARY, .status = VS_EXIT_ERRORS};
    struct vs_diags diags = {0};
    const char *on_error = vs_setting_in_force(&arguments->said, VS_SETTING_ON_ERROR).text;
    if (lasts(&arguments->said, &diags))
        judge_settings(arguments, &verdict, &diags);
    else
        verdict.may_step_aside = on_error && !strcmp(on_error, "passthrough");
    check_level(arguments, &diags);
    if (diags.error_count) {
        vs_terminal_show_diagnostics(stderr, &diags);
        if (verdict.start == WITH_LIBRARY)
            verdict.start = verdict.may_step_aside ? WITHOUT_LIBRARY : NO_START;
    }
    vs_diags_free(&diags);
    return verdict;
}

/* What to do where a program has rights of its own, by its name. */
static const struct {
    const char *name;
    const char *hint;
} rights_hints[] = {
    {"sudo", "write `sudo vramspan run ...` for `vramspan run sudo ...`; say all by options, because sudo drops "
             "VRAMSPAN_*"},
    {"doas", "write `doas vramspan run ...` for `vramspan run doas ...`; say all by options, because doas drops "
             "VRAMSPAN_*"},
    {"pkexec", "write `pkexec vramspan run ...` for `vramspan run pkexec ...`; say all by options, because pkexec "
               "drops VRAMSPAN_*"},
    {"su", "write `su USER -c 'vramspan run ...'` for `vramspan run su ...`"},
    {"sg", "write `sg GROUP -c 'vramspan run ...'` for `vramspan run sg ...`"},
};

static const char *rights_hint(const char *name)
{
    const char *base = vs_base_name(name);
    for (size_t i = 0; i < sizeof rights_hints / sizeof *rights_hints; i++)
        if (!strcmp(base, rights_hints[i].name))
            return rights_hints[i].hint;
    return "start a copy of it without these rights (cp leaves them out), if it works without them";
}

/* Tells where preloading will have no effect. Returns 0, or -1 where it has none in all that the program starts. */
static int check_preload(const char *path, const char *name)
{
    struct vs_quoted shown = vs_quote_string(name);
    const char *what = NULL;
    switch (vs_program_preload(path)) {
    case VS_PRELOAD_WORKS:
        return 0;
    case VS_PRELOAD_SECURE:
        vs_command_complain("run", rights_hint(name),
            "`%s` gets rights of its own (setuid, setgid or capabilities), so the dynamic loader preloads nothing "
            "into it",
            shown.text);
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
        terminal.warning, terminal.plain, shown.text, what);
    return 0;
}

/* Puts the library into the environment. Returns 0, or -1 where it cannot be had in this program, which was told. */
static int prepare(const struct arguments *arguments, const char *path, struct vs_environment *environment)
{
    char *library = vs_beside_library("run");
    int result = -1;
    if (library && check_preload(path, arguments->program[0]) == 0)
        result = vs_hand_down("run", &arguments->said, arguments->log, library, environment);
    free(library);
    return result;
}

static void step_aside(struct vs_environment *environment)
{
    fprintf(stderr, "vramspan run: the program runs without vramspan, as on-error: passthrough asks\n");
    vs_environment_free(environment);
    vs_hand_down_nothing(environment);
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

/* The machine as the simulator is to read it: a file by its path from the root on, which no option looks like. NULL: it
 * cannot be told, which was told. */
static char *machine_for_simulator(const char *text)
{
    struct stat status;
    char *machine = NULL;
    bool is_file = !stat(text, &status) && S_ISREG(status.st_mode);
    int error = is_file ? vs_absolute_path(text, &machine) : (machine = strdup(text)) ? 0 : ENOMEM;
    if (error)
        vs_complain_relative("run", text, error);
    return machine;
}

/* The argv of the simulator with the program behind it. NULL: it cannot be had, which was told. */
static char **simulated(const struct arguments *arguments)
{
    static char home[] = "--home", machine[] = "--machine", end[] = "--";
    char *simulator = NULL, *libraries = NULL, *text = machine_for_simulator(arguments->machine_text);
    if (!text || vs_beside_simulator("run", &simulator, &libraries)) {
        free(text);
        return NULL;
    }
    char *front[] = {simulator, home, libraries, machine, text, end};
    size_t front_count = sizeof front / sizeof *front, count = (size_t)arguments->program_argc;
    char **argv = calloc(front_count + count + 1, sizeof *argv);
    if (argv) {
        memcpy(argv, front, sizeof front);
        memcpy(argv + front_count, arguments->program, count * sizeof *argv);
    } else {
        vs_command_complain("run", NULL, "out of memory");
        free(simulator);
        free(libraries);
        free(text);
    }
    return argv;
}

static void free_simulated(char **argv)
{
    free(argv[0]);
    free(argv[2]);
    free(argv[4]);
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
    char *path = NULL;
    vs_command_parse(&argp, argc, argv, ARGP_IN_ORDER, &arguments);
    int status = read_machine(&arguments);
    if (status != VS_EXIT_OK)
        return status;
    struct verdict verdict = judge(&arguments);
    if (verdict.start == NO_START)
        return verdict.status;
    int error = vs_program_find(arguments.program[0], &path);
    if (error)
        return complain_program(arguments.program[0], error);
    if (verdict.start == WITH_LIBRARY && prepare(&arguments, path, &environment))
        verdict.start = verdict.may_step_aside ? WITHOUT_LIBRARY : NO_START;
    if (verdict.start == WITHOUT_LIBRARY)
        step_aside(&environment);
    status = verdict.start == NO_START ? VS_EXIT_ERRORS : start(&arguments, &environment);
    vs_environment_free(&environment);
    free(path);
    return status;
}
