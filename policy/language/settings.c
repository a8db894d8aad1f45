/*
 * Precedence, and working what was said outside of files into a policy. See settings.h.
 */
#include "settings_read.h"

#include "policy_files.h"
#include "policy_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *variable;
    const char *option;
} names[] = {
    [VS_SETTING_POLICY] = {"VRAMSPAN_POLICY", "--policy"},
    [VS_SETTING_VIRTUAL_VRAM] = {"VRAMSPAN_VIRTUAL_VRAM", "--virtual-vram"},
    [VS_SETTING_DISTORCH] = {"VRAMSPAN_DISTORCH", "--distorch"},
    [VS_SETTING_DEVICES] = {"VRAMSPAN_DEVICES", "--devices"},
    [VS_SETTING_DONORS] = {"VRAMSPAN_DONORS", "--donors"},
    [VS_SETTING_COMPUTE_RESERVE] = {"VRAMSPAN_COMPUTE_RESERVE", "--compute-reserve"},
    [VS_SETTING_HOST_RESERVE] = {"VRAMSPAN_HOST_RESERVE", "--host-reserve"},
    [VS_SETTING_ON_ERROR] = {"VRAMSPAN_ON_ERROR", "--on-error"},
    [VS_SETTING_BACKENDS] = {"VRAMSPAN_BACKENDS", "--backends"},
};

const char *vs_setting_variable(enum vs_setting setting)
{
    return names[setting].variable;
}

static const char *variable(const struct vs_said *said, const char *name)
{
    const char *value = said->variable ? said->variable(said->context, name) : NULL;
    return value && *value ? value : NULL;
}

/* Settings of which one on the command line puts the others' variables out of force: where models get their shares
 * from. A policy file that a variable names is still asked about the machine. */
static bool is_overruled(const struct vs_said *said, enum vs_setting setting)
{
    bool is_allocation = setting == VS_SETTING_VIRTUAL_VRAM || setting == VS_SETTING_DISTORCH;
    return is_allocation && (said->options[VS_SETTING_POLICY] || said->options[VS_SETTING_VIRTUAL_VRAM] ||
                                said->options[VS_SETTING_DISTORCH]);
}

struct vs_setting_value vs_setting_in_force(const struct vs_said *said, enum vs_setting setting)
{
    if (said->options[setting])
        return (struct vs_setting_value){said->options[setting], names[setting].option};
    const char *value = is_overruled(said, setting) ? NULL : variable(said, names[setting].variable);
    return (struct vs_setting_value){value, names[setting].variable};
}

const char *vs_variable_of_process(void *context, const char *name)
{
    (void)context;
    return getenv(name);
}

enum vs_setting vs_setting_of_shares(const struct vs_said *said)
{
    static const enum vs_setting settings[] = {VS_SETTING_VIRTUAL_VRAM, VS_SETTING_DISTORCH, VS_SETTING_POLICY};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (vs_setting_in_force(said, settings[i]).text)
            return settings[i];
    return VS_SETTING_COUNT;
}

bool vs_settings_folder(const struct vs_said *said, char *folder, size_t size)
{
    const char *config = variable(said, "XDG_CONFIG_HOME"), *home = variable(said, "HOME");
    int length = -1;
    if (config && config[0] == '/') /* others are to be ignored, says the XDG Base Directory Specification */
        length = snprintf(folder, size, "%s/vramspan", config);
    else if (home)
        length = snprintf(folder, size, "%s/.config/vramspan", home);
    return length >= 0 && (size_t)length < size;
}

bool vs_settings_are_said(const struct vs_said *said)
{
    char folder[4096];
    for (int setting = VS_SETTING_POLICY; setting <= VS_SETTING_DONORS; setting++)
        if (vs_setting_in_force(said, (enum vs_setting)setting).text)
            return true;
    return vs_settings_folder(said, folder, sizeof folder) && vs_policy_is_folder(folder);
}

/* --- Values ------------------------------------------------------------------------------------------------------- */

bool vs_setting_get(const struct vs_said *said, enum vs_setting setting, struct vs_setting_source *value)
{
    struct vs_setting_value in_force = vs_setting_in_force(said, setting);
    if (!in_force.text)
        return false;
    size_t length = strlen(in_force.text);
    value->source = (struct vs_source){.name = in_force.name, .text = in_force.text, .bytes = length};
    struct vs_word whole = {in_force.text, length, vs_place_at(&value->source, 0), true};
    value->word = vs_word_part(whole, 0, length);
    return true;
}

static void read_machine(const struct vs_said *said, struct vs_settings *settings, struct vs_diags *diags)
{
    struct vs_policy *policy = &settings->policy;
    struct vs_setting_source value;
    vs_read_seen_and_donors(said, settings, diags);
    if (vs_setting_get(said, VS_SETTING_COMPUTE_RESERVE, &value) &&
        vs_read_size(value.word, &policy->compute_reserve_bytes, diags)) {
        policy->has_compute_reserve = true;
        policy->compute_reserve_at = vs_said_at(value.word.place);
    }
    if (vs_setting_get(said, VS_SETTING_HOST_RESERVE, &value) &&
        vs_read_size(value.word, &policy->host_reserve_bytes, diags)) {
        policy->has_host_reserve = true;
        policy->host_reserve_at = vs_said_at(value.word.place);
    }
    if (vs_setting_get(said, VS_SETTING_ON_ERROR, &value) && vs_read_on_error(value.word, &policy->on_error, diags))
        policy->has_on_error = true;
    vs_backing_wish_usual(&settings->backings);
    if (vs_setting_get(said, VS_SETTING_BACKENDS, &value))
        vs_read_backing_wish(value.word, &settings->backings, diags);
}

/* --- Models ------------------------------------------------------------------------------------------------------- */

/* Two things that both say what all models get. */
static void refuse_both(const struct vs_said *said, enum vs_setting a, enum vs_setting b, struct vs_diags *diags)
{
    struct vs_setting_source value;
    struct vs_setting_value other = vs_setting_in_force(said, a);
    if (!vs_setting_get(said, b, &value) || !other.text)
        return;
    vs_diag_add(diags, VS_ERROR, value.word.place, "this and `%s` contradict each other", other.name);
    vs_diag_hint(diags, "keep one of the two");
}

/* The section for all models that an allocation outside of files makes; NULL with an error. */
static struct vs_policy_section *make_section(struct vs_policy *policy, const char *name, struct vs_diags *diags)
{
    char **files = realloc(policy->files, (policy->file_count + 1) * sizeof *files);
    char *file = files ? strdup(name) : NULL;
    if (files)
        policy->files = files;
    if (!file) {
        vs_diag_out_of_memory(diags);
        return NULL;
    }
    policy->files[policy->file_count++] = file;
    if (!policy->name && !(policy->name = strdup(name))) {
        vs_diag_out_of_memory(diags);
        return NULL;
    }
    struct vs_policy_section *section = vs_policy_add_section(policy, diags);
    if (!section || !vs_globs_add(&section->globs, "*", diags))
        return NULL;
    section->file = file;
    section->line = 1;
    return section;
}

static void read_allocation(const struct vs_said *said, struct vs_settings *settings, struct vs_diags *diags)
{
    struct vs_policy *policy = &settings->policy;
    struct vs_setting_source value;
    bool is_virtual = vs_setting_get(said, VS_SETTING_VIRTUAL_VRAM, &value);
    if (!is_virtual && !vs_setting_get(said, VS_SETTING_DISTORCH, &value))
        return;
    if (policy->section_count) {
        vs_diag_add(diags, VS_WARNING, vs_place_of_file(&value.source), "this takes the place of all `models:` in %s",
            vs_quote_string(policy->name).text);
        vs_diag_hint(diags, "leave it out where the policy is to hold");
    }
    vs_policy_drop_sections(policy);
    struct vs_policy_section *section = make_section(policy, value.source.name, diags);
    if (!section)
        return;
    settings->has_policy = true;
    section->sharing = is_virtual ? VS_SHARING_VIRTUAL_VRAM : VS_SHARING_DISTORCH;
    section->order = is_virtual ? VS_ORDER_SPREAD : VS_ORDER_DISTORCH;
    section->sharing_at = vs_said_at(value.word.place);
    if (is_virtual) {
        vs_read_amount(value.word, &section->virtual_vram, diags);
        return;
    }
    if (vs_distorch_read(value.word.text, value.word.length, value.word.place, true, &section->distorch, diags))
        return;
    if (section->distorch.has_compute && !policy->has_compute) {
        policy->has_compute = true;
        policy->compute = section->distorch.compute;
        policy->compute_at = section->sharing_at;
    }
}

/* Reads the policy that is named, else the user's own. */
static void read_files(const struct vs_said *said, struct vs_settings *settings, struct vs_diags *diags)
{
    struct vs_setting_value path = vs_setting_in_force(said, VS_SETTING_POLICY);
    struct vs_policy_files files;
    char folder[4096];
    bool has_allocation =
        vs_setting_in_force(said, VS_SETTING_VIRTUAL_VRAM).text || vs_setting_in_force(said, VS_SETTING_DISTORCH).text;
    if (path.text) {
        settings->has_policy = true;
        vs_policy_load(path.text, &settings->policy, diags);
        return;
    }
    if (has_allocation || !vs_settings_folder(said, folder, sizeof folder) || !vs_policy_is_folder(folder) ||
        vs_policy_files_find(folder, &files, diags))
        return;
    settings->has_policy = files.count > 0;
    if (settings->has_policy)
        vs_policy_load_files(folder, &files, &settings->policy, diags);
    vs_policy_files_free(&files);
}

int vs_settings_load(const struct vs_said *said, struct vs_settings *settings, struct vs_diags *diags)
{
    size_t errors_before = diags->error_count;
    *settings = (struct vs_settings){0};
    refuse_both(said, VS_SETTING_VIRTUAL_VRAM, VS_SETTING_DISTORCH, diags);
    if (said->options[VS_SETTING_POLICY]) {
        refuse_both(said, VS_SETTING_POLICY, VS_SETTING_VIRTUAL_VRAM, diags);
        refuse_both(said, VS_SETTING_POLICY, VS_SETTING_DISTORCH, diags);
    }
    read_files(said, settings, diags);
    read_machine(said, settings, diags);
    read_allocation(said, settings, diags);
    vs_policy_fill_in(&settings->policy);
    if (diags->error_count == errors_before)
        vs_check_seen_and_donors(said, settings, diags);
    if (diags->error_count == errors_before)
        return 0;
    enum vs_on_error on_error = settings->policy.on_error;
    vs_settings_free(settings);
    settings->policy.on_error = on_error;
    return -1;
}

void vs_settings_free(struct vs_settings *settings)
{
    vs_policy_free(&settings->policy);
    *settings = (struct vs_settings){0};
}
