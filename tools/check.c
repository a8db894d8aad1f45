/*
 * vramspan check: tells what is wrong with policies, as the library would when a program starts.
 */
#include "command.h"

#include "../policy/language/settings.h"
#include "diag_json.h"
#include "machine_check.h"
#include "machine_option.h"
#include "settings_options.h"
#include "terminal.h"

#include <stdio.h>
#include <string.h>

enum { KEY_MACHINE = 0x2000, KEY_WERROR, KEY_JSON };

struct arguments {
    struct vs_said said;
    char **files;
    size_t file_count;
    const char *machine_text; /* NULL: none is asked for */
    struct vs_machine machine;
    bool is_quiet;
    bool warnings_are_errors;
    json_t *json; /* the list of policies; NULL: people read it */
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
    case KEY_JSON:
        if (!arguments->json)
            arguments->json = json_array();
        return 0;
    case KEY_MACHINE:
        arguments->machine_text = argument;
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
        return ARGP_ERR_UNKNOWN;
    }
}

/* What is checked, in words: a file or folder, or what was said in the place of one. Nothing where nothing is said. */
static void name_of(const struct vs_said *said, struct vs_text *name)
{
    enum vs_setting source = vs_setting_of_shares(said);
    char folder[4096];
    if (source != VS_SETTING_COUNT) {
        struct vs_setting_value value = vs_setting_in_force(said, source);
        if (source != VS_SETTING_POLICY)
            vs_text_printf(name, "%s=", value.name);
        vs_text_append_quoted(name, value.text, strlen(value.text));
    } else if (vs_settings_folder(said, folder, sizeof folder)) {
        vs_text_append_quoted(name, folder, strlen(folder));
    }
}

static void say_ok(const struct arguments *arguments, const char *name, const struct vs_settings *settings)
{
    size_t count = settings->policy.section_count;
    struct vs_device_id idle;
    if (arguments->is_quiet)
        return;
    if (count)
        printf("%s: ok, %zu model section%s\n", name, count, count == 1 ? "" : "s");
    else
        printf("%s: ok, but it names no model: nothing will be placed\n", name);
    if (arguments->machine_text && vs_machine_idle_device(settings, &arguments->machine, &idle))
        printf("  `%s` is idle: `donors: [%s, cpu]` lets it lend memory\n", vs_device_format(idle).text,
            vs_device_format(idle).text);
}

/* Returns whether --machine names one, or was not given. */
static bool read_machine(struct arguments *arguments, struct vs_diags *diags)
{
    return !arguments->machine_text ||
           vs_machine_option("--machine", arguments->machine_text, &arguments->machine, diags) == 0;
}

/* Returns the exit status that this one asks for. */
static int check(struct arguments *arguments, const struct vs_said *said)
{
    struct vs_settings settings;
    struct vs_diags diags = {0};
    struct vs_text name = {0};
    int status = VS_EXIT_OK;
    bool is_read = !arguments->json || read_machine(arguments, &diags);
    is_read &= vs_settings_load(said, &settings, &diags) == 0;
    if (is_read && arguments->machine_text && settings.has_policy)
        vs_machine_check(&settings, &arguments->machine, &diags);
    bool has_warnings = diags.count > 0 || diags.dropped > 0;
    if (diags.error_count || (has_warnings && arguments->warnings_are_errors))
        status = is_read ? VS_EXIT_ERRORS : vs_settings_status(&diags);
    bool is_nothing = status == VS_EXIT_OK && !settings.has_policy;
    if (is_nothing) {
        vs_settings_refuse_none("check", &diags);
        status = VS_EXIT_USAGE;
    }
    name_of(said, &name);
    if (arguments->json)
        json_array_append_new(arguments->json,
            json_pack("{s:s?, s:b, s:I, s:o}", "policy", name.data, "ok", status == VS_EXIT_OK, "model_sections",
                (json_int_t)settings.policy.section_count, "diagnostics", vs_diags_json(&diags)));
    else
        vs_terminal_show_diagnostics(stderr, &diags);
    if (status == VS_EXIT_OK && !arguments->json)
        say_ok(arguments, name.data, &settings);
    vs_text_free(&name);
    vs_diags_free(&diags);
    vs_settings_free(&settings);
    return status;
}

int vs_command_check(int argc, char **argv)
{
    static const struct argp_option options[] = {
        {"machine", KEY_MACHINE, "MACHINE", 0,
            "Also tell what cannot be honoured on this machine (2x24gb, 8gb+host:32gb, or a file)", 0},
        {"quiet", 'q', NULL, 0, "Say nothing about what is right", 0},
        {"json", KEY_JSON, NULL, 0, "Tell it as JSON (man vramspan-check)", 0},
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
    int status = VS_EXIT_OK;
    if (!arguments.json) { /* for people once, for programs with each policy */
        struct vs_diags diags = {0};
        if (!read_machine(&arguments, &diags))
            status = vs_settings_status(&diags);
        vs_terminal_show_diagnostics(stderr, &diags);
        vs_diags_free(&diags);
    }
    if (status != VS_EXIT_OK)
        return status;
    struct vs_said said = arguments.said;
    if (!arguments.file_count) {
        said.variable = vs_variable_of_process;
        status = check(&arguments, &said);
    }
    for (size_t i = 0; i < arguments.file_count; i++) {
        said.options[VS_SETTING_POLICY] = arguments.files[i];
        int one = check(&arguments, &said);
        if (one > status)
            status = one;
    }
    if (arguments.json) {
        json_dumpf(arguments.json, stdout, JSON_INDENT(2));
        putchar('\n');
    }
    json_decref(arguments.json);
    return status;
}
