/*
 * vramspan check: tells what is wrong with policies, as the library would when a program starts.
 */
#include "command.h"

#include "../policy/settings.h"
#include "settings_options.h"
#include "terminal.h"

#include <stdio.h>
#include <string.h>

enum { KEY_WERROR = 0x2000 };

struct arguments {
    struct vs_said said;
    char **files;
    size_t file_count;
    bool is_quiet;
    bool warnings_are_errors;
};

static error_t read_option(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    const char *const *options = arguments->said.options;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->said;
        return 0;
    case 'q':
        arguments->is_quiet = true;
        return 0;
    case KEY_WERROR:
        arguments->warnings_are_errors = true;
        return 0;
    case ARGP_KEY_ARGS:
        arguments->files = state->argv + state->next;
        arguments->file_count = (size_t)(state->argc - state->next);
        return 0;
    case ARGP_KEY_SUCCESS:
        if (arguments->file_count &&
            (options[VS_SETTING_POLICY] || options[VS_SETTING_VIRTUAL_VRAM] || options[VS_SETTING_DISTORCH]))
            argp_error(state, "FILE and an option that says what to check (--policy, --virtual-vram, --distorch): "
                              "give one of them");
        return 0;
    default:
        (void)argument;
        return ARGP_ERR_UNKNOWN;
    }
}

/* What is checked, in words: a file or folder, or what was said in the place of one. */
static void name_of(const struct vs_said *said, const struct vs_settings *settings, struct vs_text *name)
{
    static const enum vs_setting allocations[] = {VS_SETTING_VIRTUAL_VRAM, VS_SETTING_DISTORCH};
    for (size_t i = 0; i < sizeof allocations / sizeof *allocations; i++) {
        struct vs_setting_value value = vs_setting_in_force(said, allocations[i]);
        if (!value.text)
            continue;
        vs_text_printf(name, "%s=", value.name);
        vs_text_append_quoted(name, value.text, strlen(value.text));
        return;
    }
    vs_text_append_quoted(name, settings->policy.name, strlen(settings->policy.name));
}

static void say_ok(const struct arguments *arguments, const struct vs_said *said, const struct vs_settings *settings)
{
    size_t count = settings->policy.section_count;
    struct vs_text name = {0};
    if (arguments->is_quiet)
        return;
    name_of(said, settings, &name);
    if (count)
        printf("%s: ok, %zu model section%s\n", name.data, count, count == 1 ? "" : "s");
    else
        printf("%s: ok, but it names no model: nothing will be placed\n", name.data);
    vs_text_free(&name);
}

/* Returns the exit status that this one asks for. */
static int check(const struct arguments *arguments, const struct vs_said *said)
{
    struct vs_settings settings;
    struct vs_diags diags = {0};
    int status = VS_EXIT_ERRORS;
    if (vs_settings_load(said, &settings, &diags) == 0) {
        bool has_warnings = diags.count > 0 || diags.dropped > 0;
        status = has_warnings && arguments->warnings_are_errors ? VS_EXIT_ERRORS : VS_EXIT_OK;
    }
    vs_terminal_show_diagnostics(stderr, &diags);
    if (status == VS_EXIT_OK && !settings.has_policy)
        status = vs_settings_complain_none("check");
    else if (status == VS_EXIT_OK)
        say_ok(arguments, said, &settings);
    vs_diags_free(&diags);
    vs_settings_free(&settings);
    return status;
}

int vs_command_check(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"quiet", 'q', NULL, 0, "Say nothing about what is right", 0},
        {"werror", KEY_WERROR, NULL, 0, "Warnings are errors", 0},
        {0},
    };
    static const struct argp_child children[] = {{.argp = &vs_settings_argp, .group = 1}, {0}};
    static const struct argp argp = {
        .options = options,
        .parser = read_option,
        .args_doc = "[FILE...]",
        .doc = "Tells what is wrong with policies, each FILE (or folder of *.yaml) on its own, whatever VRAMSPAN_* "
               "says. Without FILE: with what is in force here and now.\v"
               "Exit status: 0 nothing is wrong, 1 something is, 2 the command line is.",
        .children = children,
    };
    struct arguments arguments = {0};
    vs_command_parse(&argp, argc, argv, 0, &arguments);
    struct vs_said said = arguments.said;
    if (!arguments.file_count) {
        said.variable = vs_variable_of_process;
        return check(&arguments, &said);
    }
    int status = VS_EXIT_OK;
    for (size_t i = 0; i < arguments.file_count; i++) {
        said.options[VS_SETTING_POLICY] = arguments.files[i];
        if (check(&arguments, &said) != VS_EXIT_OK)
            status = VS_EXIT_ERRORS;
    }
    return status;
}
