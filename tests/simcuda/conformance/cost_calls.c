/* cost_calls.c: what calls cost the host: launches, copies, events, waits, callbacks. */
#include "cost.h"

#include <stdlib.h>

#define BATCH  100
#define ROUNDS 31

struct queue {
    CUstream stream, other;
    CUevent event;
    CUfunction kernel;
    CUdeviceptr memory;
    void *pinned;
};

static struct queue new_queue(void)
{
    struct queue queue;
    use_device(0);
    OK(cuStreamCreate(&queue.stream, CU_STREAM_NON_BLOCKING));
    OK(cuStreamCreate(&queue.other, CU_STREAM_NON_BLOCKING));
    OK(cuEventCreate(&queue.event, CU_EVENT_DISABLE_TIMING));
    OK(cuMemAlloc(&queue.memory, MIB));
    OK(cuMemAllocHost(&queue.pinned, MIB));
    queue.kernel = store_kernel();
    return queue;
}

static void launch(void *state)
{
    struct queue *queue = state;
    OK(launch_store(queue->kernel, queue->memory, 1, queue->stream));
}

static void copy(void *state)
{
    struct queue *queue = state;
    OK(cuMemcpyHtoDAsync(queue->memory, queue->pinned, 4096, queue->stream));
}

static void record(void *state)
{
    struct queue *queue = state;
    OK(cuEventRecord(queue->event, queue->stream));
}

static void wait_event(void *state)
{
    struct queue *queue = state;
    OK(cuStreamWaitEvent(queue->other, queue->event, 0));
}

static void synchronize(void *state)
{
    struct queue *queue = state;
    OK(cuStreamSynchronize(queue->stream));
}

static void settle(void *state)
{
    struct queue *queue = state;
    synchronize(state);
    OK(cuStreamSynchronize(queue->other));
}

/* Something for waits to be about: the event follows a kernel. */
static void settle_and_record(void *state)
{
    settle(state);
    launch(state);
    record(state);
}

COST(kernel_launch, COST_DEVICE_0, "us", "a launch of a kernel, host side")
{
    struct queue queue = new_queue();
    cost_of_call(launch, settle, &queue, BATCH);
}

COST(async_copy_call, COST_DEVICE_0, "us", "an asynchronous copy of 4 KiB from pinned memory, host side")
{
    struct queue queue = new_queue();
    cost_of_call(copy, settle, &queue, BATCH);
}

COST(event_record, COST_DEVICE_0, "us", "recording an event, host side")
{
    struct queue queue = new_queue();
    cost_of_call(record, settle, &queue, BATCH);
}

COST(stream_wait_event, COST_DEVICE_0, "us", "letting a stream wait for an event, host side")
{
    struct queue queue = new_queue();
    settle_and_record(&queue);
    cost_of_call(wait_event, settle_and_record, &queue, BATCH);
}

COST(synchronize_idle, COST_DEVICE_0, "us", "synchronising a stream that has nothing to do")
{
    struct queue queue = new_queue();
    cost_of_call(synchronize, settle, &queue, BATCH);
}

COST(synchronize_wakeup, COST_DEVICE_0, "us", "from the end of a kernel's launch call to the return of the wait for it")
{
    struct queue queue = new_queue();
    double samples[ROUNDS];
    for (int round = -1; round < ROUNDS; round++) { /* the first one loads the kernel */
        launch(&queue);
        double before = now_us();
        OK(cuStreamSynchronize(queue.stream));
        samples[round < 0 ? 0 : round] = now_us() - before;
    }
    cost_samples(samples, ROUNDS);
}

static void CUDA_CB nothing(void *data)
{
    (void)data;
}

COST(host_callback, COST_DEVICE_0, "us", "a host function in a stream, of many in a row, until it has run")
{
    struct queue queue = new_queue();
    double samples[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
        double before = now_us();
        for (int i = 0; i < BATCH; i++)
            OK(cuLaunchHostFunc(queue.stream, nothing, NULL));
        settle(&queue);
        samples[round] = (now_us() - before) / BATCH;
    }
    cost_samples(samples, ROUNDS);
}
