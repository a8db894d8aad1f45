/*
 * What the planner does with each wish: shares, rules, donors that cannot lend, cards that are too small, and the
 * reasons that it gives.
 */
#include "plan_support.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

TestSuite(plan, .fini = expect_no_leaks);

static void expect_homes(const struct vs_plan *plan, const struct test_model *model, const char *letters)
{
    for (size_t k = 0; k < model->count; k++) {
        size_t device = plan->places[plan->execution[k]].device;
        cr_expect_eq("0123456789"[device], letters[k], "tensor %zu: device %zu", k, device);
    }
}

Test(plan, spread_sends_every_second_tensor_away_where_half_is_to_go)
{
    struct test_machine machine = two_gpus();
    struct test_model model = blocks_model(8);
    struct vs_distorch allocation = read_allocation("cuda:0,50%;cuda:1,25%;cpu,25%");
    struct vs_plan_wish wish = wish_for(&allocation);
    struct vs_plan plan = expect_plan(&model, &wish, with_devices(&machine), "");
    cr_expect_eq(plan.order, VS_ORDER_SPREAD);
    cr_expect_eq(placed_on(&plan, cuda(0)), 400 * MB);
    cr_expect_eq(placed_on(&plan, cuda(1)), 200 * MB);
    cr_expect_eq(placed_on(&plan, cpu_device), 200 * MB);
    expect_homes(&plan, &model, "10201020");
    vs_plan_free(&plan);
    free_model(&model);
}

Test(plan, listed_fills_the_devices_in_the_order_written)
{
    struct test_machine machine = two_gpus();
    struct test_model model = blocks_model(10);
    struct vs_distorch allocation = read_allocation("cuda:1,200mb;cuda:0,500mb;cpu,*");
    struct vs_plan_wish wish = wish_for(&allocation);
    wish.order = VS_ORDER_LISTED;
    struct vs_plan plan = expect_plan(&model, &wish, with_devices(&machine), "");
    expect_homes(&plan, &model, "1100000222"); /* 0 is the compute device */
    vs_plan_free(&plan);
    allocation = vs_distorch_virtual(0.3 * 1000 / 1024); /* 300 MB */
    vs_distorch_lend(&allocation, cuda(1), 0x1p20 * 100);
    vs_distorch_lend(&allocation, cpu_device, INFINITY);
    plan = expect_plan(&model, &wish, with_devices(&machine), "");
    expect_homes(&plan, &model, "0000000122");
    vs_plan_free(&plan);
    free_model(&model);
}

/* More is to leave than the model has: the donors are filled in the order of the policy all the same, not in that of
 * their names. */
Test(plan, virtual_vram_beyond_the_model_fills_the_donors_in_their_order)
{
    static const enum vs_plan_order orders[] = {VS_ORDER_SPREAD, VS_ORDER_LISTED};
    struct test_machine machine;
    make_machine(&machine, (const uint64_t[]){12 * GB, 12 * GB, 12 * GB, 0});
    struct test_model model = blocks_model(22);
    for (size_t i = 0; i < COUNT(orders); i++) {
        struct vs_distorch allocation = vs_distorch_virtual(30);
        struct vs_plan_wish wish = wish_for(&allocation);
        wish.order = orders[i];
        vs_distorch_lend(&allocation, cuda(2), 0x1p20 * 1000);
        vs_distorch_lend(&allocation, cuda(1), INFINITY);
        struct vs_plan plan = expect_plan(&model, &wish, &machine.machine, "");
        cr_expect_eq(placed_on(&plan, cuda(2)), 1000 * MB);
        cr_expect_eq(placed_on(&plan, cuda(1)), 1200 * MB);
        vs_plan_free(&plan);
        allocation = vs_distorch_virtual(60);
        vs_distorch_lend(&allocation, cpu_device, 0x1p20 * 4800);
        vs_distorch_lend(&allocation, cuda(1), INFINITY);
        plan = expect_plan(&model, &wish, &machine.machine, "");
        cr_expect_eq(placed_on(&plan, cpu_device), 2200 * MB);
        vs_plan_free(&plan);
    }
    free_model(&model);
}

/* A string that leaves open who computes may name it among the donors. */
Test(plan, the_compute_device_lends_nothing_to_itself)
{
    static const enum vs_plan_order orders[] = {VS_ORDER_SPREAD, VS_ORDER_DISTORCH, VS_ORDER_LISTED};
    struct test_machine machine = two_gpus();
    struct test_model model = blocks_model(20);
    struct vs_distorch allocation = read_allocation("#;1.0;cuda:0,cpu");
    for (size_t i = 0; i < COUNT(orders); i++) {
        struct vs_plan_wish wish = wish_for(&allocation);
        wish.order = orders[i];
        struct vs_plan plan = expect_plan(&model, &wish, with_devices(&machine),
            "p.yaml:4: warning: `cuda:0` computes, and lends nothing to itself\n"
            "  hint: take it out of the donors: what the compute device has is used anyway\n");
        cr_expect_eq(placed_on(&plan, cpu_device), 1000 * MB, "order %zu", i);
        vs_plan_free(&plan);
    }
    free_model(&model);
}

Test(plan, on_puts_all_of_it_there_but_what_rules_place)
{
    struct test_machine machine = two_gpus();
    struct test_model model = blocks_model(3);
    struct vs_plan_rule rule = {.pattern = "blocks.1.*", .on_compute = true};
    struct vs_device_id on = cuda(1);
    struct vs_plan_wish wish = wish_for(NULL);
    wish.on = &on;
    wish.rules = &rule;
    wish.rule_count = 1;
    struct vs_plan plan = expect_plan(&model, &wish, with_devices(&machine), "");
    expect_homes(&plan, &model, "101");
    cr_expect_eq(reason_of(&plan, &model, "blocks.0.weight"), VS_REASON_ON);
    vs_plan_free(&plan);
    wish.on = NULL;
    plan = expect_plan(&model, &wish, with_devices(&machine), "");
    expect_homes(&plan, &model, "000");
    cr_expect_eq(reason_of(&plan, &model, "blocks.0.weight"), VS_REASON_STAYS);
    vs_plan_free(&plan);
    free_model(&model);
}

Test(plan, a_donor_that_cannot_be_mapped_passes_its_share_to_the_next_one_and_at_last_to_cpu)
{
    static const enum vs_plan_order orders[] = {VS_ORDER_SPREAD, VS_ORDER_DISTORCH, VS_ORDER_LISTED};
    for (size_t i = 0; i < COUNT(orders); i++) {
        struct test_machine machine;
        make_machine(&machine, (const uint64_t[]){24 * GB, 24 * GB, 24 * GB, 0});
        machine.devices[1].unmappable = true;
        struct test_model model = blocks_model(10);
        struct vs_distorch allocation = read_allocation("cuda:0,500mb;cuda:1,300mb;cuda:2,200mb");
        struct vs_plan_wish wish = wish_for(&allocation);
        wish.order = orders[i];
        struct vs_plan plan = expect_plan(&model, &wish, &machine.machine,
            "p.yaml:4: warning: `cuda:1` cannot lend memory: `cuda:0` cannot map it; its share passes to `cuda:2`\n");
        cr_expect_eq(placed_on(&plan, cuda(1)), 0);
        cr_expect(orders[i] == VS_ORDER_DISTORCH || placed_on(&plan, cuda(2)) == 500 * MB);
        cr_expect_geq(placed_on(&plan, cuda(2)), 400 * MB);
        vs_plan_free(&plan);
        machine.devices[2].unmappable = true;
        plan = expect_plan(&model, &wish, &machine.machine,
            "p.yaml:4: warning: `cuda:1` cannot lend memory: `cuda:0` cannot map it; its share passes to `cpu`\n"
            "p.yaml:4: warning: `cuda:2` cannot lend memory: `cuda:0` cannot map it; its share passes to `cpu`\n");
        cr_expect_geq(placed_on(&plan, cpu_device), 400 * MB);
        cr_expect_eq(placed_on(&plan, cuda(2)), 0);
        vs_plan_free(&plan);
        free_model(&model);
    }
}

Test(plan, nowhere_to_pass_to_and_a_named_device_that_cannot_be_had_are_errors)
{
    struct test_machine machine = two_gpus();
    struct test_model model = blocks_model(10);
    struct vs_distorch allocation = read_allocation("cuda:0,500mb;cuda:1,*");
    struct vs_plan_wish wish = wish_for(&allocation);
    machine.devices[1].unmappable = true;
    machine.devices[machine.machine.count++] = (struct vs_plan_machine_device){.id = cpu_device, .unmappable = true};
    expect_no_plan(&model, &wish, with_devices(&machine),
        "p.yaml:4: error: `cuda:1` cannot lend memory: `cuda:0` cannot map it, and there is no donor");
    struct vs_device_id on = cuda(1);
    wish.allocation = NULL;
    wish.on = &on;
    expect_no_plan(&model, &wish, with_devices(&machine),
        "p.yaml:4: error: `on: cuda:1` cannot be had: it cannot lend memory: `cuda:0` cannot map it");
    struct vs_plan_rule rule = {.pattern = "*", .device = cuda(1), .line = 9};
    wish.on = NULL;
    wish.rules = &rule;
    wish.rule_count = 1;
    expect_no_plan(&model, &wish, with_devices(&machine), "p.yaml:9: error: `on: cuda:1` cannot be had");
    free_model(&model);
}

Test(plan, a_device_that_the_machine_lacks_is_an_error_wherever_it_is_named)
{
    static const char there[] = "is not there: the machine has cuda:0, cuda:1, cpu";
    struct test_machine machine = two_gpus();
    struct test_model model = blocks_model(10);
    struct vs_distorch allocation = read_allocation("cuda:0,500mb;cuda:2,*");
    struct vs_plan_wish wish = wish_for(&allocation);
    expect_no_plan(&model, &wish, with_devices(&machine), there);
    wish = wish_for(NULL);
    wish.compute = cuda(7);
    expect_no_plan(&model, &wish, with_devices(&machine), there);
    free_model(&model);
}

Test(plan, a_text_encoder_goes_to_cpu_where_its_device_is_missing)
{
    struct test_machine machine = two_gpus();
    struct test_model model = blocks_model(10);
    struct vs_device_id on = cuda(5);
    struct vs_plan_wish wish = wish_for(NULL);
    wish.on = &on;
    expect_no_plan(&model, &wish, with_devices(&machine),
        "p.yaml:4: error: `cuda:5` is not there: the machine has cuda:0, cuda:1, cpu");
    wish.cpu_for_missing = true;
    struct vs_plan plan = expect_plan(&model, &wish, with_devices(&machine),
        "p.yaml:4: warning: `cuda:5` is not there: the machine has cuda:0, cuda:1, cpu; the text encoder goes to "
        "`cpu`\n"
        "  hint: name a device that the machine has\n");
    cr_expect_eq(placed_on(&plan, cpu_device), 1000 * MB);
    vs_plan_free(&plan);
    on = cuda(1);
    plan = expect_plan(&model, &wish, with_devices(&machine), "");
    cr_expect_eq(placed_on(&plan, cuda(1)), 1000 * MB);
    vs_plan_free(&plan);
    struct vs_plan_rule rule = {.pattern = "*", .device = cuda(5), .line = 9};
    wish.rules = &rule;
    wish.rule_count = 1;
    expect_no_plan(&model, &wish, with_devices(&machine), "p.yaml:9: error: `cuda:5` is not there");
    free_model(&model);
}

Test(plan, donors_that_lend_less_than_is_asked_for_are_told)
{
    static const enum vs_plan_order orders[] = {VS_ORDER_SPREAD, VS_ORDER_DISTORCH, VS_ORDER_LISTED};
    struct test_machine machine = two_gpus();
    struct test_model model = blocks_model(30); /* 3000 MB */
    for (size_t i = 0; i < COUNT(orders); i++) {
        for (int gigabytes = 2; gigabytes <= 20; gigabytes += 18) { /* of 20, the whole model counts: 2.93 */
            struct vs_distorch allocation = vs_distorch_virtual(gigabytes);
            struct vs_plan_wish wish = wish_for(&allocation);
            wish.order = orders[i];
            vs_distorch_lend(&allocation, cuda(1), 0x1p20 * 500);
            vs_distorch_lend(&allocation, cpu_device, 0x1p20 * 700);
            struct vs_plan plan = expect_plan(&model, &wish, with_devices(&machine),
                gigabytes == 2
                    ? "p.yaml:4: warning: 2gb of virtual VRAM are asked for, and the donors lend 1.172gb\n"
                      "  hint: `cuda:0` keeps what it can of the rest; ask for less, or name more donors\n"
                    : "p.yaml:4: warning: 2.93gb of virtual VRAM are asked for, and the donors lend 1.172gb\n"
                      "  hint: `cuda:0` keeps what it can of the rest; ask for less, or name more donors\n");
            cr_expect_eq(plan.short_bytes, ((gigabytes == 2 ? 2048 : 3000) - 1200) * MB);
            vs_plan_free(&plan);
        }
        struct vs_distorch enough = vs_distorch_virtual(20);
        struct vs_plan_wish wish = wish_for(&enough);
        wish.order = orders[i];
        vs_distorch_lend(&enough, cuda(1), 0x1p20 * 3000);
        struct vs_plan plan = expect_plan(&model, &wish, with_devices(&machine), "");
        vs_plan_free(&plan);
    }
    free_model(&model);
}

/* No donor but a card that is too small, and host memory of which 1000 MB may be had. */
Test(plan, what_fits_nowhere_is_told)
{
    struct test_machine machine;
    make_machine(&machine, (const uint64_t[]){2 * GB, 0});
    machine.devices[machine.machine.count++] =
        (struct vs_plan_machine_device){.id = cpu_device, .total_bytes = 1000 * MB};
    struct test_model model = blocks_model(50);
    struct vs_device_id on = cpu_device;
    struct vs_plan_wish wish = wish_for(NULL);
    wish.on = &on;
    struct vs_plan plan = expect_plan(&model, &wish, &machine.machine, "");
    cr_expect_eq(plan.unfit_bytes, 4000 * MB);
    size_t unfit = 0;
    for (size_t k = 0; k < model.count; k++) {
        cr_expect_eq(plan.places[plan.execution[k]].unfit, k >= 10);
        unfit += plan.places[k].unfit;
    }
    cr_expect_eq(unfit, 40);
    struct vs_text text = {0};
    vs_plan_explain(&plan, &wish, 49, &text);
    cr_expect_str_eq(text.data, "cpu: the section puts all of this part here (p.yaml:4); the device is full before it");
    vs_text_free(&text);
    vs_plan_free(&plan);
    free_model(&model);
}

Test(plan, a_fraction_needs_the_devices_memory)
{
    struct test_machine machine = two_gpus();
    struct test_model model = blocks_model(10);
    struct vs_distorch allocation = read_allocation("cuda:0,0.01;cpu,0.5");
    struct vs_plan_wish wish = wish_for(&allocation);
    expect_no_plan(&model, &wish, with_devices(&machine), "a fraction of the memory of `cpu` is asked for");
    machine.devices[machine.machine.count++] =
        (struct vs_plan_machine_device){.id = cpu_device, .total_bytes = 64 * GB};
    struct vs_plan plan = expect_plan(&model, &wish, with_devices(&machine), "");
    cr_expect_eq(placed_on(&plan, cuda(0)), 200 * MB); /* 245.8 MB by the policy: within one tensor */
    vs_plan_free(&plan);
    free_model(&model);
}

Test(plan, an_empty_model_is_planned)
{
    static const enum vs_plan_order orders[] = {VS_ORDER_SPREAD, VS_ORDER_DISTORCH, VS_ORDER_LISTED};
    struct test_machine machine = two_gpus();
    for (size_t i = 0; i < COUNT(orders); i++) {
        struct test_model model = {0};
        struct vs_distorch allocation = read_allocation("cuda:0,50%;cpu,50%");
        struct vs_plan_wish wish = wish_for(&allocation);
        wish.order = orders[i];
        struct vs_plan plan = expect_plan(&model, &wish, with_devices(&machine), "");
        cr_expect_eq(plan.total_bytes, 0);
        vs_plan_free(&plan);
        add_tensor(&model, 0, "a.weight");
        plan = expect_plan(&model, &wish, with_devices(&machine), "");
        cr_expect_eq(plan.unfit_bytes, 0);
        vs_plan_free(&plan);
        free_model(&model);
    }
}
