/*
 * Every policy in examples/ is read without a word, and does what its comments promise.
 */
#include "support.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(examples, .fini = expect_no_leaks);

Test(examples, every_file_is_read_without_a_word)
{
    glob_t files;
    cr_assert_eq(glob(SOURCE_ROOT "/examples/*.yaml", 0, NULL, &files), 0);
    cr_expect_geq(files.gl_pathc, 3);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        struct vs_diags diags = {0};
        struct vs_policy policy;
        int result = vs_policy_load(files.gl_pathv[i], &policy, &diags);
        char *said = rendered(&diags);
        cr_expect_str_eq(said, "");
        free(said);
        cr_assert_eq(result, 0);
        cr_expect_gt(policy.section_count, 0, "%s names no model", files.gl_pathv[i]);
        vs_policy_free(&policy);
    }
    globfree(&files);
}

#define MB (UINT64_C(1) << 20)

/* What an allocation in bytes asks of cuda:0, cuda:1 and cpu for a model of this size, in MB, rounded down. */
static void share_out(const struct vs_distorch *allocation, uint64_t total_bytes, uint64_t asked_mb[3])
{
    uint64_t bytes[3] = {0}, left = total_bytes;
    size_t wildcard = 2;
    cr_assert_eq(allocation->form, VS_DISTORCH_BYTES);
    for (size_t k = 0; k < allocation->count; k++) {
        const struct vs_distorch_share *share = &allocation->shares[k];
        size_t column = share->device.family == VS_DEVICE_CPU ? 2 : share->device.ordinal;
        bytes[column] = share->amount < (double)left ? (uint64_t)share->amount : left;
        left -= bytes[column];
        wildcard = share->wildcard ? column : wildcard;
    }
    bytes[wildcard] += left;
    for (size_t k = 0; k < 3; k++)
        asked_mb[k] = bytes[k] / MB;
}

/* What a model of a well-known name and size gets. Sizes: parameters times bytes, as published. */
Test(examples, known_models_get_what_the_comments_say)
{
    static const struct {
        const char *example, *model;
        uint64_t total_bytes;
        uint64_t planned_mb[3]; /* cuda:0, cuda:1, cpu; rounded down */
    } cases[] = {
        {"sd15-three-devices", "checkpoints/v1-5-pruned-emaonly.safetensors", 1719041928, {600, 500, 539}},
        {"flux-24gb-and-ram", "unet/flux1-dev.safetensors", 23802816640, {14336, 0, 8364}},
        {"flux-24gb-and-ram", "unet/flux1-schnell-fp8.safetensors", 11901408320, {11350, 0, 0}},
        {"wan-two-gpus", "wan2.2_t2v_high_noise_14B_fp16.safetensors", 28575170688, {4096, 18432, 4723}},
        {"wan-two-gpus", "wan2.1_t2v_1.3B_fp16.safetensors", 2837000000, {2705, 0, 0}},
        {"wan-two-gpus", "qwen_image_bf16.safetensors", 40860802176, {6144, 20480, 12343}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char path[512];
        struct vs_diags diags = {0};
        struct vs_policy policy;
        snprintf(path, sizeof path, SOURCE_ROOT "/examples/%s.yaml", cases[i].example);
        cr_assert_eq(vs_policy_load(path, &policy, &diags), 0);
        const struct vs_policy_section *section = vs_policy_match(&policy, cases[i].model, VS_PART_DIFFUSION);
        cr_assert_not_null(section, "%s", cases[i].model);
        uint64_t planned_mb[3] = {0};
        share_out(&section->distorch, cases[i].total_bytes, planned_mb);
        for (size_t k = 0; k < 3; k++)
            cr_expect_eq(planned_mb[k], cases[i].planned_mb[k], "%s: %zu: %lu", cases[i].model, k, planned_mb[k]);
        vs_policy_free(&policy);
    }
}
