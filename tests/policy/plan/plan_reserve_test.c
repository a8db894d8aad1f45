/*
 * What a device can hold: its size, less what it lends elsewhere or keeps free (`compute-reserve`, `host-reserve`).
 */
#include "plan_support.h"

#include <math.h>

TestSuite(plan_reserve, .fini = expect_no_leaks);

/* Fractions and DisTorch2's rounding are of the memory that is there; a share is lent as far as it can be mapped. */
Test(plan_reserve, a_device_that_lends_in_part_is_as_large_as_it_is)
{
    struct test_machine machine;
    make_machine(&machine, (const uint64_t[]){10 * GB, 10 * GB, 0});
    struct test_model model = blocks_model(50); /* 5000 MB */
    struct vs_distorch allocation = read_allocation("cuda:0,0.1;cuda:1,0.25");
    struct vs_plan_wish wish = wish_for(&allocation);
    machine.devices[1].lendable_bytes = GB;
    struct vs_plan plan = expect_plan(&model, &wish, &machine.machine,
        "p.yaml:4: warning: `cuda:1` has room for 1024 MB of weights, not for 2560 MB: 1536 MB pass to `cpu`\n"
        "  hint: ask less of it, if passing on is not meant\n");
    cr_expect_eq(plan.devices[1].total_bytes, 10 * GB);
    cr_expect_eq(plan.devices[1].capacity_bytes, GB);
    cr_expect_eq(placed_on(&plan, cuda(1)), 1000 * MB);
    cr_expect_eq(plan.unfit_bytes, 0);
    vs_plan_free(&plan);
    free_model(&model);
}

Test(plan_reserve, the_reserve_stays_free_and_what_has_no_room_passes_on)
{
    struct test_machine machine;
    make_machine(&machine, (const uint64_t[]){2 * GB, 1 * GB, 0});
    struct test_model model = blocks_model(50);             /* 5000 MB */
    struct vs_distorch allocation = vs_distorch_virtual(1); /* 3976 MB are to stay on a card of 2048 MB */
    struct vs_plan_wish wish = wish_for(&allocation);
    wish.compute_reserve_bytes = 512 * MB;
    vs_distorch_lend(&allocation, cuda(1), 0x1p20 * 800);
    vs_distorch_lend(&allocation, cpu_device, INFINITY);
    struct vs_plan plan = expect_plan(&model, &wish, &machine.machine,
        "p.yaml:4: warning: `cuda:0` has room for 1536 MB of weights (`compute-reserve` keeps 512 MB free), not for "
        "3976 "
        "MB: 2440 MB pass to `cpu`\n"
        "  hint: let more leave it, or lower `compute-reserve`, if passing on is not meant\n");
    cr_expect_eq(plan.unfit_bytes, 0);
    cr_expect_eq(placed_on(&plan, cuda(0)), 1500 * MB);
    cr_expect_eq(placed_on(&plan, cuda(1)), 800 * MB);
    cr_expect_eq(placed_on(&plan, cpu_device), 2700 * MB);
    vs_plan_free(&plan);
    free_model(&model);
}

/* DisTorch2 knows no reserve: of 2 GB, all may be given to weights. */
Test(plan_reserve, the_order_distorch_keeps_nothing_free)
{
    struct test_machine machine;
    make_machine(&machine, (const uint64_t[]){2 * GB, 0});
    struct test_model model = blocks_model(30);
    struct vs_distorch allocation = read_allocation("cuda:0,2000mb;cpu,*");
    struct vs_plan_wish wish = wish_for(&allocation);
    wish.compute_reserve_bytes = 512 * MB;
    wish.order = VS_ORDER_DISTORCH;
    struct vs_plan plan = expect_plan(&model, &wish, &machine.machine, "");
    cr_expect_eq(plan.unfit_bytes, 0);
    cr_expect_eq(plan.devices[0].capacity_bytes, 2 * GB);
    cr_expect_geq(placed_on(&plan, cuda(0)), 1900 * MB);
    vs_plan_free(&plan);
    free_model(&model);
}

/* What the host may lend is what it has less the reserve, whoever asks: a share of its own, what others pass on, and
 * virtual VRAM. */
Test(plan_reserve, the_hosts_reserve_is_not_lent)
{
    struct test_machine machine;
    make_machine(&machine, (const uint64_t[]){10 * GB, 0});
    machine.devices[machine.machine.count++] = (struct vs_plan_machine_device){.id = cpu_device, .total_bytes = 3 * GB};
    struct test_model model = blocks_model(50); /* 5000 MB */
    struct vs_distorch shares = read_allocation("cuda:0,500mb;cpu,*"), lent = vs_distorch_virtual(4);
    struct vs_plan_wish wish = wish_for(&shares);
    wish.host_reserve_bytes = 2 * GB;
    struct vs_plan plan = expect_plan(&model, &wish, &machine.machine,
        "p.yaml:4: warning: `cpu` has room for 1024 MB of weights (`host-reserve` keeps 2048 MB free), not for 4500 "
        "MB: 3476 MB pass to `cuda:0`\n"
        "  hint: ask less of it, or lower `host-reserve`, if passing on is not meant\n");
    cr_expect_eq(plan.devices[1].total_bytes, 3 * GB);
    cr_expect_eq(plan.devices[1].capacity_bytes, GB);
    cr_expect_eq(placed_on(&plan, cpu_device), 1000 * MB);
    cr_expect_eq(plan.unfit_bytes, 0);
    vs_plan_free(&plan);

    wish.allocation = &lent;
    vs_distorch_lend(&lent, cpu_device, INFINITY);
    plan = expect_plan(&model, &wish, &machine.machine,
        "p.yaml:4: warning: 4gb of virtual VRAM are asked for, and the donors lend 1gb\n"
        "  hint: `cuda:0` keeps what it can of the rest; ask for less, or name more donors\n");
    cr_expect_eq(placed_on(&plan, cpu_device), 1000 * MB);
    vs_plan_free(&plan);

    wish.order = VS_ORDER_DISTORCH; /* which knows no reserve */
    plan = expect_plan(&model, &wish, &machine.machine,
        "p.yaml:4: warning: 4gb of virtual VRAM are asked for, and the donors lend 3gb\n"
        "  hint: `cuda:0` keeps what it can of the rest; ask for less, or name more donors\n");
    cr_expect_eq(plan.devices[1].capacity_bytes, 3 * GB);
    vs_plan_free(&plan);
    free_model(&model);
}

/* All of a model goes where it is told to; that it does not fit is seen in the sums. Of a host that nobody describes
 * nothing is kept: its memory counts as enough. */
Test(plan_reserve, the_hosts_reserve_counts_where_a_whole_model_goes_there)
{
    struct test_machine machine;
    make_machine(&machine, (const uint64_t[]){10 * GB, 0});
    struct test_model model = blocks_model(50);
    struct vs_plan_wish wish = wish_for(NULL);
    wish.on = &cpu_device;
    wish.host_reserve_bytes = 2 * GB;
    machine.devices[1] = (struct vs_plan_machine_device){.id = cpu_device, .total_bytes = GB}; /* under the reserve */
    for (size_t described = 0; described < 2; described++) {
        machine.machine.count = 1 + described;
        struct vs_plan plan = expect_plan(&model, &wish, &machine.machine, "");
        cr_expect_eq(placed_on(&plan, cpu_device), 5000 * MB);
        cr_expect_eq(plan.unfit_bytes, described ? 5000 * MB : 0);
        vs_plan_free(&plan);
    }
    free_model(&model);
}
