/* each_call_test.c: calls that may start CUDA (first_calls.def), each as the first one of a program, and every call of
 * the table that names a device, with one that is hidden; with both runtimes. programs/each_call.c is made of the two.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

static const char *const majors[] = {"12", "13"};

static void hide_the_first_of_two(void)
{
    use_machine("8gb+24gb");
    use_policy_text("version: 1\nmodels: [{match: \"*\", virtual-vram: 1gb}]\n");
    setenv("VRAMSPAN_LOG", "warn", 1);
}

static const char *last_line(char *output)
{
    size_t length = strlen(output);
    while (length && output[length - 1] == '\n')
        output[--length] = '\0';
    char *line = strrchr(output, '\n');
    return line ? line + 1 : output;
}

Test(each_call, may_be_the_first_and_starts_cuda_with_the_donors_shown)
{
    char names[8192], output[8192], command[512], *rest;
    hide_the_first_of_two();
    for (size_t m = 0; m < 2; m++) {
        size_t count = 0;
        snprintf(command, sizeof command, "env -u LD_PRELOAD %s list first %s", program("each_call"), majors[m]);
        cr_assert_eq(run(command, names), 0);
        for (char *name = strtok_r(names, "\n", &rest); name; name = strtok_r(NULL, "\n", &rest), count++) {
            snprintf(command, sizeof command, "VRAMSPAN_DEVICES=cuda:1 VRAMSPAN_DONORS=cuda:0 %s first %s %s",
                program("each_call"), majors[m], name);
            cr_expect_eq(run(command, output), 0, "%s of %s: %s", name, majors[m], output);
            if (strstr(output, "not simulated")) /* it starts nothing */
                continue;
            cr_expect_str_eq(last_line(output), "env=1 seen=1 shown=2", "%s of %s: %s", name, majors[m], output);
        }
        cr_expect_geq(count, 50, "%zu", count);
    }
}

/* The control is the same machine with one card visible, and nothing preloaded. */
Test(each_call, with_a_hidden_device_fails_as_where_that_is_not_there)
{
    char expected[8192], output[8192], command[512];
    hide_the_first_of_two();
    for (size_t m = 0; m < 2; m++) {
        /* CUDA 12's own cudaGetDeviceProperties, before _v2, is not simulated. */
        const char *skipped = m ? "cat" : "grep -v '^cudaGetDeviceProperties[.]'";
        snprintf(command, sizeof command, "env -u LD_PRELOAD CUDA_VISIBLE_DEVICES=1 %s ordinal %s 2>/dev/null | %s",
            program("each_call"), majors[m], skipped);
        cr_assert_eq(run(command, expected), 0);
        cr_expect_geq(occurrences(expected, "\n"), 40, "%s", expected);
        snprintf(command, sizeof command, "VRAMSPAN_DEVICES=cuda:1 VRAMSPAN_DONORS=cuda:0 %s ordinal %s | %s",
            program("each_call"), majors[m], skipped);
        cr_expect_eq(run(command, output), 0);
        cr_expect_str_eq(output, expected, "%s: %s\ninstead of\n%s", majors[m], output, expected);
    }
}
