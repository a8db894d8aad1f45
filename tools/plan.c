/*
 * vramspan plan: tells where each weight of a model will go, and what that costs, without a GPU.
 */
#include "command.h"

#include "../policy/text/number.h"
#include "machine_check.h"
#include "machine_option.h"
#include "plan_json.h"
#include "plan_text.h"
#include "settings_options.h"

#include <errno.h>
#include <string.h>

enum {
    KEY_MACHINE = 0x2000,
    KEY_PART,
    KEY_MODULES,
    KEY_LEARNED,
    KEY_DTYPE,
    KEY_AS,
    KEY_COMPUTE_MS,
    KEY_LINK,
    KEY_CARD,
    KEY_TENSORS,
    KEY_EXPLAIN,
    KEY_JSON,
    KEY_END,
};

struct arguments {
    struct vs_said said;
    const char *words[KEY_END - KEY_MACHINE]; /* values of options; of those without a value, "" */
    char **models;
    size_t model_count;
};

static const char *word_of(const struct arguments *arguments, int key)
{
    return arguments->words[key - KEY_MACHINE];
}

static error_t read_option(int key, char *argument, struct argp_state *state)
{
    struct arguments *arguments = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &arguments->said;
        return 0;
    case ARGP_KEY_ARGS:
        arguments->models = state->argv + state->next;
        arguments->model_count = (size_t)(state->argc - state->next);
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_error(state, "name a MODEL: a file, its saved header, or a module table");
        return 0;
    default:
        if (key < KEY_MACHINE || key >= KEY_END)
            return ARGP_ERR_UNKNOWN;
        arguments->words[key - KEY_MACHINE] = argument ? argument : "";
        return 0;
    }
}

/* --- What all models share ---------------------------------------------------------------------------------------- */

/* A word of the command line, for readers that point into it. `source` must outlive it. */
static bool get_word(
    const struct arguments *arguments, int key, const char *name, struct vs_source *source, struct vs_word *word)
{
    const char *text = word_of(arguments, key);
    if (!text)
        return false;
    *source = (struct vs_source){.name = name, .text = text, .bytes = strlen(text)};
    *word = (struct vs_word){text, strlen(text), vs_place_at(source, 0), true};
    return true;
}

static void read_compute_time(struct vs_word word, struct vs_plan_request *request, struct vs_diags *diags)
{
    double milliseconds;
    if (vs_number_parse(word.text, word.length, &milliseconds) && milliseconds > 0 && milliseconds < 1e9) {
        request->compute_seconds = milliseconds / 1000;
        return;
    }
    vs_diag_add(diags, VS_ERROR, word.place, "`%s` is no time", vs_quote(word.text, word.length).text);
    vs_diag_hint(diags, "write the milliseconds of a step with all weights on the compute device: `--compute-ms 660`");
}

static void read_values(const struct arguments *arguments, struct vs_plan_request *request, struct vs_diags *diags)
{
    struct vs_source source;
    struct vs_word word;
    if (get_word(arguments, KEY_DTYPE, "--dtype", &source, &word))
        request->dtype = vs_read_load_dtype(word, diags);
    if (get_word(arguments, KEY_COMPUTE_MS, "--compute-ms", &source, &word))
        read_compute_time(word, request, diags);
    if (get_word(arguments, KEY_LINK, "--link", &source, &word))
        request->link_bytes_per_second = vs_read_link(word, diags);
    if (get_word(arguments, KEY_CARD, "--card", &source, &word))
        request->card = vs_read_card(word, diags);
    request->name = word_of(arguments, KEY_AS);
    request->machine_text = word_of(arguments, KEY_MACHINE);
    if (request->machine_text)
        vs_machine_option("--machine", request->machine_text, &request->machine, diags);
    if (word_of(arguments, KEY_MODULES))
        request->has_modules = !vs_module_table_load(word_of(arguments, KEY_MODULES), &request->modules, diags);
    request->learned_path = word_of(arguments, KEY_LEARNED);
    if (request->learned_path)
        vs_learned_order_load(request->learned_path, &request->learned, diags);
}

/* The part that is asked for; VS_PART_COUNT where none is. */
static enum vs_part read_part(const struct arguments *arguments, struct vs_diags *diags)
{
    const char *names[VS_PART_COUNT];
    struct vs_source source;
    struct vs_word word;
    for (int part = 0; part < VS_PART_COUNT; part++)
        names[part] = vs_part_name((enum vs_part)part);
    if (!get_word(arguments, KEY_PART, "--part", &source, &word))
        return VS_PART_COUNT;
    int part = vs_read_choice(
        word, names, VS_PART_COUNT, "part of a model", "write diffusion, text-encoder, vae, other, or any", diags);
    return part < 0 ? VS_PART_COUNT : (enum vs_part)part;
}

static void free_request(struct vs_plan_request *request)
{
    vs_settings_free(&request->settings);
    vs_module_table_free(&request->modules);
    vs_learned_order_free(&request->learned);
}

/* --- Models ------------------------------------------------------------------------------------------------------- */

struct output {
    struct vs_paper paper;
    bool has_shown; /* something, which an empty line parts from what comes */
    const char *glob;
    size_t matched; /* tensors that the glob fits */
    bool shows_tensors;
    json_t *plans; /* NULL: text */
    json_t *diagnostics;
};

/* What was said of a model, or of what all share (NULL). */
static void tell(struct output *output, const char *model, const struct vs_diags *diags)
{
    if (!output->plans)
        vs_terminal_show_diagnostics(stderr, diags);
    else if (vs_plan_json_add_diagnostics(output->diagnostics, model, diags))
        output->paper.write_error = ENOMEM;
}

static void show(struct output *output, const struct vs_plan_report *report, struct vs_diags *diags)
{
    if (output->plans) {
        const struct vs_plan_json_wish wish = {output->shows_tensors, output->glob};
        if (json_array_append_new(output->plans, vs_plan_json(report, &wish, &output->matched)))
            vs_diag_out_of_memory(diags);
        return;
    }
    if (output->has_shown)
        vs_text_printf(&output->paper.text, "\n");
    output->has_shown = true;
    if (output->glob) {
        output->matched += vs_plan_show_reasons(&output->paper, report, output->glob);
        return;
    }
    vs_plan_show(&output->paper, report);
    if (output->shows_tensors)
        vs_plan_show_tensors(&output->paper, report);
}

/* No section is for the model, or for the part that was asked for. */
static void refuse_model(const struct vs_plan_request *request, const struct vs_plan_model *model, enum vs_part asked,
    struct vs_diags *diags)
{
    struct vs_text parts = {0};
    vs_plan_model_name_parts(model, &parts);
    const char *held = parts.data ? parts.data : "nothing";
    if (asked != VS_PART_COUNT && !model->model.parts[asked].count)
        vs_refuse(diags, model->path, "leave --part out, or name one that is there",
            "the file holds no part `%s`: it holds %s", vs_part_name(asked), held);
    else if (!model->model.file.tensor_count)
        vs_refuse(diags, model->path, "check that this is the file that was meant", "the file holds no tensor");
    else
        vs_refuse(diags, model->path,
            "name it in a section's `match`, or give --virtual-vram 8gb; --as NAME plans the file as if it had that "
            "name",
            "no section of %s is for `%s` (it holds %s): it will be left alone",
            vs_quote_string(request->settings.policy.name ? request->settings.policy.name : "the policy").text,
            vs_quote_string(vs_plan_model_name(request, model)).text, held);
    vs_text_free(&parts);
}

/* Returns the exit status that this model asks for. */
static int plan_model(const struct vs_plan_request *request, const char *path, enum vs_part asked,
    struct output *output, struct vs_diags *diags)
{
    struct vs_named_part named[VS_PART_COUNT];
    struct vs_plan_model model;
    int status = VS_EXIT_OK;
    if (vs_plan_model_load(path, &model, diags))
        return VS_EXIT_ERRORS;
    size_t count = vs_plan_named_parts(request, &model, asked, named);
    for (size_t i = 0; i < count; i++) {
        struct vs_plan_report report;
        if (vs_plan_report_make(request, &model, &named[i], &report, diags)) {
            status = VS_EXIT_ERRORS;
            continue;
        }
        show(output, &report, diags);
        if (report.plan.unfit_bytes)
            status = VS_EXIT_ERRORS;
        vs_plan_report_free(&report);
    }
    if (!count)
        refuse_model(request, &model, asked, diags);
    vs_plan_model_free(&model);
    return count ? status : VS_EXIT_ERRORS;
}

/* Returns 0, or -1 where what there is to say could not be written. */
static int finish_output(struct output *output)
{
    if (output->plans) {
        json_t *document = vs_plan_json_document(output->plans, output->diagnostics);
        errno = ENOMEM;
        if (!document || json_dumpf(document, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(12)) ||
            putchar('\n') == EOF || fflush(stdout))
            output->paper.write_error = errno;
        json_decref(document);
    }
    if (!output->paper.write_error)
        return 0;
    vs_command_complain("plan", NULL, "the plan could not be written: %s", strerror(output->paper.write_error));
    return -1;
}

static int plan_models(
    const struct vs_plan_request *request, const struct arguments *arguments, enum vs_part asked, struct output *output)
{
    int status = VS_EXIT_OK;
    for (size_t i = 0; i < arguments->model_count; i++) {
        struct vs_diags diags = {0};
        int model_status = plan_model(request, arguments->models[i], asked, output, &diags);
        if (vs_paper_flush(&output->paper)) /* before what stderr says of it */
            vs_diag_out_of_memory(&diags);
        tell(output, arguments->models[i], &diags);
        if (model_status != VS_EXIT_OK || diags.error_count)
            status = VS_EXIT_ERRORS;
        vs_diags_free(&diags);
    }
    if (output->glob && !output->matched) {
        struct vs_diags diags = {0};
        vs_refuse(&diags, "vramspan plan", "see the names with --tensors", "no tensor's name fits `%s`",
            vs_quote_string(output->glob).text);
        tell(output, NULL, &diags);
        vs_diags_free(&diags);
        status = VS_EXIT_ERRORS;
    }
    return status;
}

static const struct argp_option options[] = {
    {"machine", KEY_MACHINE, "MACHINE", 0,
        "The machine: memory of its GPUs, and of the host (2x24gb, 8gb+24gb+host:32gb), or the name or path of a "
        "machine file",
        0},
    {"part", KEY_PART, "PART", 0, "Only this part of a file: diffusion, text-encoder, vae, other, any", 0},
    {"as", KEY_AS, "NAME", 0, "Plan the file as if it had this name (for `match' of the policy)", 0},
    {"dtype", KEY_DTYPE, "FORMAT", 0, "The number format in which the program will load the weights (bf16)", 0},
    {"modules", KEY_MODULES, "FILE", 0, "The table of the model's modules (examples/export_modules.py writes it)", 0},
    {"learned", KEY_LEARNED, "FILE", 0, "The order in which a run used the tensors, a name a line", 0},
    {"execution-order", 0, NULL, OPTION_ALIAS, NULL, 0},
    {.doc = "What the forecast is made from:", .group = 2},
    {"compute-ms", KEY_COMPUTE_MS, "N", 0, "Milliseconds of a step with all weights on the compute device", 2},
    {"card", KEY_CARD, "CLASS", 0, "The compute device's class: 8gb, 12gb, 16gb, 24gb, 32gb", 2},
    {"link", KEY_LINK, "LINK", 0, "The compute device's link: pcie3-x8 to pcie5-x16, or a rate (25gb/s)", 2},
    {.doc = "What is shown:", .group = 3},
    {"tensors", KEY_TENSORS, NULL, 0, "A line for each tensor, in the order of execution", 3},
    {"explain", KEY_EXPLAIN, "GLOB", 0, "Why the tensors that it fits are where they are", 3},
    {"json", KEY_JSON, NULL, 0, "JSON, as vramspan-plan(1) describes it", 3},
    {0},
};

int vs_command_plan(int argc, char **argv)
{
    static const struct argp_child children[] = {{.argp = &vs_settings_argp, .group = 1}, {0}};
    static const struct argp argp = {
        .options = options,
        .parser = read_option,
        .args_doc = "MODEL...",
        .doc = "Tells where each weight of a model will go, and what that costs in each step. No GPU is needed, nor "
               "the whole model: MODEL is a file (.safetensors, .sft, .gguf, .safetensors.index.json), the header of "
               "one saved as JSON, or a module table (examples/models/*.json).\v"
               "Exit status: 0 the plan fits, 1 it does not, or something is wrong with what was given, 2 the command "
               "line is.",
        .children = children,
    };
    struct arguments arguments = {0};
    struct vs_diags diags = {0};
    int status = VS_EXIT_OK;
    vs_command_parse(&argp, argc, argv, 0, &arguments);
    struct vs_plan_request request = {.said = arguments.said};
    request.said.variable = vs_variable_of_process;
    enum vs_part part = read_part(&arguments, &diags);
    read_values(&arguments, &request, &diags);
    vs_settings_load(&request.said, &request.settings, &diags);
    struct output output = {.paper = vs_paper_for(stdout),
        .glob = word_of(&arguments, KEY_EXPLAIN),
        .shows_tensors = word_of(&arguments, KEY_TENSORS) != NULL,
        .plans = word_of(&arguments, KEY_JSON) ? json_array() : NULL,
        .diagnostics = word_of(&arguments, KEY_JSON) ? json_array() : NULL};
    if (diags.error_count) {
        status = vs_settings_status(&diags);
    } else if (!request.settings.has_policy) {
        vs_settings_refuse_none("plan", &diags);
        status = VS_EXIT_USAGE;
    } else if (request.machine_text && vs_machine_check_devices(&request.settings, &request.machine, &diags)) {
        status = VS_EXIT_ERRORS;
    }
    tell(&output, NULL, &diags);
    if (!diags.error_count)
        status = plan_models(&request, &arguments, part, &output);
    if (finish_output(&output))
        status = VS_EXIT_ERRORS;
    vs_diags_free(&diags);
    free_request(&request);
    return status;
}
