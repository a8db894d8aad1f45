/* inside_test.c: a call that is inside the runtime is inside the gate. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "movable.h"

#define BYTES (8 * MIB)

Test(inside, pages_stay_while_a_call_is_inside_the_runtime, .timeout = 60)
{
    const size_t sizes[] = {BYTES};
    char command[512], output[8192];
    use_policy("cuda:0,*");
    snprintf(command, sizeof command, "%s %s %zu", program("inside"), make_model(sizes, 1), BYTES);
    cr_expect_eq(run(command, output), 0, "%s", output);
    cr_expect_eq(occurrences(output, ": pages stay while it is inside, and move after it"), 4, "%s", output);
}
