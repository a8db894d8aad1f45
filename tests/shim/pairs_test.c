/* pairs_test.c: one event, one action: a runtime call of the table, and the driver call that it becomes, which comes by
 * a hook of its own. programs/pairs.c makes them. The control is the same program without the preload. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

#define BYTES (4 * MIB)

static void run_pairs(const char *environment, char output[8192])
{
    char command[512];
    setenv("VRAMSPAN_LOG", "error", 1);
    snprintf(command, sizeof command, "env %s SIMCUDA_QUIET=1 %s 2>/dev/null", environment, program("pairs"));
    cr_assert_eq(run(command, output), 0, "%s: %s", environment, output);
}

Test(pairs, each_runtime_call_reaches_the_driver_as_often_as_without_us)
{
    static char expected[8192], output[8192];
    use_policy("cuda:0,4mb;cpu,*");
    run_pairs("-u LD_PRELOAD", expected);
    cr_expect_geq(occurrences(expected, "\n"), 50, "%s", expected);
    static const char *const nested[] = {"cudaMalloc=0 cuMemAlloc_v2*1\n", "cudaFree=0 cuMemFree_v2*1\n",
        "cudaMallocAsync=0 cuMemAllocAsync*1\n", "cudaFreeAsync=0 cuMemFreeAsync*1\n",
        "cudaMemcpy=0 cuMemcpyHtoD_v2*1\n", "cudaMemPoolTrimTo=0 cuMemPoolTrimTo*1\n",
        "cudaStreamBeginCapture=0 cuStreamBeginCapture_v2*1\n", "cudaStreamEndCapture=0 cuStreamEndCapture*1\n"};
    for (size_t i = 0; i < sizeof nested / sizeof *nested; i++)
        cr_expect(strstr(expected, nested[i]), "no %s in %s", nested[i], expected);
    run_pairs("A=b", output);
    cr_expect_str_eq(output, expected, "%s\ninstead of\n%s", output, expected);
    run_pairs("VRAMSPAN_DEVICES=cuda:0,cuda:1 VRAMSPAN_DONORS=cpu", output);
    cr_expect_str_eq(output, expected, "%s\ninstead of\n%s", output, expected);
}

/* Which way an allocation comes, it takes one tensor of the model, and once. */
Test(pairs, an_allocation_takes_one_tensor_by_whichever_way_it_comes)
{
    const size_t sizes[] = {BYTES, BYTES, BYTES, BYTES};
    void *by_runtime[2], *more;
    CUdeviceptr by_driver[2];
    use_policy("cpu,*");
    open_model(make_model(sizes, 4));
    CUDA_OK(cudaMalloc(&by_runtime[0], BYTES));
    CUDA_OK(cuMemAlloc(&by_driver[0], BYTES));
    CUDA_OK(cudaMallocAsync(&by_runtime[1], BYTES, NULL));
    CUDA_OK(cuMemAllocAsync(&by_driver[1], BYTES, NULL));
    for (int i = 0; i < 2; i++) {
        cr_expect(lies_at(by_runtime[i], BYTES, HOST));
        cr_expect(lies_at((void *)by_driver[i], BYTES, HOST));
    }
    CUDA_OK(cudaMalloc(&more, BYTES));
    cr_expect(lies_at(more, BYTES, 0));
}
