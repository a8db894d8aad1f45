/*
 * What is said on the command line, in the environment and in files, and which of it counts.
 */
#include "settings_support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define GB (UINT64_C(1) << 30)

TestSuite(settings, .fini = expect_no_leaks);

Test(settings, nothing_said_is_no_policy)
{
    struct vs_settings settings = load_environment(NONE);
    cr_expect_not(settings.has_policy);
    cr_expect_eq(settings.policy.section_count, 0);
    cr_expect_eq(settings.device_count, 0);
    cr_expect_not(settings.hides_donors);
    vs_settings_free(&settings);
    settings = load_environment((const char *const[]){"HOME=/nowhere", "VRAMSPAN_POLICY=", "VRAMSPAN_DONORS=",
        "VRAMSPAN_VIRTUAL_VRAM=", "VRAMSPAN_DEVICES=", "VRAMSPAN_ON_ERROR=", NULL}); /* empty is not set */
    cr_expect_not(settings.has_policy);
    vs_settings_free(&settings);
    settings = load_settings(&(struct vs_said){0}, 0, ""); /* without an environment */
    cr_expect_not(settings.has_policy);
}

Test(settings, virtual_vram_and_donors_alone_are_a_policy_for_every_model)
{
    struct vs_settings settings =
        load_environment((const char *const[]){"VRAMSPAN_VIRTUAL_VRAM=8gb", "VRAMSPAN_DONORS=cuda:1, cpu:48gb", NULL});
    const struct vs_policy *policy = &settings.policy;
    cr_assert(settings.has_policy);
    cr_expect(settings.hides_donors);
    cr_assert_eq(policy->section_count, 1);
    static const char *const models[] = {"flux1-dev.safetensors", "/m/t5xxl.gguf", "x"};
    for (size_t i = 0; i < COUNT(models); i++)
        for (int part = VS_PART_ANY; part < VS_PART_COUNT; part++)
            cr_expect_eq(vs_policy_match(policy, models[i], (enum vs_part)part), policy->sections);
    cr_expect_eq(policy->sections[0].order, VS_ORDER_SPREAD);
    struct vs_section_wish wish;
    vs_section_wish(policy, policy->sections, VS_PART_VAE, 20 * GB, cuda(0), &wish);
    cr_expect_eq(wish.wish.allocation, &wish.allocation);
    cr_expect_eq(wish.allocation.virtual_gb, 8.0);
    cr_assert_eq(wish.allocation.count, 2);
    cr_expect(vs_device_equal(wish.allocation.shares[0].device, cuda(1)));
    cr_expect_eq(wish.allocation.shares[0].amount, INFINITY);
    cr_expect(vs_device_equal(wish.allocation.shares[1].device, cpu_device));
    cr_expect_eq(wish.allocation.shares[1].amount, (double)(48 * GB));
    vs_settings_free(&settings);

    settings = load_environment((const char *const[]){"VRAMSPAN_VIRTUAL_VRAM=25%", NULL});
    cr_expect_not(settings.hides_donors);
    vs_section_wish(&settings.policy, settings.policy.sections, VS_PART_VAE, 20 * GB, cuda(0), &wish);
    cr_expect_eq(wish.allocation.virtual_gb, 5.0);
    cr_assert_eq(wish.allocation.count, 1);
    cr_expect(vs_device_equal(wish.allocation.shares[0].device, cpu_device));
    vs_settings_free(&settings);
}

Test(settings, a_distorch_string_alone_is_a_policy_with_its_order_and_its_compute_device)
{
    struct vs_settings settings =
        load_environment((const char *const[]){"VRAMSPAN_DISTORCH=#cuda:1;4.0;cuda:0,cpu", NULL});
    cr_assert_eq(settings.policy.section_count, 1);
    cr_expect_eq(settings.policy.sections[0].sharing, VS_SHARING_DISTORCH);
    cr_expect_eq(settings.policy.sections[0].order, VS_ORDER_DISTORCH);
    cr_expect_eq(settings.policy.sections[0].distorch.form, VS_DISTORCH_VIRTUAL);
    cr_expect(settings.policy.has_compute);
    cr_expect(vs_device_equal(settings.policy.compute, cuda(1)));
    vs_settings_free(&settings);
}

/* Every pair of levels, for each of the settings that files have too. */
Test(settings, the_command_line_wins_over_the_environment_and_that_over_files)
{
    static const struct {
        const char *option, *variable;
        uint64_t reserve_gb;
    } cases[] = {{NULL, NULL, 1}, {NULL, "2gb", 2}, {"3gb", "2gb", 3}, {"3gb", NULL, 3}};
    char path[64], policy_variable[128], reserve_variable[128], donors_variable[128], on_error_variable[128];
    char host_variable[128];
    write_policy(path, "version: 1\ncompute: cuda:5\ncompute-reserve: 1gb\nhost-reserve: 5gb\ndonors: [cuda:1]\n"
                       "on-error: stop\n"
                       "models: [{match: \"a*\", virtual-vram: 1gb}]\n");
    joined(policy_variable, "VRAMSPAN_POLICY=", path);
    for (size_t i = 0; i < COUNT(cases); i++) {
        bool has_variable = cases[i].variable != NULL;
        const char *const environment[] = {policy_variable,
            joined(reserve_variable, "VRAMSPAN_COMPUTE_RESERVE=", has_variable ? cases[i].variable : ""),
            joined(host_variable, "VRAMSPAN_HOST_RESERVE=", has_variable ? "6gb" : ""),
            joined(donors_variable, "VRAMSPAN_DONORS=", has_variable ? "cuda:2" : ""),
            joined(on_error_variable, "VRAMSPAN_ON_ERROR=", has_variable ? "passthrough" : ""), NULL};
        struct vs_said said = said_in(environment);
        said.options[VS_SETTING_COMPUTE_RESERVE] = cases[i].option;
        said.options[VS_SETTING_HOST_RESERVE] = cases[i].option ? "7gb" : NULL;
        said.options[VS_SETTING_DONORS] = cases[i].option ? "cuda:3" : NULL;
        said.options[VS_SETTING_ON_ERROR] = cases[i].option ? "stop" : NULL;
        struct vs_settings settings = load_settings(&said, 0, "");
        cr_expect_eq(settings.policy.compute_reserve_bytes, cases[i].reserve_gb * GB, "case %zu", i);
        cr_expect_eq(settings.policy.host_reserve_bytes, (4 + cases[i].reserve_gb) * GB, "case %zu", i);
        cr_assert_eq(settings.policy.donor_count, 1);
        cr_expect(
            vs_device_equal(settings.policy.donors[0].device, cuda((unsigned)cases[i].reserve_gb)), "case %zu", i);
        cr_expect_eq(settings.hides_donors, i > 0, "case %zu", i);
        cr_expect_eq(settings.policy.on_error,
            has_variable && !cases[i].option ? VS_ON_ERROR_PASSTHROUGH : VS_ON_ERROR_STOP, "case %zu", i);
        cr_expect(vs_device_equal(settings.policy.compute, cuda(5))); /* what nothing overrides stays */
        cr_expect_str_eq(settings.policy.sections[0].globs.items[0], "a*");
        vs_settings_free(&settings);
    }
    unlink(path);
}

Test(settings, an_allocation_outside_of_files_takes_the_place_of_all_models_in_them_and_says_so)
{
    char path[64], buffer[128], expected[512];
    write_policy(path, "version: 1\ncompute: cuda:1\nmodels: [{match: \"a*\", on: cpu}, {match: \"b*\", on: cpu}]\n");
    const char *const environment[] = {joined(buffer, "VRAMSPAN_POLICY=", path), "VRAMSPAN_VIRTUAL_VRAM=2gb", NULL};
    struct vs_said said = said_in(environment);
    snprintf(expected, sizeof expected,
        "VRAMSPAN_VIRTUAL_VRAM: warning: this takes the place of all `models:` in %s\n"
        "  hint: leave it out where the policy is to hold\n",
        path);
    struct vs_settings settings = load_settings(&said, 0, expected);
    cr_assert_eq(settings.policy.section_count, 1);
    cr_expect_str_eq(settings.policy.sections[0].globs.items[0], "*");
    cr_expect_str_eq(settings.policy.sections[0].file, "VRAMSPAN_VIRTUAL_VRAM");
    cr_expect(vs_device_equal(settings.policy.compute, cuda(1)), "the file's word about the machine holds");
    vs_settings_free(&settings);

    said.options[VS_SETTING_DISTORCH] = "cuda:0,1gb;cpu,*"; /* and the variable's 2gb counts no more */
    snprintf(expected, sizeof expected,
        "--distorch: warning: this takes the place of all `models:` in %s\n"
        "  hint: leave it out where the policy is to hold\n",
        path);
    settings = load_settings(&said, 0, expected);
    cr_assert_eq(settings.policy.section_count, 1);
    cr_expect_eq(settings.policy.sections[0].sharing, VS_SHARING_DISTORCH);
    vs_settings_free(&settings);

    said = said_in((const char *const[]){"VRAMSPAN_VIRTUAL_VRAM=2gb", "VRAMSPAN_DISTORCH=cpu,*", NULL});
    said.options[VS_SETTING_POLICY] = path; /* a policy on the command line wins over both */
    settings = load_settings(&said, 0, "");
    cr_expect_eq(settings.policy.section_count, 2);
    cr_expect_null(vs_setting_in_force(&said, VS_SETTING_VIRTUAL_VRAM).text);
    cr_expect_null(vs_setting_in_force(&said, VS_SETTING_DISTORCH).text);
    cr_expect_str_eq(vs_setting_in_force(&said, VS_SETTING_POLICY).text, path);
    vs_settings_free(&settings);
    unlink(path);
}

Test(settings, two_allocations_or_a_policy_beside_one_contradict_each_other)
{
    expect_refused((const char *const[]){"VRAMSPAN_VIRTUAL_VRAM=2gb", "VRAMSPAN_DISTORCH=cpu,*", NULL},
        "VRAMSPAN_DISTORCH:1:1: error: this and `VRAMSPAN_VIRTUAL_VRAM` contradict each other\n    cpu,*\n    ^\n"
        "  hint: keep one of the two\n");
    struct vs_said said = said_in(NONE);
    char path[64];
    write_policy(path, "version: 1\n");
    said.options[VS_SETTING_POLICY] = path;
    said.options[VS_SETTING_VIRTUAL_VRAM] = "2gb";
    load_settings(&said, -1,
        "--virtual-vram:1:1: error: this and `--policy` contradict each other\n    2gb\n    ^\n"
        "  hint: keep one of the two\n");
    unlink(path);
}

Test(settings, without_a_policy_or_an_allocation_the_users_own_folder_is_read)
{
    char home[] = "/tmp/vramspan-home-XXXXXX", path[128], xdg[128], buffer[128], folder[128];
    cr_assert_not_null(mkdtemp(home));
    static const char *const folders[] = {"/.config", "/.config/vramspan", "/xdg", "/xdg/vramspan"};
    for (size_t i = 0; i < COUNT(folders); i++)
        cr_assert_eq(mkdir(joined(path, home, folders[i]), 0700), 0);
    const char *const environment[] = {joined(buffer, "HOME=", home), "XDG_CONFIG_HOME=relative", NULL, NULL};
    struct vs_settings settings = load_environment(environment);
    cr_expect_not(settings.has_policy, "an empty folder is none");
    vs_settings_free(&settings);

    static const char *const files[][2] = {
        {"/.config/vramspan/b.yaml", "version: 1\nmodels: [{match: \"b*\", on: cpu}]\n"},
        {"/.config/vramspan/a.yaml", "version: 1\nmodels: [{match: \"a*\", on: cpu}]\n"},
        {"/xdg/vramspan/x.yaml", "version: 1\nmodels: [{match: \"x*\", on: cpu}]\n"}};
    for (size_t i = 0; i < COUNT(files); i++) {
        FILE *file = fopen(joined(path, home, files[i][0]), "w");
        cr_assert_not_null(file);
        fputs(files[i][1], file);
        fclose(file);
    }
    settings = load_environment(environment);
    cr_expect(settings.has_policy);
    cr_expect_str_eq(settings.policy.name, joined(folder, home, "/.config/vramspan"));
    cr_assert_eq(settings.policy.section_count, 2);
    cr_expect_str_eq(settings.policy.sections[0].globs.items[0], "a*");
    vs_settings_free(&settings);

    sprintf(xdg, "XDG_CONFIG_HOME=%s/xdg", home);
    settings = load_environment((const char *const[]){buffer, xdg, NULL});
    cr_assert_eq(settings.policy.section_count, 1);
    cr_expect_str_eq(settings.policy.sections[0].globs.items[0], "x*");
    vs_settings_free(&settings);

    settings = load_environment((const char *const[]){buffer, xdg, "VRAMSPAN_VIRTUAL_VRAM=1gb", NULL});
    cr_assert_eq(settings.policy.section_count, 1);
    cr_expect_str_eq(settings.policy.sections[0].globs.items[0], "*", "and nothing is said: the folder is not read");
    vs_settings_free(&settings);

    sprintf(folder, "VRAMSPAN_POLICY=%s/.config/vramspan/", home); /* a folder that is named */
    settings = load_environment((const char *const[]){buffer, xdg, folder, NULL});
    cr_expect_eq(settings.policy.section_count, 2);
    vs_settings_free(&settings);

    for (size_t i = 0; i < COUNT(files); i++)
        unlink(joined(path, home, files[i][0]));
    for (size_t i = COUNT(folders); i-- > 0;)
        rmdir(joined(path, home, folders[i]));
    rmdir(home);
}

Test(settings, every_mistake_is_told_at_once_with_its_place)
{
    expect_refused((const char *const[]){"VRAMSPAN_POLICY=/nowhere/p.yaml", "VRAMSPAN_VIRTUAL_VRAM=8gig",
                       "VRAMSPAN_DEVICES=cuda:0,,cpu,cuda:0", "VRAMSPAN_DONORS=cuda:1,gpu:2,cpu:x,cuda:1,",
                       "VRAMSPAN_COMPUTE_RESERVE=1.5", "VRAMSPAN_HOST_RESERVE=-1gb", "VRAMSPAN_ON_ERROR=stopp", NULL},
        "/nowhere/p.yaml: error: cannot read the policy: No such file or directory\n"
        "  hint: check the path; a relative path counts from the folder in which the program was started\n"
        "VRAMSPAN_DEVICES:1:8: error: a device name is missing here\n"
        "    cuda:0,,cpu,cuda:0\n           ^\n"
        "  hint: name the GPUs that the program sees, in its order: `cuda:1` or `cuda:1,cuda:0`\n"
        "VRAMSPAN_DEVICES:1:9: error: `cpu` cannot be the compute device: it is no GPU\n"
        "    cuda:0,,cpu,cuda:0\n            ^\n"
        "  hint: name the GPU that the program computes on, like `cuda:0`\n"
        "VRAMSPAN_DEVICES:1:13: error: `cuda:0` is named twice\n"
        "    cuda:0,,cpu,cuda:0\n                ^\n"
        "  hint: name it once: one GPU cannot be shown to the program as two yet\n"
        "VRAMSPAN_DONORS:1:8: error: `gpu:2` cannot lend memory: there is no device family of that name\n"
        "    cuda:1,gpu:2,cpu:x,cuda:1,\n           ^\n"
        "  hint: did you mean `cuda:2`?\n"
        "VRAMSPAN_DONORS:1:18: error: `x` is no size: a size begins with a digit\n"
        "    cuda:1,gpu:2,cpu:x,cuda:1,\n                     ^\n"
        "  hint: write a number with a unit: `8gb`, `500mb`\n"
        "VRAMSPAN_DONORS:1:20: error: `cuda:1` is a donor twice\n"
        "    cuda:1,gpu:2,cpu:x,cuda:1,\n                       ^\n"
        "  hint: name each donor once\n"
        "VRAMSPAN_DONORS:1:27: error: a device name is missing here\n"
        "    cuda:1,gpu:2,cpu:x,cuda:1,\n                              ^\n"
        "  hint: name the devices that lend memory, in order: `cuda:1,cpu:48gb`\n"
        "VRAMSPAN_COMPUTE_RESERVE:1:4: error: `1.5` is no size: there is no part of a byte; a number with a point "
        "needs a "
        "unit\n"
        "    1.5\n       ^\n"
        "  hint: write `1.5gb` if gigabytes are meant\n"
        "VRAMSPAN_HOST_RESERVE:1:1: error: `-1gb` is no size: a size cannot be negative\n"
        "    -1gb\n    ^\n"
        "  hint: write a number with a unit: `8gb`, `500mb`\n"
        "VRAMSPAN_ON_ERROR:1:1: error: `stopp` is no way to treat an error\n"
        "    stopp\n    ^\n"
        "  hint: did you mean `stop`?\n"
        "VRAMSPAN_VIRTUAL_VRAM:1:2: error: `8gig` is no size: the unit is not one of b, kb, mb, gb, tb (or kib, mib, "
        "gib, "
        "tib, or one letter)\n"
        "    8gig\n     ^\n"
        "  hint: write a number with a unit (`8gb`, `500mb`), or a part of the model (`40%`)\n");
}

Test(settings, what_an_error_does_is_known_although_the_policy_is_wrong)
{
    struct vs_said said =
        said_in((const char *const[]){"VRAMSPAN_POLICY=/nowhere/p.yaml", "VRAMSPAN_ON_ERROR=passthrough", NULL});
    struct vs_settings settings;
    struct vs_diags diags = {0};
    cr_expect_eq(vs_settings_load(&said, &settings, &diags), -1);
    cr_expect_eq(settings.policy.on_error, VS_ON_ERROR_PASSTHROUGH);
    vs_diags_free(&diags);
}
