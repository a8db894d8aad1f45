/*
 * Folders of policy files, which make one policy.
 */
#include "../support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

TestSuite(policy_folder, .fini = expect_no_leaks);

#define GB (UINT64_C(1) << 30)

/* A folder of its own with some files, removed by remove_folder. */
static void make_folder(char *folder, const char *const (*files)[2], size_t count)
{
    strcpy(folder, "/tmp/vramspan-folder-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    for (size_t i = 0; i < count; i++) {
        char path[256];
        snprintf(path, sizeof path, "%s/%s", folder, files[i][0]);
        FILE *file = fopen(path, "w");
        cr_assert_not_null(file);
        fputs(files[i][1], file);
        fclose(file);
    }
}

static void remove_folder(const char *folder, const char *const (*files)[2], size_t count)
{
    char path[256];
    for (size_t i = 0; i < count; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, files[i][0]);
        unlink(path);
    }
    rmdir(folder);
}

/* Loads a folder and compares what is said, in which `@` stands for the folder. */
static int load_folder(const char *const (*files)[2], size_t count, struct vs_policy *policy, const char *expected)
{
    char folder[64];
    struct vs_diags diags = {0};
    struct vs_text text = {0};
    make_folder(folder, files, count);
    int result = vs_policy_load(folder, policy, &diags);
    char *said = rendered(&diags);
    vs_text_append(&text, "", 0);
    for (const char *at = expected; *at; at++)
        vs_text_append(&text, *at == '@' ? folder : at, *at == '@' ? strlen(folder) : 1);
    cr_expect_str_eq(said, text.data);
    vs_text_free(&text);
    free(said);
    remove_folder(folder, files, count);
    return result;
}

Test(policy_folder, the_files_of_a_folder_make_one_policy_in_the_order_of_their_names)
{
    static const char *const files[][2] = {
        {"b.yaml", "version: 1\ncompute: cuda:0\ndonors: cuda:1\nmodels: [{match: \"z*\", on: cpu}]\n"},
        {"10.yaml", "version: 1\ncompute: cuda:0\nmodels: [{match: \"x*\", on: cpu}, {match: \"y*\", on: cpu}]\n"},
        {"9.yaml",
            "version: 1\ndonors: [\"cuda:1\"]\non-error: passthrough\ncompute-reserve: 1gb\nhost-reserve: 4gb\n"},
        {"Z.yaml",
            "version: 1\nhost-reserve: 4096mb\ncompute-reserve: 1024mb\nmodels: [{match: \"xy*\", on: compute}]\n"},
        {".hidden.yaml", "wrong"}, {"a.yml", "wrong"}, {"a.yaml~", "wrong"}, {".yaml", "wrong"}};
    struct vs_policy policy;
    cr_assert_eq(load_folder(files, COUNT(files), &policy,
                     "@/Z.yaml:4:19: warning: `xy*` is never used: `x*` in @/10.yaml, line 3 comes first and takes all "
                     "that it fits\n"
                     "    models: [{match: \"xy*\", on: compute}]\n                      ^\n"
                     "  hint: put the narrower glob first, or remove it\n"),
        0);
    cr_assert_eq(policy.section_count, 4);
    cr_expect_str_eq(policy.sections[0].globs.items[0], "x*");
    cr_expect_str_eq(policy.sections[1].globs.items[0], "y*");
    cr_expect_str_eq(policy.sections[2].globs.items[0], "xy*");
    cr_expect_str_eq(policy.sections[3].globs.items[0], "z*");
    cr_expect_not_null(strstr(policy.sections[2].file, "/Z.yaml"));
    cr_expect_eq(policy.donor_count, 1);
    cr_expect(vs_device_equal(policy.donors[0].device, cuda(1)));
    cr_expect(policy.has_compute && vs_device_equal(policy.compute, cuda(0)));
    cr_expect_eq(policy.compute_reserve_bytes, GB);
    cr_expect_eq(policy.host_reserve_bytes, 4 * GB);
    cr_expect_eq(policy.on_error, VS_ON_ERROR_PASSTHROUGH);
    vs_policy_free(&policy);
}

Test(policy_folder, the_files_of_a_folder_must_agree)
{
    static const char *const files[][2] = {
        {"a.yaml", "version: 1\ncompute: cuda:0\ndonors: [cuda:1, cpu]\non-error: stop\ncompute-reserve: 1gb\n"
                   "host-reserve: 0gb\n"},
        {"b.yaml", "version: 1\ncompute: cuda:1\ndonors: [cpu, cuda:1]\non-error: passthrough\ncompute-reserve: 2gb\n"
                   "host-reserve: 2gb\n"}};
    struct vs_policy policy;
    cr_expect_eq(load_folder(files, COUNT(files), &policy,
                     "@/b.yaml:2:1: error: `compute` says something else than @/a.yaml, line 2\n"
                     "    compute: cuda:1\n    ^\n"
                     "  hint: the files of a folder make one policy: write the key into one of them only\n"
                     "@/b.yaml:3:1: error: `donors` says something else than @/a.yaml, line 3\n"
                     "    donors: [cpu, cuda:1]\n    ^\n"
                     "  hint: the files of a folder make one policy: write the key into one of them only\n"
                     "@/b.yaml:4:1: error: `on-error` says something else than @/a.yaml, line 4\n"
                     "    on-error: passthrough\n    ^\n"
                     "  hint: the files of a folder make one policy: write the key into one of them only\n"
                     "@/b.yaml:5:1: error: `compute-reserve` says something else than @/a.yaml, line 5\n"
                     "    compute-reserve: 2gb\n    ^\n"
                     "  hint: the files of a folder make one policy: write the key into one of them only\n"
                     "@/b.yaml:6:1: error: `host-reserve` says something else than @/a.yaml, line 6\n"
                     "    host-reserve: 2gb\n    ^\n"
                     "  hint: the files of a folder make one policy: write the key into one of them only\n"),
        -1);
    cr_expect_null(policy.sections);
}

Test(policy_folder, a_compute_device_of_one_file_is_no_donor_of_another)
{
    static const char *const files[][2] = {
        {"a.yaml", "version: 1\ndonors: [cuda:1, cpu]\n"}, {"b.yaml", "version: 1\ncompute: cuda:1\n"}};
    struct vs_policy policy;
    cr_expect_eq(load_folder(files, COUNT(files), &policy,
                     "@/b.yaml:2:10: error: `cuda:1` is named as compute device and as donor\n"
                     "    compute: cuda:1\n             ^\n"
                     "  hint: take it out of `donors`: what the compute device has is used anyway\n"),
        -1);
}

Test(policy_folder, a_folder_without_policies_is_an_error)
{
    static const char *const none[][2] = {{"a.txt", ""}}, *const other[][2] = {{"a.yml", ""}};
    struct vs_policy policy;
    cr_expect_eq(load_folder(none, 1, &policy,
                     "@: error: there is no policy in the folder\n"
                     "  hint: put a policy there whose name ends in .yaml, or name the file itself\n"),
        -1);
    cr_expect_eq(load_folder(other, 1, &policy,
                     "@: error: there is no policy in the folder\n"
                     "  hint: name the files *.yaml: those named *.yml are not read\n"),
        -1);
}
