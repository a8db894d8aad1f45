/*
 * Which devices the program sees and which lend (--devices, --donors and their variables), and whether that can be true
 * together with the policy and with the user's own CUDA_VISIBLE_DEVICES. See settings_read.h.
 */
#include "settings_read.h"

#include "policy_read.h"

#include <string.h>

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
    static const char twice_hint[] = "name it once: one GPU cannot be shown to the program as two yet";
    struct vs_setting_source value;
    struct vs_word part;
    if (!vs_setting_get(said, VS_SETTING_DEVICES, &value))
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
            vs_diag_hint(diags, "%s", i < settings->device_count ? twice_hint : hint);
            continue;
        }
        settings->device_at[settings->device_count] = vs_said_at(part.place);
        settings->devices[settings->device_count++] = device;
    }
}

static void read_donors(const struct vs_said *said, struct vs_settings *settings, struct vs_diags *diags)
{
    static const char hint[] = "name the devices that lend memory, in order: `cuda:1,cpu:48gb`";
    struct vs_policy *policy = &settings->policy;
    struct vs_setting_source value;
    struct vs_word part;
    if (!vs_setting_get(said, VS_SETTING_DONORS, &value))
        return;
    policy->donor_count = 0;
    for (size_t at = 0; next_part(value.word, &at, &part);)
        if (!is_empty(part, hint, diags))
            vs_add_donor(part, policy->donors, &policy->donor_count, diags);
    policy->has_donors = settings->hides_donors = true;
}

void vs_read_seen_and_donors(const struct vs_said *said, struct vs_settings *settings, struct vs_diags *diags)
{
    read_devices(said, settings, diags);
    read_donors(said, settings, diags);
}

struct vs_device_wish vs_settings_device_wish(const struct vs_settings *settings)
{
    return (struct vs_device_wish){
        .devices = settings->devices,
        .device_count = settings->device_count,
        .donors = settings->policy.donors,
        .donor_count = settings->policy.donor_count,
        .hides_donors = settings->hides_donors,
    };
}

/* --- The user's own list ------------------------------------------------------------------------------------------ */

/* The devices that the user's own CUDA_VISIBLE_DEVICES names. False where it is not set: the machine's devices, which
 * nothing here knows. */
static bool read_users_list(const struct vs_said *said, struct vs_visible *visible, const char **value)
{
    const char *kept = said->variable ? said->variable(said->context, VS_VARIABLE_USER_VISIBLE) : NULL;
    *value = kept ? vs_visible_kept(kept) : said->variable ? said->variable(said->context, VS_VARIABLE_VISIBLE) : NULL;
    vs_visible_read(*value, 0, visible);
    return *value;
}

static void check_listed(const struct vs_visible *user, const char *value, struct vs_device_id device,
    struct vs_place place, struct vs_diags *diags)
{
    if (device.family != VS_DEVICE_CUDA || device.ordinal < user->count)
        return;
    vs_diag_add(diags, VS_ERROR, place, "there is no `%s`: " VS_VARIABLE_VISIBLE " is `%s`, which names %zu device%s",
        vs_device_format(device).text, vs_quote_string(value).text, user->count, user->count == 1 ? "" : "s");
    vs_diag_hint(
        diags, "numbers count the entries of " VS_VARIABLE_VISIBLE ": `cuda:0` is its first; correct one of the two");
}

/* Each device that is named outside of files is one of the user's list, and the program is left with one at least.
 * Called where the values themselves are right. */
static void check_users_list(const struct vs_said *said, const struct vs_settings *settings, struct vs_diags *diags)
{
    struct vs_setting_source value;
    struct vs_visible user;
    struct vs_word part;
    const char *list;
    size_t errors_before = diags->error_count;
    if (!read_users_list(said, &user, &list))
        return;
    if (vs_setting_get(said, VS_SETTING_DEVICES, &value))
        for (size_t at = 0, i = 0; next_part(value.word, &at, &part); i++)
            check_listed(&user, list, settings->devices[i], part.place, diags);
    if (!vs_setting_get(said, VS_SETTING_DONORS, &value))
        return;
    for (size_t at = 0, i = 0; next_part(value.word, &at, &part); i++)
        check_listed(&user, list, settings->policy.donors[i].device, part.place, diags);
    struct vs_device_wish wish = vs_settings_device_wish(settings);
    struct vs_device_view view;
    vs_device_view_make(&user, NULL, &wish, &view);
    if (view.seen_count || diags->error_count > errors_before)
        return;
    vs_diag_add(diags, VS_ERROR, value.word.place,
        "no GPU is left for the program: all that " VS_VARIABLE_VISIBLE " names (`%s`) are to lend memory",
        vs_quote_string(list).text);
    vs_diag_hint(diags, "leave one of them out, or add a device to " VS_VARIABLE_VISIBLE);
}

int vs_settings_load_devices(const struct vs_said *said, struct vs_settings *settings, struct vs_diags *diags)
{
    size_t errors_before = diags->error_count;
    *settings = (struct vs_settings){0};
    vs_read_seen_and_donors(said, settings, diags);
    if (diags->error_count == errors_before)
        check_users_list(said, settings, diags);
    return diags->error_count == errors_before ? 0 : -1;
}

/* --- Contradictions ----------------------------------------------------------------------------------------------- */

static bool is_donor(const struct vs_policy *policy, struct vs_device_id device)
{
    for (size_t i = 0; i < policy->donor_count; i++)
        if (vs_device_equal(policy->donors[i].device, device))
            return true;
    return false;
}

struct vs_device_id vs_settings_first_device(const struct vs_settings *settings)
{
    struct vs_device_id first = {VS_DEVICE_CUDA, 0};
    if (settings->device_count)
        return settings->devices[0];
    while (settings->hides_donors && is_donor(&settings->policy, first))
        first.ordinal++;
    return first;
}

/* What the program sees holds the compute device, which is the first one where no file says another. */
static void choose_compute(const struct vs_said *said, struct vs_settings *settings, struct vs_diags *diags)
{
    struct vs_policy *policy = &settings->policy;
    struct vs_setting_source value;
    size_t i = 0;
    if (!settings->device_count || !vs_setting_get(said, VS_SETTING_DEVICES, &value))
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
    policy->compute_at = settings->device_at[0];
}

static bool sees(const struct vs_settings *settings, struct vs_device_id device)
{
    for (size_t i = 0; i < settings->device_count; i++)
        if (vs_device_equal(settings->devices[i], device))
            return true;
    return !settings->device_count;
}

/* A device that a section names is one that the program sees, or one that lends. Told once a device, in `told`. */
static void check_named(const struct vs_settings *settings, const struct vs_policy_section *section,
    struct vs_device_id device, bool told[VS_DEVICE_ORDINAL_MAX + 1], struct vs_diags *diags)
{
    if (device.family != VS_DEVICE_CUDA || told[device.ordinal] || sees(settings, device) ||
        is_donor(&settings->policy, device))
        return;
    const struct vs_source source = {.name = section->file};
    const struct vs_place place = {.source = &source, .line = section->line};
    told[device.ordinal] = true;
    vs_diag_add(diags, VS_ERROR, place, "`%s` is to hold weights: the program does not see it, and it is no donor",
        vs_device_format(device).text);
    vs_diag_hint(
        diags, "add it to the donors (VRAMSPAN_DONORS, --donors or `donors`), or to the devices that the program sees");
}

/* The one that an allocation string computes on is not hidden. */
static void check_compute(
    const struct vs_settings *settings, const struct vs_policy_section *section, struct vs_diags *diags)
{
    struct vs_device_id compute = section->distorch.compute;
    if (section->sharing != VS_SHARING_DISTORCH || !section->distorch.has_compute || !settings->hides_donors ||
        !is_donor(&settings->policy, compute))
        return;
    const struct vs_source source = {.name = section->file};
    const struct vs_place place = {.source = &source, .line = section->line};
    vs_diag_add(diags, VS_ERROR, place, "`%s` is to compute, and is hidden from the program as a donor",
        vs_device_format(compute).text);
    vs_diag_hint(diags, "name a device that the program sees behind the `#`, or leave that out");
}

static void check_sections(const struct vs_settings *settings, struct vs_diags *diags)
{
    const struct vs_policy *policy = &settings->policy;
    bool told[VS_DEVICE_ORDINAL_MAX + 1] = {false};
    for (size_t i = 0; i < policy->section_count; i++) {
        const struct vs_policy_section *section = &policy->sections[i];
        check_compute(settings, section, diags);
        if (section->sharing == VS_SHARING_ON && !section->on.is_compute)
            check_named(settings, section, section->on.device, told, diags);
        for (size_t k = 0; section->sharing == VS_SHARING_DISTORCH && k < section->distorch.count; k++)
            check_named(settings, section, section->distorch.shares[k].device, told, diags);
        for (size_t k = 0; k < section->rule_count; k++)
            if (!section->rules[k].on_compute)
                check_named(settings, section, section->rules[k].device, told, diags);
    }
}

static void check_together(const struct vs_said *said, const struct vs_settings *settings, struct vs_diags *diags)
{
    const struct vs_policy *policy = &settings->policy;
    struct vs_setting_source devices = {0}, donors = {0};
    bool has_devices = vs_setting_get(said, VS_SETTING_DEVICES, &devices),
         has_donors = vs_setting_get(said, VS_SETTING_DONORS, &donors);
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

void vs_check_seen_and_donors(const struct vs_said *said, struct vs_settings *settings, struct vs_diags *diags)
{
    size_t errors_before = diags->error_count;
    choose_compute(said, settings, diags);
    check_together(said, settings, diags);
    check_users_list(said, settings, diags);
    if (diags->error_count == errors_before)
        check_sections(settings, diags);
}
