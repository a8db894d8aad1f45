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
