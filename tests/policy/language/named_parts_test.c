/*
 * Which parts of a file a policy names, and the bytes that its tensors have once they are loaded.
 */
#include "../support.h"

#include "../../../policy/language/named_parts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(named_parts, .fini = expect_no_leaks);

/* One tensor of each part of a checkpoint, with 4, 8, 12 and 16 bytes. */
#define CHECKPOINT                                                                                                     \
    "{\"model.diffusion_model.a.weight\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]},"                    \
    "\"cond_stage_model.a.weight\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]},"                         \
    "\"first_stage_model.a.weight\":{\"dtype\":\"F32\",\"shape\":[3],\"data_offsets\":[12,24]},"                       \
    "\"betas\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[24,40]}}"
#define TEXT_ENCODER                                                                                                   \
    "{\"shared.weight\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]},"                                     \
    "\"encoder.block.0.layer.0.SelfAttention.k.weight\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[4,8]}}"

/* AuraFlow's checkpoint: the prefix of its diffusion model is one by the other tensors only. */
#define UNUSUAL_CHECKPOINT                                                                                             \
    "{\"model.a.weight\":{\"dtype\":\"F16\",\"shape\":[2],\"data_offsets\":[0,4]},"                                    \
    "\"vae.a.weight\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}"

/* "part:line:bytes" of each named part. */
static void expect_parts(const char *models, const char *json, uint64_t data_bytes, const char *expected)
{
    char yaml[512], found[256] = "";
    snprintf(yaml, sizeof yaml, "version: 1\nmodels:\n%s", models);
    struct vs_policy policy = expect_policy(yaml, "");
    struct vs_header header = expect_header(json, data_bytes);
    struct vs_model model;
    struct vs_named_part named[VS_PART_COUNT];
    struct vs_diags diags = {0};
    cr_assert_eq(vs_model_init(&model, &header, &diags), 0);
    size_t count = vs_named_parts(&policy, "/models/m.safetensors", &model, named);
    for (size_t i = 0; i < count; i++) {
        uint64_t bytes;
        struct vs_plan_tensor *tensors = vs_named_part_tensors(&named[i], &bytes, &diags);
        cr_assert(tensors);
        for (size_t k = 0; k < named[i].tensors->count; k++)
            cr_expect_eq(tensors[k].name, named[i].tensors->items[k]->name);
        free(tensors);
        sprintf(found + strlen(found), "%s:%zu:%lu ", vs_part_name(named[i].part), named[i].section->line, bytes);
    }
    cr_expect_str_eq(found, expected, "%s: %s", models, found);
    vs_model_free(&model);
    vs_policy_free(&policy);
}

Test(named_parts, of_a_checkpoint)
{
    static const struct {
        const char *models, *expected;
    } cases[] = {
        {"- {match: \"*\", on: cpu}\n", "diffusion:3:4 "},
        {"- {match: \"*\", part: diffusion, on: cpu}\n", "diffusion:3:4 "},
        {"- {match: \"*\", part: text-encoder, on: cpu}\n", "text-encoder:3:8 "},
        {"- {match: \"*\", part: vae, on: cpu}\n- {match: \"*\", on: cpu}\n", "diffusion:4:4 vae:3:12 "},
        {"- {match: \"*\", part: text-encoder, on: cpu}\n- {match: \"*\", part: vae, on: cpu}\n"
         "- {match: \"*\", part: diffusion, on: cpu}\n",
            "diffusion:5:4 text-encoder:3:8 vae:4:12 "},
        {"- {match: \"x*\", on: cpu}\n", ""},
        /* A section without a part does not stand before those that name one. */
        {"- {match: \"*\", virtual-vram: 50%}\n- {match: \"*\", part: text-encoder, on: cpu}\n"
         "- {match: \"*\", part: vae, on: cpu}\n",
            "diffusion:3:4 text-encoder:4:8 vae:5:12 "},
        {"- {match: \"*\", part: any, virtual-vram: 50%}\n- {match: \"m*\", part: vae, on: cpu}\n"
         "- {match: \"*\", part: vae, on: compute}\n",
            "diffusion:3:4 vae:4:12 "},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        expect_parts(cases[i].models, CHECKPOINT, 40, cases[i].expected);
}

/* Rules see the names of all parts without their prefixes. */
Test(named_parts, tensors_bring_their_prefixes)
{
    struct vs_policy policy =
        expect_policy("version: 1\nmodels:\n- {match: \"*\", tensors: [{match: \"a.*\", on: cpu}]}\n"
                      "- {match: \"*\", part: vae, tensors: [{match: \"a.*\", on: cpu}]}\n",
            "");
    static const struct {
        const char *json;
        uint64_t data_bytes;
    } files[] = {{CHECKPOINT, 40}, {UNUSUAL_CHECKPOINT, 12}};
    for (size_t f = 0; f < COUNT(files); f++) {
        struct vs_header header = expect_header(files[f].json, files[f].data_bytes);
        struct vs_model model;
        struct vs_named_part named[VS_PART_COUNT];
        struct vs_diags diags = {0};
        uint64_t bytes;
        cr_assert_eq(vs_model_init(&model, &header, &diags), 0);
        cr_assert_eq(vs_named_parts(&policy, "m.safetensors", &model, named), 2);
        for (size_t i = 0; i < 2; i++) {
            struct vs_plan_tensor *tensors = vs_named_part_tensors(&named[i], &bytes, &diags);
            const struct vs_policy_section *section = named[i].section;
            cr_expect_eq(vs_rule_of(section->rules, 1, tensors->name, tensors->prefix_bytes), 0, "%s", tensors->name);
            free(tensors);
        }
        vs_model_free(&model);
    }
    vs_policy_free(&policy);
}

Test(named_parts, of_a_file_with_one_model)
{
    expect_parts("- {match: \"*\", on: cpu}\n", TEXT_ENCODER, 8, "text-encoder:3:8 ");
    expect_parts("- {match: \"*\", part: text-encoder, on: cpu}\n", TEXT_ENCODER, 8, "text-encoder:3:8 ");
    expect_parts("- {match: \"*\", on: cpu}\n- {match: \"*\", part: text-encoder, on: compute}\n", TEXT_ENCODER, 8,
        "text-encoder:3:8 ");
    expect_parts("- {match: \"*\", part: diffusion, on: cpu}\n", TEXT_ENCODER, 8, "");
}

Test(named_parts, bytes_are_those_of_the_type_that_is_loaded)
{
    static const char json[] = "{\"a\":{\"dtype\":\"F16\",\"shape\":[3,5],\"data_offsets\":[0,30]},"
                               "\"b\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[30,34]},"
                               "\"ids\":{\"dtype\":\"I64\",\"shape\":[2],\"data_offsets\":[34,50]}}";
    expect_parts("- {match: \"*\", on: cpu}\n", json, 50, "diffusion:3:50 ");
    expect_parts("- {match: \"*\", on: cpu, dtype: fp32}\n", json, 50, "diffusion:3:80 "); /* 60 + 4 + 16 */
    expect_parts("- {match: \"*\", on: cpu, dtype: fp8_e4m3fn}\n", json, 50, "diffusion:3:32 ");
}

/* A bare header may claim anything: shapes of 2^62 bytes that become more in another type. */
Test(named_parts, more_bytes_than_can_be_counted_are_refused)
{
    const struct vs_tensor tensor = {
        .name = "t", .dtype = "F8_E4M3", .shape = (uint64_t[]){1ull << 62}, .rank = 1, .bytes = 1ull << 62};
    const struct vs_tensor *items[] = {&tensor};
    const struct vs_tensors tensors = {items, 1, tensor.bytes};
    struct vs_policy policy = expect_policy("version: 1\nmodels:\n- {match: \"*\", on: cpu, dtype: fp32}\n", "");
    const struct vs_named_part named = {VS_PART_DIFFUSION, &policy.sections[0], &tensors};
    struct vs_diags diags = {0};
    uint64_t bytes;
    cr_expect_null(vs_named_part_tensors(&named, &bytes, &diags));
    char *said = rendered(&diags);
    cr_expect_str_eq(said, "p.yaml:3: error: loaded as `fp32`, the model is larger than 63 bits can count\n"
                           "  hint: leave `dtype` out, or check that the model's file is the one that was meant\n");
    free(said);
    vs_policy_free(&policy);
}
