/* host_ahead_end_test.c: of host memory that is made before it is asked for nothing is left: at the end of a load, of
 * what is flushed or reset, and of the program. By the simulator's account of the host's bytes. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "host_ahead_support.h"

/* --- What is not taken -------------------------------------------------------------------------------------------- */

Test(host_ahead_end, the_rest_goes_back_when_the_load_ends)
{
    use_ahead("on: cpu");
    open_model(model_of(LARGE, 8));
    void *weight = allocate(LARGE);
    expect_host(8 * LARGE);
    multiply();
    expect_host(LARGE);
    expect_no_thread();
    CUDA_OK(cudaFree(weight));
    expect_host(0);
}

Test(host_ahead_end, a_flush_gives_all_back_before_it_returns)
{
    cudaMemPool_t pool;
    use_ahead("on: cpu");
    open_model(model_of(LARGE, 8));
    allocate(LARGE);
    CUDA_OK(cudaDeviceGetDefaultMemPool(&pool, 0));
    for (int round = 0; round < 2; round++) { /* while pieces are made, and afterwards */
        CUDA_OK(cudaMemPoolTrimTo(pool, 0));
        cr_expect_eq(simcudaBytesUsed(HOST), LARGE);
        open_model(model_of(LARGE, 2));
        if (round == 0)
            expect_host(LARGE);
    }
    for (int i = 1; i < 8; i++)
        cr_expect(lies_at(allocate(LARGE), LARGE, HOST), "the load goes on");
}

Test(host_ahead_end, a_reset_of_the_device_leaves_nothing)
{
    use_ahead("on: cpu");
    for (int round = 0; round < 6; round++) {
        open_model(model_of(LARGE, 8));
        allocate(LARGE);
        if (round % 2)
            expect_host(8 * LARGE);
        CUDA_OK(cudaDeviceReset());
        cr_expect_eq(simcudaBytesUsed(HOST), 0);
    }
    open_model(model_of(LARGE, 8)); /* and it goes on */
    allocate(LARGE);
    expect_host(8 * LARGE);
}

/* Of two loads the end of one leaves the other its memory. */
Test(host_ahead_end, each_load_has_its_own)
{
    use_ahead("on: cpu");
    open_model(model_of(LARGE, 4));
    allocate(LARGE);
    open_model(model_of(48 * MIB, 4));
    allocate(48 * MIB);
    expect_host(4 * LARGE + 4 * 48 * MIB);
    for (int i = 1; i < 4; i++)
        allocate(LARGE); /* the first load ends */
    expect_host(4 * LARGE + 4 * 48 * MIB);
    for (int i = 1; i < 4; i++)
        allocate(48 * MIB);
    expect_host(4 * LARGE + 4 * 48 * MIB);
    expect_no_thread();
}

/* --- Children, and the end ---------------------------------------------------------------------------------------- */

/* The child ends as programs do, with exit handlers; the parent goes on. */
Test(host_ahead_end, a_fork_meanwhile_hangs_neither)
{
    char output[8192], command[600];
    use_ahead("on: cpu");
    snprintf(command, sizeof command, "VRAMSPAN_HOST_AHEAD=on VRAMSPAN_LOG=warn %s ahead %s %zu", program("forking"),
        model_of(LARGE, 16), LARGE);
    for (int round = 0; round < 5; round++)
        cr_expect_eq(run(command, output), 0, "%s", output);
    cr_expect(strstr(output, "0 hung, all weights in the host"), "%s", output);
}

/* Frees at exit come while the thread works, or has just been ended. */
Test(host_ahead_end, an_exit_meanwhile_is_clean)
{
    char output[8192], command[600];
    use_ahead("on: cpu");
    snprintf(command, sizeof command, "VRAMSPAN_HOST_AHEAD=on timeout 20 %s %s %zu", program("exiting"),
        model_of(LARGE, 24), LARGE);
    for (int round = 0; round < 5; round++)
        cr_expect_eq(run(command, output), 0, "%s", output);
    cr_expect(strstr(output, "cpu held 2 weights"), "%s", output);
}
