/*
 * The keys of a policy that stand outside its models' sections, each with the function that reads it. See policy.h.
 *
 * The files of a folder make one policy, so a key may stand in several of them, with the same value.
 */
#include "policy_read.h"

#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define DONORS_HINT  "name the devices that lend memory: `donors: [cuda:1, \"cpu:48gb\"]`"

bool vs_read_on_error(struct vs_word word, enum vs_on_error *on_error, struct vs_diags *diags)
{
    static const char *const names[] = {[VS_ON_ERROR_STOP] = "stop", [VS_ON_ERROR_PASSTHROUGH] = "passthrough"};
    int choice = vs_read_choice(word, names, COUNT(names), "way to treat an error", VS_ON_ERROR_HINT, diags);
    if (choice >= 0)
        *on_error = (enum vs_on_error)choice;
    return choice >= 0;
}

bool vs_add_donor(struct vs_word word, struct vs_donor *donors, size_t *count, struct vs_diags *diags)
{
    struct vs_donor donor;
    if (!vs_read_donor(word, &donor, diags))
        return false;
    for (size_t i = 0; i < *count; i++) {
        if (!vs_device_equal(donors[i].device, donor.device))
            continue;
        vs_diag_add(diags, VS_ERROR, word.place, "`%s` is a donor twice", vs_device_format(donor.device).text);
        vs_diag_hint(diags, "name each donor once");
        return false;
    }
    if (*count == VS_DONORS_MAX) {
        vs_diag_add(diags, VS_ERROR, word.place, "more than %d donors are named", VS_DONORS_MAX);
        vs_diag_hint(diags, "name the devices that this machine has");
        return false;
    }
    donors[(*count)++] = donor;
    return true;
}

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

/* Notes that the key being read was said here. Returns whether this is the first time; where it is not, and the values
 * differ, that is an error. */
static bool is_first(
    const struct vs_schema *schema, struct vs_policy_reader *reader, enum vs_machine_key key, bool differs)
{
    if (!reader->said[key].file) {
        reader->said[key].file = reader->file;
        reader->said[key].line = schema->key->line;
        return true;
    }
    if (differs) {
        vs_diag_add(schema->diags, VS_ERROR, vs_yaml_place(schema->tree, schema->key),
            "`%s` says something else than %s, line %zu", schema->key->text,
            vs_quote_string(reader->said[key].file).text, reader->said[key].line);
        vs_diag_hint(schema->diags, "the files of a folder make one policy: write the key into one of them only");
    }
    return false;
}

/* The compute device lends nothing to itself. Called when either of the two was read, at the word that was read last.
 */
static bool check_donor(
    const struct vs_schema *schema, struct vs_device_id compute, const struct vs_donor *donor, struct vs_place place)
{
    if (!vs_device_equal(donor->device, compute))
        return true;
    vs_diag_add(
        schema->diags, VS_ERROR, place, "`%s` is named as compute device and as donor", vs_device_format(compute).text);
    vs_diag_hint(schema->diags, "take it out of `donors`: what the compute device has is used anyway");
    return false;
}

bool vs_check_compute(const struct vs_policy *policy, const struct vs_policy_section *section, struct vs_place place,
    struct vs_diags *diags)
{
    if (!policy->has_compute || section->sharing != VS_SHARING_DISTORCH || !section->distorch.has_compute ||
        vs_device_equal(section->distorch.compute, policy->compute))
        return true;
    vs_diag_add(diags, VS_ERROR, place, "the allocation computes on `%s`, and `compute` is `%s`",
        vs_device_format(section->distorch.compute).text, vs_device_format(policy->compute).text);
    vs_diag_hint(diags, "leave out what stands behind the `#`, or write the same device into `compute`");
    return false;
}

static void read_compute(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    struct vs_policy_reader *reader = target;
    struct vs_policy *policy = reader->policy;
    struct vs_device_id compute;
    const struct vs_yaml_node *node =
        vs_schema_word(schema, value, "a device name", "name the GPU that the program computes on, like `cuda:0`");
    if (!node || !vs_read_compute(vs_schema_text(schema, node), &compute, schema->diags))
        return;
    if (!is_first(schema, reader, VS_KEY_COMPUTE, !vs_device_equal(compute, policy->compute)))
        return;
    for (size_t i = 0; i < policy->donor_count; i++)
        if (!check_donor(schema, compute, &policy->donors[i], vs_yaml_text_place(schema->tree, node)))
            return;
    policy->has_compute = true;
    policy->compute = compute;
    policy->compute_at = vs_said_at(vs_yaml_text_place(schema->tree, node));
    for (size_t i = 0; i < policy->section_count; i++)
        if (!vs_check_compute(policy, &policy->sections[i], vs_yaml_text_place(schema->tree, node), schema->diags))
            return;
}

/* A size that is said once; false where it is not to be taken. `now_bytes` is what was said before. */
static bool read_reserve(const struct vs_schema *schema, const struct vs_yaml_node *value,
    struct vs_policy_reader *reader, enum vs_machine_key key, const char *hint, uint64_t now_bytes, uint64_t *bytes)
{
    const struct vs_yaml_node *node = vs_schema_word(schema, value, "a size", hint);
    return node && vs_read_size(vs_schema_text(schema, node), bytes, schema->diags) &&
           is_first(schema, reader, key, *bytes != now_bytes);
}

static void read_compute_reserve(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    struct vs_policy_reader *reader = target;
    struct vs_policy *policy = reader->policy;
    uint64_t bytes;
    if (!read_reserve(schema, value, reader, VS_KEY_COMPUTE_RESERVE,
            "say how much of the compute device stays free of weights: `compute-reserve: 1.5gb`",
            policy->compute_reserve_bytes, &bytes))
        return;
    policy->has_compute_reserve = true;
    policy->compute_reserve_bytes = bytes;
    policy->compute_reserve_at = vs_said_at(vs_yaml_text_place(schema->tree, value));
}

static void read_host_reserve(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    struct vs_policy_reader *reader = target;
    struct vs_policy *policy = reader->policy;
    uint64_t bytes;
    if (!read_reserve(schema, value, reader, VS_KEY_HOST_RESERVE,
            "say how much of the host's memory is not lent: `host-reserve: 2gb`", policy->host_reserve_bytes, &bytes))
        return;
    policy->has_host_reserve = true;
    policy->host_reserve_bytes = bytes;
    policy->host_reserve_at = vs_said_at(vs_yaml_text_place(schema->tree, value));
}

/* Reads one donor behind those in the list. */
static void read_donor(const struct vs_schema *schema, const struct vs_yaml_node *value, struct vs_policy *policy,
    struct vs_donor *donors, size_t *count)
{
    if (value->kind == VS_YAML_MAPPING && value->first_child) {
        const struct vs_yaml_node *name = vs_schema_first(schema, value);
        vs_diag_add(schema->diags, VS_ERROR, vs_yaml_place(schema->tree, value),
            "a donor and the most that it lends are one word, not a mapping");
        vs_diag_hint(schema->diags, "leave no blank behind the colon: \"%s:%s\"",
            vs_quote(name->text, name->length).text,
            vs_quote_string(vs_schema_next(schema, name)->text ? vs_schema_next(schema, name)->text : "48gb").text);
        return;
    }
    const struct vs_yaml_node *node = vs_schema_word(schema, value, "a donor", DONORS_HINT);
    if (node && vs_add_donor(vs_schema_text(schema, node), donors, count, schema->diags) && policy->has_compute)
        check_donor(schema, policy->compute, &donors[*count - 1], vs_yaml_text_place(schema->tree, node));
}

static bool are_same_donors(const struct vs_policy *policy, const struct vs_donor *donors, size_t count)
{
    bool same = policy->donor_count == count;
    for (size_t i = 0; same && i < count; i++)
        same = vs_device_equal(policy->donors[i].device, donors[i].device) &&
               policy->donors[i].is_limited == donors[i].is_limited &&
               policy->donors[i].limit_bytes == donors[i].limit_bytes;
    return same;
}

static void read_donors(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    struct vs_policy_reader *reader = target;
    struct vs_policy *policy = reader->policy;
    struct vs_donor donors[VS_DONORS_MAX];
    size_t count = 0;
    if (value->kind != VS_YAML_LIST)
        read_donor(schema, value, policy, donors, &count);
    else if (!value->first_child) {
        vs_diag_add(schema->diags, VS_ERROR, vs_yaml_place(schema->tree, value), "the list of donors is empty");
        vs_diag_hint(schema->diags, "leave the key out where `cpu` lends, or " DONORS_HINT);
    }
    for (const struct vs_yaml_node *item = value->kind == VS_YAML_LIST ? vs_schema_first(schema, value) : NULL; item;
         item = vs_schema_next(schema, item))
        read_donor(schema, item, policy, donors, &count);
    if (!is_first(schema, reader, VS_KEY_DONORS, !are_same_donors(policy, donors, count)))
        return;
    policy->has_donors = count > 0;
    policy->donor_count = count;
    memcpy(policy->donors, donors, count * sizeof *donors);
}

static void read_on_error(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target)
{
    struct vs_policy_reader *reader = target;
    enum vs_on_error on_error;
    const struct vs_yaml_node *node = vs_schema_word(schema, value, "`stop` or `passthrough`", VS_ON_ERROR_HINT);
    if (!node || !vs_read_on_error(vs_schema_text(schema, node), &on_error, schema->diags))
        return;
    if (!is_first(schema, reader, VS_KEY_ON_ERROR, on_error != reader->policy->on_error))
        return;
    reader->policy->has_on_error = true;
    reader->policy->on_error = on_error;
}

static const struct vs_schema_key policy_keys[] = {
    {"version", read_version, "begin the file with `version: 1`"},
    {"compute", read_compute, NULL},
    {"compute-reserve", read_compute_reserve, NULL},
    {"host-reserve", read_host_reserve, NULL},
    {"donors", read_donors, NULL},
    {"on-error", read_on_error, NULL},
    {"models", vs_policy_read_models, NULL},
};

void vs_policy_read_text(struct vs_policy_reader *reader, const char *name, const char *text, size_t bytes)
{
    struct vs_policy *policy = reader->policy;
    struct vs_yaml_tree tree;
    size_t first = reader->diags->count;
    char **files = realloc(policy->files, (policy->file_count + 1) * sizeof *files);
    char *file = files ? strdup(name) : NULL;
    if (files)
        policy->files = files;
    if (!file) {
        vs_diag_out_of_memory(reader->diags);
        return;
    }
    reader->file = policy->files[policy->file_count++] = file;
    if (vs_yaml_read(file, text, bytes, &tree, reader->diags))
        return;
    struct vs_schema schema = {.tree = &tree, .diags = reader->diags};
    if (!tree.count) {
        vs_diag_add(reader->diags, VS_ERROR, vs_place_of_file(&tree.source), "the policy is empty");
        vs_diag_hint(reader->diags, "begin the file with `version: 1`");
    } else {
        vs_schema_read(&schema, &tree.nodes[0], "the policy", policy_keys, COUNT(policy_keys), reader);
    }
    vs_diags_sort(reader->diags, first);
    vs_yaml_free(&tree);
}
