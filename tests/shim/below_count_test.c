/* below_count_test.c: what is counted as allocated below the runtime is counted no more once it is gone, by whichever
 * way it went. What is left is told when a load ends. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

#define BYTES (4 * MIB)
#define OTHER (6 * MIB) /* no tensor's size */

/* A load ends, and so much is told as allocated below the runtime on cuda:0. */
static void expect_below(size_t bytes)
{
    const size_t sizes[] = {BYTES};
    void *weight;
    char words[96];
    open_model(make_model(sizes, 1));
    CUDA_OK(cudaMalloc(&weight, BYTES));
    char *text = heard();
    snprintf(words, sizeof words, "%.1f MB allocated below the runtime", (double)bytes / (double)MIB);
    cr_expect(strstr(text, words), "not %s: %s", words, text);
    cr_expect(!strstr(text, "NVML counts 0.0"), "%s", text);
    cr_expect(!strstr(text, "please report"), "%s", text);
    free(text);
}

static void begin(void)
{
    use_policy("cuda:0,*");
    setenv("VRAMSPAN_LOG", "info", 1);
    listen();
    CUDA_OK(cudaFree(NULL));
}

Test(below_count, what_the_runtime_frees_in_order_is_gone)
{
    CUdeviceptr address;
    begin();
    for (int i = 0; i < 20; i++) {
        CUDA_OK(cuMemAllocAsync(&address, OTHER, NULL));
        CUDA_OK(i % 2 ? (int)cudaFreeAsync((void *)address, 0) : (int)cuMemFreeAsync(address, NULL));
    }
    CUDA_OK(cuMemAlloc(&address, 2 * OTHER));
    CUDA_OK(cudaDeviceSynchronize());
    expect_below(2 * OTHER);
}

/* A refused free leaves it where it is. */
Test(below_count, what_is_not_freed_stays)
{
    CUdeviceptr address;
    begin();
    CUDA_OK(cuMemAlloc(&address, OTHER));
    simcudaFail("cuMemFree_v2", 1, CUDA_ERROR_INVALID_VALUE);
    cr_assert_neq(cudaFree((void *)address), cudaSuccess);
    cudaGetLastError();
    expect_below(OTHER);
}

Test(below_count, what_a_reset_ends_is_gone)
{
    CUdeviceptr address;
    begin();
    CUDA_OK(cuMemAlloc(&address, OTHER));
    CUDA_OK(cuMemAlloc(&address, OTHER));
    CUDA_OK(cudaDeviceReset());
    CUDA_OK(cudaFree(NULL));
    CUDA_OK(cuMemAlloc(&address, 2 * OTHER));
    expect_below(2 * OTHER);
}
