/*
 * The keys of a model's section, each with the function that reads it. See policy.h.
 */
#include "policy_read.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(array)  (sizeof(array) / sizeof *(array))
#define MATCH_HINT    "write a glob for the file's name: match: \"flux1-*.safetensors\""
#define DISTORCH_HINT "say what each device takes: distorch: \"cuda:0,600mb;cuda:1,500mb;cpu,*\""
#define TENSORS_HINT  "write lines like `- {match: \"*norm*\", on: compute}`"
#define ON_HINT       "name the device that holds the weights: `on: cuda:1`, `on: cpu` or `on: compute`"

static const char *const part_names[] = {[VS_PART_ANY] = "any",
    [VS_PART_DIFFUSION] = "diffusion",
    [VS_PART_TEXT_ENCODER] = "text-encoder",
    [VS_PART_VAE] = "vae"};
/* As the language has them, without the default. */
static const char *const order_names[] = {"spread", "distorch", "listed"};
static const enum vs_plan_order orders[] = {VS_ORDER_SPREAD, VS_ORDER_DISTORCH, VS_ORDER_LISTED};

/* A section while it is read. What depends on several keys waits for the end, since keys come in any order. */
struct section_reading {
    struct vs_policy_reader *reader;
    struct vs_policy_section *section;
    const struct vs_yaml_node *match;
    const struct vs_yaml_node *on;
    const struct vs_yaml_node *order;
    const struct vs_yaml_node *sharing; /* the key that says how the weights are shared out */
    bool has_tensors;
    bool is_whole; /* it is a mapping whose keys are all known */
};

/* Whether the earlier section takes what the globs of both fit. Without `part`, it leaves a checkpoint's other models
 * than the diffusion model to those that name them. */
static bool is_for_all_of(const struct vs_policy_section *earlier, const struct vs_policy_section *later)
{
    if (earlier->part == VS_PART_ANY)
        return later->part == VS_PART_ANY || later->part == VS_PART_DIFFUSION;
    return earlier->part == later->part;
}

/* The earlier section's glob that takes all that this one fits, or NULL. */
static const char *covering_glob(
    struct vs_policy_reader *reader, const struct vs_policy_section *earlier, const char *glob)
{
    for (size_t i = 0; i < earlier->globs.count; i++)
        if (vs_glob_is_covered(reader, earlier->globs.items[i], glob))
            return earlier->globs.items[i];
    return NULL;
}

static void warn_of_shadowed_section(const struct vs_schema *schema, const struct section_reading *reading)
{
    const struct vs_policy *policy = reading->reader->policy;
    const struct vs_yaml_node *word = NULL;
    while (reading->match && (word = vs_next_glob(schema, reading->match, word))) {
        for (const struct vs_policy_section *earlier = policy->sections; earlier != reading->section; earlier++) {
            if (!is_for_all_of(earlier, reading->section))
                continue;
            const char *by = covering_glob(reading->reader, earlier, word->text);
            if (!by)
                continue;
            bool elsewhere = strcmp(earlier->file, reading->section->file) != 0;
            vs_warn_of_shadow(schema, word, by, elsewhere ? vs_quote_string(earlier->file).text : NULL, earlier->line);
            break;
        }
    }
}

static void read_match(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    struct section_reading *reading = target;
    reading->match = value;
    vs_read_globs(schema, value, true, &reading->section->globs);
}

static void read_part(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    static const char hint[] = "write `diffusion`, `text-encoder`, `vae`, or `any`";
    struct section_reading *reading = target;
    const struct vs_yaml_node *word = vs_schema_word(schema, value, "a part of a model file", hint);
    int part = word ? vs_read_choice(vs_schema_text(schema, word), part_names, COUNT(part_names),
                          "part of a model file", hint, schema->diags)
                    : -1;
    if (part >= 0)
        reading->section->part = (enum vs_part)part;
}

/* Notes how the section shares its weights out; false where it says so in two ways. */
static bool claim_sharing(const struct vs_schema *schema, struct section_reading *reading, enum vs_sharing sharing)
{
    if (reading->sharing) {
        vs_diag_add(schema->diags, VS_ERROR, vs_yaml_place(schema->tree, schema->key),
            "`%s` contradicts `%s` in line %zu: a section shares its weights out in one way", schema->key->text,
            reading->sharing->text, reading->sharing->line);
        vs_diag_hint(schema->diags,
            "keep one of `virtual-vram`, `distorch` and `on`; for single tensors write lines under `tensors:`");
        return false;
    }
    reading->sharing = schema->key;
    reading->section->sharing = sharing;
    return true;
}

static void read_virtual_vram(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    struct section_reading *reading = target;
    const struct vs_yaml_node *word = vs_schema_word(schema, value, "a size or a percentage",
        "say how much of the model the donors take: `virtual-vram: 14gb` or `virtual-vram: 60%`");
    claim_sharing(schema, reading, VS_SHARING_VIRTUAL_VRAM);
    if (!word)
        return;
    reading->section->sharing_at = vs_said_at(vs_yaml_text_place(schema->tree, word));
    vs_read_amount(vs_schema_text(schema, word), &reading->section->virtual_vram, schema->diags);
}

static void read_distorch(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    struct section_reading *reading = target;
    const struct vs_yaml_node *word = vs_schema_word(schema, value, "a DisTorch allocation string", DISTORCH_HINT);
    claim_sharing(schema, reading, VS_SHARING_DISTORCH);
    if (!word)
        return;
    struct vs_place place = vs_yaml_text_place(schema->tree, word);
    reading->section->sharing_at = vs_said_at(place);
    if (!vs_distorch_read(word->text, word->length, place, word->exact, &reading->section->distorch, schema->diags))
        vs_check_compute(reading->reader->policy, reading->section, place, schema->diags);
}

static void read_section_on(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    struct section_reading *reading = target;
    if (claim_sharing(schema, reading, VS_SHARING_ON))
        reading->on = value;
}

static void read_order(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    static const char hint[] = "write `spread` (evenly along the order of execution), `distorch`, or `listed`";
    struct section_reading *reading = target;
    const struct vs_yaml_node *word = vs_schema_word(schema, value, "an order", hint);
    int order = word ? vs_read_choice(vs_schema_text(schema, word), order_names, COUNT(order_names), "order of a plan",
                           hint, schema->diags)
                     : -1;
    reading->order = schema->key;
    if (order >= 0)
        reading->section->order = orders[order];
}

static void read_dtype(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    struct section_reading *reading = target;
    const struct vs_yaml_node *word = vs_schema_word(
        schema, value, "a number format", "name the format that the program loads the weights in: `dtype: fp8_e4m3fn`");
    if (word)
        reading->section->dtype = vs_read_load_dtype(vs_schema_text(schema, word), schema->diags);
}

struct tensor_line {
    struct vs_globs globs;
    struct vs_target on;
    const struct vs_yaml_node *match;
};

static void read_line_match(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    struct tensor_line *line = target;
    line->match = value;
    vs_read_globs(schema, value, false, &line->globs);
}

static void read_line_on(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    struct tensor_line *line = target;
    const struct vs_yaml_node *word = vs_schema_word(schema, value, "a device name", ON_HINT);
    if (word)
        vs_read_target(vs_schema_text(schema, word), false, &line->on, schema->diags);
}

static const struct vs_schema_key line_keys[] = {
    {"match", read_line_match, TENSORS_HINT},
    {"on", read_line_on, ON_HINT},
};

/* For lines before the one whose rules begin at `first`. */
static void warn_of_shadowed_line(const struct vs_schema *schema, struct vs_policy_reader *reader,
    const struct vs_policy_section *section, size_t first, const struct vs_yaml_node *match)
{
    const struct vs_yaml_node *word = NULL;
    while (match && (word = vs_next_glob(schema, match, word))) {
        size_t i = 0;
        while (i < first && !vs_glob_is_covered(reader, section->rules[i].pattern, word->text))
            i++;
        if (i < first)
            vs_warn_of_shadow(schema, word, section->rules[i].pattern, NULL, section->rules[i].line);
    }
}

/* Makes a rule of each glob of the line; the globs go over to the section. */
static void add_rules(
    const struct vs_schema *schema, struct vs_policy_section *section, struct tensor_line *line, size_t line_number)
{
    size_t count = section->rule_count + line->globs.count;
    struct vs_plan_rule *rules = realloc(section->rules, count * sizeof *rules);
    if (!rules) {
        vs_diag_out_of_memory(schema->diags);
        return;
    }
    section->rules = rules;
    for (size_t i = 0; i < line->globs.count; i++)
        rules[section->rule_count++] = (struct vs_plan_rule){
            .pattern = line->globs.items[i],
            .on_compute = line->on.is_compute,
            .device = line->on.device,
            .line = line_number,
        };
    line->globs.count = 0;
}

static void read_tensors(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    struct section_reading *reading = target;
    reading->has_tensors = true;
    if (value->kind != VS_YAML_LIST) {
        vs_schema_no_list(schema, value, "tensors", TENSORS_HINT);
        return;
    }
    for (const struct vs_yaml_node *item = vs_schema_first(schema, value); item; item = vs_schema_next(schema, item)) {
        struct tensor_line line = {0};
        size_t first = reading->section->rule_count;
        vs_schema_read(schema, item, "the tensor line", line_keys, COUNT(line_keys), &line);
        if (line.globs.count)
            add_rules(schema, reading->section, &line, item->line);
        warn_of_shadowed_line(schema, reading->reader, reading->section, first, line.match);
        vs_globs_free(&line.globs);
    }
}

static const struct vs_schema_key section_keys[] = {
    {"match", read_match, MATCH_HINT},
    {"part", read_part, NULL},
    {"virtual-vram", read_virtual_vram, NULL},
    {"distorch", read_distorch, NULL},
    {"on", read_section_on, NULL},
    {"order", read_order, NULL},
    {"tensors", read_tensors, NULL},
    {"dtype", read_dtype, NULL},
};

/* What could not be judged before all keys were read. */
static void finish_section(
    const struct vs_schema *schema, struct section_reading *reading, const struct vs_yaml_node *node)
{
    struct vs_policy_section *section = reading->section;
    const struct vs_yaml_node *on = reading->on ? vs_schema_word(schema, reading->on, "a device name", ON_HINT) : NULL;
    bool cpu_for_unknown = on && section->part == VS_PART_TEXT_ENCODER && vs_yaml_is_text(on);
    if (on) {
        section->sharing_at = vs_said_at(vs_yaml_text_place(schema->tree, on));
        vs_read_target(vs_schema_text(schema, on), cpu_for_unknown, &section->on, schema->diags);
    }
    if (section->order == VS_ORDER_DEFAULT)
        section->order = section->sharing == VS_SHARING_DISTORCH ? VS_ORDER_DISTORCH : VS_ORDER_SPREAD;
    if (reading->order && section->sharing == VS_SHARING_ON) {
        vs_diag_add(schema->diags, VS_WARNING, vs_yaml_place(schema->tree, reading->order),
            "`order` has no effect beside `on`, which puts all weights on one device");
        vs_diag_hint(schema->diags, "remove the line");
    }
    if (reading->is_whole && !reading->sharing && !reading->has_tensors) {
        vs_diag_add(schema->diags, VS_WARNING, vs_yaml_place(schema->tree, node),
            "this section moves nothing: the models that it fits stay on the compute device");
        vs_diag_hint(
            schema->diags, "say how much the donors take (`virtual-vram: 8gb`), or that this is meant (`on: compute`)");
    }
    warn_of_shadowed_section(schema, reading);
}

void vs_policy_read_models(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    struct vs_policy_reader *reader = target;
    if (value->kind != VS_YAML_LIST) {
        vs_schema_no_list(
            schema, value, "models", "begin each section with a dash: `- match: \"flux1-*.safetensors\"`");
        return;
    }
    for (const struct vs_yaml_node *item = vs_schema_first(schema, value); item; item = vs_schema_next(schema, item)) {
        struct vs_policy_section *section = vs_policy_add_section(reader->policy, schema->diags);
        if (!section)
            return;
        section->file = reader->file;
        section->line = item->line;
        struct section_reading reading = {.reader = reader, .section = section};
        reading.is_whole =
            vs_schema_read(schema, item, "the model's section", section_keys, COUNT(section_keys), &reading);
        finish_section(schema, &reading, item);
    }
}
