/* error_test.c: the last error of a thread is that of the last call that failed, whether the runtime's or the
 * library's. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "fixture.h"

#define TOO_MUCH ((size_t)1 << 50)

static void expect_last(cudaError_t expected)
{
    cr_expect_eq(cudaPeekAtLastError(), expected);
    cr_expect_eq(cudaPeekAtLastError(), expected);
    cr_expect_eq(cudaGetLastError(), expected);
    cr_expect_eq(cudaPeekAtLastError(), cudaSuccess);
    cr_expect_eq(cudaGetLastError(), cudaSuccess);
}

Test(error, of_a_hidden_device_is_the_last_one_until_another_call_fails)
{
    void *pointer;
    setenv("VRAMSPAN_DONORS", "cuda:1", 1);
    use_policy_text("version: 1\nmodels: [{match: \"*\", virtual-vram: 1gb}]\n");
    CUDA_OK(cudaFree(NULL));
    cr_expect_eq(cudaSetDevice(1), cudaErrorInvalidDevice);
    expect_last(cudaErrorInvalidDevice);
    cr_expect_eq(cudaSetDevice(1), cudaErrorInvalidDevice);
    cr_expect_eq(cudaMalloc(&pointer, TOO_MUCH), cudaErrorMemoryAllocation);
    expect_last(cudaErrorMemoryAllocation);
    cr_expect_eq(cudaMalloc(&pointer, TOO_MUCH), cudaErrorMemoryAllocation);
    cr_expect_eq(cudaSetDevice(1), cudaErrorInvalidDevice);
    expect_last(cudaErrorInvalidDevice);
}

Test(error, of_a_free_of_ours_is_the_last_one_until_another_call_fails)
{
    const size_t sizes[] = {MIB, MIB};
    void *weights[2], *pointer;
    use_policy("cpu,*");
    open_model(make_model(sizes, 2));
    for (int i = 0; i < 2; i++)
        CUDA_OK(cudaMalloc(&weights[i], MIB));
    for (int i = 0; i < 2; i++) {
        cr_expect_eq(cudaMalloc(&pointer, TOO_MUCH), cudaErrorMemoryAllocation);
        simcudaFail("cuCtxSynchronize", 1, CUDA_ERROR_LAUNCH_FAILED);
        cr_expect_eq(cudaFree(weights[i]), cudaErrorLaunchFailure);
        if (i == 1)
            cr_expect_eq(cudaMalloc(&pointer, TOO_MUCH), cudaErrorMemoryAllocation);
        expect_last(i == 1 ? cudaErrorMemoryAllocation : cudaErrorLaunchFailure);
    }
}
