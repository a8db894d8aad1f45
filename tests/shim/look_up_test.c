/* look_up_test.c: what a program finds that looks up functions of the driver: by dlsym of either version of libc, by
 * cuGetProcAddress at each version and with each flag, through the runtime. programs/finds.c looks. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

static void expect_found(const char *mode, const char *variables)
{
    static char output[8192], command[1024];
    setenv("VRAMSPAN_LOG", "warn", 1);
    use_machine("8gb+24gb");
    snprintf(command, sizeof command, "env LD_LIBRARY_PATH=$LD_LIBRARY_PATH:$VRAMSPAN_TEST_PROGRAMS %s %s %s",
        variables, program("finds"), mode);
    cr_expect_eq(run(command, output), 0, "%s", output);
    cr_expect_geq(occurrences(output, "ok "), 20, "%s", output);
    cr_expect_not(strstr(output, "not ok"), "%s", output);
}

Test(look_up, the_tables_functions_are_ours_where_a_policy_names_models)
{
    use_policy_text("version: 1\nmodels: [{match: \"*\", virtual-vram: 1gb}]\n");
    expect_found("acting", "A=b");
}

Test(look_up, those_that_name_devices_are_ours_where_a_donor_is_hidden)
{
    use_policy_text("version: 1\nmodels: [{match: \"*\", virtual-vram: 1gb}]\n");
    expect_found("hiding", "VRAMSPAN_DEVICES=cuda:1 VRAMSPAN_DONORS=cuda:0");
}

Test(look_up, all_are_the_drivers_own_where_nothing_is_to_be_done)
{
    unsetenv("VRAMSPAN_POLICY");
    expect_found("idle", "A=b");
    expect_found("idle", "VRAMSPAN_DEVICES=cuda:1"); /* the driver itself hides the rest */
    use_policy_text("version: 1\n");
    expect_found("idle", "A=b");
}
