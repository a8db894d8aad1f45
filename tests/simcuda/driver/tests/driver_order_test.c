/* driver_order_test.c: when operations run. */
#include "simulated.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

Test(order, a_pinned_source_is_read_at_execution_and_a_pageable_one_at_the_call)
{
    start("late");
    CUstream stream = new_stream(CU_STREAM_NON_BLOCKING);
    CUdeviceptr to = new_memory(2);
    unsigned char *pinned, pageable = 1;

    SUCCEEDS(cuMemHostAlloc((void **)&pinned, 1, 0));
    *pinned = 1;
    SUCCEEDS(cuMemcpyHtoDAsync(to, pinned, 1, stream));
    SUCCEEDS(cuMemcpyHtoDAsync(to + 1, &pageable, 1, stream));
    *pinned = pageable = 2;
    cr_assert_eq(byte_at(to), 0, "nothing has run yet");
    SUCCEEDS(cuStreamSynchronize(stream));
    cr_assert_eq(byte_at(to), 2);
    cr_assert_eq(byte_at(to + 1), 1);
}

Test(order, early_work_is_done_when_the_call_returns)
{
    start("early");
    CUdeviceptr to = new_memory(1);
    SUCCEEDS(cuMemsetD8Async(to, 5, 1, new_stream(CU_STREAM_NON_BLOCKING)));
    cr_assert_eq(byte_at(to), 5);
}

Test(order, only_what_is_waited_for_runs_when_late)
{
    start("late");
    CUstream first = new_stream(CU_STREAM_NON_BLOCKING), second = new_stream(CU_STREAM_NON_BLOCKING);
    CUdeviceptr to = new_memory(2);

    SUCCEEDS(cuMemsetD8Async(to, 5, 1, first));
    SUCCEEDS(cuMemsetD8Async(to + 1, 6, 1, second));
    SUCCEEDS(cuStreamSynchronize(second));
    cr_assert_eq(byte_at(to), 0);
    cr_assert_eq(byte_at(to + 1), 6);
}

Test(order, a_wait_keeps_the_recording_that_the_event_had)
{
    start("late");
    CUstream writer = new_stream(CU_STREAM_NON_BLOCKING), waiter = new_stream(CU_STREAM_NON_BLOCKING);
    CUdeviceptr to = new_memory(2);
    CUevent event;

    SUCCEEDS(cuEventCreate(&event, 0));
    SUCCEEDS(cuMemsetD8Async(to, 5, 1, writer));
    SUCCEEDS(cuEventRecord(event, writer));
    SUCCEEDS(cuStreamWaitEvent(waiter, event, 0));
    SUCCEEDS(cuMemsetD8Async(to + 1, 6, 1, writer));
    SUCCEEDS(cuEventRecord(event, writer));
    SUCCEEDS(cuStreamSynchronize(waiter));
    cr_assert_eq(byte_at(to), 5, "before the first recording");
    cr_assert_eq(byte_at(to + 1), 0, "after it");
    SUCCEEDS(cuEventSynchronize(event));
    cr_assert_eq(byte_at(to + 1), 6);
}

Test(order, the_legacy_stream_waits_for_blocking_streams_and_they_for_it)
{
    start("late");
    CUstream before = new_stream(CU_STREAM_DEFAULT), after = new_stream(CU_STREAM_DEFAULT),
             other = new_stream(CU_STREAM_NON_BLOCKING);
    CUdeviceptr to = new_memory(4);

    SUCCEEDS(cuMemsetD8Async(to, 1, 1, before));
    SUCCEEDS(cuMemsetD8Async(to + 1, 2, 1, other));
    SUCCEEDS(cuMemsetD8Async(to + 2, 3, 1, CU_STREAM_LEGACY));
    SUCCEEDS(cuMemsetD8Async(to + 3, 4, 1, after));
    SUCCEEDS(cuStreamSynchronize(after));
    cr_assert_eq(byte_at(to + 3), 4);
    cr_assert_eq(byte_at(to + 2), 3, "a blocking stream waits for the legacy stream");
    cr_assert_eq(byte_at(to), 1, "which waits for other blocking streams");
    cr_assert_eq(byte_at(to + 1), 0, "a non-blocking stream is not part of it");
}

Test(order, a_query_is_refused_three_times_and_then_the_work_is_done)
{
    start("late");
    CUstream stream = new_stream(CU_STREAM_NON_BLOCKING);
    CUdeviceptr to = new_memory(1);
    CUevent event;

    SUCCEEDS(cuEventCreate(&event, 0));
    SUCCEEDS(cuMemsetD8Async(to, 5, 1, stream));
    SUCCEEDS(cuEventRecord(event, stream));
    for (int i = 0; i < 3; i++)
        GIVES(CUDA_ERROR_NOT_READY, cuEventQuery(event));
    cr_assert_eq(byte_at(to), 0);
    SUCCEEDS(cuEventQuery(event));
    cr_assert_eq(byte_at(to), 5);
}

static void CUDA_CB call_cuda(void *data)
{
    CUdeviceptr address;
    ((int *)data)[0] = cuMemAlloc(&address, 1);
    ((int *)data)[1]++;
}

Test(order, a_host_function_may_not_call_cuda)
{
    start("late");
    CUstream stream = new_stream(CU_STREAM_NON_BLOCKING);
    int seen[2] = {0, 0};

    SUCCEEDS(cuLaunchHostFunc(stream, call_cuda, seen));
    cr_assert_eq(seen[1], 0);
    SUCCEEDS(cuStreamSynchronize(stream));
    cr_assert_eq(seen[1], 1);
    cr_assert_eq(seen[0], CUDA_ERROR_NOT_PERMITTED);
    (void)new_memory(1);
}

/* The order in which host functions of four streams ran. */
static char log_text[64];

static void CUDA_CB append(void *data)
{
    strncat(log_text, data, 1);
}

/* In a process of its own: ten functions in each of four streams, in random order by the seed; the order to `fd`. */
static void run_with_seed(const char *seed, int fd)
{
    static char names[4][2] = {"a", "b", "c", "d"};
    CUstream streams[4];

    setenv("SIMCUDA_SEED", seed, 1);
    start("random");
    for (int i = 0; i < 4; i++)
        streams[i] = new_stream(CU_STREAM_NON_BLOCKING);
    for (int round = 0; round < 10; round++)
        for (int i = 0; i < 4; i++)
            SUCCEEDS(cuLaunchHostFunc(streams[i], append, names[i]));
    SUCCEEDS(cuCtxSynchronize());
    cr_assert_eq(strlen(log_text), 40);
    cr_assert_eq(write(fd, log_text, 40), 40);
}

static void order_for_seed(const char *seed, char order[41])
{
    int ends[2], status;
    pid_t child;

    cr_assert_eq(pipe(ends), 0);
    child = fork();
    if (child == 0) {
        run_with_seed(seed, ends[1]);
        _exit(0);
    }
    close(ends[1]);
    cr_assert_eq(read(ends[0], order, 40), 40);
    order[40] = '\0';
    close(ends[0]);
    waitpid(child, &status, 0);
}

Test(order, a_seed_replays_and_seeds_differ)
{
    char first[41], again[41], other[41];
    int different = 0;

    order_for_seed("1", first);
    order_for_seed("1", again);
    cr_assert_str_eq(first, again);
    for (int seed = 2; seed < 8; seed++) {
        char text[8];
        snprintf(text, sizeof text, "%d", seed);
        order_for_seed(text, other);
        different += strcmp(first, other) != 0;
    }
    cr_assert_geq(different, 5);
}
