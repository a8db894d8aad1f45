/*
 * The forecast against arithmetic done elsewhere: bytes over links that are known, and products counted by hand.
 */
#include "../plan/plan_support.h"

#include "../../../policy/machine/forecast.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

TestSuite(forecast, .fini = expect_no_leaks);

static void expect_near(double is, double wants, double part, const char *what)
{
    cr_expect(fabs(is - wants) <= part * wants, "%s: %g and not %g", what, is, wants);
}

/* A model of a shipped table in 16 bits, all of it planned in one place, or on several devices. */
static struct vs_plan plan_of(const struct test_model *model, struct vs_distorch *allocation)
{
    struct vs_plan_wish wish = {.source = "p.yaml", .compute = cuda(0), .allocation = allocation};
    struct test_machine machine;
    make_machine(&machine, (const uint64_t[]){1000 * GB, 1000 * GB, 0});
    machine.machine.devices = machine.devices;
    return expect_plan(model, &wish, &machine.machine, "");
}

static struct vs_machine machine_of(const char *text)
{
    struct vs_machine machine;
    cr_assert(vs_machine_parse_short(text, &machine));
    return machine;
}

/*
 * A schedule model made apart from this code, over the same tables, says for all bytes off the device: seconds to copy,
 * and seconds to compute if every matrix but the modulations' sees all tokens.
 */
Test(forecast, all_bytes_of_known_models_take_the_time_that_is_known)
{
    static const struct {
        const char *model;
        unsigned tokens;
        const char *card;
        double rate, copy_seconds, compute_seconds;
    } cases[] = {
        {"flux_dev", 4608, "24gb", 25e9, 0.95, 0.66},
        {"flux_dev", 4608, "12gb", 12e9, 1.98, 2.07},
        {"qwen_image", 4352, "24gb", 25e9, 1.63, 0.96},
        {"qwen_image", 4352, "12gb", 12e9, 3.41, 2.99},
        {"wan21_14b", 32760, "24gb", 25e9, 1.14, 7.7},
        {"sdxl_unet", 0, "24gb", 25e9, 0.21, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct vs_module_table table = load_table(cases[i].model);
        struct test_model model = model_of_table(&table, "", 2);
        struct vs_distorch allocation = vs_distorch_virtual(1000);
        cr_assert(vs_distorch_lend(&allocation, cpu_device, INFINITY));
        struct vs_plan plan = plan_of(&model, &allocation);
        for (size_t m = 0; m < table.module_count; m++)
            if (cases[i].tokens && table.modules[m].rows > 1)
                table.modules[m].rows = cases[i].tokens;
        table.attention_operations = 0; /* there a quarter of the products, too */
        struct vs_diags diags = {0};
        const struct vs_card *card = vs_read_card(
            (struct vs_word){.text = cases[i].card, .length = strlen(cases[i].card), .place = {0}}, &diags);
        struct vs_forecast forecast;
        vs_forecast(&(struct vs_forecast_wish){.plan = &plan,
                        .tensors = model.tensors,
                        .table = &table,
                        .card = card,
                        .link_bytes_per_second = cases[i].rate},
            &forecast);
        expect_near(forecast.copy_seconds, cases[i].copy_seconds, 0.03, cases[i].model);
        if (cases[i].tokens)
            expect_near(forecast.compute_seconds, cases[i].compute_seconds, 0.08, cases[i].model);
        vs_plan_free(&plan);
        vs_module_table_free(&table);
        free_model(&model);
    }
}

/*
 * Flux dev at 1024 x 1024 (4096 rows of the picture, 512 of text), by its shapes: 19 double blocks in which the
 * picture's and the text's matrices see their own rows only, 38 single blocks that see all 4608. With D = 3072, a
 * double block has 3 + 1 + 4 + 4 = 12 D^2 for each row, a single block 7 + 5 = 12 D^2: 2 * 12 * D^2 * 4608 * 57
 * = 59.5e12. What is outside of the blocks and the modulations (one row) is less than 1 %. Attention: a quarter more.
 */
Test(forecast, rows_of_a_shipped_table_count_each_matrix_by_what_it_sees)
{
    struct vs_module_table table = load_table("flux_dev");
    struct test_model model = model_of_table(&table, "", 2);
    struct vs_plan plan = plan_of(&model, NULL);
    struct vs_machine machine = machine_of("24gb");
    struct vs_forecast forecast;
    vs_forecast(
        &(struct vs_forecast_wish){.plan = &plan, .tensors = model.tensors, .table = &table, .machine = &machine},
        &forecast);
    expect_near(forecast.operations, 1.25 * 59.5e12, 0.01, "operations");
    cr_expect_eq(forecast.compute_source, VS_FIGURE_CARD);
    expect_near(forecast.compute_seconds, 1.25 * 59.5e12 / 150e12, 0.01, "seconds");
    cr_expect_eq(forecast.bound, VS_BOUND_NONE);
    cr_expect_eq(forecast.copy_seconds, 0);
    cr_expect_eq(forecast.link_count, 0);
    cr_expect_eq(forecast.overlapped_seconds, forecast.compute_seconds);
    vs_plan_free(&plan);
    vs_module_table_free(&table);
    free_model(&model);
}

/*
 * Video: Wan 2.1 14B over 32760 rows of frames and 512 of text, width W = 5120. Each of 40 blocks has 4 + 2 W^2 and
 * 2 * 13824 * W elements that see the frames, and 2 W^2 that see the text: 2 * 40 * (32760 * 298.8e6 + 512 * 52.4e6)
 * = 785e12. Attention, over frames and text: 4 * 32760 * (32760 + 512) * W * 40 = 893e12, more than the products.
 */
Test(forecast, attention_is_what_the_table_says)
{
    struct vs_module_table table = load_table("wan21_14b");
    struct test_model model = model_of_table(&table, "", 2);
    struct vs_plan plan = plan_of(&model, NULL);
    struct vs_forecast_wish wish = {.plan = &plan, .tensors = model.tensors, .table = &table};
    struct vs_forecast forecast;
    vs_forecast(&wish, &forecast);
    expect_near(forecast.operations, 785e12 + 893e12, 0.01, "operations");
    expect_near(forecast.attention_operations, 893e12, 0.01, "attention");
    table.attention_operations = 0;
    vs_forecast(&wish, &forecast);
    expect_near(forecast.operations, 1.25 * 785e12, 0.01, "operations, attention not known");
    vs_plan_free(&plan);
    vs_module_table_free(&table);
    free_model(&model);
}

/*
 * Each shipped table, in one step (or use). A matrix of N elements that sees R rows takes 2 * N * R operations;
 * attention of Q rows to K rows, W wide, takes 2 * Q * K * W for the products and as much for the sums of values:
 * 4 * Q * K * W a layer.
 *
 * flux_dev: above, and 4 * 4608^2 * 3072 * 57 layers = 1.487e13.
 * qwen_image: 60 double blocks, D = 3072, 12 D^2 for each of 4096 + 256 rows: 2 * 12 * D^2 * 4352 * 60 = 59.1e12;
 *     4 * 4352^2 * 3072 * 60 = 1.396e13.
 * wan21_14b: above.
 * t5xxl: 24 layers over 512 tokens, 4 * 4096^2 + 3 * 4096 * 10240 elements each: 4.74e12; 64 heads of 64 are 4096
 *     wide: 4 * 512^2 * 4096 * 24 = 1.031e11.
 * sdxl_unet: people count 2.99e12 multiplications with weights for 1024 x 1024, so 5.98e12. Each layer attends to its
 *     own rows and to 77 of text: 10 layers of 64 x 64 rows, 640 wide, 60 of 32 x 32, 1280 wide:
 *     4 * (10 * 640 * 4096 * (4096 + 77) + 60 * 1280 * 1024 * (1024 + 77)) = 7.839e11.
 * sd15_unet: people count 339e9 multiplications for 512 x 512, so 6.78e11. 5 layers of 64 x 64 rows, 320 wide, 5 of
 *     32 x 32, 640 wide, 5 of 16 x 16 and one of 8 x 8, 1280 wide: 4 * (5 * 320 * 4096 * 4173 + 5 * 640 * 1024 * 1101
 *     + 5 * 1280 * 256 * 333 + 1280 * 64 * 141) = 1.261e11.
 */
Test(forecast, every_shipped_table_has_the_operations_of_its_model)
{
    static const struct {
        const char *model;
        double products, attention;
    } cases[] = {
        {"flux_dev", 59.5e12, 1.487e13},
        {"qwen_image", 59.1e12, 1.396e13},
        {"wan21_14b", 785e12, 8.929e14},
        {"t5xxl", 4.74e12, 1.031e11},
        {"sdxl_unet", 5.98e12, 7.839e11},
        {"sd15_unet", 6.78e11, 1.261e11},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct vs_module_table table = load_table(cases[i].model);
        struct test_model model = model_of_table(&table, "", 2);
        struct vs_plan plan = plan_of(&model, NULL);
        struct vs_forecast_wish wish = {.plan = &plan, .tensors = model.tensors, .table = &table};
        struct vs_forecast forecast;
        vs_forecast(&wish, &forecast);
        expect_near(forecast.attention_operations, cases[i].attention, 0.0005, cases[i].model);
        expect_near(forecast.operations - forecast.attention_operations, cases[i].products, 0.003, cases[i].model);
        vs_plan_free(&plan);
        vs_module_table_free(&table);
        free_model(&model);
    }
}

/* Ten blocks of 100 MB: 400 MB to cuda:1, 200 MB to the host, 400 MB stay. */
static struct vs_plan blocks(struct test_model *model)
{
    struct vs_distorch allocation = {.form = VS_DISTORCH_BYTES,
        .count = 3,
        .shares = {{.device = cuda(0), .amount = 400 * (double)MB}, {.device = cuda(1), .amount = 400 * (double)MB},
            {.device = cpu_device, .wildcard = true}}};
    for (size_t i = 0; i < 10; i++)
        add_tensor(model, 100 * MB, "blocks.%zu.weight", i);
    return plan_of(model, &allocation);
}

Test(forecast, links_are_limited_by_their_slower_end_and_by_the_compute_device)
{
    struct test_model model = {0};
    struct vs_plan plan = blocks(&model);
    struct vs_machine machine = machine_of("24gb+8gb");
    struct vs_forecast_wish wish = {.plan = &plan, .tensors = model.tensors, .machine = &machine};
    struct vs_forecast forecast;
    vs_forecast(&wish, &forecast); /* 25 GB/s, and the 8 GB class's 12.5 */
    cr_assert_eq(forecast.link_count, 2);
    cr_expect_eq(forecast.links[0].bytes, 400 * MB);
    cr_expect_eq(forecast.links[0].bytes_per_second, 12.5e9);
    cr_expect_eq(forecast.links[1].bytes, 200 * MB);
    cr_expect_eq(forecast.links[1].bytes_per_second, 25e9);
    cr_expect_eq(forecast.compute_link.bytes, 600 * MB);
    cr_expect_eq(forecast.compute_link.source, VS_FIGURE_CARD);
    expect_near(forecast.copy_seconds, 400 * (double)MB / 12.5e9, 1e-9, "the donor's link is the bottleneck");
    machine.devices[1].link_bytes_per_second = 50e9; /* now all meet at the compute device */
    vs_forecast(&wish, &forecast);
    cr_expect_eq(forecast.links[0].bytes_per_second, 25e9);
    expect_near(forecast.copy_seconds, 600 * (double)MB / 25e9, 1e-9, "the compute device's link is");
    machine.devices[0].link_bytes_per_second = 12e9;
    vs_forecast(&wish, &forecast);
    cr_expect_eq(forecast.compute_link.source, VS_FIGURE_MACHINE);
    expect_near(forecast.copy_seconds, 600 * (double)MB / 12e9, 1e-9, "as described");
    wish.link_bytes_per_second = 6e9;
    vs_forecast(&wish, &forecast);
    cr_expect_eq(forecast.compute_link.source, VS_FIGURE_GIVEN);
    expect_near(forecast.copy_seconds, 600 * (double)MB / 6e9, 1e-9, "as given");
    vs_plan_free(&plan);
    free_model(&model);
}

Test(forecast, the_longer_of_both_bounds_a_step)
{
    struct test_model model = {0};
    struct vs_plan plan = blocks(&model);
    struct vs_forecast_wish wish = {.plan = &plan, .tensors = model.tensors};
    struct vs_forecast forecast;
    vs_forecast(&wish, &forecast);
    double copy = 600 * (double)MB / 25e9;
    cr_expect_eq(forecast.compute_link.source, VS_FIGURE_DEFAULT);
    expect_near(forecast.copy_seconds, copy, 1e-9, "copy");
    cr_expect_eq(forecast.bound, VS_BOUND_UNKNOWN, "neither a card nor a table is known");
    cr_expect_eq(forecast.serial_seconds, 0);
    wish.compute_seconds = 0.5;
    vs_forecast(&wish, &forecast);
    cr_expect_eq(forecast.bound, VS_BOUND_COMPUTE);
    cr_expect_eq(forecast.overlapped_seconds, 0.5);
    expect_near(forecast.serial_seconds, 0.5 + copy, 1e-9, "serial");
    wish.compute_seconds = 0.01;
    vs_forecast(&wish, &forecast);
    cr_expect_eq(forecast.bound, VS_BOUND_COPY);
    expect_near(forecast.overlapped_seconds, copy, 1e-9, "overlapped");
    vs_plan_free(&plan);
    free_model(&model);
}

/* T5's table of tokens: 32128 rows of 4096. */
Test(forecast, look_up_tables_are_not_copied)
{
    struct vs_module_table table = load_table("t5xxl");
    struct test_model model = model_of_table(&table, "", 2);
    struct vs_distorch allocation = vs_distorch_virtual(1000);
    cr_assert(vs_distorch_lend(&allocation, cpu_device, INFINITY));
    struct vs_plan plan = plan_of(&model, &allocation);
    struct vs_forecast forecast;
    vs_forecast(&(struct vs_forecast_wish){.plan = &plan, .tensors = model.tensors, .table = &table}, &forecast);
    cr_expect_eq(forecast.lookup_bytes / 2 / 4096, 32128);
    cr_expect_eq(forecast.lookup_bytes + forecast.compute_link.bytes, plan.devices[1].placed_bytes);
    vs_plan_free(&plan);
    vs_module_table_free(&table);
    free_model(&model);
}
