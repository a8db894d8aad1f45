/*
 * Hostile settings: each line of the input is the value of one variable, in the order of enum vs_setting, of which the
 * one for the policy file is left out. Among them is the DisTorch allocation string.
 */
#include "check.h"

#include "../../policy/language/settings.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static char *values[VS_SETTING_COUNT];

static const char *variable(void *context, const char *name)
{
    (void)context;
    for (int i = VS_SETTING_VIRTUAL_VRAM; i < VS_SETTING_COUNT; i++)
        if (!strcmp(name, vs_setting_variable((enum vs_setting)i)))
            return values[i];
    return NULL;
}

static void check_settings(const struct vs_settings *settings)
{
    const struct vs_policy *policy = &settings->policy;
    PROMISE(policy->section_count == settings->has_policy);
    PROMISE(policy->donor_count >= 1 && policy->donor_count <= VS_DONORS_MAX);
    PROMISE(settings->device_count <= VS_DONORS_MAX);
    PROMISE(!settings->device_count || policy->has_compute);
    for (size_t i = 0; i < settings->device_count; i++)
        for (size_t k = 0; settings->hides_donors && k < policy->donor_count; k++)
            PROMISE(!vs_device_equal(settings->devices[i], policy->donors[k].device));
    for (size_t i = 0; settings->hides_donors && policy->has_compute && i < policy->donor_count; i++)
        PROMISE(!vs_device_equal(policy->compute, policy->donors[i].device));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    const struct vs_said said = {.variable = variable};
    struct vs_diags diags = {0};
    struct vs_settings settings;
    char *text = malloc(bytes + 1);
    PROMISE(text);
    memcpy(text, data, bytes);
    text[bytes] = '\0';
    char *rest = text;
    for (int i = VS_SETTING_VIRTUAL_VRAM; i < VS_SETTING_COUNT; i++)
        values[i] = strsep(&rest, "\n");
    int result = vs_settings_load(&said, &settings, &diags);
    check_diagnostics(result, &diags);
    if (!result)
        check_settings(&settings);
    vs_settings_free(&settings);
    free(text);
    return 0;
}
