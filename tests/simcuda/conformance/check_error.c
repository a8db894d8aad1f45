/* check_error.c: the runtime's last error. */
#include "conformance.h"

#include <pthread.h>
#include <stdint.h>

CHECK(last_error_cleared, "[doc: cudaGetLastError, cudaPeekAtLastError]",
    "cudaGetLastError returns the last error once, cudaPeekAtLastError leaves it")
{
    use_device(0);
    OK(cudaGetLastError());
    FAILS(cudaSetDevice(-1), cudaErrorInvalidDevice);
    FAILS(cudaPeekAtLastError(), cudaErrorInvalidDevice);
    FAILS(cudaGetLastError(), cudaErrorInvalidDevice);
    OK(cudaGetLastError());
}

CHECK(last_error_kept, "[doc: cudaGetLastError]", "a call that succeeds does not clear the last error")
{
    void *memory;
    use_device(0);
    FAILS(cudaSetDevice(-1), cudaErrorInvalidDevice);
    OK(cudaMalloc(&memory, 4096));
    OK(cudaFree(memory));
    FAILS(cudaGetLastError(), cudaErrorInvalidDevice);
}

CHECK(last_error_driver, "[doc: cudaGetLastError]", "a failing driver call is not the runtime's last error")
{
    CUdeviceptr memory;
    use_device(0);
    OK(cudaGetLastError());
    FAILS_SOMEHOW(cuMemAlloc(&memory, 0));
    OK(cudaGetLastError());
}

static void *last_error(void *error)
{
    *(cudaError_t *)error = cudaGetLastError();
    return NULL;
}

CHECK(last_error_per_thread, "[doc: cudaGetLastError]", "the last error is the thread's own")
{
    cudaError_t there = cudaErrorUnknown;
    pthread_t thread;
    use_device(0);
    FAILS(cudaSetDevice(-1), cudaErrorInvalidDevice);
    EXPECT(!pthread_create(&thread, NULL, last_error, &there));
    EXPECT(!pthread_join(thread, NULL));
    EXPECT(there == cudaSuccess);
    FAILS(cudaGetLastError(), cudaErrorInvalidDevice);
}

CHECK(last_error_not_ready, "[observed: PyTorch clears it after cudaEventQuery]",
    "\"not ready\" from a query counts as the last error")
{
    enum { BYTES = 64 << 20, FILLS = 64 };
    cudaStream_t stream;
    cudaEvent_t event;
    void *memory;
    use_device(0);
    OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    OK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    OK(cudaMalloc(&memory, BYTES));
    for (int i = 0; i < FILLS; i++)
        OK(cudaMemsetAsync(memory, i, BYTES, stream));
    OK(cudaEventRecord(event, stream));
    cudaError_t state = cudaEventQuery(event);
    SKIP_UNLESS(state == cudaErrorNotReady, "the work was done before it could be asked about");
    FAILS(cudaGetLastError(), cudaErrorNotReady);
    OK(cudaEventSynchronize(event));
}

CHECK(last_error_sticky, "[doc: error handling, cudaErrorIllegalAddress]",
    "after an illegal address every call in the context fails, and cudaGetLastError does not clear it")
{
    CUdeviceptr nowhere;
    void *memory;
    use_device(0);
    CUfunction kernel = store_kernel();
    OK(cuMemAddressReserve(&nowhere, 64 * MIB, 0, 0, 0)); /* an address that nothing is mapped to */
    OK(launch_store(kernel, nowhere, 1, NULL));
    FAILS(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
    FAILS(cudaGetLastError(), cudaErrorIllegalAddress);
    FAILS(cudaGetLastError(), cudaErrorIllegalAddress);
    FAILS(cudaMalloc(&memory, 4096), cudaErrorIllegalAddress);
    FAILS(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
}

CHECK(launch_unknown_function, "[doc: cudaLaunchKernel]", "launching what is no kernel is an error of its own")
{
    static int no_kernel;
    use_device(0);
    FAILS(
        cudaLaunchKernel(&no_kernel, (dim3){1, 1, 1}, (dim3){1, 1, 1}, NULL, 0, NULL), cudaErrorInvalidDeviceFunction);
}

CHECK(launch_freed_memory, "[assumed]", "a kernel that stores to freed memory breaks the context")
{
    CUdeviceptr memory;
    use_device(0);
    CUfunction kernel = store_kernel();
    OK(cuMemAlloc(&memory, 64 * MIB));
    OK(launch_store(kernel, memory, 1, NULL));
    OK(cuCtxSynchronize());
    OK(cuMemFree(memory));
    OK(launch_store(kernel, memory, 1, NULL));
    FAILS(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
}
