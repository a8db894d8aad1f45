/* parts_machine_test.c: machine descriptions, good and bad. */
#include "machine.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define GB ((size_t)1 << 30)

static struct vs_machine machine;
static char error[512];

/* Loads a machine file with this text. */
static bool load_file(const char *text)
{
    char path[] = "/tmp/simcuda-machine-XXXXXX";
    int fd = mkstemp(path);
    bool good;

    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    error[0] = '\0';
    good = sim_machine_load(&machine, path, error, sizeof error);
    unlink(path);
    return good;
}

Test(machine, short_forms_count_and_add)
{
    cr_assert(sim_machine_load(&machine, "2x24gb", error, sizeof error));
    cr_assert_eq(machine.device_count, 2);
    cr_assert_eq(machine.devices[1].memory_bytes, 24 * GB);
    cr_assert_eq(machine.host_bytes, 64 * GB);
    cr_assert(machine.peer_access[0][1] && machine.peer_access[1][0] && !machine.peer_access[0][0]);
    cr_assert(sim_machine_load(&machine, "8gb+2x512mb", error, sizeof error));
    cr_assert_eq(machine.device_count, 3);
    cr_assert_eq(machine.devices[0].memory_bytes, 8 * GB);
    cr_assert_eq(machine.devices[2].memory_bytes, GB / 2);
    cr_assert(sim_machine_load(&machine, "8gb+host:4gb", error, sizeof error));
    cr_assert(machine.device_count == 1 && machine.host_bytes == 4 * GB);
    cr_assert(sim_machine_load(&machine, NULL, error, sizeof error));
    cr_assert_eq(machine.device_count, 2);
}

Test(machine, nonsense_is_refused_with_a_sentence)
{
    static const char *const bad[] = {
        "24", "x24gb", "2x", "24gb+", "0x24gb", "17x24gb", "24gigs", "-1gb", "1mb", "no-such", "/no/such/file.yaml"};

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        error[0] = '\0';
        cr_assert_not(sim_machine_load(&machine, bad[i], error, sizeof error), "%s", bad[i]);
        cr_assert_not_null(strstr(error, bad[i]), "%s: %s", bad[i], error);
    }
}

Test(machine, a_file_says_everything)
{
    cr_assert(load_file("host: 3gb\npeer-access: [[1, 0]]\ndevices:\n  - name: First\n    memory: 1gb\n"
                        "    capability: 9.0\n  - memory: 2gb\n    vmm: false\n    host-vmm: false\n"),
        "%s", error);
    cr_assert_eq(machine.host_bytes, 3 * GB);
    cr_assert_str_eq(machine.devices[0].name, "First");
    cr_assert_eq(machine.devices[0].major, 9);
    cr_assert_eq(machine.devices[0].minor, 0);
    cr_assert(machine.devices[0].vmm && machine.devices[0].host_vmm);
    cr_assert_eq(machine.devices[1].major, 8);
    cr_assert(!machine.devices[1].vmm && !machine.devices[1].host_vmm);
    cr_assert(machine.peer_access[1][0] && !machine.peer_access[0][1]);
}

Test(machine, a_file_without_a_flag_describes_an_honest_machine)
{
    cr_assert(load_file("devices:\n  - memory: 1gb\n  - memory: 1gb\n"), "%s", error);
    cr_assert(machine.peer_access[0][1] && machine.peer_kernels == VS_PEER_WORKS);
    cr_assert(!machine.peer_copies && !machine.hmm);
    cr_assert(machine.host_limit_bytes == 0 && machine.access_not_ready == 0 && machine.devices[0].bar1_bytes == 0);
}

Test(machine, flags_of_a_file_are_read)
{
    cr_assert(load_file("host-limit: 2gb\nhmm: true\npeer-access: none\npeer-kernels: garbage\npeer-copies: true\n"
                        "set-access-not-ready: 8\ndevices:\n  - memory: 1gb\n    bar1: 256mb\n"),
        "%s", error);
    cr_assert_eq(machine.host_limit_bytes, 2 * GB);
    cr_assert(machine.hmm && machine.peer_copies);
    cr_assert_eq(machine.peer_kernels, VS_PEER_GARBAGE);
    cr_assert_eq(machine.access_not_ready, 8);
    cr_assert_eq(machine.devices[0].bar1_bytes, GB / 4);
    cr_assert(load_file("peer-kernels: fault\ndevices:\n  - memory: 1gb\n"), "%s", error);
    cr_assert_eq(machine.peer_kernels, VS_PEER_FAULTS);
    cr_assert(load_file("peer-kernels: hang\ndevices:\n  - memory: 1gb\n"), "%s", error);
    cr_assert_eq(machine.peer_kernels, VS_PEER_HANGS);
}

Test(machine, mistakes_in_a_file_name_the_line)
{
    static const struct {
        const char *text, *said;
    } bad[] = {
        {"devices:\n  - memroy: 1gb\n", ":2:5: unknown key `memroy` in a device (did you mean `memory`?)"},
        {"host: 1gb\nfoo: 1\ndevices:\n  - memory: 1gb\n", ":2:1: unknown key `foo` in a machine"},
        {"devices:\n  - memory: much\n", ":2:13: `much` is no size"},
        {"devices:\n  - memory: 1gb\n    vmm: maybe\n", ":3:10: true or false"},
        {"devices:\n  - memory: 1gb\n    capability: eight\n", ":3:17: a compute capability"},
        {"devices:\n  - memory: 1gb\n    bar1: some\n", ":3:11: `some` is no size"},
        {"devices:\n  - memory: 1gb\npeer-kernels: maybe\n", ":3:15: work, garbage, fault or hang"},
        {"devices:\n  - memory: 1gb\nset-access-not-ready: 1\n", ":3:23: a number from 2"},
        {"devices:\n  - memory: 1gb\nset-access-not-ready: 8x\n", ":3:23: a number from 2"},
        {"devices:\n  - memory: 1gb\nhmm: yes\n", ":3:6: true or false"},
        {"devices: []\n", "at least one entry"},
        {"devices:\n  - name: A\n", "`memory:`"},
        {"devices:\n  - memory: 1gb\npeer-access: [[0, 1]]\n", ":3:15: peer access"},
        {"devices:\n  - memory: 1gb\n  - memory: 1gb\npeer-access: [[1, 1]]\n", ":4:15: peer access"},
        {"devices:\n  - memory: 1gb\n    pci: here\n", ":3:10: a PCI address"},
        {"devices:\n  - memory: 1gb\n    pci: 01:00.1\n", ":3:10: a PCI address"},
        {"devices:\n  - memory: 1gb\n    pci: '02:00'\n  - memory: 1gb\n", ":4:5: another device"},
        {"- 1\n", "a mapping"},
        {"devices: [\n", ":2:1: this is not YAML"},
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        cr_assert_not(load_file(bad[i].text), "%s", bad[i].text);
        cr_assert_not_null(strstr(error, bad[i].said), "%s: %s", bad[i].text, error);
    }
}

Test(machine, visible_devices_choose_and_order)
{
    cr_assert(sim_machine_load(&machine, "1gb+2gb+3gb", error, sizeof error));
    machine.peer_access[2][0] = false;
    sim_machine_narrow(&machine, NULL, "2,0");
    cr_assert_eq(machine.device_count, 2);
    cr_assert_eq(machine.devices[0].memory_bytes, 3 * GB);
    cr_assert_eq(machine.devices[1].memory_bytes, GB);
    cr_assert(!machine.peer_access[0][1] && machine.peer_access[1][0]);
}

Test(machine, visible_devices_end_at_the_first_that_is_none)
{
    static const struct {
        const char *visible;
        int count;
    } lists[] = {{"1,7,0", 1}, {"-1,0", 0}, {"", 0}, {"0,0", 0}, {"0, 1", 2}, {"2", 1}, {"all", 0},
        {"1gpu2,2ampere", 2}, {"+1, 0", 2}, {"0,,1", 1}, {",0", 0}, {"0,GPU-000003", 1}};

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        cr_assert(sim_machine_load(&machine, "3x1gb", error, sizeof error));
        sim_machine_narrow(&machine, NULL, lists[i].visible);
        cr_assert_eq(machine.device_count, lists[i].count, "%s: %d", lists[i].visible, machine.device_count);
    }
    cr_assert(sim_machine_load(&machine, "3x1gb", error, sizeof error));
    sim_machine_narrow(&machine, NULL, NULL);
    cr_assert_eq(machine.device_count, 3);
}

/* Four devices, named for the order of their PCI addresses; the file lists them otherwise. D and C are of the newest
 * generation. */
static void load_four(void)
{
    cr_assert(load_file("devices:\n"
                        "  - {name: B, memory: 1gb, capability: 7.5, pci: '0000:41:00.0'}\n"
                        "  - {name: D, memory: 1gb, capability: 8.9, pci: '0001:01:00.0'}\n"
                        "  - {name: A, memory: 1gb, capability: 8.6, pci: '01:00'}\n"
                        "  - {name: C, memory: 1gb, capability: 8.9, pci: '0000:41:01'}\n"
                        "peer-access: [[0, 3]]\n"),
        "%s", error);
}

/* The names of all devices in the order of their numbers. */
static const char *names(void)
{
    static char text[VS_MACHINE_DEVICES_MAX + 1];

    for (int i = 0; i < machine.device_count; i++)
        text[i] = machine.devices[i].name[0];
    text[machine.device_count] = '\0';
    return text;
}

Test(machine, the_order_of_numbers_is_chosen_before_devices_are)
{
    static const struct {
        const char *order, *visible, *names;
    } cases[] = {
        {NULL, NULL, "DCAB"},
        {"FASTEST_FIRST", NULL, "DCAB"},
        {"PCI_BUS_ID", NULL, "ABCD"},
        {NULL, "3,1", "BC"},
        {"PCI_BUS_ID", "3,1", "DB"},
        {"PCI_BUS_ID", "0,1,4,2", "AB"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        load_four();
        sim_machine_narrow(&machine, cases[i].order, cases[i].visible);
        cr_assert_str_eq(names(), cases[i].names, "case %zu: %s", i, names());
    }
    load_four();
    sim_machine_sort_by_pci(&machine);
    cr_assert_str_eq(names(), "ABCD");
    cr_assert(machine.peer_access[1][2], "B reads C, whatever their numbers");
    for (int from = 0; from < 4; from++)
        for (int to = 0; to < 4; to++)
            cr_assert_eq(machine.peer_access[from][to], from == 1 && to == 2);
}

Test(machine, uuids_name_devices_and_may_be_short)
{
    static const struct {
        const char *visible, *names;
    } cases[] = {
        {"GPU-00000100-7369-6d75-6c61-746564475055", "A"},
        {"GPU-000001", "A"},
        {"GPU-0001,GPU-00004100", "DB"},
        {"GPU-000041,GPU-000001", ""},           /* B or C */
        {"GPU-000001,GPU-000041,GPU-0001", "A"}, /* the list ends there */
        {"GPU-000001,GPU-00000100", ""},         /* A twice */
        {"GPU-", ""},
        {"GPU-ff", ""},
        {"GPU-000001,3", "A"},
        {"GPU-000001 ,GPU-0001", "AD"},
        {"GPU-00000100-7369-6d75-6c61-7465644750550", ""},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        load_four();
        sim_machine_narrow(&machine, NULL, cases[i].visible);
        cr_assert_str_eq(names(), cases[i].names, "%s: %s", cases[i].visible, names());
    }
}
