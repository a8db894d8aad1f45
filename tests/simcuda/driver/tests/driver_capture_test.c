/* driver_capture_test.c: capture, what it forbids, and replay. */
#include "simulated.h"

#include <pthread.h>

static CUevent new_event(void)
{
    CUevent event;
    SUCCEEDS(cuEventCreate(&event, 0));
    return event;
}

Test(capture, a_graph_replays_with_the_addresses_it_was_recorded_with)
{
    start("late");
    CUstream stream = new_stream(CU_STREAM_NON_BLOCKING);
    CUdeviceptr first = new_memory(16), second = new_memory(16);
    CUgraph graph;
    CUgraphExec exec;

    SUCCEEDS(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
    SUCCEEDS(cuMemsetD8Async(first, 7, 16, stream));
    SUCCEEDS(cuMemcpyDtoDAsync(second, first, 16, stream));
    SUCCEEDS(cuStreamEndCapture(stream, &graph));
    SUCCEEDS(cuGraphInstantiate(&exec, graph, 0));
    SUCCEEDS(cuStreamSynchronize(stream));
    cr_assert_eq(byte_at(second), FRESH, "recording runs nothing");
    for (int launch = 0; launch < 2; launch++) {
        SUCCEEDS(cuMemsetD8(second, 1, 16));
        SUCCEEDS(cuCtxSynchronize());
        SUCCEEDS(cuGraphLaunch(exec, stream));
        SUCCEEDS(cuStreamSynchronize(stream));
        cr_assert_eq(byte_at(second + 15), 7);
    }
    SUCCEEDS(cuMemFree(first));
    SUCCEEDS(cuGraphLaunch(exec, stream));
    GIVES(CUDA_ERROR_ILLEGAL_ADDRESS, cuStreamSynchronize(stream));
}

Test(capture, streams_that_were_drawn_in_must_be_joined)
{
    start("early");
    CUstream origin = new_stream(CU_STREAM_NON_BLOCKING), middle = new_stream(CU_STREAM_NON_BLOCKING),
             side = new_stream(CU_STREAM_NON_BLOCKING);
    CUevent fork_event = new_event(), side_event = new_event(), middle_event = new_event();
    CUdeviceptr memory = new_memory(16);
    CUgraph graph;

    for (int joined = 0; joined < 2; joined++) {
        SUCCEEDS(cuStreamBeginCapture(origin, CU_STREAM_CAPTURE_MODE_GLOBAL));
        SUCCEEDS(cuEventRecord(fork_event, origin));
        SUCCEEDS(cuStreamWaitEvent(middle, fork_event, 0));
        SUCCEEDS(cuStreamWaitEvent(side, fork_event, 0));
        SUCCEEDS(cuMemsetD8Async(memory, 7, 16, side));
        SUCCEEDS(cuEventRecord(side_event, side));
        SUCCEEDS(cuStreamWaitEvent(middle, side_event, 0));
        SUCCEEDS(cuEventRecord(middle_event, middle));
        SUCCEEDS(cuStreamWaitEvent(origin, middle_event, 0));
        if (!joined)
            SUCCEEDS(cuMemsetD8Async(memory, 8, 16, side)); /* after it was waited for */
        GIVES(joined ? CUDA_SUCCESS : CUDA_ERROR_STREAM_CAPTURE_UNJOINED, cuStreamEndCapture(origin, &graph));
        cr_assert_eq(graph == NULL, !joined);
    }
}

static void *allocate_in_another_thread(void *context)
{
    static CUresult result;
    CUdeviceptr address;
    SUCCEEDS(cuCtxSetCurrent(context));
    result = cuMemAlloc(&address, 1);
    return &result;
}

/* What an allocation in another thread gets during a capture of this mode, and how the capture ends. */
static void allocate_elsewhere(CUcontext context, CUstreamCaptureMode mode, CUresult *allocation, CUresult *end)
{
    CUstream stream = new_stream(CU_STREAM_NON_BLOCKING);
    pthread_t thread;
    CUgraph graph;
    void *result;

    SUCCEEDS(cuStreamBeginCapture(stream, mode));
    cr_assert_eq(pthread_create(&thread, NULL, allocate_in_another_thread, context), 0);
    cr_assert_eq(pthread_join(thread, &result), 0);
    *allocation = *(CUresult *)result;
    *end = cuStreamEndCapture(stream, &graph);
}

Test(capture, a_global_capture_is_spoilt_by_allocations_of_any_thread)
{
    CUcontext context = start("early");
    CUresult allocation, end;

    allocate_elsewhere(context, CU_STREAM_CAPTURE_MODE_GLOBAL, &allocation, &end);
    cr_assert_eq(allocation, CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    cr_assert_eq(end, CUDA_ERROR_STREAM_CAPTURE_INVALIDATED);
    allocate_elsewhere(context, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL, &allocation, &end);
    cr_assert_eq(allocation, CUDA_SUCCESS);
    cr_assert_eq(end, CUDA_SUCCESS);
}

Test(capture, a_thread_in_relaxed_mode_may_allocate_during_its_own_capture)
{
    CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
    CUdeviceptr address;
    CUgraph graph;

    start("early");
    CUstream stream = new_stream(CU_STREAM_NON_BLOCKING);
    SUCCEEDS(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
    SUCCEEDS(cuThreadExchangeStreamCaptureMode(&mode));
    cr_assert_eq(mode, CU_STREAM_CAPTURE_MODE_GLOBAL);
    SUCCEEDS(cuMemAlloc(&address, 1));
    SUCCEEDS(cuThreadExchangeStreamCaptureMode(&mode));
    cr_assert_eq(mode, CU_STREAM_CAPTURE_MODE_RELAXED);
    SUCCEEDS(cuStreamEndCapture(stream, &graph));
}

Test(capture, waiting_for_what_is_captured_is_an_error)
{
    static const CUstreamCaptureMode relaxed = CU_STREAM_CAPTURE_MODE_RELAXED;
    CUgraph graph;

    start("early");
    CUstream stream = new_stream(CU_STREAM_NON_BLOCKING), blocking = new_stream(CU_STREAM_DEFAULT);
    CUdeviceptr memory = new_memory(16);
    CUevent event = new_event();

    SUCCEEDS(cuStreamBeginCapture(stream, relaxed));
    GIVES(CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, cuStreamSynchronize(stream));
    GIVES(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, cuStreamEndCapture(stream, &graph));

    SUCCEEDS(cuStreamBeginCapture(stream, relaxed));
    SUCCEEDS(cuEventRecord(event, stream));
    GIVES(CUDA_ERROR_CAPTURED_EVENT, cuEventQuery(event));
    GIVES(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, cuStreamEndCapture(stream, &graph));

    SUCCEEDS(cuStreamBeginCapture(blocking, relaxed));
    GIVES(CUDA_ERROR_STREAM_CAPTURE_IMPLICIT, cuMemsetD8Async(memory, 1, 1, CU_STREAM_LEGACY));
    GIVES(CUDA_ERROR_STREAM_CAPTURE_INVALIDATED, cuStreamEndCapture(blocking, &graph));
    SUCCEEDS(cuMemsetD8Async(memory, 1, 1, CU_STREAM_LEGACY));
}

Test(capture, memory_allocated_in_a_graph_lives_by_its_launches)
{
    start("late");
    CUstream stream = new_stream(CU_STREAM_NON_BLOCKING);
    CUdeviceptr inner, kept, outside = new_memory(16);
    size_t before = simcudaLiveAllocations();
    CUgraph graph;
    CUgraphExec exec;

    SUCCEEDS(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
    SUCCEEDS(cuMemAllocAsync(&inner, 16, stream));
    SUCCEEDS(cuMemAllocAsync(&kept, 16, stream));
    SUCCEEDS(cuMemsetD8Async(inner, 3, 16, stream));
    SUCCEEDS(cuMemcpyDtoDAsync(kept, inner, 16, stream));
    SUCCEEDS(cuMemFreeAsync(inner, stream));
    GIVES(CUDA_ERROR_INVALID_VALUE, cuMemFreeAsync(outside, stream));
    SUCCEEDS(cuStreamEndCapture(stream, &graph));
    SUCCEEDS(cuGraphInstantiate(&exec, graph, 0));
    SUCCEEDS(cuGraphDestroy(graph));
    GIVES(CUDA_ERROR_INVALID_VALUE, cuMemFreeAsync(kept, stream)); /* it is not allocated before a launch */
    for (int launch = 0; launch < 2; launch++) {
        SUCCEEDS(cuGraphLaunch(exec, stream));
        SUCCEEDS(cuStreamSynchronize(stream));
        cr_assert_eq(byte_at(kept + 15), 3);
        if (launch == 0)
            SUCCEEDS(cuMemFree(kept));
    }
    SUCCEEDS(cuGraphExecDestroy(exec));
    cr_assert_eq(byte_at(kept + 15), 3, "what the graph did not free is the program's");
    cr_assert_eq(simcudaLiveAllocations(), before + 1);
    SUCCEEDS(cuMemFree(kept));
    cr_assert_eq(simcudaLiveAllocations(), before);
}

Test(capture, memory_freed_in_a_graph_is_out_of_reach_after_it)
{
    start("early");
    CUstream stream = new_stream(CU_STREAM_NON_BLOCKING);
    CUdeviceptr inner;
    CUgraph graph;
    CUgraphExec exec;

    SUCCEEDS(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
    SUCCEEDS(cuMemAllocAsync(&inner, 16, stream));
    SUCCEEDS(cuMemFreeAsync(inner, stream));
    SUCCEEDS(cuStreamEndCapture(stream, &graph));
    SUCCEEDS(cuGraphInstantiate(&exec, graph, 0));
    SUCCEEDS(cuGraphLaunch(exec, stream));
    SUCCEEDS(cuMemsetD8Async(inner, 1, 16, stream));
    GIVES(CUDA_ERROR_ILLEGAL_ADDRESS, cuStreamSynchronize(stream));
}
