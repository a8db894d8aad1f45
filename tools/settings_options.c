/*
 * --policy and its kin. See settings_options.h.
 */
#include "settings_options.h"

#include "command.h"
#include "terminal.h"

#include <stdlib.h>
#include <string.h>

/* Keys of options without a short form, apart from those of the commands: argp takes keys beyond characters for that.
 */
enum { KEY_FIRST = 0x1000 };

#define SETTING(setting) (KEY_FIRST + VS_SETTING_##setting)
static const struct argp_option options[] = {
    {.doc = "What goes where (wins over VRAMSPAN_*, which wins over files):"},
    {"policy", SETTING(POLICY), "FILE", 0, "The policy, or a folder of which all *.yaml make one", 0},
    {"virtual-vram", SETTING(VIRTUAL_VRAM), "SIZE", 0,
        "So much of every model leaves the compute device (8gb, 60%); needs no policy", 0},
    {"distorch", SETTING(DISTORCH), "STRING", 0,
        "An allocation string of ComfyUI-MultiGPU for every model (cuda:0,2.5gb;cpu,*); needs no policy", 0},
    {"devices", SETTING(DEVICES), "LIST", 0, "The GPUs that the program sees, in its order (cuda:1,cuda:0)", 0},
    {"donors", SETTING(DONORS), "LIST", 0,
        "The devices that lend memory, in order, with the most that they lend (cuda:1,cpu:48gb); the program does not "
        "see them",
        0},
    {"compute-reserve", SETTING(COMPUTE_RESERVE), "SIZE", 0, "What stays free of weights on the compute device (1.5gb)",
        0},
    {"host-reserve", SETTING(HOST_RESERVE), "SIZE", 0, "What is not lent of the host's memory (2gb)", 0},
    {"on-error", SETTING(ON_ERROR), "WHAT", 0,
        "Where the policy cannot be honoured: `stop` the program, or let it run without vramspan (`passthrough`)", 0},
    {"backends", SETTING(BACKENDS), "LIST", 0,
        "How memory may be provided, best first (vmm,pinned), or how not (-vmm:peer)", 0},
    {0},
};

static error_t read_option(int key, char *argument, struct argp_state *state)
{
    struct vs_said *said = state->input;
    if (key < KEY_FIRST || key >= KEY_FIRST + VS_SETTING_COUNT)
        return ARGP_ERR_UNKNOWN;
    said->options[key - KEY_FIRST] = argument;
    return 0;
}

const struct argp vs_settings_argp = {.options = options, .parser = read_option};

/* As values of options are called as the source of a message; a file's name has something else in it. */
static bool is_option(const char *source)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz-";
    return !strncmp(source, "--", 2) && source[strspn(source, letters)] == '\0';
}

int vs_settings_status(const struct vs_diags *diags)
{
    for (size_t i = 0; i < diags->count; i++)
        if (diags->items[i].severity == VS_ERROR && is_option(diags->items[i].file))
            return VS_EXIT_USAGE;
    return VS_EXIT_ERRORS;
}

void vs_settings_refuse_none(const char *command, struct vs_diags *diags)
{
    const struct vs_said said = {.variable = vs_variable_of_process};
    char folder[4096], name[32];
    bool has_folder = vs_settings_folder(&said, folder, sizeof folder);
    snprintf(name, sizeof name, "vramspan %s", command);
    const struct vs_source source = {.name = name};
    vs_diag_add(diags, VS_ERROR, vs_place_of_file(&source),
        "there is no policy: none is named here, VRAMSPAN_POLICY and its kin are not set, and %s%s",
        has_folder ? "no *.yaml is in " : "there is no home folder", has_folder ? vs_quote_string(folder).text : "");
    vs_diag_hint(diags, "say `--policy FILE`, or `--virtual-vram 8gb` for all models without a file");
}

int vs_settings_complain_none(const char *command)
{
    struct vs_diags diags = {0};
    vs_settings_refuse_none(command, &diags);
    vs_terminal_show_diagnostics(stderr, &diags);
    vs_diags_free(&diags);
    return VS_EXIT_USAGE;
}
