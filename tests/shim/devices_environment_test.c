/* devices_environment_test.c: the variable that says which devices a program sees, who sets it and when, and what
 * children make of it. programs/sees.c and programs/forking.c tell. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"
#include "sees.h"

#define BYTES (4 * MIB)

/* --- The environment and children --------------------------------------------------------------------------------- */

Test(devices, the_environment_is_narrowed_before_and_after_cuda_starts_whoever_starts_it)
{
    char output[8192];
    use_machine(PAIR);
    use_two_gpus();
    for (int round = 0; round < 60; round++) {
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
    use_machine(PAIR);
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
    use_machine(PAIR);
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

#ifndef __SANITIZE_ADDRESS__ /* whose allocator (gcc 12) another thread may hold at the fork; libc releases its own */
Test(devices, a_child_that_is_forked_while_models_are_opened_does_not_hang)
{
    char output[8192], command[512];
    snprintf(command, sizeof command, "folder=$(mktemp -d); %s open $folder; status=$?; rm -r $folder; exit $status",
        program("forking"));
    use_two_gpus();
    cr_expect_eq(run(command, output), 0, "%s", output);
    cr_expect_str_eq(output, "0 hung\n", "%s", output);
}
#endif

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
