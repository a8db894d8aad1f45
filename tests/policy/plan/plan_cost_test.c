/*
 * What a plan takes of memory, and what happens where there is none. (What it takes of time: tests/bench/plan.sh.)
 */
#include "plan_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

TestSuite(plan_cost, .fini = expect_no_leaks);

/* Names of the length and form that large models have. */
static struct test_model large_model(size_t count)
{
    struct test_model model = {0};
    uint64_t seed = 9;
    for (size_t i = 0; i < count; i++)
        add_tensor(&model, 100 * KB + i % 1000, "model.diffusion_model.transformer_blocks.%zu.attn.to_%zu.weight",
            i / 8, i % 8);
    shuffle_model(&model, &seed);
    return model;
}

static int plan_with(
    const struct test_model *model, const struct vs_plan_wish *wish, const char *recognised, struct vs_diags *diags)
{
    struct test_machine machine;
    struct vs_plan plan;
    make_machine(&machine, (const uint64_t[]){24 * GB, 12 * GB, 0});
    machine.devices[1].unmappable = true;
    int result = vs_plan(model->tensors, model->count, wish, &machine.machine, &plan, diags);
    if (!result && recognised && (!plan.model || strcmp(plan.model, recognised) != 0))
        result = 1; /* planned as if it were another model: worse than an error */
    vs_plan_free(&plan);
    return result;
}

Test(plan_cost, a_tensor_takes_at_most_400_bytes)
{
    static const enum vs_plan_order orders[] = {VS_ORDER_SPREAD, VS_ORDER_DISTORCH, VS_ORDER_LISTED};
    struct test_model model = large_model(20000);
    const char **learned = calloc(model.count, sizeof *learned);
    for (size_t i = 0; i < model.count; i++)
        learned[i] = model.tensors[i].name;
    for (size_t i = 0; i < COUNT(orders); i++) {
        struct vs_diags diags = {0};
        struct vs_distorch allocation = vs_distorch_virtual(1);
        vs_distorch_lend(&allocation, cpu_device, INFINITY);
        struct vs_plan_wish wish = {.source = "p",
            .compute = cuda(0),
            .allocation = &allocation,
            .order = orders[i],
            .learned = learned,
            .learned_count = model.count};
        allocations_count();
        int result = plan_with(&model, &wish, NULL, &diags);
        size_t peak_bytes = allocations_counted();
        cr_expect_eq(result, 0);
        cr_expect_gt(peak_bytes, model.count * 16); /* it was counted */
        /* The sort of the C library keeps up to 8 bytes a tensor beside it. */
        cr_expect_leq(peak_bytes, model.count * (400 - 8), "%zu bytes a tensor", peak_bytes / model.count);
        vs_diags_free(&diags);
    }
    free(learned);
    free_model(&model);
}

static void sweep(const struct test_model *model, const struct vs_plan_wish *wish, const char *recognised, long fewest)
{
    for (int all_later = 0; all_later < 2; all_later++) {
        for (long n = 0;; n++) {
            struct vs_diags diags = {0};
            allocations_begin(n, all_later);
            int result = plan_with(model, wish, recognised, &diags);
            bool failed = allocations_end();
            cr_assert_eq(result == 0, diags.error_count == 0, "allocation %ld", n);
            cr_assert(result == 0 || diags.count || diags.out_of_memory, "allocation %ld: refused without a word", n);
            vs_diags_free(&diags);
            if (!failed) {
                cr_expect_eq(result, 0);
                cr_expect_geq(n, fewest);
                break;
            }
        }
    }
}

Test(plan_cost, memory_that_runs_out_is_an_error)
{
    static const enum vs_plan_order orders[] = {VS_ORDER_SPREAD, VS_ORDER_DISTORCH, VS_ORDER_LISTED};
    struct vs_module_table table = load_table("wan21_14b");
    struct test_model known = model_of_table(&table, "", 2), unknown = large_model(30);
    for (size_t i = 0; i < COUNT(orders); i++) {
        static const char *learned[] = {"blocks.0.ffn.0.weight"};
        struct vs_distorch allocation = vs_distorch_virtual(1);
        vs_distorch_lend(&allocation, cuda(1), INFINITY); /* which passes it on, with a warning */
        vs_distorch_lend(&allocation, cpu_device, INFINITY);
        struct vs_plan_wish wish = {.source = "p",
            .compute = cuda(0),
            .allocation = &allocation,
            .order = orders[i],
            .learned = learned,
            .learned_count = 1};
        sweep(&unknown, &wish, NULL, 5);
        sweep(&known, &wish, "wan21_14b", 50);
        wish.modules = &table;
        sweep(&known, &wish, "wan21_14b", 5);
    }
    free_model(&known);
    free_model(&unknown);
    vs_module_table_free(&table);
}

/* A name that is longer than those before it, for which the reader of JSON needs more room. */
Test(plan_cost, memory_that_runs_out_under_a_module_table_is_an_error_and_loses_no_letter)
{
    static const char text[] =
        "{\"model\": \"a_name_of_more_than_sixteen_letters\", \"unused\": [\"u\"], \"modules\": ["
        "{\"name\": \"m\", \"repeat\": 2, \"modules\": [{\"name\": \"n\", \"type\": \"L\", "
        "\"has_bias_attr\": true, \"tensors\": [[\"w\", [1, 2]]]}]}]}";
    for (int all_later = 0; all_later < 2; all_later++) {
        bool failed = true;
        for (long n = 0; failed; n++) {
            struct vs_diags diags = {0};
            struct vs_module_table table;
            allocations_begin(n, all_later);
            int result = vs_module_table_parse("t", text, sizeof text - 1, &table, &diags);
            failed = allocations_end();
            cr_assert_eq(result == 0, diags.error_count == 0, "allocation %ld", n);
            cr_assert(result || !strcmp(table.model, "a_name_of_more_than_sixteen_letters"), "allocation %ld: %s", n,
                result ? "" : table.model);
            cr_assert(result || (table.module_count == 2 && !strcmp(table.modules[1].name, "m.1.n")));
            vs_diags_free(&diags);
            vs_module_table_free(&table);
            cr_assert(failed || (result == 0 && n > 20));
        }
    }
}
