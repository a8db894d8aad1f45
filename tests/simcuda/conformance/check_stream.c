/* check_stream.c: streams, events, host functions. */
#include "gate.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

CHECK(stream_order, "[doc: programming guide, streams]", "work in one stream happens in the order of its submission")
{
    CUdeviceptr memory;
    CUstream stream;
    use_device(0);
    OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    OK(cuMemAlloc(&memory, MIB));
    for (unsigned char i = 1; i <= 20; i++)
        OK(cuMemsetD8Async(memory, i, MIB, stream));
    OK(cuStreamSynchronize(stream));
    OK(cuStreamQuery(stream));
    expect_filled(memory, 20, MIB);
}

CHECK(stream_legacy_waits, "[doc: stream synchronization behavior]",
    "the legacy default stream waits for the work of blocking streams", "legacy_stream_order")
{
    static atomic_int flag;
    char byte;
    void *memory;
    cudaStream_t stream;
    use_device(0);
    OK(cudaMalloc(&memory, 4096));
    OK(cudaStreamCreate(&stream));
    OK(cudaLaunchHostFunc(stream, set_flag_late, &flag));
    OK(cudaMemcpy(&byte, memory, 1, cudaMemcpyDeviceToHost));
    EXPECT(atomic_load(&flag) == 1);
}

static void CUDA_CB call_cuda(void *result)
{
    int count;
    *(CUresult *)result = cuDeviceGetCount(&count);
}

CHECK(host_function_calls, "[header: cuLaunchHostFunc, \"may\"]",
    "a host function that calls CUDA is told that this is not permitted", "host_function_calls")
{
    static CUresult result;
    need_simulator();
    use_device(0);
    OK(cuLaunchHostFunc(NULL, call_cuda, &result));
    OK(cuStreamSynchronize(NULL));
    FAILS(result, CUDA_ERROR_NOT_PERMITTED);
}

CHECK(host_function_is_a_wait, "[header: cuLaunchHostFunc]",
    "a host function runs behind the work before it, also that of streams that were joined")
{
    static atomic_int flag;
    cudaStream_t stream;
    cudaEvent_t event;
    void *host, *memory;
    use_device(0);
    OK(cudaMalloc(&memory, 4096));
    OK(cudaMallocHost(&host, 4096));
    OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    OK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    OK(cudaMemsetAsync(memory, 1, 4096, stream));
    OK(cudaMemcpyAsync(host, memory, 4096, cudaMemcpyDeviceToHost, stream));
    OK(cudaEventRecord(event, stream));
    OK(cudaStreamWaitEvent(NULL, event, 0));
    OK(cudaLaunchHostFunc(NULL, set_flag_late, &flag));
    OK(cudaStreamSynchronize(NULL));
    EXPECT(atomic_load(&flag) == 1 && ((unsigned char *)host)[4095] == 1);
}

CHECK(stream_waits_for_legacy, "[doc: stream synchronization behavior]",
    "a blocking stream waits for earlier work of the legacy default stream", "legacy_stream_order")
{
    static atomic_int flag;
    cudaStream_t stream;
    use_device(0);
    OK(cudaStreamCreate(&stream));
    OK(cudaLaunchHostFunc(NULL, set_flag_late, &flag));
    void *memory;
    OK(cudaMallocHost(&memory, 4096));
    OK(cudaMemsetAsync(memory, 1, 4096, stream));
    OK(cudaStreamSynchronize(stream));
    EXPECT(atomic_load(&flag) == 1);
}

CHECK(
    stream_id, "[header: cuStreamGetId]", "no two streams of a program have the same id, not even one after the other")
{
    unsigned long long ids[32];
    use_device(0);
    for (int i = 0; i < 32; i++) {
        CUstream stream;
        OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
        OK(cuStreamGetId(stream, &ids[i]));
        OK(cuStreamDestroy(stream));
        for (int k = 0; k < i; k++)
            EXPECT(ids[k] != ids[i]);
    }
}

/* Whether the stream says within two seconds, without being waited for, that its work is done. */
static bool ends_when_asked(CUstream stream)
{
    struct timespec now, end;
    CUresult state;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += 2;
    do {
        state = cuStreamQuery(stream);
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (state == CUDA_ERROR_NOT_READY && now.tv_sec <= end.tv_sec);
    EXPECT(state == CUDA_SUCCESS || state == CUDA_ERROR_NOT_READY);
    return state == CUDA_SUCCESS;
}

CHECK(query_progress, "[doc: cudaStreamQuery]", "a stream that is only asked whether it is done gets its work done",
    "query_progress")
{
    CUdeviceptr memory;
    CUstream stream;
    use_device(0);
    OK(cuMemAlloc(&memory, MIB));
    OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    for (unsigned char i = 1; i <= 20; i++)
        OK(cuMemsetD8Async(memory, i, MIB, stream));
    NEVER(!ends_when_asked(stream));
    expect_filled(memory, 20, MIB);
}

CHECK(stream_destroyed_busy, "[header: cuStreamDestroy]", "destroying a stream does not drop the work in it",
    "stream_destroy_keeps_work")
{
    unsigned char byte = 0;
    CUdeviceptr memory;
    CUstream stream;
    use_device(0);
    OK(cuMemAlloc(&memory, MIB));
    OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    OK(cuMemsetD8Async(memory, 9, MIB, stream));
    OK(cuStreamDestroy(stream));
    OK(cuCtxSynchronize());
    OK(cuMemcpyDtoH(&byte, memory, 1));
    NEVER(byte != 9);
    expect_filled(memory, 9, MIB);
}

CHECK(event_unrecorded, "[doc: cudaEventRecord]",
    "an event that was never recorded is complete, and nothing waits for it")
{
    CUevent event;
    CUstream stream;
    use_device(0);
    OK(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
    OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    OK(cuEventQuery(event));
    OK(cuEventSynchronize(event));
    OK(cuStreamWaitEvent(stream, event, 0));
    OK(cuStreamSynchronize(stream));
}

CHECK(event_recorded_again, "[doc: cudaEventRecord]",
    "a wait means what the event had recorded then: recording again changes nothing")
{
    CUstream first, second;
    CUevent event, answer;
    use_device(0);
    OK(cuStreamCreate(&first, CU_STREAM_NON_BLOCKING));
    OK(cuStreamCreate(&second, CU_STREAM_NON_BLOCKING));
    OK(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
    OK(cuEventCreate(&answer, CU_EVENT_DISABLE_TIMING));
    OK(cuEventRecord(event, first));
    OK(cuStreamWaitEvent(second, event, 0)); /* means the first record */
    OK(cuEventRecord(answer, second));
    OK(cuStreamWaitEvent(first, answer, 0));
    OK(cuEventRecord(event, first)); /* if the wait meant this one, the streams would wait for each other for ever */
    OK(cuStreamSynchronize(second));
    OK(cuStreamSynchronize(first));
    OK(cuEventQuery(event));
}

CHECK(event_orders_streams, "[doc: cudaStreamWaitEvent]",
    "a stream that waits for an event sees what was done before it", "event_wait_orders")
{
    CUdeviceptr memory;
    CUstream first, second;
    CUevent event;
    void *host;
    use_device(0);
    OK(cuStreamCreate(&first, CU_STREAM_NON_BLOCKING));
    OK(cuStreamCreate(&second, CU_STREAM_NON_BLOCKING));
    OK(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
    OK(cuMemAlloc(&memory, MIB));
    OK(cuMemHostAlloc(&host, MIB, 0));
    memset(host, 0, MIB);
    for (unsigned char i = 1; i <= 10; i++)
        OK(cuMemsetD8Async(memory, i, MIB, first));
    OK(cuEventRecord(event, first));
    OK(cuStreamWaitEvent(second, event, 0));
    OK(cuMemcpyDtoHAsync(host, memory, MIB, second));
    OK(cuStreamSynchronize(second));
    EXPECT(((unsigned char *)host)[0] == 10 && ((unsigned char *)host)[MIB - 1] == 10);
}

CHECK(
    event_without_timing, "[doc: cudaEventElapsedTime]", "an event without timing has no elapsed time", "event_timing")
{
    cudaEvent_t start, end;
    float milliseconds;
    use_device(0);
    OK(cudaEventCreateWithFlags(&start, cudaEventDisableTiming));
    OK(cudaEventCreate(&end));
    OK(cudaEventRecord(start, NULL));
    OK(cudaEventRecord(end, NULL));
    OK(cudaDeviceSynchronize());
    FAILS(cudaEventElapsedTime(&milliseconds, start, end), cudaErrorInvalidResourceHandle);
}

CHECK(event_elapsed, "[doc: cudaEventElapsedTime]", "the time between two events is not negative")
{
    cudaEvent_t start, end;
    float milliseconds = -1;
    void *memory;
    use_device(0);
    OK(cudaMalloc(&memory, 16 * MIB));
    OK(cudaEventCreate(&start));
    OK(cudaEventCreate(&end));
    OK(cudaEventRecord(start, NULL));
    OK(cudaMemsetAsync(memory, 0, 16 * MIB, NULL));
    OK(cudaEventRecord(end, NULL));
    OK(cudaEventSynchronize(end));
    OK(cudaEventElapsedTime(&milliseconds, start, end));
    EXPECT(milliseconds >= 0);
}

CHECK(event_of_other_device, "[doc: cudaEventRecord]", "an event is recorded only in a stream of its own context",
    "event_own_context")
{
    cudaStream_t stream;
    cudaEvent_t event;
    need_devices(2);
    use_device(0);
    OK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    use_device(1);
    OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    FAILS(cudaEventRecord(event, stream), cudaErrorInvalidResourceHandle);
}

CHECK(event_across_devices, "[doc: cudaStreamWaitEvent]", "a stream may wait for an event of another device")
{
    cudaStream_t there, here;
    cudaEvent_t event;
    need_devices(2);
    use_device(1);
    OK(cudaStreamCreateWithFlags(&there, cudaStreamNonBlocking));
    OK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    OK(cudaEventRecord(event, there));
    use_device(0);
    OK(cudaStreamCreateWithFlags(&here, cudaStreamNonBlocking));
    OK(cudaStreamWaitEvent(here, event, 0));
    OK(cudaStreamSynchronize(here));
}

static void *use_per_thread_stream(void *memory)
{
    use_device(0);
    OK(cudaMemsetAsync(memory, 4, MIB, cudaStreamPerThread));
    OK(cudaStreamSynchronize(cudaStreamPerThread));
    return NULL;
}

CHECK(stream_per_thread, "[doc: stream synchronization behavior]",
    "each thread has a default stream of its own by its special handle")
{
    pthread_t thread;
    void *memory;
    unsigned long long legacy, per_thread;
    use_device(0);
    OK(cudaMalloc(&memory, MIB));
    EXPECT(!pthread_create(&thread, NULL, use_per_thread_stream, memory));
    EXPECT(!pthread_join(thread, NULL));
    expect_filled((CUdeviceptr)memory, 4, MIB);
    OK(cudaStreamGetId(cudaStreamLegacy, &legacy));
    OK(cudaStreamGetId(cudaStreamPerThread, &per_thread));
    EXPECT(legacy != per_thread);
}
