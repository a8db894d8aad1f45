/* devices_test.c: which devices a program sees, whole processes under the preload: what it is told at the runtime and
 * at the driver, and where weights then lie. programs/sees.c tells. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "sees.h"

#define BYTES (4 * MIB)

/* --- What it is told ---------------------------------------------------------------------------------------------- */

Test(devices, the_program_sees_its_own_and_the_driver_the_donors_behind_them)
{
    static const struct {
        const char *variables, *environment, *names, *shown;
    } cases[] = {
        {"VRAMSPAN_DEVICES=cuda:1 VRAMSPAN_DONORS=cuda:0,cpu", "1", B, B "," A},
        {"VRAMSPAN_DEVICES=cuda:0 VRAMSPAN_DONORS=cuda:1,cpu", "0", A, A "," B},
        {"VRAMSPAN_DEVICES=cuda:1,cuda:0 VRAMSPAN_DONORS=cpu", "1,0", B "," A, B "," A},
        /* Numbers count within the user's own value. */
        {"CUDA_VISIBLE_DEVICES=1,0 VRAMSPAN_DEVICES=cuda:0 VRAMSPAN_DONORS=cuda:1", "1", B, B "," A},
        {"CUDA_VISIBLE_DEVICES=1,0 VRAMSPAN_DONORS=cuda:0", "0", A, A "," B},
        {"CUDA_VISIBLE_DEVICES=1,0,7 VRAMSPAN_DONORS=cuda:0", "0,7", A, A "," B}, /* 7 is not there, and hides none */
        /* Without a GPU among the donors nothing is set apart. */
        {"VRAMSPAN_DONORS=cpu", "(unset)", A "," B, A "," B},
        {"CUDA_VISIBLE_DEVICES=1,0 VRAMSPAN_DONORS=cpu:1gb", "1,0", B "," A, B "," A},
    };
    use_machine(PAIR);
    use_two_gpus();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_seen(cases[i].variables, "look", seen(cases[i].environment, cases[i].names, cases[i].shown));
}

Test(devices, a_donor_of_the_policy_itself_is_reached_behind_the_programs_devices)
{
    use_machine(PAIR);
    use_policy_text("version: 1\ndonors: [cuda:0, cpu]\n"
                    "models:\n  - {match: \"*.safetensors\", distorch: \"cuda:0,4mb;cpu,*\"}\n");
    expect_seen("VRAMSPAN_DEVICES=cuda:1", "look", seen("1", B, B "," A));
    expect_seen("A=b", "look", seen("(unset)", A "," B, A "," B)); /* it hides nothing */
}

/* The program's environment may name devices that the machine has not; what is left counts. */
Test(devices, where_only_donors_are_said_the_rest_is_seen)
{
    char output[8192];
    use_machine(PAIR);
    use_two_gpus();
    cr_expect_eq(see("VRAMSPAN_DONORS=cuda:0", "look", output), 0, "%s", output);
    cr_expect_eq(strncmp(output, "env=1", 5), 0, "%s", output);
    cr_expect(strstr(output, " runtime=" B " driver=" B " shown=" B "," A " "), "%s", output);
    cr_expect_eq(see("VRAMSPAN_DONORS=cuda:1", "look", output), 0, "%s", output);
    cr_expect_eq(strncmp(output, "env=0", 5), 0, "%s", output);
    cr_expect(strstr(output, " runtime=" A " driver=" A " shown=" A "," B " "), "%s", output);
}

Test(devices, numbers_and_uuids_mean_what_the_driver_takes_them_for)
{
    static const struct {
        const char *variables, *environment, *names, *shown;
    } cases[] = {
        {"VRAMSPAN_DEVICES=cuda:1 VRAMSPAN_DONORS=cuda:0", "1", "First", "First,Last"},
        {"CUDA_DEVICE_ORDER=FASTEST_FIRST VRAMSPAN_DEVICES=cuda:1 VRAMSPAN_DONORS=cuda:0", "1", "First", "First,Last"},
        {"CUDA_DEVICE_ORDER=PCI_BUS_ID VRAMSPAN_DEVICES=cuda:1 VRAMSPAN_DONORS=cuda:0", "1", "Middle", "Middle,First"},
        {"CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=2,0 VRAMSPAN_DEVICES=cuda:1 VRAMSPAN_DONORS=cuda:0", "0",
            "First", "First,Last"},
        {"CUDA_VISIBLE_DEVICES=" UUID_MIDDLE "," UUID_LAST " VRAMSPAN_DEVICES=cuda:1 VRAMSPAN_DONORS=cuda:0", UUID_LAST,
            "Last", "Last,Middle"},
        {"CUDA_VISIBLE_DEVICES=GPU-000041,GPU-000001 VRAMSPAN_DONORS=cuda:0", "GPU-000001", "First", "First,Middle"},
        {"VRAMSPAN_DEVICES=cuda:2,cuda:0 VRAMSPAN_DONORS=cuda:1", "2,0", "Middle,Last", "Middle,Last,First"},
    };
    use_machine(three_cards());
    use_two_gpus();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_seen(cases[i].variables, "look", seen(cases[i].environment, cases[i].names, cases[i].shown));
    remove(getenv("SIMCUDA_MACHINE"));
}

/* Without anything to place, the driver itself hides what the program is not to see. */
Test(devices, without_models_to_place_the_donors_are_not_shown_at_all)
{
    use_machine(PAIR);
    unsetenv("VRAMSPAN_POLICY");
    expect_seen("VRAMSPAN_DEVICES=cuda:1", "look", seen("1", B, B));
    expect_seen("VRAMSPAN_DEVICES=cuda:1 VRAMSPAN_DONORS=cuda:0,cpu", "look", seen("1", B, B));
}

/* The control is the same machine with one card visible, and nothing preloaded: each call answers the same. */
Test(devices, calls_that_name_a_hidden_donor_fail_as_where_it_is_not_there)
{
    static const struct {
        const char *devices, *bus;
    } cases[] = {{"VRAMSPAN_DEVICES=cuda:1 VRAMSPAN_DONORS=cuda:0", "0000:01:00.0"},
        {"VRAMSPAN_DEVICES=cuda:0 VRAMSPAN_DONORS=cuda:1", "0000:02:00.0"}};
    char expected[8192], output[8192], steps[64];
    use_machine(PAIR);
    use_two_gpus();
    for (size_t i = 0; i < 2; i++) {
        char variables[128];
        snprintf(variables, sizeof variables, "-u LD_PRELOAD CUDA_VISIBLE_DEVICES=%zu", 1 - i);
        snprintf(steps, sizeof steps, "beyond %s", cases[i].bus);
        cr_assert_eq(see(variables, steps, expected), 0);
        cr_assert(strstr(expected, "set=101 peek=101 last=101 then=0 current=0"), "%s", expected);
        cr_expect_eq(see(cases[i].devices, steps, output), 0);
        cr_expect_str_eq(output, expected, "%s\ninstead of\n%s", output, expected);
    }
}

/* A management library that cannot count stands in for none. */
Test(devices, without_nvml_donors_are_reached_behind_the_devices_that_are_known)
{
    static const struct {
        const char *variables, *names, *shown;
    } cases[] = {
        {"VRAMSPAN_DONORS=cuda:1", "Last", "Last,First"},
        {"VRAMSPAN_DONORS=cuda:2,cuda:0", "First", "First,Middle,Last"},
        {"VRAMSPAN_DEVICES=cuda:2,cuda:0 VRAMSPAN_DONORS=cuda:1", "Middle,Last", "Middle,Last,First"},
        {"CUDA_VISIBLE_DEVICES=1,2,0 VRAMSPAN_DONORS=cuda:0", "Middle,Last", "Middle,Last,First"},
    };
    static const struct {
        const char *variables, *said;
    } refusals[] = {
        {"VRAMSPAN_DONORS=cuda:0",
            "nothing tells how many the machine has (libnvidia-ml.so.1 does not answer); name the "
            "program's in VRAMSPAN_DEVICES\n"},
        {"VRAMSPAN_DEVICES=cuda:0 VRAMSPAN_DONORS=cuda:1,cuda:5", "cuda:5 cannot be reached"},
        {"CUDA_VISIBLE_DEVICES=0,7,1 VRAMSPAN_DONORS=cuda:2",
            "cuda:2 cannot be reached"}, /* its second entry ends it */
    };
    char variables[256], output[8192], expected[256];
    setenv("WITHOUT", program("nvml"), 1);
    use_machine(three_cards());
    use_policy_text("version: 1\nmodels: [{match: \"*\", virtual-vram: 1gb}]\n");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(variables, sizeof variables, "LD_LIBRARY_PATH=$WITHOUT:$LD_LIBRARY_PATH %s", cases[i].variables);
        cr_expect_eq(see(variables, "look", output), 0, "%s: %s", variables, output);
        snprintf(expected, sizeof expected, " runtime=%s driver=%s shown=%s current=0\n", cases[i].names,
            cases[i].names, cases[i].shown);
        cr_expect(strstr(output, expected), "%s: %s", variables, output);
    }
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        snprintf(variables, sizeof variables, "LD_LIBRARY_PATH=$WITHOUT:$LD_LIBRARY_PATH %s", refusals[i].variables);
        cr_expect_eq(see(variables, "look", output), 78, "%s: %s", variables, output);
        cr_expect(strstr(output, refusals[i].said), "%s: %s", variables, output);
    }
    remove(getenv("SIMCUDA_MACHINE"));
}

/* --- Weights ------------------------------------------------------------------------------------------------------ */

Test(devices, weights_lie_where_the_users_numbers_say)
{
    static const struct {
        const char *variables, *where;
    } cases[] = {
        /* cuda:0 is the second that the driver shows; the program computes on cuda:1, its first. */
        {"VRAMSPAN_DEVICES=cuda:1 VRAMSPAN_DONORS=cuda:0,cpu", "driver:1(0) driver:0(0) host(0) same context\n"},
        {"VRAMSPAN_DONORS=cuda:0,cpu", "driver:1(0) driver:0(0) host(0) same context\n"},
        {"CUDA_VISIBLE_DEVICES=1,0 VRAMSPAN_DONORS=cuda:1,cpu", "driver:0(0) driver:1(0) host(0) same context\n"},
        {"VRAMSPAN_DEVICES=cuda:0,cuda:1 VRAMSPAN_DONORS=cpu", "driver:0(0) driver:1(0) host(0) same context\n"},
        {"A=b", "driver:0(0) driver:1(0) host(0) same context\n"},
    };
    const size_t sizes[] = {BYTES, BYTES, BYTES};
    char steps[128];
    use_machine(PAIR);
    use_two_gpus();
    snprintf(steps, sizeof steps, "use %s", make_model(sizes, 3));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_seen(cases[i].variables, steps, cases[i].where);
}

/* The constructor of a library, which runs before ours, allocates a weight. */
Test(devices, the_first_call_may_come_before_any_constructor_of_ours_ran)
{
    const size_t sizes[] = {BYTES};
    char output[8192], command[1024];
    use_machine(PAIR);
    use_policy_text("version: 1\nmodels:\n  - {match: \"*.safetensors\", on: cuda:0}\n");
    snprintf(command, sizeof command, "env VRAMSPAN_DEVICES=cuda:1 VRAMSPAN_DONORS=cuda:0 MODEL=%s BYTES=%zu %s",
        make_model(sizes, 1), BYTES, program("early"));
    cr_expect_eq(run(command, output), 0, "%s", output);
    cr_expect(strstr(output, "0 of 4194304 bytes in the host, 4194304 on the driver's device 1"), "%s", output);
}

Test(devices, the_end_of_the_run_is_told_in_the_users_numbers)
{
    const size_t sizes[] = {BYTES, BYTES, BYTES};
    char steps[128], output[8192];
    use_machine(PAIR);
    use_policy_text(
        "version: 1\nmodels:\n  - {match: \"*.safetensors\", distorch: \"cuda:1,8mb;cuda:0,4mb\", order: listed}\n");
    setenv("VRAMSPAN_LOG", "info", 1);
    snprintf(steps, sizeof steps, "use %s", make_model(sizes, 3));
    cr_expect_eq(see("VRAMSPAN_DEVICES=cuda:1 VRAMSPAN_DONORS=cuda:0,cpu", steps, output), 0, "%s", output);
    cr_expect(strstr(output, "driver:0(0) driver:0(0) driver:1(0) same context"), "%s", output);
    cr_expect(strstr(output, "end of run: cuda:1 held 2 weights"), "%s", output);
    cr_expect(strstr(output, "end of run: cuda:0 held 1 weight,"), "%s", output);
}

/* --- What cannot be ----------------------------------------------------------------------------------------------- */

Test(devices, what_cannot_be_stops_the_program_and_says_so)
{
    static const struct {
        const char *variables, *steps, *said;
    } cases[] = {
        {"VRAMSPAN_POLICY= VRAMSPAN_DEVICES=cuda:5", "look", "there is no cuda:5"},
        {"VRAMSPAN_POLICY= VRAMSPAN_DEVICES=cuda:1 VRAMSPAN_DONORS=cuda:2", "look", "the machine has 2 GPUs"},
        {"VRAMSPAN_DONORS=cuda:0,cuda:1", "look", "no GPU is left for the program: all of the machine's 2"},
        {"VRAMSPAN_DEVICES=cuda:0,cuda:0", "look", "VRAMSPAN_DEVICES:1:8: error: `cuda:0` is named twice"},
        {"VRAMSPAN_DEVICES=cuda:0 VRAMSPAN_DONORS=cuda:0", "look", "`cuda:0` is to compute, and to lend memory"},
        {"VRAMSPAN_DEVICES=cuda:1 VRAMSPAN_DONORS=cpu", "look", "`cuda:0` is to hold weights"},
        {"CUDA_VISIBLE_DEVICES=1 VRAMSPAN_DEVICES=cuda:1", "look", "there is no `cuda:1`: CUDA_VISIBLE_DEVICES is `1`"},
        /* A start that no hook sees. */
        {"VRAMSPAN_DEVICES=cuda:1 VRAMSPAN_DONORS=cuda:0", "early look",
            "cuda:0 cannot be reached to lend memory: of 2 devices CUDA shows 1"},
    };
    char output[8192];
    use_machine(PAIR);
    use_two_gpus();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cr_expect_eq(see(cases[i].variables, cases[i].steps, output), 78, "%s: %s", cases[i].variables, output);
        cr_expect(strstr(output, cases[i].said), "%s: %s", cases[i].variables, output);
    }
    cr_expect_eq(
        see("VRAMSPAN_ON_ERROR=passthrough VRAMSPAN_DEVICES=cuda:1 VRAMSPAN_DONORS=cuda:0", "early look", output), 0,
        "%s", output);
    cr_expect(strstr(output, "stepping aside"), "%s", output);
    cr_expect(strstr(output, seen("1", B, B)), "%s", output);
}
