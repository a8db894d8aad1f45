/*
 * Policy files: what is read, what is matched, and every error with its line, column and hint.
 */
#include "support.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MB       (UINT64_C(1) << 20)
#define MORE     "for example \"cuda:0,600mb;cuda:1,500mb;cpu,*\"\n"
#define MATCH    "write a glob for the file's name: match: \"flux1-*.safetensors\"\n"
#define DISTORCH "say what each device takes: distorch: \"cuda:0,600mb;cuda:1,500mb;cpu,*\"\n"
#define SECTION  "models: [{match: a, distorch: \"cpu,*\"}]\n"

TestSuite(policy, .fini = expect_no_leaks);

Test(policy, reads_every_key)
{
    struct vs_policy policy = expect_policy("version: 1\n"
                                            "compute: cuda:1\n"
                                            "on-error: passthrough\n"
                                            "models:\n"
                                            "  - match: \"v1-5-*.safetensors\"\n"
                                            "    distorch: \"cuda:0,600mb;cuda:1,500mb;cpu,*\"\n"
                                            "  - match: [\"a*\", b]\n"
                                            "    distorch: cpu,*\n",
        "");
    cr_expect_str_eq(policy.name, "p.yaml");
    cr_expect(policy.has_compute);
    cr_expect(vs_device_equal(policy.compute, cuda(1)));
    cr_expect_eq(policy.on_error, VS_ON_ERROR_PASSTHROUGH);
    cr_assert_eq(policy.section_count, 2);
    cr_expect_eq(policy.sections[0].pattern_count, 1);
    cr_expect_str_eq(policy.sections[0].patterns[0], "v1-5-*.safetensors");
    cr_expect_eq(policy.sections[0].shares.count, 3);
    cr_expect_eq(policy.sections[0].shares.items[1].bytes, 500 * MB);
    cr_expect_eq(policy.sections[0].line, 5);
    cr_assert_eq(policy.sections[1].pattern_count, 2);
    cr_expect_str_eq(policy.sections[1].patterns[0], "a*");
    cr_expect_str_eq(policy.sections[1].patterns[1], "b");
    cr_expect_eq(policy.sections[1].line, 7);
    vs_policy_free(&policy);
    cr_expect_null(policy.sections);
}

Test(policy, has_defaults)
{
    struct vs_policy policy = expect_policy("version: 1\n", "");
    cr_expect_not(policy.has_compute);
    cr_expect_eq(policy.on_error, VS_ON_ERROR_STOP);
    cr_expect_eq(policy.section_count, 0);
    cr_expect_null(vs_policy_match(&policy, "anything.safetensors"));
    vs_policy_free(&policy);
    policy = expect_policy("%YAML 1.1\n---\n# a comment\non-error: stop\nversion: 1\nmodels: []\n...\n", "");
    cr_expect_eq(policy.on_error, VS_ON_ERROR_STOP);
    vs_policy_free(&policy);
}

Test(policy, the_first_section_that_fits_the_base_name_is_used)
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
        const struct vs_policy_section *section = vs_policy_match(&policy, cases[i].path);
        cr_expect_eq(section ? section - policy.sections : -1, cases[i].section, "%s", cases[i].path);
    }
    vs_policy_free(&policy);
}

Test(policy, tells_all_errors_of_a_file_at_once)
{
    expect_policy_errors("version: 1\n"
                         "compute: cuda:x\n"
                         "on-error: pass\n"
                         "models:\n"
                         "  - match: \"a\"\n"
                         "    distroch: \"cpu,*\"\n"
                         "  - distorch: \"cuda:0,8%\"\n",
        "p.yaml:2:10: error: `cuda:x` cannot be the compute device: its number must be from 0 to 255, in plain digits\n"
        "    compute: cuda:x\n"
        "             ^\n"
        "  hint: name the GPU that the program computes on: `compute: cuda:0`\n"
        "p.yaml:3:11: error: `pass` is no way to treat an error\n"
        "    on-error: pass\n"
        "              ^\n"
        "  hint: write `stop` (end the program with a message) or `passthrough` (run without spreading)\n"
        "p.yaml:6:5: error: unknown key `distroch` in the model's section\n"
        "        distroch: \"cpu,*\"\n"
        "        ^\n"
        "  hint: did you mean `distorch`?\n"
        "p.yaml:5:5: error: the model's section has no `distorch`\n"
        "      - match: \"a\"\n"
        "        ^\n"
        "  hint: " DISTORCH "p.yaml:7:16: error: parts of the model (`%`) cannot be placed yet, only bytes can\n"
        "      - distorch: \"cuda:0,8%\"\n"
        "                   ^\n"
        "  hint: give each device its bytes, " MORE "p.yaml:7:5: error: the model's section has no `match`\n"
        "      - distorch: \"cuda:0,8%\"\n"
        "        ^\n"
        "  hint: " MATCH);
}

Test(policy, version_is_required_and_must_be_known)
{
    expect_policy_errors("models: []\n", "p.yaml:1:1: error: the policy has no `version`\n    models: []\n    ^\n"
                                         "  hint: begin the file with `version: 1`\n");
    expect_policy_errors("version: 2\n",
        "p.yaml:1:10: error: version 2 of the policy language is not known to this build, which reads version 1\n"
        "    version: 2\n             ^\n  hint: write `version: 1`, or use a newer vramspan\n");
    expect_policy_errors("version: \"1\"\n",
        "p.yaml:1:10: error: `1` is no version number; this build reads version 1\n"
        "    version: \"1\"\n             ^\n  hint: write `version: 1`, without quotes\n");
    expect_policy_errors("version: 1.0\n",
        "p.yaml:1:10: error: `1.0` is no version number; this build reads version 1\n"
        "    version: 1.0\n             ^\n  hint: write `version: 1`, without quotes\n");
    expect_policy_errors("version:\n",
        "p.yaml:1:9: error: a version number is expected here, not nothing\n    version:\n            ^\n"
        "  hint: write `version: 1`\n");
    expect_policy_errors("version: [1]\n",
        "p.yaml:1:10: error: a version number is expected here, not a list\n    version: [1]\n             ^\n"
        "  hint: write `version: 1`\n");
}

Test(policy, compute_must_be_a_gpu)
{
    static const char hint[] = "  hint: name the GPU that the program computes on: `compute: cuda:0`\n";
    char expected[512];
    snprintf(expected, sizeof expected,
        "p.yaml:2:11: error: `cpu` cannot be the compute device: it is no GPU\n    compute: \"cpu\"\n              "
        "^\n%s",
        hint);
    expect_policy_errors("version: 1\ncompute: \"cpu\"\n", expected);
    snprintf(expected, sizeof expected,
        "p.yaml:2:10: error: `xpu:0` cannot be the compute device: this build places memory on CUDA devices and in "
        "host "
        "memory only\n    compute: xpu:0\n             ^\n%s",
        hint);
    expect_policy_errors("version: 1\ncompute: xpu:0\n", expected);
    snprintf(expected, sizeof expected,
        "p.yaml:2:10: error: a device name is expected here, not a mapping\n    compute: {cuda: 0}\n             ^\n%s",
        hint);
    expect_policy_errors("version: 1\ncompute: {cuda: 0}\n", expected);
}

Test(policy, duplicate_and_unknown_keys_are_errors)
{
    expect_policy_errors("version: 1\nversion: 1\n",
        "p.yaml:2:1: error: `version` is given twice in the policy, first in line 1\n    version: 1\n    ^\n"
        "  hint: keep one of the two\n");
    expect_policy_errors("version: 1\nxyzzy: 1\n",
        "p.yaml:2:1: error: unknown key `xyzzy` in the policy\n    xyzzy: 1\n    ^\n"
        "  hint: known here: `version`, `compute`, `on-error`, `models`\n");
    expect_policy_errors("version: 1\n\"on_error\\e\": stop\n",
        "p.yaml:2:1: error: unknown key `on_error\\x1b` in the policy\n    \"on_error\\e\": stop\n    ^\n"
        "  hint: did you mean `on-error`?\n");
}

Test(policy, wrong_types_are_errors)
{
    expect_policy_errors("- version: 1\n",
        "p.yaml:1:1: error: the policy must be a mapping, not a list\n    - version: 1\n    ^\n"
        "  hint: write `key: value` lines, beginning with `version:`\n");
    expect_policy_errors("version 1\n",
        "p.yaml:1:1: error: the policy must be a mapping, not a word\n    version 1\n    ^\n"
        "  hint: write `key: value` lines, beginning with `version:`\n");
    expect_policy_errors("version: 1\nmodels:\n  match: a\n",
        "p.yaml:3:3: error: `models` must be a list, not a mapping\n      match: a\n      ^\n"
        "  hint: begin each section with a dash: `- match: \"flux1-*.safetensors\"`\n");
    expect_policy_errors("version: 1\nmodels:\n",
        "p.yaml:2:8: error: `models` must be a list, not nothing\n    models:\n           ^\n"
        "  hint: begin each section with a dash: `- match: \"flux1-*.safetensors\"`\n");
    expect_policy_errors("version: 1\nmodels: [a]\n",
        "p.yaml:2:10: error: the model's section must be a mapping, not a word\n    models: [a]\n             ^\n"
        "  hint: write `key: value` lines, beginning with `match:`\n");
    expect_policy_errors("version: 1\nmodels: [{match: a, distorch: [\"cpu,*\"]}]\n",
        "p.yaml:2:31: error: a DisTorch allocation string is expected here, not a list\n"
        "    models: [{match: a, distorch: [\"cpu,*\"]}]\n                                  ^\n  hint: " DISTORCH);
    expect_policy_errors("version: 1\non-error: {}\n",
        "p.yaml:2:11: error: `stop` or `passthrough` is expected here, not a mapping\n    on-error: {}\n              "
        "^\n"
        "  hint: write `stop` (end the program with a message) or `passthrough` (run without spreading)\n");
    expect_policy_errors("version: 1\n? [a]\n: b\n",
        "p.yaml:2:3: error: a key must be a single word\n    ? [a]\n      ^\n  hint: write `key: value`\n");
}

Test(policy, globs_are_for_base_names)
{
    expect_policy_errors("version: 1\nmodels: [{match: \"unet/flux*\", distorch: \"cpu,*\"}]\n",
        "p.yaml:2:23: error: `unet/flux*` contains a `/`: globs are compared with the file's base name\n"
        "    models: [{match: \"unet/flux*\", distorch: \"cpu,*\"}]\n                          ^\n"
        "  hint: leave the folders out: match: \"flux*\"\n");
    expect_policy_errors("version: 1\nmodels: [{match: [], distorch: \"cpu,*\"}]\n",
        "p.yaml:2:18: error: the list of globs is empty\n    models: [{match: [], distorch: \"cpu,*\"}]\n"
        "                     ^\n  hint: " MATCH);
    expect_policy_errors("version: 1\nmodels: [{match: [a, \"\", [b]], distorch: \"cpu,*\"}]\n",
        "p.yaml:2:22: error: a glob for a file's name is expected here, not nothing\n"
        "    models: [{match: [a, \"\", [b]], distorch: \"cpu,*\"}]\n                         ^\n  hint: " MATCH
        "p.yaml:2:26: error: a glob for a file's name is expected here, not a list\n"
        "    models: [{match: [a, \"\", [b]], distorch: \"cpu,*\"}]\n                             ^\n  hint: " MATCH);
    char yaml[512] = "version: 1\nmodels: [{distorch: \"cpu,*\", match: ";
    size_t length = strlen(yaml);
    memset(yaml + length, 'a', VS_POLICY_PATTERN_MAX);
    strcpy(yaml + length + VS_POLICY_PATTERN_MAX, "}]");
    struct vs_policy policy = expect_policy(yaml, "");
    vs_policy_free(&policy);
    struct vs_diags diags = {0};
    strcpy(yaml + length + VS_POLICY_PATTERN_MAX, "a}]");
    cr_expect_eq(vs_policy_parse("p.yaml", yaml, strlen(yaml), &policy, &diags), -1);
    char *said = rendered(&diags);
    cr_expect_not_null(strstr(said, "p.yaml:2:37: error: the glob is longer than any file's name (255 bytes)\n"));
    free(said);
}

Test(policy, a_glob_that_cannot_be_reached_is_a_warning)
{
    struct vs_policy policy = expect_policy("version: 1\nmodels:\n- {match: a, distorch: \"cpu,*\"}\n"
                                            "- {match: [b, a], distorch: \"cpu,*\"}\n",
        "p.yaml:4:3: warning: `a` also stands in the section in line 3, which comes first and is used\n"
        "    - {match: [b, a], distorch: \"cpu,*\"}\n      ^\n"
        "  hint: remove one of the two, or put the narrower glob first\n");
    cr_expect_eq(policy.section_count, 2);
    vs_policy_free(&policy);
}

/* Columns count from the first letter inside the quotes, also where letters before it take several bytes. */
Test(policy, errors_point_into_the_allocation_string)
{
    static const char *const quotes[] = {"\"", "'", ""};
    for (size_t i = 0; i < COUNT(quotes); i++) {
        char yaml[256], expected[64];
        sprintf(yaml, "version: 1\nmodels: [{match: \"\xc3\xa4\", distorch: %scuda:0;gpu%s}]\n", quotes[i], quotes[i]);
        sprintf(expected, "p.yaml:2:%zu: error: `gpu` has no comma", 33 + strlen(quotes[i]) + 7);
        struct vs_diags diags = {0};
        struct vs_policy policy;
        cr_expect_eq(vs_policy_parse("p.yaml", yaml, strlen(yaml), &policy, &diags), -1);
        char *said = rendered(&diags);
        cr_expect_not_null(strstr(said, expected), "%s not in\n%s", expected, said);
        free(said);
    }
}

Test(policy, errors_point_into_a_string_that_ends_the_file)
{
    expect_policy_errors("version: 1\nmodels:\n- match: a\n  distorch: cuda:0,1gb;cpu",
        "p.yaml:4:24: error: `cpu` has no comma between device and bytes\n"
        "      distorch: cuda:0,1gb;cpu\n                           ^\n  hint: write `device,bytes`, " MORE);
}

Test(policy, errors_in_a_folded_or_escaped_string_point_at_its_begin)
{
    expect_policy_errors("version: 1\nmodels: [{match: a, distorch: \"cuda\\x3a0,1gb;cpu\"}]\n",
        "p.yaml:2:31: error: `cpu` has no comma between device and bytes\n"
        "    models: [{match: a, distorch: \"cuda\\x3a0,1gb;cpu\"}]\n                                  ^\n"
        "  hint: write `device,bytes`, " MORE);
    expect_policy_errors("version: 1\nmodels:\n- match: a\n  distorch: >\n    cuda:0,1gb;\n    cpu\n",
        "p.yaml:4:13: error: `cpu` has no comma between device and bytes\n"
        "      distorch: >\n                ^\n  hint: write `device,bytes`, " MORE);
}

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

Test(policy, a_hostile_glob_is_matched_quickly)
{
    char yaml[600] = "version: 1\nmodels: [{distorch: \"cpu,*\", match: \"", name[256];
    for (int i = 0; i < 120; i++)
        strcat(yaml, "*a");
    strcat(yaml, "b\"}]");
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    struct vs_policy policy = expect_policy(yaml, "");
    double start = seconds();
    cr_expect_null(vs_policy_match(&policy, name));
    cr_expect_lt(seconds() - start, 2.0);
    vs_policy_free(&policy);
}

Test(policy, is_loaded_from_a_file_and_from_a_pipe)
{
    static const char text[] = "version: 1\n" SECTION;
    char path[] = "/tmp/vramspan-policy-XXXXXX";
    int descriptor = mkstemp(path), ends[2];
    struct vs_diags diags = {0};
    struct vs_policy policy;
    cr_assert_eq(write(descriptor, text, sizeof text - 1), (ssize_t)sizeof text - 1);
    close(descriptor);
    cr_expect_eq(vs_policy_load(path, &policy, &diags), 0);
    cr_expect_str_eq(policy.name, path);
    cr_expect_eq(policy.section_count, 1);
    vs_policy_free(&policy);
    unlink(path);

    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(write(ends[1], "version: 1\n", 11), 11);
    close(ends[1]);
    snprintf(path, sizeof path, "/dev/fd/%d", ends[0]);
    cr_expect_eq(vs_policy_load(path, &policy, &diags), 0);
    vs_policy_free(&policy);
    close(ends[0]);
    cr_expect_eq(diags.count, 0);
}

Test(policy, a_file_that_cannot_be_read_is_an_error_with_its_reason)
{
    struct vs_diags diags = {0};
    struct vs_policy policy;
    cr_expect_eq(vs_policy_load("/nowhere/p.yaml", &policy, &diags), -1);
    cr_expect_eq(vs_policy_load("/tmp", &policy, &diags), -1);
    cr_expect_eq(vs_policy_load("/dev/zero", &policy, &diags), -1);
    cr_expect_eq(diags.error_count, 3);
    char *said = rendered(&diags);
    cr_expect_str_eq(said,
        "/nowhere/p.yaml: error: cannot read the policy: No such file or directory\n"
        "  hint: check the path; a relative path counts from the folder in which the program was started\n"
        "/tmp: error: cannot read the policy: Is a directory\n"
        "  hint: name a file in it\n"
        "/dev/zero: error: the policy is larger than 1048576 bytes\n"
        "  hint: check that this is the file that was meant\n");
    free(said);
}
