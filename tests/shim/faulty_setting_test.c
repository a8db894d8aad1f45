/* faulty_setting_test.c: whole processes with a good policy and a variable that cannot be followed: which of them is
 * blamed. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

Test(faulty_setting, the_variable_is_blamed_not_the_policy)
{
    static const char *const cases[][2] = {
        {"VRAMSPAN_DONORS=cuda:x", "what VRAMSPAN_DONORS says cannot be followed; correct it, or unset it"},
        {"VRAMSPAN_COMPUTE_RESERVE=many", "what VRAMSPAN_COMPUTE_RESERVE says cannot be followed"},
        {"VRAMSPAN_BACKENDS=vmm,pinnd", "what VRAMSPAN_BACKENDS says cannot be followed"},
        {"VRAMSPAN_ON_ERROR=perhaps", "what VRAMSPAN_ON_ERROR says cannot be followed"},
    };
    char output[8192], command[700];
    use_policy("cpu,*");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(command, sizeof command, "%s %s /dev/null 16", cases[i][0], program("exiting"));
        cr_expect_eq(run(command, output), 78, "%s: %s", cases[i][0], output);
        cr_expect(strstr(output, cases[i][1]), "%s: %s", cases[i][0], output);
        cr_expect(!strstr(output, "policy.yaml cannot be read"), "%s: %s", cases[i][0], output);
    }
}

Test(faulty_setting, a_policy_that_is_at_fault_is_blamed_itself)
{
    char output[8192], command[700];
    use_policy_text("version: 1\nmodels: 7\n");
    snprintf(command, sizeof command, "VRAMSPAN_DONORS=cpu %s /dev/null 16", program("exiting"));
    cr_expect_eq(run(command, output), 78, "%s", output);
    cr_expect(strstr(output, "policy.yaml cannot be read; correct it, or unset VRAMSPAN_POLICY"), "%s", output);
    cr_expect(!strstr(output, "what VRAMSPAN_DONORS says"), "%s", output);
}

/* These stop nothing: a word says that they are not followed. */
Test(faulty_setting, switches_that_are_not_understood_are_told_once)
{
    const size_t sizes[] = {4 * MIB, 4 * MIB};
    char output[8192], command[700];
    use_policy("cpu,*");
    setenv("VRAMSPAN_CACHE", scratch_path("cache"), 1);
    snprintf(command, sizeof command, "VRAMSPAN_HOST_AHEAD=no VRAMSPAN_PROOF_SECONDS=abc %s %s %zu", program("exiting"),
        make_model(sizes, 2), sizes[0]);
    cr_expect_eq(run(command, output), 0, "%s", output);
    cr_expect_eq(occurrences(output, "VRAMSPAN_HOST_AHEAD=no is not followed: use on or off"), 1, "%s", output);
    cr_expect_eq(occurrences(output, "VRAMSPAN_PROOF_SECONDS=abc is not followed"), 1, "%s", output);
}
