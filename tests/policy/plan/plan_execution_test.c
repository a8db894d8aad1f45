/*
 * The order of execution, by names and as a run has taught it; and DisTorch's order where the modules are guessed.
 */
#include "plan_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

TestSuite(plan_execution, .fini = expect_no_leaks);

static struct vs_plan plan_names(
    struct test_model *model, const char *const *names, size_t count, const struct vs_plan_wish *given)
{
    static struct vs_distorch allocation;
    struct test_machine machine;
    struct vs_plan_wish wish = *given;
    uint64_t seed = 11;
    make_machine(&machine, (const uint64_t[]){24 * GB, 0});
    allocation = vs_distorch_virtual(1);
    vs_distorch_lend(&allocation, cpu_device, INFINITY);
    for (size_t i = 0; i < count; i++)
        add_tensor(model, 100 * MB, "%s", names[i]);
    shuffle_model(model, &seed);
    wish.source = "p.yaml";
    wish.compute = cuda(0);
    wish.allocation = &allocation;
    return expect_plan(model, &wish, &machine.machine, "");
}

/* Plans these tensors, given in an order of no meaning, and expects them to be executed as they stand here. */
static void expect_order(const char *const *names, size_t count)
{
    struct test_model model = {0};
    struct vs_plan plan = plan_names(&model, names, count, &(struct vs_plan_wish){0});
    for (size_t k = 0; k < count; k++)
        cr_expect_str_eq(model.tensors[plan.execution[k]].name, names[k], "place %zu: %s and not %s", k,
            model.tensors[plan.execution[k]].name, names[k]);
    vs_plan_free(&plan);
    free_model(&model);
}

Test(plan_execution, numbers_count_and_models_begin_and_end_where_they_do)
{
    static const char *const flux[] = {"img_in.weight", "time_in.in_layer.weight",
        "double_blocks.0.img_attn.qkv.weight", "double_blocks.0.img_mlp.0.weight",
        "double_blocks.2.img_attn.qkv.weight", "double_blocks.10.img_attn.qkv.weight",
        "double_blocks.18.img_attn.qkv.weight", "single_blocks.0.linear1.weight", "single_blocks.9.linear1.weight",
        "single_blocks.37.linear1.weight", "final_layer.linear.weight"};
    static const char *const unet[] = {"x.time_embed.0.weight", "x.input_blocks.0.0.weight",
        "x.input_blocks.2.0.weight", "x.input_blocks.11.0.weight", "x.middle_block.0.weight",
        "x.output_blocks.0.0.weight", "x.output_blocks.11.0.weight", "x.out.2.weight"};
    static const char *const diffusers[] = {"conv_in.weight", "down_blocks.0.weight", "down_blocks.3.weight",
        "mid_block.weight", "up_blocks.0.weight", "conv_out.weight"};
    static const char *const llm[] = {"model.embed_tokens.weight", "model.layers.0.self_attn.q_proj.weight",
        "model.layers.0.mlp.down_proj.weight", "model.layers.2.mlp.down_proj.weight",
        "model.layers.11.mlp.down_proj.weight", "model.norm.weight"};
    static const char *const numbers[] = {"a.weight", "a.0.weight", "a.00.weight", "a.1.weight", "a.01.weight",
        "a.9.weight", "a.10.weight", "a.99999999999999999998.weight", "a.99999999999999999999.weight", "b2.weight",
        "b10.weight"};
    expect_order(flux, COUNT(flux));
    expect_order(unet, COUNT(unet));
    expect_order(diffusers, COUNT(diffusers));
    expect_order(llm, COUNT(llm));
    expect_order(numbers, COUNT(numbers));
}

Test(plan_execution, a_learned_order_holds_and_what_it_lacks_stays_behind_its_neighbour)
{
    static const char *const names[] = {"blocks.0.weight", "blocks.1.bias", "blocks.1.weight", "blocks.2.weight"};
    static const char *const learned[] = {
        "blocks.2.weight", "blocks.1.weight", "of.another.model", "blocks.0.weight", "blocks.1.weight"};
    static const char *const expected[] = {"blocks.2.weight", "blocks.1.weight", "blocks.0.weight", "blocks.1.bias"};
    struct test_model model = {0};
    struct vs_plan plan = plan_names(
        &model, names, COUNT(names), &(struct vs_plan_wish){.learned = learned, .learned_count = COUNT(learned)});
    for (size_t k = 0; k < COUNT(expected); k++)
        cr_expect_str_eq(model.tensors[plan.execution[k]].name, expected[k]);
    vs_plan_free(&plan);
    free_model(&model);
}

/* 1 GB of 600 MB is to leave: everything that DisTorch moves. A block's own parameter is of no module. */
Test(plan_execution, guessed_modules_are_said_to_be_a_guess)
{
    static const char *const names[] = {"top", "blocks.0.modulation", "blocks.0.attn.bias", "blocks.0.attn.weight",
        "blocks.1.attn.weight", "head.weight"};
    struct test_model model = {0};
    struct vs_plan plan = plan_names(&model, names, COUNT(names), &(struct vs_plan_wish){.order = VS_ORDER_DISTORCH});
    cr_expect(plan.approximate);
    cr_expect_null(plan.model);
    cr_assert_eq(plan.module_count, 3);
    cr_expect(!strncmp(plan.modules[0].name, "blocks.0.attn", plan.modules[0].length) && plan.modules[0].length == 13);
    cr_expect_eq(plan.modules[0].bytes, 200 * MB);
    cr_expect_eq(reason_of(&plan, &model, "top"), VS_REASON_NO_MODULE);
    cr_expect_eq(reason_of(&plan, &model, "blocks.0.modulation"), VS_REASON_NO_MODULE);
    cr_expect_str_eq(home_of(&plan, &model, "blocks.0.modulation"), "cuda:0");
    cr_expect_str_eq(home_of(&plan, &model, "head.weight"), "cpu");
    vs_plan_free(&plan);
    free_model(&model);
}

Test(plan_execution, a_text_encoders_embeddings_stay_as_in_distorch2)
{
    static const char *const names[] = {"conditioner.embedders.0.h.0.weight", "conditioner.embedders.0.wte.weight",
        "conditioner.embedders.0.Token_Embedding.weight"};
    for (int encoder = 0; encoder < 2; encoder++) {
        struct test_model model = {0};
        struct vs_plan plan = plan_names(
            &model, names, COUNT(names), &(struct vs_plan_wish){.order = VS_ORDER_DISTORCH, .text_encoder = encoder});
        for (size_t i = 0; i < COUNT(names); i++)
            cr_expect_eq(
                reason_of(&plan, &model, names[i]), encoder && i ? VS_REASON_HEAD : VS_REASON_SHARE, "%s", names[i]);
        vs_plan_free(&plan);
        free_model(&model);
    }
}

/*
 * 96 MB of embedding and 16 blocks of 32 MB; of cuda:0, 0.0156 of 24 GB are asked for, 383.4 MB. The embedding stays
 * there and is taken off: 287.4 MB hold 8 blocks. Where a rule has it on cpu, 383.4 MB hold 11; where a rule has it on
 * cuda:0, it is taken off once. What is no text encoder's is moved as any module.
 */
Test(plan_execution, a_text_encoders_embedding_is_taken_off_the_share_of_the_device_that_has_it)
{
    struct vs_plan_rule rules[] = {{.pattern = "*.token_embedding.*", .device = cpu_device},
        {.pattern = "*.token_embedding.*", .on_compute = true}};
    static const struct {
        bool text_encoder;
        int rule; /* -1: none */
        uint64_t expected_mb[3];
    } cases[] = {{true, -1, {96 + 8 * 32, 8 * 32, 0}}, {true, 0, {11 * 32, 5 * 32, 96}},
        {true, 1, {96 + 8 * 32, 8 * 32, 0}}, {false, -1, {11 * 32, 96 + 5 * 32, 0}}, {false, 0, {11 * 32, 5 * 32, 96}}};
    static const char string[] = "cuda:0,0.0156;cuda:1,0.5";
    struct vs_source source = {.name = "string"};
    struct vs_diags diags = {0};
    struct vs_distorch allocation;
    struct test_machine machine;
    struct test_model model = {0};
    make_machine(&machine, (const uint64_t[]){24 * GB, 24 * GB, 0});
    cr_assert_eq(vs_distorch_read(string, strlen(string), vs_place_of_file(&source), false, &allocation, &diags), 0);
    add_tensor(&model, 96 * MB, "text_model.embeddings.token_embedding.weight");
    for (int i = 0; i < 16; i++)
        add_tensor(&model, 32 * MB, "text_model.encoder.layers.%d.mlp.weight", i);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct vs_plan_wish wish = {.source = "p.yaml",
            .compute = cuda(0),
            .allocation = &allocation,
            .order = VS_ORDER_DISTORCH,
            .text_encoder = cases[i].text_encoder,
            .rules = &rules[cases[i].rule > 0],
            .rule_count = cases[i].rule >= 0};
        struct vs_plan plan = expect_plan(&model, &wish, &machine.machine, "");
        cr_expect_eq(placed_on(&plan, cuda(0)), cases[i].expected_mb[0] * MB, "case %zu", i);
        cr_expect_eq(placed_on(&plan, cuda(1)), cases[i].expected_mb[1] * MB, "case %zu", i);
        cr_expect_eq(placed_on(&plan, cpu_device), cases[i].expected_mb[2] * MB, "case %zu", i);
        vs_plan_free(&plan);
    }
    free_model(&model);
}

/* A run that reads all biases after all weights, backwards, teaches the order of execution and no other modules: what
 * DisTorch does not know does not change where it puts them. */
Test(plan_execution, distorch_has_the_modules_of_the_names_whatever_was_learned)
{
    static const char *const names[] = {"blocks.0.attn.scale", "blocks.0.attn.k.bias", "blocks.0.attn.k.weight",
        "blocks.0.attn.q.bias", "blocks.0.attn.q.weight", "blocks.1.attn.k.bias", "blocks.1.attn.k.weight",
        "blocks.1.attn.q.bias", "blocks.1.attn.q.weight", "blocks.2.attn.k.bias", "blocks.2.attn.k.weight",
        "blocks.2.attn.q.bias", "blocks.2.attn.q.weight"};
    static const char *const learned[] = {"blocks.2.attn.q.weight", "blocks.2.attn.k.weight", "blocks.1.attn.q.weight",
        "blocks.1.attn.k.weight", "blocks.0.attn.q.weight", "blocks.0.attn.k.weight", "blocks.2.attn.k.bias",
        "blocks.1.attn.q.bias", "blocks.0.attn.scale", "blocks.2.attn.q.bias", "blocks.1.attn.k.bias",
        "blocks.0.attn.q.bias", "blocks.0.attn.k.bias"};
    struct vs_plan_wish wish = {.order = VS_ORDER_DISTORCH, .learned = learned, .learned_count = COUNT(learned)};
    struct test_model model = {0}, same = {0};
    struct vs_plan plan = plan_names(&model, names, COUNT(names), &wish);
    wish.learned_count = 0;
    struct vs_plan unlearned = plan_names(&same, names, COUNT(names), &wish);
    cr_assert_eq(plan.module_count, 6); /* without the one that contains others */
    for (size_t m = 0; m < plan.module_count; m++)
        cr_expect_eq(plan.modules[m].bytes, unlearned.modules[m].bytes);
    for (size_t i = 0; i < COUNT(names); i++) {
        const char *device = home_of(&plan, &model, names[i]);
        char home[16];
        strcpy(home, device);
        cr_expect_str_eq(home, home_of(&unlearned, &same, names[i]), "%s", names[i]);
    }
    for (size_t k = 0; k < COUNT(learned); k++)
        cr_expect_str_eq(model.tensors[plan.execution[k]].name, learned[k]);
    cr_expect_gt(placed_on(&plan, cpu_device), 0);
    cr_expect_gt(placed_on(&plan, cuda(0)), 100 * MB);
    vs_plan_free(&plan);
    vs_plan_free(&unlearned);
    free_model(&model);
    free_model(&same);
}
