/* devices_test.c: which devices a program sees, whole processes under the preload: what it is told at the runtime and
 * at the driver, what its environment and its children say, and where weights then lie. programs/sees.c tells. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

#define BYTES (4 * MIB)

/* Two unlike cards; A is cuda:0 to the driver. */
#define A "Simulated GPU 8 GB"
#define B "Simulated GPU 24 GB"
static const char pair[] = "8gb+24gb";

/* Three cards whose order is First, Middle, Last by PCI address, and Last, First, Middle by generation, which is the
 * driver's own order. */
static const char *three_cards(void)
{
    static char path[] = "/tmp/vramspan-cards-XXXXXX";
    FILE *file = fdopen(mkstemp(path), "w");
    cr_assert(file);
    fputs("peer-access: all\n"
          "devices:\n"
          "  - {name: Middle, memory: 2gb, capability: 7.5, pci: '0000:41:00.0'}\n"
          "  - {name: Last, memory: 3gb, capability: 8.9, pci: '0001:01:00.0'}\n"
          "  - {name: First, memory: 1gb, capability: 8.6, pci: '0000:01:00.0'}\n",
        file);
    fclose(file);
    return path;
}
#define UUID_FIRST  "GPU-00000100-7369-6d75-6c61-746564475055"
#define UUID_MIDDLE "GPU-00004100-7369-6d75-6c61-746564475055"
#define UUID_LAST   "GPU-00010100-7369-6d75-6c61-746564475055"

/* A policy that places on two GPUs and in the host; numbers are the user's. */
static void use_two_gpus(void)
{
    use_policy_text("version: 1\nmodels:\n  - {match: \"*.safetensors\", distorch: \"cuda:0,4mb;cuda:1,4mb;cpu,*\", "
                    "order: listed}\n");
}

/* Runs `sees` with these variables and steps; returns the status. */
static int see(const char *variables, const char *steps, char output[8192])
{
    char command[1024];
    setenv("VRAMSPAN_LOG", "warn", 0);
    snprintf(command, sizeof command, "env %s %s %s", variables, program("sees"), steps);
    return run(command, output);
}

static void expect_seen(const char *variables, const char *steps, const char *expected)
{
    char output[8192];
    cr_expect_eq(see(variables, steps, output), 0, "%s %s: %s", variables, steps, output);
    cr_expect_str_eq(output, expected, "%s %s:\n%s", variables, steps, output);
}

/* The line of `look` where the program sees `names` and the driver shows `shown`. */
static const char *seen(const char *environment, const char *names, const char *shown)
{
    static char line[512];
    snprintf(line, sizeof line, "env=%s runtime=%s driver=%s shown=%s current=0\n", environment, names, names, shown);
    return line;
}

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
    use_machine(pair);
    use_two_gpus();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        expect_seen(cases[i].variables, "look", seen(cases[i].environment, cases[i].names, cases[i].shown));
}

Test(devices, a_donor_of_the_policy_itself_is_reached_behind_the_programs_devices)
{
    use_machine(pair);
    use_policy_text("version: 1\ndonors: [cuda:0, cpu]\n"
                    "models:\n  - {match: \"*.safetensors\", distorch: \"cuda:0,4mb;cpu,*\"}\n");
    expect_seen("VRAMSPAN_DEVICES=cuda:1", "look", seen("1", B, B "," A));
    expect_seen("A=b", "look", seen("(unset)", A "," B, A "," B)); /* it hides nothing */
}

/* The program's environment may name devices that the machine has not; what is left counts. */
Test(devices, where_only_donors_are_said_the_rest_is_seen)
{
    char output[8192];
    use_machine(pair);
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
    use_machine(pair);
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
    use_machine(pair);
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

/* --- The environment and children --------------------------------------------------------------------------------- */

Test(devices, the_environment_is_narrowed_before_and_after_cuda_starts_whoever_starts_it)
{
    char output[8192];
    use_machine(pair);
    use_two_gpus();
    for (int round = 0; round < 20; round++) {
        cr_expect_eq(see("VRAMSPAN_DEVICES=cuda:1 VRAMSPAN_DONORS=cuda:0", "race look", output), 0);
        char expected[600];
        snprintf(expected, sizeof expected, "raced\n%s", seen("1", B, B "," A));
        cr_expect_str_eq(output, expected, "%s", output);
    }
}

Test(devices, a_process_without_cuda_is_only_given_its_environment)
{
    char output[8192];
    static const char echo[] = "sh -c 'echo $CUDA_VISIBLE_DEVICES, $VRAMSPAN_USER_VISIBLE_DEVICES'";
    char command[512];
    use_policy_text("this: is not a policy\n"); /* must not even be read */
    snprintf(command, sizeof command, "env CUDA_VISIBLE_DEVICES=4,7 VRAMSPAN_DEVICES=cuda:1 %s", echo);
    cr_expect_eq(run(command, output), 0);
    cr_expect_str_eq(output, "7, 4,7\n");
    snprintf(command, sizeof command, "env VRAMSPAN_DEVICES=cuda:1 VRAMSPAN_DONORS=cuda:0 %s", echo);
    cr_expect_eq(run(command, output), 0);
    cr_expect_str_eq(output, "1, unset\n");
    snprintf(command, sizeof command, "env CUDA_VISIBLE_DEVICES=4,7 %s", echo);
    cr_expect_eq(run(command, output), 0);
    cr_expect_str_eq(output, "4,7,\n");
    /* What is wrong is told to processes with CUDA only, and changes nothing here. */
    snprintf(command, sizeof command, "env CUDA_VISIBLE_DEVICES=4,7 VRAMSPAN_DEVICES=cuda:2 %s", echo);
    cr_expect_eq(run(command, output), 0);
    cr_expect_str_eq(output, "4,7,\n");
}

Test(devices, children_go_on_counting_in_the_users_numbers)
{
    static const struct {
        const char *variables, *environment, *names, *shown;
    } cases[] = {
        {"VRAMSPAN_DEVICES=cuda:1 VRAMSPAN_DONORS=cuda:0", "1", B, B "," A},
        {"CUDA_VISIBLE_DEVICES=1,0 VRAMSPAN_DEVICES=cuda:0 VRAMSPAN_DONORS=cuda:1", "1", B, B "," A},
    };
    char expected[1100];
    use_machine(pair);
    use_two_gpus();
    for (size_t i = 0; i < 2; i++) {
        const char *line = seen(cases[i].environment, cases[i].names, cases[i].shown);
        expect_seen(cases[i].variables, "spawn look", line); /* the parent never starts CUDA */
        expect_seen(cases[i].variables, "exec look", line);
        expect_seen(cases[i].variables, "fork look", line);
        expect_seen(cases[i].variables, "spawn exec spawn look", line);
        snprintf(expected, sizeof expected, "%s%s", line, line); /* it does */
        expect_seen(cases[i].variables, "look spawn look", expected);
        expect_seen(cases[i].variables, "look exec look", expected);
    }
}

Test(devices, a_child_that_is_forked_while_cuda_starts_finds_what_every_child_finds)
{
    char output[8192], command[512];
    use_machine(pair);
    use_two_gpus();
    setenv("VRAMSPAN_LOG", "warn", 1);
    snprintf(command, sizeof command, "VRAMSPAN_DEVICES=cuda:1 VRAMSPAN_DONORS=cuda:0 %s start", program("forking"));
    cr_expect_eq(run(command, output), 0, "%s", output);
    cr_expect_str_eq(output, "child: 1 1, 1 1\nparent: 1 1, 1 1\n", "%s", output);
    snprintf(command, sizeof command, "VRAMSPAN_DONORS=cuda:0 CUDA_VISIBLE_DEVICES=0,1 %s start", program("forking"));
    cr_expect_eq(run(command, output), 0, "%s", output);
    cr_expect_str_eq(output, "child: 1 1, 1 1\nparent: 1 1, 1 1\n", "%s", output);
    /* Nothing was narrowed: the program has set the variable itself. */
    use_policy_text("version: 1\ndonors: [cuda:1]\nmodels: [{match: \"*\", virtual-vram: 1gb}]\n");
    snprintf(command, sizeof command, "CUDA_VISIBLE_DEVICES=0 VRAMSPAN_USER_VISIBLE_DEVICES=unset %s start",
        program("forking"));
    cr_expect_eq(run(command, output), 0, "%s", output);
    cr_expect_str_eq(output, "child: 0 (unset), 1 1\nparent: 0 (unset), 1 1\n", "%s", output);
}

Test(devices, a_child_that_is_forked_while_models_are_opened_does_not_hang)
{
    char output[8192], command[512];
    snprintf(command, sizeof command, "folder=$(mktemp -d); %s open $folder; status=$?; rm -r $folder; exit $status",
        program("forking"));
    use_two_gpus();
    cr_expect_eq(run(command, output), 0, "%s", output);
    cr_expect_str_eq(output, "0 hung\n", "%s", output);
}

/* ComfyUI's --cuda-device, and starters of workers, set the variable themselves. */
Test(devices, a_program_that_sets_the_variable_itself_sees_what_it_names)
{
    char output[8192];
    use_machine(three_cards());
    setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID", 1);
    use_policy_text("version: 1\nmodels:\n  - {match: \"*.safetensors\", distorch: \"cuda:0,4mb;cpu,*\"}\n");
    static const char variables[] = "VRAMSPAN_DONORS=cuda:0";
    expect_seen(variables, "set 2 look", seen("2", "Last", "Last,First"));
    expect_seen(variables, "set 2,1 look", seen("2,1", "Last,Middle", "Last,Middle,First"));
    expect_seen(variables, "set 2,1 spawn look", seen("2,1", "Last,Middle", "Last,Middle,First"));
    use_policy_text("version: 1\ncompute: cuda:1\n"
                    "models:\n  - {match: \"*.safetensors\", distorch: \"cuda:0,4mb;cpu,*\"}\n");
    cr_expect_eq(see(variables, "set 2 look", output), 78, "%s", output); /* it is to compute on cuda:1 */
    cr_expect(strstr(output, "the program does not see cuda:1, on which it is to compute (CUDA_VISIBLE_DEVICES=2)"),
        "%s", output);
    cr_expect_eq(see(variables, "set 0,1 look", output), 78, "%s", output);
    cr_expect(strstr(output, "CUDA_VISIBLE_DEVICES=0,1, which names cuda:0, a device that is hidden"), "%s", output);
    cr_expect_eq(see(variables, "set - spawn look", output), 78, "%s", output); /* all of them */
    expect_seen(variables, "set '' spawn look", "env= error=100\n");            /* a child that is to have none */
    remove(getenv("SIMCUDA_MACHINE"));
}

/* The machine's list of UUIDs is by PCI address; what a number means may be something else. */
Test(devices, a_program_may_name_its_device_by_uuid_where_the_user_counts)
{
    char output[8192];
    const char *cards = three_cards();
    use_machine(cards);
    use_policy_text("version: 1\nmodels: [{match: \"*\", virtual-vram: 1gb}]\n");
    setenv("CUDA_DEVICE_ORDER", "PCI_BUS_ID", 1);
    expect_seen("VRAMSPAN_DONORS=cuda:0", "set " UUID_LAST " look", seen(UUID_LAST, "Last", "Last,First"));
    expect_seen("VRAMSPAN_DONORS=cuda:1", "set GPU-00010,GPU-0000010 look",
        seen("GPU-00010,GPU-0000010", "Last,First", "Last,First,Middle"));
    expect_seen("CUDA_VISIBLE_DEVICES=GPU-000041,GPU-000001 VRAMSPAN_DONORS=cuda:0", "set 0 look",
        seen("0", "First", "First,Middle"));
    unsetenv("CUDA_DEVICE_ORDER");
    expect_seen("CUDA_VISIBLE_DEVICES=GPU-000041,GPU-000001 VRAMSPAN_DONORS=cuda:1", "set " UUID_MIDDLE " look",
        seen(UUID_MIDDLE, "Middle", "Middle,First"));
    cr_expect_eq(see("VRAMSPAN_DONORS=cuda:0", "set " UUID_LAST " look", output), 78, "%s", output);
    cr_expect(strstr(output, "CUDA_VISIBLE_DEVICES=" UUID_LAST " is not known"), "%s", output);
    cr_expect(strstr(output, "set CUDA_DEVICE_ORDER=PCI_BUS_ID, or"), "%s", output);
    cr_expect_eq(see("CUDA_VISIBLE_DEVICES=1,0 VRAMSPAN_DONORS=cuda:0", "set 2 look", output), 78, "%s", output);
    cr_expect(strstr(output, "a device that no policy can name"), "%s", output);
    cr_expect_null(strstr(output, "cuda:255"), "%s", output);
    remove(cards);
    use_machine("2x24gb"); /* alike: their order is that of the addresses */
    cr_expect_eq(
        see("VRAMSPAN_DONORS=cuda:0", "set GPU-00000200-7369-6d75-6c61-746564475055 look", output), 0, "%s", output);
    cr_expect(
        strstr(output,
            "runtime=Simulated GPU 24 GB driver=Simulated GPU 24 GB shown=Simulated GPU 24 GB,Simulated GPU 24 GB "),
        "%s", output);
}

/* Where the policy alone names donors nothing is narrowed, and numbers go on counting by what was there at the start.
 */
Test(devices, a_program_that_sets_the_variable_itself_changes_no_number_of_a_policy)
{
    static const char three[] = "8gb+24gb+16gb", C[] = "Simulated GPU 16 GB";
    const size_t sizes[] = {BYTES, BYTES, BYTES};
    char steps[256], expected[1100];
    const char *model = make_model(sizes, 3);
    use_machine(three);
    use_policy_text("version: 1\ndonors: [cuda:1, cpu]\nmodels:\n  - {match: \"*.safetensors\", virtual-vram: 100%}\n");
    snprintf(steps, sizeof steps, "set 2 look use %s", model);
    snprintf(expected, sizeof expected, "%s%s", seen("2", C, "Simulated GPU 16 GB," B),
        "driver:1(0) driver:1(0) driver:1(0) same context\n");
    expect_seen("A=b", steps, expected);
    expect_seen("CUDA_VISIBLE_DEVICES=0,1,2", steps, expected);
    /* As a program does that starts itself anew. */
    snprintf(steps, sizeof steps, "set 2 look exec set 2 use %s", model);
    expect_seen("A=b", steps, expected);
    /* cuda:1 is seen and computes; the other one that is seen lends nothing. */
    snprintf(steps, sizeof steps, "set 1,2 use %s", model);
    expect_seen("A=b", steps, "host(0) host(0) host(0) same context\n");
    use_policy_text("version: 1\ncompute: cuda:1\ndonors: [cuda:0]\n"
                    "models:\n  - {match: \"*.safetensors\", virtual-vram: 100%}\n");
    snprintf(steps, sizeof steps, "set 1 use %s", model);
    expect_seen("A=b", steps, "driver:1(0) driver:1(0) driver:1(0) same context\n");
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
    use_machine(pair);
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
    use_machine(pair);
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
    use_machine(pair);
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
    use_machine(pair);
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
