/*
 * Memory that runs out: each allocation in turn fails, alone and with all later ones, in policy/ and in the libraries
 * under it. Then reading fails with an error that can be shown (or, where nothing but a hint or an excerpt was lost,
 * succeeds as if nothing had happened); nothing crashes, and the sanitised build finds no leak.
 */
#include "support.h"

#include "../../policy/language/settings.h"
#include "../../policy/model/model.h"
#include "../../policy/plan/summary.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char good_policy[] =
    "version: 1\ncompute: cuda:0\ndonors: [cuda:1, cpu]\nmodels:\n"
    "  - match: [\"v1-5-*.safetensors\", \"b*\", \"c*\"]\n"
    "    distorch: \"cuda:0,600mb;cuda:1,500mb;cpu,*\"\n"
    "  - {match: \"*\", virtual-vram: 2gb, tensors: [{match: [\"a\", \"b\"], on: cpu}]}\n";
static const char bad_policy[] = "version: 2\ncompute: cuda\nmodels:\n"
                                 "  - match: [\"a/b\", 'b', b]\n"
                                 "    distorhc: \"cuda:0,600xb;gpu:1,500mb\"\n"
                                 "  - {match: \"a\", distorch: \"cuda:0,600xb;cuda:1,5;cpu,*;\"}\n";
static const char good_header[] = "{\"__metadata__\":{\"format\":\"pt\"},"
                                  "\"a\":{\"dtype\":\"F16\",\"shape\":[2,3],\"data_offsets\":[0,12]},"
                                  "\"b\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[12,16]}}";
static const char bad_header[] = "{\"a\":{\"dtype\":\"F16\",\"shape\":[2,3],\"data_offsets\":[0,13]},\"b\":1}";

static int read_policy_text(const char *text, struct vs_diags *diags)
{
    struct vs_policy policy;
    int result = vs_policy_parse("p.yaml", text, strlen(text), &policy, diags);
    if (!result &&
        (policy.section_count != 2 || policy.sections[0].globs.count != 3 || policy.sections[1].rule_count != 2))
        result = 1; /* read, but not whole: worse than an error */
    vs_policy_free(&policy);
    return result;
}

static int read_header_text(const char *text, struct vs_diags *diags)
{
    struct vs_header file;
    struct vs_model model;
    int result = vs_safetensors_parse("m", text, strlen(text), 8 + strlen(text) + 16, &file, diags);
    if (!result)
        result = vs_model_init(&model, &file, diags);
    if (!result) {
        result = model.tensor_count == 2 ? 0 : 1;
        vs_model_free(&model);
    }
    return result;
}

static int load_model(const char *path, struct vs_diags *diags)
{
    struct vs_header header;
    struct vs_model model;
    int result = vs_header_load(path, &header, diags);
    if (!result)
        result = vs_model_init(&model, &header, diags);
    if (!result) {
        result = model.tensor_count > 1 ? 0 : 1;
        vs_model_free(&model);
    }
    return result;
}

static int load_missing(const char *path, struct vs_diags *diags)
{
    struct vs_policy policy;
    return vs_policy_load(path, &policy, diags);
}

static int load_example(const char *path, struct vs_diags *diags)
{
    struct vs_policy policy;
    int result = vs_policy_load(path, &policy, diags);
    vs_policy_free(&policy);
    return result;
}

static void sweep(int (*read)(const char *, struct vs_diags *), const char *text, bool is_right, size_t fewest)
{
    for (int all_later = 0; all_later < 2; all_later++) {
        for (long n = 0;; n++) {
            struct vs_diags diags = {0};
            allocations_begin(n, all_later);
            int result = read(text, &diags);
            bool failed = allocations_end();
            cr_assert_eq(result == 0, diags.error_count == 0, "%s: allocation %ld: result %d, %zu errors", text, n,
                result, diags.error_count);
            cr_assert(result == 0 || result == -1, "allocation %ld: read in part", n);
            cr_assert(is_right || result == -1, "allocation %ld: a wrong text was accepted", n);
            bool shows = diags.count || diags.out_of_memory;
            char *said = rendered(&diags);
            cr_assert(result == 0 || (shows && *said), "allocation %ld: refused without a word", n);
            free(said);
            if (!failed) {
                cr_expect_eq(result, is_right ? 0 : -1);
                cr_expect_geq((size_t)n, fewest, "only %ld allocations were seen", n);
                break;
            }
            cr_assert_lt(n, 100000);
        }
    }
}

/* A folder with two copies of an example, which do not contradict each other. */
static int load_folder(const char *path, struct vs_diags *diags)
{
    struct vs_policy policy;
    int result = vs_policy_load(path, &policy, diags);
    if (!result && policy.section_count != 4)
        result = 1;
    vs_policy_free(&policy);
    return result;
}

static const char *environment(void *context, const char *name)
{
    static const char *const values[][2] = {{"VRAMSPAN_POLICY", SOURCE_ROOT "/examples/wan21-14b-two-cards.yaml"},
        {"VRAMSPAN_DONORS", "cuda:1,cpu:48gb"}, {"VRAMSPAN_DEVICES", "cuda:0"}};
    for (size_t i = 0; i < COUNT(values); i++)
        if (!strcmp(name, values[i][0]))
            return values[i][1];
    return strcmp(name, context) == 0 ? "1gb" : NULL;
}

static int load_settings(const char *extra, struct vs_diags *diags)
{
    struct vs_said said = {.variable = environment, .context = (void *)extra};
    struct vs_settings settings;
    int result = vs_settings_load(&said, &settings, diags);
    size_t sections = strcmp(extra, "VRAMSPAN_VIRTUAL_VRAM") == 0 ? 1 : 2;
    if (!result && (settings.policy.section_count != sections || settings.policy.donor_count != 2))
        result = 1;
    vs_settings_free(&settings);
    return result;
}

TestSuite(memory, .fini = expect_no_leaks);

Test(memory, that_runs_out_under_a_right_policy_is_an_error)
{
    sweep(read_policy_text, good_policy, true, 20);
}

Test(memory, that_runs_out_under_a_wrong_policy_is_an_error)
{
    sweep(read_policy_text, bad_policy, false, 20);
}

Test(memory, that_runs_out_under_a_header_is_an_error)
{
    sweep(read_header_text, good_header, true, 10);
    sweep(read_header_text, bad_header, false, 10);
}

#define MODELS SOURCE_ROOT "/tests/policy/models/"

Test(memory, that_runs_out_under_a_model_file_is_an_error)
{
    sweep(load_model, MODELS "checkpoint.safetensors", true, 20);
    sweep(load_model, MODELS "checkpoint-header.json", true, 20);
    sweep(load_model, MODELS "shards.safetensors.index.json", true, 30);
    sweep(load_model, MODELS "types.gguf", true, 5);
    sweep(load_model, MODELS "folded.gguf", true, 5);
    sweep(load_model, MODELS "big-endian.gguf", false, 3);
    sweep(load_model, "/nowhere/m.safetensors", false, 2);
}

Test(memory, that_runs_out_while_a_file_is_read_is_an_error)
{
    sweep(load_missing, "/nowhere/p.yaml", false, 2);
    sweep(load_example, SOURCE_ROOT "/examples/wan21-14b-two-cards.yaml", true, 20);
    char folder[] = "/tmp/vramspan-memory-XXXXXX", paths[2][64];
    cr_assert_not_null(mkdtemp(folder));
    for (int i = 0; i < 2; i++) {
        snprintf(paths[i], sizeof paths[i], "%s/%d.yaml", folder, i);
        cr_assert_eq(symlink(SOURCE_ROOT "/examples/wan21-14b-two-cards.yaml", paths[i]), 0);
    }
    sweep(load_folder, folder, true, 40);
    unlink(paths[0]);
    unlink(paths[1]);
    rmdir(folder);
}

Test(memory, that_runs_out_under_settings_is_an_error)
{
    sweep(load_settings, "VRAMSPAN_VIRTUAL_VRAM", true, 30);
    sweep(load_settings, "VRAMSPAN_COMPUTE_RESERVE", true, 30);
    sweep(load_settings, "VRAMSPAN_HOST_RESERVE", true, 30);
    sweep(load_settings, "VRAMSPAN_ON_ERROR", false, 30);
}

Test(memory, that_runs_out_under_a_table_cuts_it_and_says_so)
{
    const struct vs_summary_device device = {.device = cuda(0), .planned_bytes = 100};
    struct vs_summary summary = {.model_name = "m", .total_bytes = 100, .devices = &device, .device_count = 1};
    for (long n = 0; n < 10; n++) {
        struct vs_text text = {0};
        allocations_begin(n, false);
        vs_summary_render(&summary, &text);
        cr_expect_eq(allocations_end(), text.failed);
        cr_expect(n > 0 || text.failed);
        vs_text_free(&text);
    }
}
