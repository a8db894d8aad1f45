/*
 * Descriptions of machines: what is read, what is said about mistakes, and what a plan gets to know. (Every key and
 * flag of a file is read in tests/simcuda/driver/tests/parts_machine_test.c, whose machines these are as well.)
 */
#include "../support.h"

#include "../../../policy/machine/machine.h"

#include <glob.h>
#include <stdlib.h>
#include <string.h>

#define GB       (UINT64_C(1) << 30)
#define MACHINES SOURCE_ROOT "/tests/simcuda/machines"

TestSuite(machine, .fini = expect_no_leaks);

static struct vs_machine expect_machine(const char *yaml)
{
    struct vs_diags diags = {0};
    struct vs_machine machine;
    int result = vs_machine_parse("m.yaml", yaml, strlen(yaml), &machine, &diags);
    char *said = rendered(&diags);
    cr_expect_str_eq(said, "");
    free(said);
    cr_assert_eq(result, 0);
    return machine;
}

Test(machine, short_forms_are_read_and_nonsense_is_none)
{
    static const char *const bad[] = {"", "+", "24gb+", "+24gb", "2x", "x24gb", "0x24gb", "17x24gb", "2x24", "1mb",
        "24gigs", "8gb,8gb", "100x1gb", "8gb++8gb", "9999999999999tb", "2x 24", "host:32gb", "8gb+host:", "8gb+host:0",
        "8gb+host:much", "8gb+host:8gb+host:8gb", "8gb+2xhost:8gb", "8gb+host:9999999999tb"};
    struct vs_machine machine;
    cr_assert(vs_machine_parse_short("8gb+2x24GiB", &machine));
    cr_expect_eq(machine.device_count, 3);
    cr_expect_eq(machine.devices[0].memory_bytes, 8 * GB);
    cr_expect_eq(machine.devices[2].memory_bytes, 24 * GB);
    cr_expect(machine.host_bytes == 64 * GB && machine.host_is_assumed);
    cr_expect(machine.peer_access[2][0] && !machine.peer_access[1][1]);
    cr_assert(vs_machine_parse_short("16x1gb", &machine));
    cr_assert(vs_machine_parse_short("host:32gb+2x24gb", &machine));
    cr_expect(machine.device_count == 2 && machine.peer_access[0][1]);
    cr_expect(machine.host_bytes == 32 * GB && !machine.host_is_assumed);
    cr_assert(vs_machine_parse_short("8gb+host:1.5gb", &machine));
    cr_expect_eq(vs_machine_host_capacity(&machine), 3 * GB / 2);
    for (size_t i = 0; i < COUNT(bad); i++)
        cr_expect_not(vs_machine_parse_short(bad[i], &machine), "%s", bad[i]);
}

Test(machine, every_shipped_machine_is_found_by_its_name)
{
    glob_t files;
    cr_assert_eq(glob(MACHINES "/*.yaml", 0, NULL, &files), 0);
    cr_expect_geq(files.gl_pathc, 10);
    for (size_t i = 0; i < files.gl_pathc; i++) {
        struct vs_diags diags = {0};
        struct vs_machine machine;
        char *name = strrchr(files.gl_pathv[i], '/') + 1;
        name[strlen(name) - strlen(".yaml")] = '\0';
        int result = vs_machine_load("--machine", name, MACHINES, &machine, &diags);
        char *said = rendered(&diags);
        cr_expect_str_eq(said, "", "%s: %s", name, said);
        cr_expect_eq(result, 0);
        cr_expect_gt(machine.device_count, 0);
        free(said);
    }
    globfree(&files);
}

Test(machine, a_mistyped_name_is_answered_with_the_nearest)
{
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"2x24gb-no-peers",
            "--machine:1:1: error: `2x24gb-no-peers` is neither a short form such as 2x24gb or 8gb+24gb+host:32gb "
            "(at most 16 devices of at least 64mb), nor the name or the path of a machine file\n"
            "    2x24gb-no-peers\n    ^\n  hint: did you mean `2x24gb-no-peer`?\n"},
        {"my-machine", "hint: known by name: `1x12gb`, "},
        {"no/such.yaml", "no/such.yaml: error: cannot read the machine: No such file"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct vs_diags diags = {0};
        struct vs_machine machine;
        cr_expect_eq(vs_machine_load("--machine", cases[i].text, MACHINES, &machine, &diags), -1);
        char *said = rendered(&diags);
        cr_expect_not_null(strstr(said, cases[i].said), "%s", said);
        free(said);
    }
}

Test(machine, all_mistakes_of_a_file_are_shown_at_once)
{
    static const char yaml[] = "devices:\n"
                               "  - memory: 24gb\n"
                               "    link: pcie4-x61\n"
                               "    card: 25gb\n"
                               "  - memroy: 8gb\n"
                               "hosts: 64gb\n";
    struct vs_diags diags = {0};
    struct vs_machine machine;
    cr_expect_eq(vs_machine_parse("m.yaml", yaml, strlen(yaml), &machine, &diags), -1);
    char *said = rendered(&diags);
    cr_expect_str_eq(said, "m.yaml:3:11: error: `pcie4-x61` is no link\n"
                           "        link: pcie4-x61\n"
                           "              ^\n"
                           "  hint: did you mean `pcie4-x16`?\n"
                           "m.yaml:4:11: error: `25gb` is no class of cards\n"
                           "        card: 25gb\n"
                           "              ^\n"
                           "  hint: did you mean `24gb`?\n"
                           "m.yaml:5:5: error: unknown key `memroy` in a device\n"
                           "      - memroy: 8gb\n"
                           "        ^\n"
                           "  hint: did you mean `memory`?\n"
                           "m.yaml:6:1: error: unknown key `hosts` in a machine\n"
                           "    hosts: 64gb\n"
                           "    ^\n"
                           "  hint: did you mean `host`?\n");
    free(said);
}

Test(machine, links_and_cards_are_read)
{
    struct vs_machine machine = expect_machine("devices:\n"
                                               "  - {memory: 24gb, link: pcie3-x8, card: 12gb}\n"
                                               "  - {memory: 24gb, link: 7.5 GB/s}\n"
                                               "  - memory: 24gb\n");
    cr_expect_eq(machine.devices[0].link_bytes_per_second, 6.2e9);
    cr_expect_str_eq(machine.devices[0].card->name, "12gb");
    cr_expect_eq(machine.devices[1].link_bytes_per_second, 7.5e9);
    cr_expect_null(machine.devices[1].card);
    cr_expect_eq(machine.devices[2].link_bytes_per_second, 0);
}

Test(machine, a_card_belongs_to_the_class_of_its_memory)
{
    static const struct {
        double gb;
        const char *name; /* "": none */
    } cases[] = {{6, ""}, {7.6, "8gb"}, {8, "8gb"}, {10, "8gb"}, {11.7, "12gb"}, {15.9, "16gb"}, {20, "16gb"},
        {23.5, "24gb"}, {31.4, "32gb"}, {32, "32gb"}, {48, ""}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct vs_card *card = vs_card_of_memory((uint64_t)(cases[i].gb * (double)GB));
        cr_expect_str_eq(card ? card->name : "", cases[i].name, "%.1f GB", cases[i].gb);
    }
}

/* By their makers' data sheets: GeForce RTX 4060 (8 GB, 8 lanes), RTX 3060 and 4070 (12 GB), RTX 4060 Ti (16 GB, 8
 * lanes), RTX 3090 and 4090 (24 GB) sit at PCI Express 4.0, the RTX 5090 (32 GB) at 5.0. */
Test(machine, a_class_of_cards_sits_at_the_link_of_its_common_cards)
{
    static const struct {
        const char *card, *link;
    } cases[] = {
        {"8gb", "pcie4-x8"},
        {"12gb", "pcie4-x16"},
        {"16gb", "pcie4-x8"},
        {"24gb", "pcie4-x16"},
        {"32gb", "pcie5-x16"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct vs_diags diags = {0};
        const struct vs_card *card =
            vs_read_card((struct vs_word){.text = cases[i].card, .length = strlen(cases[i].card)}, &diags);
        cr_assert(card);
        cr_expect_str_eq(card->link, cases[i].link, "%s", cases[i].card);
    }
}

/* What the plan for one compute device is told of cuda:0, cuda:1, cpu: gigabytes, or -1 where it cannot be mapped. */
static void expect_for_plan(const char *name, unsigned compute, const double gb[3])
{
    struct vs_diags diags = {0};
    struct vs_machine machine;
    struct vs_plan_machine_device devices[VS_MACHINE_DEVICES_MAX + 1];
    cr_assert_eq(vs_machine_load("--machine", name, MACHINES, &machine, &diags), 0);
    struct vs_plan_machine plan = vs_machine_for_plan(&machine, cuda(compute), devices);
    cr_assert_eq(plan.count, 3);
    for (size_t i = 0; i < 3; i++) {
        double told = devices[i].unmappable ? -1 : (double)devices[i].total_bytes / (double)GB;
        cr_expect_eq(told, gb[i], "%s: device %zu: %f", name, i, told);
    }
}

Test(machine, a_plan_is_told_what_can_be_mapped)
{
    expect_for_plan("2x24gb", 0, (double[]){24, 24, 64});
    expect_for_plan("8gb+24gb", 1, (double[]){8, 24, 64});
    expect_for_plan("2x24gb-no-peer", 0, (double[]){24, -1, 64});
    expect_for_plan("2x24gb-no-peer", 1, (double[]){-1, 24, 64});
    expect_for_plan("2x24gb-dma-only", 0, (double[]){24, -1, 64}); /* kernels have no way there */
    expect_for_plan("2x24gb-peer-lies", 0, (double[]){24, -1, 64});
    expect_for_plan("2x24gb-peer-faults", 0, (double[]){24, -1, 64});
    expect_for_plan("2x24gb-peer-hangs", 0, (double[]){24, -1, 64});
    expect_for_plan("2x24gb-small-bar1", 1, (double[]){24, 24, 64});
}

/* What a device has, by which DisTorch's fractions go, is one thing, what of it can be lent another. */
Test(machine, a_small_bar1_limits_what_is_lent_and_not_what_is_there)
{
    struct vs_diags diags = {0};
    struct vs_machine machine;
    struct vs_plan_machine_device devices[VS_MACHINE_DEVICES_MAX + 1];
    cr_assert_eq(vs_machine_load("--machine", "2x24gb-small-bar1", MACHINES, &machine, &diags), 0);
    vs_machine_for_plan(&machine, cuda(1), devices);
    cr_expect_eq(vs_plan_lendable_bytes(&devices[0]), GB / 4);
    cr_expect_eq(vs_plan_lendable_bytes(&devices[1]), 24 * GB, "nobody maps what the compute device has");
    cr_expect_eq(vs_plan_lendable_bytes(&devices[2]), 64 * GB);
    vs_machine_for_plan(&machine, cuda(0), devices);
    cr_expect_eq(vs_plan_lendable_bytes(&devices[0]), 24 * GB);
    cr_expect_eq(vs_plan_lendable_bytes(&devices[1]), GB / 4);
}

Test(machine, a_plan_is_told_of_one_way_peers_and_of_limits)
{
    struct vs_plan_machine_device devices[VS_MACHINE_DEVICES_MAX + 1];
    struct vs_machine machine = expect_machine("devices: [{memory: 1gb}, {memory: 1gb}, {memory: 1gb, vmm: false}]\n"
                                               "peer-access: [[0, 1], [0, 2]]\nhost: 8gb\nhost-limit: 2gb\n");
    struct vs_plan_machine plan = vs_machine_for_plan(&machine, cuda(0), devices);
    cr_expect_eq(plan.count, 4);
    cr_expect(!devices[1].unmappable && devices[2].unmappable);
    cr_expect_eq(devices[3].total_bytes, 2 * GB);
    vs_machine_for_plan(&machine, cuda(1), devices);
    cr_expect(devices[0].unmappable && !devices[1].unmappable);
}

Test(machine, memory_that_runs_out_is_an_error_and_leaks_nothing)
{
    static const char yaml[] = "devices:\n  - {memory: 24gb, link: pcie4-x16}\npeer-access: none\n";
    bool failed = true;
    for (long n = 0; failed; n++) {
        struct vs_diags diags = {0};
        struct vs_machine machine;
        allocations_begin(n, true);
        int result = vs_machine_parse("m.yaml", yaml, strlen(yaml), &machine, &diags);
        failed = allocations_end();
        cr_expect_eq(result, failed ? -1 : 0);
        cr_expect_eq(diags.error_count > 0, failed);
        vs_diags_free(&diags);
    }
}
