/*
 * Precedence, and working what was said outside of files into a policy. See settings.h.
 */
#include "settings.h"

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
    [VS_SETTING_ON_ERROR] = {"VRAMSPAN_ON_ERROR", "--on-error"},
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

/* A value as a source of its own, for messages that show it. Must outlive the words in it. */
struct value {
    struct vs_source source;
    struct vs_word word; /* all of it */
};

static bool get(const struct vs_said *said, enum vs_setting setting, struct value *value)
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

/* The next part of a list with commas; false at the end. */
static bool next_part(struct vs_word list, size_t *at, struct vs_word *part)
{
    if (*at > list.length)
        return false;
    const char *comma = memchr(list.text + *at, ',', list.length - *at);
    size_t end = comma ? (size_t)(comma - list.text) : list.length;
    *part = vs_word_part(list, *at, end);
    *at = end + 1;
    return true;
}

static bool is_empty(struct vs_word word, const char *hint, struct vs_diags *diags)
{
    if (word.length)
        return false;
    vs_diag_add(diags, VS_ERROR, word.place, "a device name is missing here");
    vs_diag_hint(diags, "%s", hint);
    return true;
}

static void read_devices(const struct vs_said *said, struct vs_settings *settings, struct vs_diags *diags)
{
    static const char hint[] = "name the GPUs that the program sees, in its order: `cuda:1` or `cuda:1,cuda:0`";
    struct value value;
    struct vs_word part;
    if (!get(said, VS_SETTING_DEVICES, &value))
        return;
    for (size_t at = 0; next_part(value.word, &at, &part);) {
        struct vs_device_id device;
        if (is_empty(part, hint, diags) || !vs_read_compute(part, &device, diags))
            continue;
        size_t i = 0;
        while (i < settings->device_count && !vs_device_equal(settings->devices[i], device))
            i++;
        if (i < settings->device_count || i == VS_DONORS_MAX) {
            vs_diag_add(diags, VS_ERROR, part.place,
                i < settings->device_count ? "`%s` is named twice" : "`%s` is one device too many",
                vs_device_format(device).text);
            vs_diag_hint(diags, "%s", hint);
            continue;
        }
        settings->devices[settings->device_count++] = device;
    }
}

static void read_donors(const struct vs_said *said, struct vs_settings *settings, struct vs_diags *diags)
{
    static const char hint[] = "name the devices that lend memory, in order: `cuda:1,cpu:48gb`";
    struct vs_policy *policy = &settings->policy;
    struct value value;
    struct vs_word part;
    if (!get(said, VS_SETTING_DONORS, &value))
        return;
    policy->donor_count = 0;
    for (size_t at = 0; next_part(value.word, &at, &part);)
        if (!is_empty(part, hint, diags))
            vs_add_donor(part, policy->donors, &policy->donor_count, diags);
    policy->has_donors = settings->hides_donors = true;
}

static void read_machine(const struct vs_said *said, struct vs_settings *settings, struct vs_diags *diags)
{
    struct vs_policy *policy = &settings->policy;
    struct value value;
    read_devices(said, settings, diags);
    read_donors(said, settings, diags);
    if (get(said, VS_SETTING_COMPUTE_RESERVE, &value) &&
        vs_read_size(value.word, &policy->compute_reserve_bytes, diags))
        policy->has_compute_reserve = true;
    if (get(said, VS_SETTING_ON_ERROR, &value) && vs_read_on_error(value.word, &policy->on_error, diags))
        policy->has_on_error = true;
}

/* --- Models ------------------------------------------------------------------------------------------------------- */

/* Two things that both say what all models get. */
static void refuse_both(const struct vs_said *said, enum vs_setting a, enum vs_setting b, struct vs_diags *diags)
{
    struct value value;
    struct vs_setting_value other = vs_setting_in_force(said, a);
    if (!get(said, b, &value) || !other.text)
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
    struct value value;
    bool is_virtual = get(said, VS_SETTING_VIRTUAL_VRAM, &value);
    if (!is_virtual && !get(said, VS_SETTING_DISTORCH, &value))
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
    if (is_virtual) {
        vs_read_amount(value.word, &section->virtual_vram, diags);
        return;
    }
    if (vs_distorch_read(value.word.text, value.word.length, value.word.place, true, &section->distorch, diags))
        return;
    if (section->distorch.has_compute && !policy->has_compute) {
        policy->has_compute = true;
        policy->compute = section->distorch.compute;
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

/* --- Contradictions ----------------------------------------------------------------------------------------------- */

/* What the program sees holds the compute device, which is the first one where no file says another. */
static void choose_compute(const struct vs_said *said, struct vs_settings *settings, struct vs_diags *diags)
{
    struct vs_policy *policy = &settings->policy;
    struct value value;
    size_t i = 0;
    if (!settings->device_count || !get(said, VS_SETTING_DEVICES, &value))
        return;
    while (
        i < settings->device_count && (!policy->has_compute || !vs_device_equal(settings->devices[i], policy->compute)))
        i++;
    if (i < settings->device_count)
        return;
    if (policy->has_compute) {
        vs_diag_add(diags, VS_WARNING, value.word.place,
            "the program does not see `%s`, on which it is to compute by %s", vs_device_format(policy->compute).text,
            vs_quote_string(policy->name ? policy->name : "the policy").text);
        vs_diag_hint(diags, "it computes on `%s`", vs_device_format(settings->devices[0]).text);
    }
    policy->has_compute = true;
    policy->compute = settings->devices[0];
}

static void check_together(const struct vs_said *said, const struct vs_settings *settings, struct vs_diags *diags)
{
    const struct vs_policy *policy = &settings->policy;
    struct value devices = {0}, donors = {0};
    bool has_devices = get(said, VS_SETTING_DEVICES, &devices), has_donors = get(said, VS_SETTING_DONORS, &donors);
    struct vs_place place = has_donors ? donors.word.place : devices.word.place;
    for (size_t i = 0; (has_devices || has_donors) && i < policy->donor_count; i++) {
        bool computes = policy->has_compute && vs_device_equal(policy->donors[i].device, policy->compute), seen = false;
        for (size_t k = 0; settings->hides_donors && k < settings->device_count; k++)
            seen = seen || vs_device_equal(policy->donors[i].device, settings->devices[k]);
        if (!computes && !seen)
            continue;
        vs_diag_add(diags, VS_ERROR, place,
            computes ? "`%s` is to compute, and to lend memory"
                     : "`%s` is to be seen by the program, and hidden as a donor",
            vs_device_format(policy->donors[i].device).text);
        vs_diag_hint(
            diags, "devices: what the program sees; donors: what lends it memory; name each device in one of them");
    }
    for (size_t i = 0; has_devices && i < policy->section_count; i++)
        if (!vs_check_compute(policy, &policy->sections[i], devices.word.place, diags))
            return;
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
    if (diags->error_count == errors_before) {
        choose_compute(said, settings, diags);
        check_together(said, settings, diags);
    }
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
