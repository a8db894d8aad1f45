/* without_cuda_test.c: a program that asks for CUDA where there is none: the library's own symbols must not make it
 * believe that there is. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

static void expect_none(void)
{
    char output[8192], command[600];
    snprintf(command, sizeof command, "env -u LD_LIBRARY_PATH %s", program("asks"));
    cr_expect_eq(run(command, output), 0, "%s", output);
    cr_expect(strstr(output, "cuInit 100, looked up 100; cuDeviceGetCount 100, cudaGetDeviceCount 100; counts 0 and 0"),
        "%s", output);
}

Test(without_cuda, who_asks_is_told_that_there_is_no_device)
{
    unsetenv("VRAMSPAN_POLICY");
    expect_none();
    use_policy("cpu,*");
    expect_none();
}
