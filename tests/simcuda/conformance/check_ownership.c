/* check_ownership.c: streams, events and kernels belong to contexts. */
#include "context.h"

CHECK(launch_in_stream_of_device, "[doc: programming guide, stream and event behavior]",
    "a kernel is not launched in a stream of another device than the current one", "launch_own_context")
{
    CUdeviceptr memory;
    need_devices(2);
    CUstream there = stream_of(1);
    use_device(0);
    CUfunction kernel = store_kernel();
    OK(cuMemAlloc(&memory, MIB));
    OK(launch_store(kernel, memory, 1, NULL));
    OK(cuCtxSynchronize());
    FAILS_SOMEHOW(launch_store(kernel, memory, 1, there));
}

CHECK(launch_in_stream_of_context, "[assumed; doc for devices]",
    "a kernel is not launched in a stream of another context of its device", "launch_own_context")
{
    CUdeviceptr memory;
    CUcontext back;
    CUstream stream;
    use_device(0);
    CUfunction kernel = store_kernel();
    OK(cuMemAlloc(&memory, MIB));
    new_context(0);
    OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    OK(cuCtxPopCurrent(&back));
    OK(launch_store(kernel, memory, 1, NULL));
    FAILS_SOMEHOW(launch_store(kernel, memory, 1, stream));
}

CHECK(copy_in_stream_of_device, "[doc: programming guide, stream and event behavior]",
    "a copy may be put into a stream of another device than the current one")
{
    enum { BYTES = 1 << 20 };
    CUdeviceptr from, to;
    need_devices(2);
    CUstream there = stream_of(1);
    OK(cuMemAlloc(&from, BYTES));
    OK(cuMemAlloc(&to, BYTES));
    fill(from, 7, BYTES);
    fill(to, 1, BYTES);
    use_device(0);
    OK(cudaMemcpyAsync((void *)to, (void *)from, BYTES, cudaMemcpyDefault, there));
    OK(cuStreamSynchronize(there));
    expect_filled(to, 7, BYTES);
}

CHECK(event_elapsed_across_devices, "[doc: programming guide, stream and event behavior]",
    "there is no time between events of two devices", "elapsed_one_context")
{
    float milliseconds;
    need_devices(2);
    CUstream first_stream = stream_of(0), second_stream;
    CUevent first = event_of(0), second;
    OK(cuEventRecord(first, first_stream));
    OK(cuEventSynchronize(first));
    second_stream = stream_of(1);
    second = event_of(1);
    OK(cuEventRecord(second, second_stream));
    OK(cuEventSynchronize(second));
    FAILS_SOMEHOW(cudaEventElapsedTime(&milliseconds, first, second));
}

CHECK(event_of_device_observed, "[doc: programming guide, stream and event behavior]",
    "an event of another device than the current one can be queried and waited for")
{
    need_devices(2);
    CUstream there = stream_of(1);
    CUevent event = event_of(1);
    OK(cuEventRecord(event, there));
    use_device(0);
    OK(cudaEventSynchronize(event));
    OK(cudaEventQuery(event));
}
