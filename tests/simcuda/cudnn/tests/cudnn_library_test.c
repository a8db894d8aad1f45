/* cudnn_library_test.c: handles, versions, errors. */
#include "cudnn_on_simcuda.h"

#define MIB ((size_t)1 << 20)

CUDNN_API cudnnStatus_t cudnnSoftmaxForward(
    cudnnHandle_t, int, int, const void *, void *, const void *, const void *, void *, void *);

static void start_early(void)
{
    start("early");
}

TestSuite(cudnn_library, .init = start_early);

Test(cudnn_library, the_version_is_told_in_each_form)
{
    int parts[3];

    cr_assert_eq(cudnnGetVersion(), 91900);
    for (int i = 0; i < 3; i++)
        OK(cudnnGetProperty(i, &parts[i]));
    cr_assert(parts[0] == 9 && parts[1] == 19 && parts[2] == 0);
    GIVES(CUDNN_STATUS_BAD_PARAM, cudnnGetProperty(3, &parts[0]));
    setenv("SIMCUDA_CUDNN_VERSION", "90100", 1);
    cr_assert_eq(cudnnGetVersion(), 90100);
    cr_assert_eq(cudnnGetCudartVersion(), 13000);
}

Test(cudnn_library, results_have_names)
{
    cr_assert_str_eq(cudnnGetErrorString(CUDNN_STATUS_SUCCESS), "CUDNN_STATUS_SUCCESS");
    cr_assert_str_eq(cudnnGetErrorString(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED), "CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED");
    cr_assert_str_eq(cudnnGetErrorString((cudnnStatus_t)77), "CUDNN_UNKNOWN_STATUS");
}

Test(cudnn_library, kernels_take_memory_once_per_device)
{
    size_t before[2] = {simcudaBytesUsed(0), simcudaBytesUsed(1)};
    cudnnHandle_t second, other;

    OK(cudnnCreate(&second));
    cr_assert_eq(simcudaBytesUsed(0), before[0], "the first handle took it");
    OK(cuCtxSetCurrent(contexts[1]));
    OK(cudnnCreate(&other));
    cr_assert_eq(simcudaBytesUsed(1) - before[1], 128 * MIB);
    OK(cudnnDestroy(other));
    OK(cuCtxSetCurrent(contexts[0]));
    OK(cudnnDestroy(second));
}

Test(cudnn_library, a_handle_keeps_its_stream_and_its_device)
{
    CUstream stream, got = (CUstream)1;

    OK(cudnnGetStream(handle, &got));
    cr_assert_null(got);
    OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    OK(cudnnSetStream(handle, stream));
    OK(cudnnGetStream(handle, &got));
    cr_assert_eq(got, stream);
    OK(cuCtxSetCurrent(contexts[1]));
    GIVES(CUDNN_STATUS_EXECUTION_FAILED, cudnnSetStream(handle, NULL));
    OK(cuCtxSetCurrent(contexts[0]));
    GIVES(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, cudnnSetStream(NULL, NULL));
    OK(cudnnDestroy(handle));
}

Test(cudnn_library, what_is_not_simulated_is_refused)
{
    GIVES(CUDNN_STATUS_NOT_SUPPORTED, cudnnSoftmaxForward(handle, 0, 0, NULL, NULL, NULL, NULL, NULL, NULL));
}
