/* translation_test.c: which driver call each runtime call becomes, by name, version and default-stream form.
 *
 * Runs over the recording driver (golden/record/recording_driver.c), where all calls succeed and are written down. */
#include <criterion/criterion.h>
#include <cuda_runtime_api.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Twins for programs compiled for a per-thread default stream; the headers declare them only there. */
__typeof__(cudaMemcpy) cudaMemcpy_ptds;
__typeof__(cudaMemcpyAsync) cudaMemcpyAsync_ptsz;
__typeof__(cudaMemset) cudaMemset_ptds;
__typeof__(cudaMallocAsync) cudaMallocAsync_ptsz;
__typeof__(cudaStreamQuery) cudaStreamQuery_ptsz;
__typeof__(cudaEventRecord) cudaEventRecord_ptsz;
__typeof__(cudaStreamBeginCapture) cudaStreamBeginCapture_ptsz;

static int log_fd;

static void open_log(void)
{
    static char path[] = "/tmp/translation-test-XXXXXX";
    log_fd = mkstemp(path);
    cr_assert(log_fd >= 0);
    setenv("RECORD_LOG", path, 1);
    cudaGetLastError(); /* the look-ups and cuInit are not what is tested here */
    lseek(log_fd, 0, SEEK_END);
    unlink(path);
    static char by_descriptor[64]; /* the driver opens the log anew for each line */
    snprintf(by_descriptor, sizeof by_descriptor, "/proc/self/fd/%d", log_fd);
    setenv("RECORD_LOG", by_descriptor, 1);
}

/* Compares the driver calls made since the last comparison with `expected`, but for the question for the context. */
static void expect_calls(const char *runtime_call, int result, const char *expected)
{
    char found[4096] = "", log[4096];
    ssize_t length = read(log_fd, log, sizeof log - 1);
    cr_assert(length >= 0);
    log[length] = 0;
    for (char *line = strtok(log, "\n"); line; line = strtok(NULL, "\n")) {
        if (!strcmp(line, "call cuCtxGetCurrent 4000 0"))
            continue;
        snprintf(
            found + strlen(found), sizeof found - strlen(found), "%s%s", found[0] ? ", " : "", line + strlen("call "));
    }
    cr_expect_eq(result, 0, "%s gave %d", runtime_call, result);
    cr_expect_str_eq(found, expected, "%s made the driver calls \"%s\", not \"%s\"", runtime_call, found, expected);
}

#define BECOMES(call, expected) expect_calls(#call, (int)(call), expected)

static char near[64], far[64];
static void *pointer;
static cudaStream_t stream;

Test(translation, copies_keep_their_kind, .init = open_log)
{
    BECOMES(cudaMemcpy(near, far, 8, cudaMemcpyHostToDevice), "cuMemcpyHtoD 3020 0");
    BECOMES(cudaMemcpy(near, far, 8, cudaMemcpyDeviceToHost), "cuMemcpyDtoH 3020 0");
    BECOMES(cudaMemcpy(near, far, 8, cudaMemcpyDeviceToDevice), "cuMemcpyDtoD 3020 0");
    BECOMES(cudaMemcpy(near, far, 8, cudaMemcpyDefault), "cuMemcpy 4000 0");
    BECOMES(cudaMemcpy(near, far, 8, cudaMemcpyHostToHost), "cuMemcpy2DUnaligned 3020 0");
    BECOMES(cudaMemcpyAsync(near, far, 8, cudaMemcpyHostToDevice, stream), "cuMemcpyHtoDAsync 3020 0");
    BECOMES(cudaMemcpyAsync(near, far, 8, cudaMemcpyDeviceToHost, stream), "cuMemcpyDtoHAsync 3020 0");
    BECOMES(cudaMemcpyAsync(near, far, 8, cudaMemcpyDeviceToDevice, stream), "cuMemcpyDtoDAsync 3020 0");
    BECOMES(cudaMemcpyAsync(near, far, 8, cudaMemcpyDefault, stream), "cuMemcpyAsync 4000 0");
    BECOMES(cudaMemcpyAsync(near, far, 8, cudaMemcpyHostToHost, stream), "cuMemcpy2DAsync 3020 0");
    BECOMES(cudaMemcpy2D(near, 8, far, 8, 8, 2, cudaMemcpyHostToDevice), "cuMemcpy2DUnaligned 3020 0");
    BECOMES(cudaMemcpy2DAsync(near, 8, far, 8, 8, 2, cudaMemcpyDefault, stream), "cuMemcpy2DAsync 3020 0");
    BECOMES(cudaMemset(near, 1, 8), "cuMemsetD8 3020 0");
    BECOMES(cudaMemsetAsync(near, 1, 8, stream), "cuMemsetD8Async 3020 0");
    BECOMES(cudaMemset2D(near, 8, 1, 8, 2), "cuMemsetD2D8 3020 0");
}

Test(translation, twins_ask_for_the_per_thread_stream, .init = open_log)
{
    BECOMES(cudaMemcpy_ptds(near, far, 8, cudaMemcpyHostToDevice), "cuMemcpyHtoD 7000 2");
    BECOMES(cudaMemcpyAsync_ptsz(near, far, 8, cudaMemcpyDefault, stream), "cuMemcpyAsync 7000 2");
    BECOMES(cudaMemset_ptds(near, 1, 8), "cuMemsetD8 7000 2");
    BECOMES(cudaMallocAsync_ptsz(&pointer, 8, stream), "cuMemAllocAsync 11020 2");
    BECOMES(cudaStreamQuery_ptsz(stream), "cuStreamQuery 7000 2");
    BECOMES(cudaEventRecord_ptsz(NULL, stream), "cuEventRecord 7000 2");
    BECOMES(cudaStreamBeginCapture_ptsz(stream, cudaStreamCaptureModeGlobal), "cuStreamBeginCapture 10010 2");
}

Test(translation, nothing_to_do_is_no_driver_call, .init = open_log)
{
    BECOMES(cudaMemcpy(near, far, 0, cudaMemcpyHostToDevice), "");
    BECOMES(cudaMemset(near, 1, 0), "");
    BECOMES(cudaMalloc(&pointer, 0), "");
    BECOMES(cudaFree(NULL), "");
    BECOMES(cudaFreeHost(NULL), "");
}

Test(translation, other_calls_become_one_driver_call, .init = open_log)
{
    float milliseconds;
    int value;
    cudaGraphExec_t exec;
    BECOMES(cudaMalloc(&pointer, 8), "cuMemAlloc 3020 0");
    BECOMES(cudaFree(near), "cuMemFree 3020 0");
    BECOMES(cudaMallocAsync(&pointer, 8, stream), "cuMemAllocAsync 11020 0");
    BECOMES(cudaFreeAsync(near, stream), "cuMemFreeAsync 11020 0");
    BECOMES(cudaHostAlloc(&pointer, 8, 0), "cuMemHostAlloc 2020 0");
    BECOMES(cudaHostRegister(near, 8, 0), "cuMemHostRegister 6050 0");
    BECOMES(cudaStreamSynchronize(stream), "cuStreamSynchronize 2000 0");
    BECOMES(cudaDeviceSynchronize(), "cuCtxSynchronize 2000 0");
    BECOMES(cudaStreamWaitEvent(stream, NULL, 0), "cuStreamWaitEvent 3020 0");
    BECOMES(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal), "cuStreamBeginCapture 10010 0");
    BECOMES(cudaGraphInstantiate(&exec, NULL, 0), "cuGraphInstantiateWithFlags 11040 0");
    BECOMES(cudaDeviceCanAccessPeer(&value, 0, 1), "cuDeviceCanAccessPeer 4000 0");
#if CUDART_VERSION >= 13000
    BECOMES(cudaEventElapsedTime(&milliseconds, NULL, NULL), "cuEventElapsedTime 12080 0");
    BECOMES(cudaStreamGetCaptureInfo(stream, NULL, NULL, NULL, NULL, NULL, NULL), "cuStreamGetCaptureInfo 12030 0");
#else
    BECOMES(cudaEventElapsedTime(&milliseconds, NULL, NULL), "cuEventElapsedTime 2000 0");
    BECOMES(cudaStreamGetCaptureInfo(stream, NULL, NULL, NULL, NULL, NULL), "cuStreamGetCaptureInfo 11030 0");
#endif
}

Test(translation, the_runtime_tells_the_version_of_its_headers)
{
    int version = -1;
    cr_expect_eq(cudaRuntimeGetVersion(&version), cudaSuccess);
    cr_expect_eq(version, CUDART_VERSION);
}
