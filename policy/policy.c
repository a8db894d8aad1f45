/*
 * The policy's keys, each with the function that reads it. See policy.h.
 */
#include "policy.h"

#include "file.h"
#include "schema.h"
#include "suggest.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#define MATCH_HINT    "write a glob for the file's name: match: \"flux1-*.safetensors\""
#define DISTORCH_HINT "say what each device takes: distorch: \"cuda:0,600mb;cuda:1,500mb;cpu,*\""

static void read_version(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    (void)target;
    const struct vs_yaml_node *word = vs_schema_word(schema, value, "a version number", "write `version: 1`");
    if (!word)
        return;
    if (!word->quoted && !strcmp(word->text, "1"))
        return;
    bool is_number = !word->quoted && strspn(word->text, "0123456789") == word->length;
    vs_diag_add(schema->diags, VS_ERROR, vs_yaml_place(schema->tree, word),
        is_number ? "version %s of the policy language is not known to this build, which reads version %d"
                  : "`%s` is no version number; this build reads version %d",
        vs_quote(word->text, word->length).text, VS_POLICY_VERSION);
    vs_diag_hint(schema->diags,
        is_number ? "write `version: %d`, or use a newer vramspan" : "write `version: %d`, without quotes",
        VS_POLICY_VERSION);
}

static void read_compute(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    static const char hint[] = "name the GPU that the program computes on: `compute: cuda:0`";
    struct vs_policy *policy = target;
    const struct vs_yaml_node *word = vs_schema_word(schema, value, "a device name", hint);
    if (!word)
        return;
    struct vs_place place = vs_yaml_text_place(schema->tree, word);
    struct vs_quoted shown = vs_quote(word->text, word->length);
    enum vs_device_error error = vs_device_parse(word->text, word->length, &policy->compute);
    if (error != VS_DEVICE_OK) {
        vs_diag_add(schema->diags, VS_ERROR, place, "`%s` cannot be the compute device: %s", shown.text,
            vs_device_error_text(error));
        vs_diag_hint(schema->diags, "%s", hint);
    } else if (policy->compute.family != VS_DEVICE_CUDA) {
        vs_diag_add(schema->diags, VS_ERROR, place, "`%s` cannot be the compute device: it is no GPU", shown.text);
        vs_diag_hint(schema->diags, "%s", hint);
    } else {
        policy->has_compute = true;
    }
}

static void read_on_error(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    static const char *const names[] = {[VS_ON_ERROR_STOP] = "stop", [VS_ON_ERROR_PASSTHROUGH] = "passthrough"};
    enum { COUNT = sizeof names / sizeof *names };
    static const char hint[] = "write `stop` (end the program with a message) or `passthrough` (run without spreading)";
    struct vs_policy *policy = target;
    const struct vs_yaml_node *word = vs_schema_word(schema, value, "`stop` or `passthrough`", hint);
    if (!word)
        return;
    for (size_t i = 0; i < COUNT; i++) {
        if (!strcmp(word->text, names[i])) {
            policy->on_error = (enum vs_on_error)i;
            return;
        }
    }
    vs_diag_add(schema->diags, VS_ERROR, vs_yaml_text_place(schema->tree, word), "`%s` is no way to treat an error",
        vs_quote(word->text, word->length).text);
    const char *meant = vs_suggest(word->text, word->length, names, COUNT);
    vs_diag_hint(schema->diags, meant ? "did you mean `%s`?" : "%s", meant ? meant : hint);
}

/* Adds one glob to the section. */
static void read_pattern(
    const struct vs_schema *schema, const struct vs_yaml_node *value, struct vs_policy_section *section)
{
    const struct vs_yaml_node *word = vs_schema_word(schema, value, "a glob for a file's name", MATCH_HINT);
    if (!word)
        return;
    const char *slash = strchr(word->text, '/');
    struct vs_place place = vs_yaml_text_place(schema->tree, word);
    if (slash) {
        if (word->exact)
            place = vs_place_advance(place, word->text, (size_t)(slash - word->text));
        vs_diag_add(schema->diags, VS_ERROR, place, "`%s` contains a `/`: globs are compared with the file's base name",
            vs_quote(word->text, word->length).text);
        vs_diag_hint(
            schema->diags, "leave the folders out: match: \"%s\"", vs_quote_string(strrchr(slash, '/') + 1).text);
        return;
    }
    if (word->length > VS_POLICY_PATTERN_MAX) {
        vs_diag_add(schema->diags, VS_ERROR, place, "the glob is longer than any file's name (%d bytes)",
            VS_POLICY_PATTERN_MAX);
        vs_diag_hint(schema->diags, MATCH_HINT);
        return;
    }
    char *copy = strdup(word->text);
    char **patterns = copy ? realloc(section->patterns, (section->pattern_count + 1) * sizeof *patterns) : NULL;
    if (!patterns) {
        free(copy);
        vs_diag_out_of_memory(schema->diags);
        return;
    }
    patterns[section->pattern_count++] = copy;
    section->patterns = patterns;
}

static void read_match(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    if (value->kind != VS_YAML_LIST) {
        read_pattern(schema, value, target);
        return;
    }
    if (!value->first_child) {
        vs_diag_add(schema->diags, VS_ERROR, vs_yaml_place(schema->tree, value), "the list of globs is empty");
        vs_diag_hint(schema->diags, MATCH_HINT);
    }
    for (const struct vs_yaml_node *item = vs_schema_first(schema, value); item; item = vs_schema_next(schema, item))
        read_pattern(schema, item, target);
}

static void read_distorch(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    struct vs_policy_section *section = target;
    const struct vs_yaml_node *word = vs_schema_word(schema, value, "a DisTorch allocation string", DISTORCH_HINT);
    if (word)
        vs_distorch_parse(word->text, word->length, vs_yaml_text_place(schema->tree, word), word->exact,
            &section->shares, schema->diags);
}

static const struct vs_schema_key section_keys[] = {
    {"match", read_match, MATCH_HINT},
    {"distorch", read_distorch, DISTORCH_HINT},
};

/* A glob that stands in an earlier section too never decides anything here. */
static void warn_of_shadowed_patterns(const struct vs_schema *schema, const struct vs_policy *policy,
    const struct vs_policy_section *section, struct vs_place place)
{
    for (size_t i = 0; i < section->pattern_count; i++) {
        for (size_t s = 0; s < policy->section_count; s++) {
            const struct vs_policy_section *earlier = &policy->sections[s];
            for (size_t k = 0; k < earlier->pattern_count; k++) {
                if (strcmp(earlier->patterns[k], section->patterns[i]) != 0)
                    continue;
                vs_diag_add(schema->diags, VS_WARNING, place,
                    "`%s` also stands in the section in line %zu, which comes first and is used",
                    vs_quote_string(section->patterns[i]).text, earlier->line);
                vs_diag_hint(schema->diags, "remove one of the two, or put the narrower glob first");
                return;
            }
        }
    }
}

static void free_section(struct vs_policy_section *section)
{
    for (size_t i = 0; i < section->pattern_count; i++)
        free(section->patterns[i]);
    free(section->patterns);
}

static void read_models(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    struct vs_policy *policy = target;
    if (value->kind != VS_YAML_LIST) {
        vs_diag_add(schema->diags, VS_ERROR, vs_yaml_place(schema->tree, value), "`models` must be a list, not %s",
            value->kind == VS_YAML_SCALAR && !value->length ? "nothing" : vs_yaml_kind_name(value->kind));
        vs_diag_hint(schema->diags, "begin each section with a dash: `- match: \"flux1-*.safetensors\"`");
        return;
    }
    for (const struct vs_yaml_node *item = vs_schema_first(schema, value); item; item = vs_schema_next(schema, item)) {
        struct vs_policy_section section = {.line = item->line};
        vs_schema_read(
            schema, item, "the model's section", section_keys, sizeof section_keys / sizeof *section_keys, &section);
        warn_of_shadowed_patterns(schema, policy, &section, vs_yaml_place(schema->tree, item));
        struct vs_policy_section *sections = realloc(policy->sections, (policy->section_count + 1) * sizeof *sections);
        if (!sections) {
            free_section(&section);
            vs_diag_out_of_memory(schema->diags);
            return;
        }
        sections[policy->section_count++] = section;
        policy->sections = sections;
    }
}

static const struct vs_schema_key policy_keys[] = {
    {"version", read_version, "begin the file with `version: 1`"},
    {"compute", read_compute, NULL},
    {"on-error", read_on_error, NULL},
    {"models", read_models, NULL},
};

int vs_policy_parse(const char *name, const char *text, size_t bytes, struct vs_policy *policy, struct vs_diags *diags)
{
    size_t errors_before = diags->error_count;
    struct vs_yaml_tree tree;
    *policy = (struct vs_policy){.on_error = VS_ON_ERROR_STOP};
    if (vs_yaml_read(name, text, bytes, &tree, diags))
        return -1;
    struct vs_schema schema = {.tree = &tree, .diags = diags};
    policy->name = strdup(name);
    if (!policy->name) {
        vs_diag_out_of_memory(diags);
    } else if (!tree.count) {
        vs_diag_add(diags, VS_ERROR, vs_place_of_file(&tree.source), "the policy is empty");
        vs_diag_hint(diags, "begin the file with `version: 1`");
    } else {
        vs_schema_read(
            &schema, &tree.nodes[0], "the policy", policy_keys, sizeof policy_keys / sizeof *policy_keys, policy);
    }
    vs_yaml_free(&tree);
    if (diags->error_count == errors_before)
        return 0;
    enum vs_on_error on_error = policy->on_error;
    vs_policy_free(policy);
    policy->on_error = on_error;
    return -1;
}

int vs_policy_load(const char *path, struct vs_policy *policy, struct vs_diags *diags)
{
    char *text;
    size_t bytes;
    *policy = (struct vs_policy){.on_error = VS_ON_ERROR_STOP};
    if (vs_file_read(path, "policy", VS_YAML_BYTES_MAX, &text, &bytes, diags))
        return -1;
    int result = vs_policy_parse(path, text, bytes, policy, diags);
    free(text);
    return result;
}

const struct vs_policy_section *vs_policy_match(const struct vs_policy *policy, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    for (size_t s = 0; s < policy->section_count; s++)
        for (size_t i = 0; i < policy->sections[s].pattern_count; i++)
            if (!fnmatch(policy->sections[s].patterns[i], name, 0))
                return &policy->sections[s];
    return NULL;
}

void vs_policy_free(struct vs_policy *policy)
{
    for (size_t i = 0; i < policy->section_count; i++)
        free_section(&policy->sections[i]);
    free(policy->sections);
    free(policy->name);
    *policy = (struct vs_policy){.on_error = VS_ON_ERROR_STOP};
}
