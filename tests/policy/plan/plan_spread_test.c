/*
 * Which weights leave in the order `spread`: small ones stay, those that gain nothing from being near go first where a
 * share holds them whole.
 */
#include "plan_support.h"

#include <math.h>
#include <string.h>

TestSuite(plan_spread, .fini = expect_no_leaks);

Test(plan_spread, small_tensors_stay_and_embeddings_leave_first)
{
    struct test_machine machine = two_gpus();
    struct test_model model = blocks_model(10);
    add_tensor(&model, VS_PLAN_SMALL_BYTES - 1, "blocks.0.small");
    add_tensor(&model, VS_PLAN_SMALL_BYTES, "blocks.0.large");
    add_tensor(&model, 100 * MB, "model.embed_tokens.weight");
    struct vs_distorch allocation = read_allocation("cuda:0,*;cuda:1,100mb");
    struct vs_plan_wish wish = wish_for(&allocation);
    struct vs_plan plan = expect_plan(&model, &wish, with_devices(&machine), "");
    cr_expect_eq(reason_of(&plan, &model, "blocks.0.small"), VS_REASON_SMALL);
    cr_expect_eq(reason_of(&plan, &model, "blocks.0.large"), VS_REASON_SHARE);
    cr_expect_eq(reason_of(&plan, &model, "model.embed_tokens.weight"), VS_REASON_EMBEDDING);
    cr_expect_str_eq(home_of(&plan, &model, "model.embed_tokens.weight"), "cuda:1");
    cr_expect_eq(placed_on(&plan, cuda(1)), 100 * MB);
    vs_plan_free(&plan);
    allocation = read_allocation("cpu,*");
    plan = expect_plan(&model, &wish, with_devices(&machine), "");
    cr_expect_eq(placed_on(&plan, cuda(0)), VS_PLAN_SMALL_BYTES - 1);
    vs_plan_free(&plan);
    free_model(&model);
}

/* An embedding that no share holds whole takes nothing from the shares, and does not go to a donor that lends less. */
Test(plan_spread, an_embedding_larger_than_every_share_leaves_them_to_the_others)
{
    static const struct {
        uint64_t embedding_mb, asked_mb, lent_mb[2];
    } cases[] = {{1039, 500, {0, 0}}, {1900, 1500, {1500, 0}}, {1039, 1200, {600, 600}}, {301, 300, {0, 0}}};
    struct test_machine machine = two_gpus();
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct test_model model = blocks_model(28);
        add_tensor(&model, cases[i].embedding_mb * MB, "model.embed_tokens.weight");
        struct vs_distorch allocation = vs_distorch_virtual((double)cases[i].asked_mb / 1024);
        struct vs_plan_wish wish = wish_for(&allocation);
        for (int d = 0; d < 2; d++) {
            double lent = cases[i].lent_mb[d] ? (double)(cases[i].lent_mb[d] * MB) : INFINITY;
            vs_distorch_lend(&allocation, d ? cpu_device : cuda(1), lent);
        }
        struct vs_plan plan = expect_plan(&model, &wish, with_devices(&machine), "");
        cr_expect_str_eq(home_of(&plan, &model, "model.embed_tokens.weight"), "cuda:0");
        cr_expect_eq(placed_on(&plan, cuda(1)) + placed_on(&plan, cpu_device), cases[i].asked_mb * MB, "case %zu", i);
        vs_plan_free(&plan);
        free_model(&model);
    }
}

/* Two of 1000 MB and 1500 MB to leave: one does, and the 500 MB that it leaves over are the blocks'. With 1050 MB, what
 * is left over is less than a block. */
Test(plan_spread, what_embeddings_leave_over_is_the_others)
{
    struct test_machine machine = two_gpus();
    struct test_model model = blocks_model(20);
    add_tensor(&model, 1000 * MB, "a.wte.weight");
    add_tensor(&model, 1000 * MB, "b.wte.weight");
    for (uint64_t asked_mb = 1050; asked_mb <= 1500; asked_mb += 450) {
        struct vs_distorch allocation = vs_distorch_virtual((double)asked_mb / 1024);
        struct vs_plan_wish wish = wish_for(&allocation);
        vs_distorch_lend(&allocation, cpu_device, INFINITY);
        struct vs_plan plan = expect_plan(&model, &wish, with_devices(&machine), "");
        cr_expect_eq(placed_on(&plan, cpu_device), (asked_mb == 1500 ? 1500 : 1000) * MB);
        cr_expect((reason_of(&plan, &model, "a.wte.weight") == VS_REASON_EMBEDDING) !=
                  (reason_of(&plan, &model, "b.wte.weight") == VS_REASON_EMBEDDING));
        vs_plan_free(&plan);
    }
    free_model(&model);
}

/* Ten tensors of 100 MB, of which a donor of 90 MB can hold none. */
Test(plan_spread, shares_that_whole_tensors_miss_by_more_than_one_are_told)
{
    struct test_machine machine = two_gpus();
    struct test_model model = blocks_model(10);
    struct vs_distorch allocation = vs_distorch_virtual(180.0 / 1024);
    struct vs_plan_wish wish = wish_for(&allocation);
    vs_distorch_lend(&allocation, cuda(1), 0x1p20 * 90);
    vs_distorch_lend(&allocation, cpu_device, 0x1p20 * 90);
    struct vs_plan plan = expect_plan(&model, &wish, with_devices(&machine),
        "p.yaml:4: warning: 180 MB of weights were to leave `cuda:0`, and 0 MB do: a tensor cannot be divided, and the "
        "largest (`blocks.0.weight`) has 100 MB\n"
        "  hint: let the donors take more, or place that tensor with a line under `tensors`\n");
    vs_plan_free(&plan);
    free_model(&model);
}

/* Flux: modulation weights are 6.1 GB that one row of activations passes. With 4 GB to leave, only they do; with 10 GB,
 * all of them, and the rest as evenly as one tensor allows. */
Test(plan_spread, weights_with_little_computation_leave_early_and_are_spread_among_themselves)
{
    struct test_machine machine = two_gpus();
    struct vs_module_table table = load_table("flux_dev");
    struct test_model model = model_of_table(&table, "", 2);
    for (int gigabytes = 4; gigabytes <= 10; gigabytes += 6) {
        struct vs_distorch allocation = vs_distorch_virtual(gigabytes);
        struct vs_plan_wish wish = wish_for(&allocation);
        vs_distorch_lend(&allocation, cpu_device, INFINITY);
        struct vs_plan plan = expect_plan(&model, &wish, with_devices(&machine), "");
        cr_expect_str_eq(plan.model, "flux_dev");
        uint64_t rare = 0, away = 0, common = 0;
        for (size_t i = 0; i < model.count; i++) {
            const char *name = model.tensors[i].name;
            bool modulation = strstr(name, "mod.lin.") || strstr(name, "modulation.") || strstr(name, "adaLN") ||
                              strstr(name, "in_layer.") || strstr(name, "out_layer.");
            bool left = plan.places[i].device != 0;
            cr_expect(!left || modulation == (plan.places[i].reason == VS_REASON_RARE), "%s", name);
            rare += modulation && model.tensors[i].bytes >= VS_PLAN_SMALL_BYTES ? model.tensors[i].bytes : 0;
            away += modulation && left ? model.tensors[i].bytes : 0;
            common += !modulation && left ? model.tensors[i].bytes : 0;
        }
        cr_expect_lt((double)llabs((long long)(away + common - (uint64_t)gigabytes * GB)), 132.2 * MB);
        if (gigabytes == 4)
            cr_expect_eq(common, 0);
        else
            cr_expect_eq(away, rare);
        vs_plan_free(&plan);
    }
    free_model(&model);
    vs_module_table_free(&table);
}
