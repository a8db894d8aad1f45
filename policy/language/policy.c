/*
 * A policy as a whole: from files and texts to one struct, and the questions to it. See policy.h.
 */
#include "policy.h"

#include "../text/file.h"
#include "../text/glob.h"
#include "policy_files.h"
#include "policy_read.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Steps of comparing globs, some nanoseconds each: enough for thousands of pairs, and a bound for hostile files. */
enum { GLOB_STEPS = 4000000 };

static void begin(struct vs_policy_reader *reader, struct vs_policy *policy, struct vs_diags *diags)
{
    *policy = (struct vs_policy){.on_error = VS_ON_ERROR_STOP};
    *reader = (struct vs_policy_reader){.policy = policy, .diags = diags, .glob_steps = GLOB_STEPS};
}

void vs_policy_fill_in(struct vs_policy *policy)
{
    if (!policy->has_compute_reserve)
        policy->compute_reserve_bytes = VS_COMPUTE_RESERVE_BYTES;
    if (!policy->has_host_reserve)
        policy->host_reserve_bytes = VS_HOST_RESERVE_BYTES;
    if (policy->has_donors)
        return;
    policy->donors[0] = (struct vs_donor){.device = {.family = VS_DEVICE_CPU}};
    policy->donor_count = 1;
}

/* Fills in what no text said. Returns 0, or -1 where errors were added since `errors_before`; the policy is empty then,
 * but for on_error. */
static int end(struct vs_policy_reader *reader, size_t errors_before)
{
    struct vs_policy *policy = reader->policy;
    if (reader->diags->error_count == errors_before) {
        vs_policy_fill_in(policy);
        return 0;
    }
    enum vs_on_error on_error = policy->on_error;
    vs_policy_free(policy);
    policy->on_error = on_error;
    return -1;
}

static void set_name(struct vs_policy_reader *reader, const char *name)
{
    reader->policy->name = strdup(name);
    if (!reader->policy->name)
        vs_diag_out_of_memory(reader->diags);
}

int vs_policy_parse(const char *name, const char *text, size_t bytes, struct vs_policy *policy, struct vs_diags *diags)
{
    size_t errors_before = diags->error_count;
    struct vs_policy_reader reader;
    begin(&reader, policy, diags);
    set_name(&reader, name);
    vs_policy_read_text(&reader, name, text, bytes);
    return end(&reader, errors_before);
}

static void read_file(struct vs_policy_reader *reader, const char *path)
{
    char *text;
    size_t bytes;
    if (vs_file_read(path, "policy", VS_YAML_BYTES_MAX, &text, &bytes, reader->diags))
        return;
    vs_policy_read_text(reader, path, text, bytes);
    free(text);
}

int vs_policy_load_files(
    const char *name, const struct vs_policy_files *files, struct vs_policy *policy, struct vs_diags *diags)
{
    size_t errors_before = diags->error_count;
    struct vs_policy_reader reader;
    begin(&reader, policy, diags);
    set_name(&reader, name);
    for (size_t i = 0; i < files->count; i++)
        read_file(&reader, files->paths[i]);
    return end(&reader, errors_before);
}

int vs_policy_load(const char *path, struct vs_policy *policy, struct vs_diags *diags)
{
    struct vs_policy_files files = {.paths = (char *[]){(char *)path}, .count = 1};
    if (!vs_policy_is_folder(path))
        return vs_policy_load_files(path, &files, policy, diags);
    *policy = (struct vs_policy){.on_error = VS_ON_ERROR_STOP};
    if (vs_policy_files_find(path, &files, diags))
        return -1;
    if (!files.count)
        vs_policy_files_explain_none(path, &files, diags);
    int result = files.count ? vs_policy_load_files(path, &files, policy, diags) : -1;
    vs_policy_files_free(&files);
    return result;
}

struct vs_policy_section *vs_policy_add_section(struct vs_policy *policy, struct vs_diags *diags)
{
    struct vs_policy_section *sections = realloc(policy->sections, (policy->section_count + 1) * sizeof *sections);
    if (!sections) {
        vs_diag_out_of_memory(diags);
        return NULL;
    }
    policy->sections = sections;
    sections[policy->section_count] = (struct vs_policy_section){0};
    return &sections[policy->section_count++];
}

bool vs_globs_add(struct vs_globs *globs, const char *glob, struct vs_diags *diags)
{
    char **items = realloc(globs->items, (globs->count + 1) * sizeof *items);
    char *copy = items ? strdup(glob) : NULL;
    if (items)
        globs->items = items;
    if (!copy) {
        vs_diag_out_of_memory(diags);
        return false;
    }
    globs->items[globs->count++] = copy;
    return true;
}

void vs_globs_free(struct vs_globs *globs)
{
    for (size_t i = 0; i < globs->count; i++)
        free(globs->items[i]);
    free(globs->items);
    *globs = (struct vs_globs){0};
}

static bool match(const struct vs_globs *globs, const char *text)
{
    for (size_t i = 0; i < globs->count; i++)
        if (vs_glob_matches(globs->items[i], text))
            return true;
    return false;
}

/* `only_named`: sections without `part` do not count. */
static const struct vs_policy_section *find_section(
    const struct vs_policy *policy, const char *path, enum vs_part part, bool only_named)
{
    const char *name = vs_base_name(path);
    for (size_t i = 0; i < policy->section_count; i++) {
        const struct vs_policy_section *section = &policy->sections[i];
        bool fits_any = part == VS_PART_ANY || (section->part == VS_PART_ANY && !only_named);
        if ((fits_any || section->part == part) && match(&section->globs, name))
            return section;
    }
    return NULL;
}

const struct vs_policy_section *vs_policy_match(const struct vs_policy *policy, const char *path, enum vs_part part)
{
    return find_section(policy, path, part, false);
}

const struct vs_policy_section *vs_policy_match_named(
    const struct vs_policy *policy, const char *path, enum vs_part part)
{
    return find_section(policy, path, part, true);
}

static bool names_device(const struct vs_policy_section *section, struct vs_device_id device)
{
    for (size_t i = 0; section->sharing == VS_SHARING_DISTORCH && i < section->distorch.count; i++)
        if (vs_device_equal(section->distorch.shares[i].device, device))
            return true;
    for (size_t i = 0; i < section->rule_count; i++)
        if (!section->rules[i].on_compute && vs_device_equal(section->rules[i].device, device))
            return true;
    return section->sharing == VS_SHARING_ON && !section->on.is_compute && vs_device_equal(section->on.device, device);
}

bool vs_policy_names_device(const struct vs_policy *policy, struct vs_device_id device)
{
    for (size_t i = 0; i < policy->section_count; i++)
        if (names_device(&policy->sections[i], device))
            return true;
    return false;
}

struct vs_device_id vs_section_compute(
    const struct vs_policy *policy, const struct vs_policy_section *section, struct vs_device_id first_device)
{
    if (policy->has_compute)
        return policy->compute;
    if (section->sharing == VS_SHARING_DISTORCH && section->distorch.has_compute)
        return section->distorch.compute;
    return first_device;
}

/* Virtual VRAM of a part of so many bytes, with the policy's donors; who computes does not lend. */
static struct vs_distorch virtual_vram(const struct vs_policy *policy, const struct vs_policy_section *section,
    uint64_t part_bytes, struct vs_device_id compute)
{
    struct vs_distorch allocation =
        vs_distorch_virtual((double)vs_amount_bytes(&section->virtual_vram, part_bytes) / (1u << 30));
    for (size_t i = 0; i < policy->donor_count; i++) {
        const struct vs_donor *donor = &policy->donors[i];
        if (!vs_device_equal(donor->device, compute))
            vs_distorch_lend(&allocation, donor->device, donor->is_limited ? (double)donor->limit_bytes : INFINITY);
    }
    return allocation;
}

void vs_section_wish(const struct vs_policy *policy, const struct vs_policy_section *section, enum vs_part part,
    uint64_t part_bytes, struct vs_device_id first_device, struct vs_section_wish *wish)
{
    struct vs_device_id compute = vs_section_compute(policy, section, first_device);
    *wish = (struct vs_section_wish){.wish = {
                                         .source = section->file,
                                         .line = section->line,
                                         .compute = compute,
                                         .text_encoder = part == VS_PART_TEXT_ENCODER,
                                         .order = section->order,
                                         .rules = section->rules,
                                         .rule_count = section->rule_count,
                                         .compute_reserve_bytes = policy->compute_reserve_bytes,
                                         .host_reserve_bytes = policy->host_reserve_bytes,
                                     }};
    if (section->sharing == VS_SHARING_ON) {
        wish->on = section->on.is_compute ? compute : section->on.device;
        wish->wish.on = &wish->on;
        wish->wish.cpu_for_missing = section->part == VS_PART_TEXT_ENCODER;
    } else if (section->sharing == VS_SHARING_DISTORCH) {
        wish->allocation = section->distorch;
        wish->wish.allocation = &wish->allocation;
    } else if (section->sharing == VS_SHARING_VIRTUAL_VRAM) {
        wish->allocation = virtual_vram(policy, section, part_bytes, compute);
        wish->wish.allocation = &wish->allocation;
    }
}

static void free_section(struct vs_policy_section *section)
{
    vs_globs_free(&section->globs);
    for (size_t i = 0; i < section->rule_count; i++)
        free((char *)section->rules[i].pattern);
    free(section->rules);
}

void vs_policy_drop_sections(struct vs_policy *policy)
{
    for (size_t i = 0; i < policy->section_count; i++)
        free_section(&policy->sections[i]);
    free(policy->sections);
    policy->sections = NULL;
    policy->section_count = 0;
}

void vs_policy_free(struct vs_policy *policy)
{
    vs_policy_drop_sections(policy);
    for (size_t i = 0; i < policy->file_count; i++)
        free(policy->files[i]);
    free(policy->files);
    free(policy->name);
    *policy = (struct vs_policy){.on_error = VS_ON_ERROR_STOP};
}
