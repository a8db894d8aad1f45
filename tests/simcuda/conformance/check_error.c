/* check_error.c: the runtime's last error. */
#include "context.h"
#include "vmm.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

CHECK(last_error_cleared, "[doc: cudaGetLastError, cudaPeekAtLastError]",
    "cudaGetLastError returns the last error once, cudaPeekAtLastError leaves it", "last_error_recorded",
    "last_error_peek_leaves", "last_error_cleared")
{
    use_device(0);
    OK(cudaGetLastError());
    FAILS(cudaSetDevice(-1), cudaErrorInvalidDevice);
    FAILS(cudaPeekAtLastError(), cudaErrorInvalidDevice);
    FAILS(cudaGetLastError(), cudaErrorInvalidDevice);
    OK(cudaGetLastError());
}

CHECK(last_error_kept, "[doc: cudaGetLastError]", "a call that succeeds does not clear the last error",
    "last_error_outlives_success")
{
    void *memory;
    use_device(0);
    FAILS(cudaSetDevice(-1), cudaErrorInvalidDevice);
    OK(cudaMalloc(&memory, 4096));
    OK(cudaFree(memory));
    FAILS(cudaGetLastError(), cudaErrorInvalidDevice);
}

CHECK(last_error_driver, "[doc: cudaGetLastError]", "a failing driver call is not the runtime's last error",
    "last_error_not_of_driver")
{
    CUdeviceptr memory;
    use_device(0);
    OK(cudaGetLastError());
    EXPECT(cuMemAlloc(&memory, 0) != CUDA_SUCCESS);
    NEVER(cudaPeekAtLastError() != cudaSuccess);
    OK(cudaGetLastError());
}

static void *last_error(void *error)
{
    *(cudaError_t *)error = cudaGetLastError();
    return NULL;
}

CHECK(last_error_per_thread, "[doc: cudaGetLastError]", "the last error is the thread's own", "last_error_per_thread")
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

/* Work that keeps a new stream of device 0 busy for some milliseconds of a GPU. */
static cudaStream_t busy_stream(void)
{
    enum { BYTES = 64 << 20, FILLS = 64 };
    cudaStream_t stream;
    void *memory;
    use_device(0);
    OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    OK(cudaMalloc(&memory, BYTES));
    for (int i = 0; i < FILLS; i++)
        OK(cudaMemsetAsync(memory, i, BYTES, stream));
    return stream;
}

CHECK(last_error_event_not_ready, "[observed: PyTorch, c10/cuda, clears it after cudaEventQuery]",
    "\"not ready\" from a query of an event counts as the last error", "last_error_not_ready")
{
    cudaEvent_t event;
    cudaStream_t stream = busy_stream();
    OK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    OK(cudaEventRecord(event, stream));
    cudaError_t state = cudaEventQuery(event);
    SKIP_UNLESS(state == cudaErrorNotReady, "the work was done before it could be asked about");
    FAILS(cudaGetLastError(), cudaErrorNotReady);
    OK(cudaEventSynchronize(event));
}

CHECK(last_error_stream_not_ready, "[observed: PyTorch, c10/cuda, clears it after cudaStreamQuery]",
    "\"not ready\" from a query of a stream counts as the last error", "last_error_not_ready")
{
    cudaStream_t stream = busy_stream();
    cudaError_t state = cudaStreamQuery(stream);
    SKIP_UNLESS(state == cudaErrorNotReady, "the work was done before it could be asked about");
    FAILS(cudaGetLastError(), cudaErrorNotReady);
    OK(cudaStreamSynchronize(stream));
}

CHECK(last_error_sticky, "[doc: error handling, cudaErrorIllegalAddress]",
    "after an illegal address every call in the context fails, and cudaGetLastError does not clear it",
    "illegal_address", "last_error_sticky", "sticky_error")
{
    CUdeviceptr nowhere;
    void *memory;
    need_vmm();
    CUfunction kernel = store_kernel();
    OK(cuMemAddressReserve(&nowhere, 64 * MIB, 0, 0, 0)); /* an address that nothing is mapped to */
    OK(launch_store(kernel, nowhere, 1, NULL));
    FAILS(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
    FAILS(cudaGetLastError(), cudaErrorIllegalAddress);
    FAILS(cudaGetLastError(), cudaErrorIllegalAddress);
    FAILS(cudaMalloc(&memory, 4096), cudaErrorIllegalAddress);
    FAILS(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
}

/* Queues a kernel that breaks the context of device 0. */
static CUstream broken_stream(void)
{
    CUdeviceptr nowhere;
    CUstream stream = stream_of(0);
    CUfunction kernel = store_kernel();
    need_vmm(); /* reserved addresses have no memory for certain */
    OK(cuMemAddressReserve(&nowhere, 64 * MIB, 0, 0, 0));
    OK(launch_store(kernel, nowhere, 1, stream));
    return stream;
}

/* What is queued behind the error is queued, or the call tells the error already. */
static void queued_or_told(CUresult result)
{
    EXPECT(result == CUDA_SUCCESS || result == CUDA_ERROR_ILLEGAL_ADDRESS);
}

CHECK(error_stops_work, "[assumed]", "work that is queued behind an illegal address is not done", "error_stops_work")
{
    unsigned char *host;
    use_device(0);
    OK(cuMemHostAlloc((void **)&host, MIB, 0));
    memset(host, 1, MIB);
    CUstream stream = broken_stream();
    queued_or_told(cuMemsetD8Async((CUdeviceptr)host, 2, MIB, stream));
    FAILS(cuStreamSynchronize(stream), CUDA_ERROR_ILLEGAL_ADDRESS);
    NEVER(host[0] == 2 || host[MIB - 1] == 2);
}

static void CUDA_CB set_flag(void *flag)
{
    atomic_store((atomic_int *)flag, 1);
}

CHECK(host_function_not_after_error, "[header: cuLaunchHostFunc]",
    "a host function is not called after an error of its context", "host_function_not_after_error")
{
    static atomic_int called;
    CUstream stream = broken_stream();
    queued_or_told(cuLaunchHostFunc(stream, set_flag, &called));
    FAILS(cuStreamSynchronize(stream), CUDA_ERROR_ILLEGAL_ADDRESS);
    usleep(50000);
    NEVER(atomic_load(&called));
}

CHECK(launch_unknown_function, "[doc: cudaLaunchKernel]", "launching what is no kernel is an error of its own",
    "launch_known_kernel")
{
    static int no_kernel;
    use_device(0);
    FAILS(
        cudaLaunchKernel(&no_kernel, (dim3){1, 1, 1}, (dim3){1, 1, 1}, NULL, 0, NULL), cudaErrorInvalidDeviceFunction);
}

CHECK(launch_freed_memory, "[assumed]", "a kernel that stores to freed memory breaks the context", "illegal_address")
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
