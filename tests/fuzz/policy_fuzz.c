/*
 * Hostile policy files. What is read must keep the promises that policy.h makes to a planner.
 */
#include "check.h"

#include "../../policy/language/policy.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void check_donors(const struct vs_policy *policy)
{
    PROMISE(policy->donor_count >= 1 && policy->donor_count <= VS_DONORS_MAX);
    for (size_t i = 0; i < policy->donor_count; i++) {
        PROMISE(!policy->has_compute || !vs_device_equal(policy->donors[i].device, policy->compute));
        for (size_t k = 0; k < i; k++)
            PROMISE(!vs_device_equal(policy->donors[i].device, policy->donors[k].device));
    }
}

static void check_section(const struct vs_policy *policy, const struct vs_policy_section *section)
{
    struct vs_section_wish wish;
    PROMISE(section->globs.count && section->line && !strcmp(section->file, "p.yaml"));
    PROMISE(section->order != VS_ORDER_DEFAULT);
    PROMISE(!section->virtual_vram.is_part || vs_amount_bytes(&section->virtual_vram, 1000) <= 1000);
    for (size_t i = 0; i < section->rule_count; i++)
        PROMISE(section->rules[i].pattern && section->rules[i].line);
    PROMISE(vs_rule_of(section->rules, section->rule_count, "model.diffusion_model.a.norm", 22) <= section->rule_count);
    bool shares = section->sharing == VS_SHARING_DISTORCH || section->sharing == VS_SHARING_VIRTUAL_VRAM;
    vs_section_wish(policy, section, VS_PART_DIFFUSION, 1000, (struct vs_device_id){VS_DEVICE_CUDA, 0}, &wish);
    PROMISE(!wish.wish.allocation == !shares && !wish.wish.on == (section->sharing != VS_SHARING_ON));
    PROMISE(!shares || wish.allocation.count <= VS_SHARES_MAX + 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct vs_diags diags = {0};
    struct vs_policy policy;
    int result = vs_policy_parse("p.yaml", (const char *)data, bytes, &policy, &diags);
    check_diagnostics(result, &diags);
    PROMISE(!result || !policy.section_count);
    if (!result)
        check_donors(&policy);
    for (size_t i = 0; i < policy.section_count; i++)
        check_section(&policy, &policy.sections[i]);
    vs_policy_match(&policy, "flux1-dev.safetensors", VS_PART_DIFFUSION);
    vs_policy_free(&policy);
    return 0;
}
