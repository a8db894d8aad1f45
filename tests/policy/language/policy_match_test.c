/*
 * Which section of a policy counts for a file and its parts, and which line of a section for a tensor.
 */
#include "../support.h"

#include "../../../policy/text/glob.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

TestSuite(policy_match, .fini = expect_no_leaks);

Test(policy_match, the_first_section_that_fits_the_base_name_is_used)
{
    struct vs_policy policy = expect_policy("version: 1\nmodels:\n"
                                            "- {match: [\"x*\", \"flux1-dev.safetensors\"], distorch: \"cpu,*\"}\n"
                                            "- {match: \"flux1-*\", distorch: \"cpu,*\"}\n"
                                            "- {match: \"*[0-9]?.sft\", distorch: \"cpu,*\"}\n",
        "");
    static const struct {
        const char *path;
        int section; /* -1: none */
    } cases[] = {{"flux1-dev.safetensors", 0}, {"/models/unet/flux1-dev.safetensors", 0},
        {"flux1-schnell.safetensors", 1}, {"xyz", 0}, {"/x/abc", -1}, {"/flux1-/abc", -1},
        {"Flux1-dev.safetensors", -1}, {"dir/a1b.sft", 2}, {"a1.sft", -1}, {"", -1}, {"/", -1},
        {"flux1-dev.safetensors/", -1}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct vs_policy_section *section = vs_policy_match(&policy, cases[i].path, VS_PART_DIFFUSION);
        cr_expect_eq(section ? section - policy.sections : -1, cases[i].section, "%s", cases[i].path);
    }
    vs_policy_free(&policy);
}

Test(policy_match, the_first_section_for_the_part_is_used)
{
    struct vs_policy policy = expect_policy("version: 1\nmodels:\n"
                                            "- {match: \"sd*\", part: vae, on: cpu}\n"
                                            "- {match: \"sd3*\", part: diffusion, on: cuda:1}\n"
                                            "- {match: \"sd*\", on: compute}\n",
        "");
    static const struct {
        const char *path;
        int sections[4]; /* by part; -1: none */
    } cases[] = {{"sd3.safetensors", {0, 1, 2, 0}}, {"sdxl.safetensors", {0, 2, 2, 0}}, {"x.sft", {-1, -1, -1, -1}}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        for (int part = VS_PART_ANY; part <= VS_PART_VAE; part++) {
            const struct vs_policy_section *section = vs_policy_match(&policy, cases[i].path, (enum vs_part)part);
            cr_expect_eq(
                section ? section - policy.sections : -1, cases[i].sections[part], "%s, %d", cases[i].path, part);
        }
    }
    vs_policy_free(&policy);
}

Test(policy_match, the_first_rule_that_fits_the_name_with_or_without_its_prefix_is_used)
{
    struct vs_policy policy = expect_policy("version: 1\nmodels:\n- match: \"a*\"\n  tensors:\n"
                                            "  - {match: \"in.*\", on: cpu}\n"
                                            "  - {match: [\"x\", \"model.*norm*\"], on: cuda:1}\n"
                                            "  - {match: \"*.in.*\", on: compute}\n",
        "");
    static const struct {
        const char *name;
        size_t prefix_bytes, rule; /* 4: none */
    } cases[] = {{"model.diffusion_model.in.weight", 22, 0}, {"in.weight", 0, 0},
        {"model.diffusion_model.norm.weight", 22, 2}, {"norm.weight", 0, 4},
        {"model.diffusion_model.out.in.bias", 22, 3}, {"x", 0, 1}, {"xx", 0, 4}, {"model.in", 0, 4},
        {"model.in.weight", 6, 0}, {"model.in.weight", 0, 3}, {"net.x", 4, 1}, {"first_stage_model.in.weight", 18, 0},
        {"second.in.weight", 0, 3}, {"other.in", 0, 4}};
    for (size_t i = 0; i < COUNT(cases); i++)
        cr_expect_eq(
            vs_rule_of(policy.sections[0].rules, policy.sections[0].rule_count, cases[i].name, cases[i].prefix_bytes),
            cases[i].rule, "%s", cases[i].name);
    vs_policy_free(&policy);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

Test(policy_match, a_hostile_glob_is_matched_quickly)
{
    char yaml[600] = "version: 1\nmodels: [{distorch: \"cpu,*\", match: \"", name[256];
    for (int i = 0; i < 120; i++)
        strcat(yaml, "*a");
    strcat(yaml, "*b.sft\"}]");
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    struct vs_policy policy = expect_policy(yaml, "");
    double start = seconds();
    cr_expect_null(vs_policy_match(&policy, name, VS_PART_DIFFUSION));
    cr_expect_lt(seconds() - start, 2.0);
    vs_policy_free(&policy);
}
