/*
 * Which device computes, which ones the program sees, and which lend, by all that is said.
 */
#include "settings_support.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

TestSuite(settings_devices, .fini = expect_no_leaks);

Test(settings_devices, the_program_computes_on_the_first_device_that_it_sees_unless_a_policy_names_another_of_them)
{
    static const struct {
        const char *compute, *devices, *warning;
        unsigned chosen;
    } cases[] = {
        {"", "cuda:2", "", 2},
        {"", " cuda:3 , cuda:0", "", 3},
        {"compute: cuda:0\n", "cuda:3,cuda:0", "", 0},
        {"compute: cuda:0\n", "cuda:1,cuda:2",
            "VRAMSPAN_DEVICES:1:1: warning: the program does not see `cuda:0`, on which it is to compute by @\n"
            "    cuda:1,cuda:2\n    ^\n  hint: it computes on `cuda:1`\n",
            1},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char path[64], yaml[128], policy[128], devices[128], expected[512] = "";
        joined(yaml, "version: 1\n", cases[i].compute);
        write_policy(path, yaml);
        for (const char *at = cases[i].warning; *at; at++)
            snprintf(expected + strlen(expected), sizeof expected - strlen(expected), *at == '@' ? "%s" : "%.1s",
                *at == '@' ? path : at);
        struct vs_said said = said_in((const char *const[]){
            joined(policy, "VRAMSPAN_POLICY=", path), joined(devices, "VRAMSPAN_DEVICES=", cases[i].devices), NULL});
        struct vs_settings settings = load_settings(&said, 0, expected);
        cr_expect(settings.policy.has_compute);
        cr_expect(vs_device_equal(settings.policy.compute, cuda(cases[i].chosen)), "case %zu", i);
        vs_settings_free(&settings);
        unlink(path);
    }
}

Test(settings_devices, a_device_computes_or_lends)
{
    char path[64], buffer[128];
    static const char hint[] =
        "  hint: devices: what the program sees; donors: what lends it memory; name each device in "
        "one of them\n";
    char expected[1024];
    snprintf(expected, sizeof expected,
        "VRAMSPAN_DONORS:1:1: error: `cuda:1` is to compute, and to lend memory\n    cpu,cuda:1,cuda:2\n    ^\n%s"
        "VRAMSPAN_DONORS:1:1: error: `cuda:2` is to be seen by the program, and hidden as a donor\n"
        "    cpu,cuda:1,cuda:2\n    ^\n%s",
        hint, hint);
    expect_refused(
        (const char *const[]){"VRAMSPAN_DEVICES=cuda:1,cuda:2", "VRAMSPAN_DONORS=cpu,cuda:1,cuda:2", NULL}, expected);
    /* A policy's donors are lent while the program sees them, but for the one that computes. */
    write_policy(path, "version: 1\ndonors: [cuda:0, cuda:1]\nmodels: [{match: \"a*\", distorch: \"cpu,*#cuda:2\"}]\n");
    joined(buffer, "VRAMSPAN_POLICY=", path);
    struct vs_settings settings =
        load_environment((const char *const[]){buffer, "VRAMSPAN_DEVICES=cuda:2,cuda:1", NULL});
    vs_settings_free(&settings);
    snprintf(expected, sizeof expected,
        "VRAMSPAN_DEVICES:1:1: error: `cuda:1` is to compute, and to lend memory\n    cuda:1\n    ^\n%s"
        "VRAMSPAN_DEVICES:1:1: error: the allocation computes on `cuda:2`, and `compute` is `cuda:1`\n    cuda:1\n    "
        "^\n"
        "  hint: leave out what stands behind the `#`, or write the same device into `compute`\n",
        hint);
    expect_refused((const char *const[]){buffer, "VRAMSPAN_DEVICES=cuda:1", NULL}, expected);
    unlink(path);
}
