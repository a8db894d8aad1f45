/* driver_order_test.c: when operations run. */
#include "simulated.h"

#include <pthread.h>
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
    cr_assert_eq(byte_at(to), FRESH, "nothing has run yet");
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
    cr_assert_eq(byte_at(to), FRESH);
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
    cr_assert_eq(byte_at(to + 1), FRESH, "after it");
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
    cr_assert_eq(byte_at(to + 1), FRESH, "a non-blocking stream is not part of it");
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
    cr_assert_eq(byte_at(to), FRESH);
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

static unsigned long long id_of(CUstream stream)
{
    unsigned long long id;
    SUCCEEDS(cuStreamGetId(stream, &id));
    return id;
}

Test(order, a_destroyed_stream_s_handle_is_the_next_one_s_when_early_and_its_id_is_not)
{
    start("early");
    CUstream stream = new_stream(CU_STREAM_NON_BLOCKING), before = stream;
    unsigned long long id = id_of(stream);
    CUevent event, event_before;

    SUCCEEDS(cuStreamDestroy(stream));
    stream = new_stream(CU_STREAM_NON_BLOCKING);
    cr_assert_eq(stream, before);
    cr_assert_neq(id_of(stream), id);
    SUCCEEDS(cuEventCreate(&event, 0));
    event_before = event;
    SUCCEEDS(cuEventDestroy(event));
    SUCCEEDS(cuEventCreate(&event, 0));
    cr_assert_eq(event, event_before);
}

Test(order, a_destroyed_handle_is_not_used_again_when_late)
{
    start("late");
    CUstream stream = new_stream(CU_STREAM_NON_BLOCKING), destroyed = stream;
    CUevent event, gone;

    SUCCEEDS(cuStreamDestroy(stream));
    SUCCEEDS(cuEventCreate(&gone, 0));
    SUCCEEDS(cuEventDestroy(gone));
    for (int i = 0; i < 60; i++) {
        stream = new_stream(CU_STREAM_NON_BLOCKING);
        cr_assert_neq(stream, destroyed);
        SUCCEEDS(cuStreamDestroy(stream));
        SUCCEEDS(cuEventCreate(&event, 0));
        cr_assert_neq(event, gone);
    }
    GIVES(CUDA_ERROR_INVALID_HANDLE, cuStreamQuery(destroyed));
    GIVES(CUDA_ERROR_INVALID_HANDLE, cuEventQuery(gone));
}

Test(order, the_handle_of_a_destroyed_stream_is_not_used_again_before_its_work_is_done)
{
    setenv("SIMCUDA_SEED", "3", 1);
    start("random");
    CUdeviceptr to = new_memory(4096);

    for (int i = 0; i < 200; i++) {
        CUstream stream = new_stream(CU_STREAM_NON_BLOCKING), next;
        CUevent event;
        SUCCEEDS(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
        SUCCEEDS(cuMemsetD8Async(to, (unsigned char)i, 4096, stream));
        SUCCEEDS(cuEventRecord(event, stream));
        SUCCEEDS(cuStreamDestroy(stream));
        next = new_stream(CU_STREAM_NON_BLOCKING);
        cr_assert(next != stream || byte_at(to) == i);
        SUCCEEDS(cuEventSynchronize(event));
        cr_assert_eq(byte_at(to), i);
        SUCCEEDS(cuStreamDestroy(next));
        SUCCEEDS(cuEventDestroy(event));
    }
}

Test(order, cuMemFree_waits_for_what_uses_the_memory_and_when_late_for_nothing_else)
{
    start("late");
    CUstream using = new_stream(CU_STREAM_NON_BLOCKING), other = new_stream(CU_STREAM_NON_BLOCKING);
    CUdeviceptr freed = new_memory(MIB), kept = new_memory(3);

    SUCCEEDS(cuMemsetD8Async(kept, 1, 1, using));
    SUCCEEDS(cuMemcpyDtoDAsync(kept + 1, freed, 1, using));
    SUCCEEDS(cuMemsetD8Async(kept + 1, 2, 1, using)); /* after the last use */
    SUCCEEDS(cuMemsetD8Async(kept + 2, 3, 1, other));
    SUCCEEDS(cuMemFree(freed));
    cr_assert_eq(byte_at(kept), 1, "what comes before the use in its stream");
    cr_assert_eq(byte_at(kept + 1), FRESH);
    cr_assert_eq(byte_at(kept + 2), FRESH);
    SUCCEEDS(cuCtxSynchronize());
    cr_assert_eq(byte_at(kept + 1), 2);
    cr_assert_eq(byte_at(kept + 2), 3);
}

Test(order, an_event_ends_with_its_context)
{
    CUcontext context = start("early");
    CUevent event;

    SUCCEEDS(cuEventCreate(&event, 0));
    SUCCEEDS(cuEventRecord(event, NULL));
    SUCCEEDS(cuDevicePrimaryCtxReset(0));
    SUCCEEDS(cuDevicePrimaryCtxRetain(&context, 0)); /* the same handle, another context */
    SUCCEEDS(cuCtxSetCurrent(context));
    GIVES(CUDA_ERROR_INVALID_HANDLE, cuEventQuery(event));
    GIVES(CUDA_ERROR_INVALID_HANDLE, cuEventRecord(event, NULL));
    SUCCEEDS(cuEventDestroy(event));
}

/* In some seed the one stream is all done while the other has not begun, and in some seed the other way round. */
Test(order, a_random_order_lets_either_stream_run_far_ahead_of_the_other)
{
    bool first_ahead = false, second_ahead = false;

    for (int seed = 1; seed <= 40; seed++) {
        int status;
        pid_t child = fork();
        if (child == 0) {
            char text[8];
            snprintf(text, sizeof text, "%d", seed);
            setenv("SIMCUDA_SEED", text, 1);
            start("random");
            CUstream first = new_stream(CU_STREAM_NON_BLOCKING), second = new_stream(CU_STREAM_NON_BLOCKING);
            CUdeviceptr to = new_memory(2);
            for (unsigned char i = 1; i <= 10; i++) {
                SUCCEEDS(cuMemsetD8Async(to, i, 1, first));
                SUCCEEDS(cuMemsetD8Async(to + 1, i, 1, second));
            }
            _exit(byte_at(to) >= 8 && byte_at(to + 1) <= 1 ? 1 : byte_at(to) <= 1 && byte_at(to + 1) >= 8 ? 2 : 0);
        }
        waitpid(child, &status, 0);
        first_ahead = first_ahead || WEXITSTATUS(status) == 1;
        second_ahead = second_ahead || WEXITSTATUS(status) == 2;
    }
    cr_assert(first_ahead);
    cr_assert(second_ahead);
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void CUDA_CB take_lock(void *data)
{
    pthread_mutex_lock(&lock);
    *(int *)data = 1;
    pthread_mutex_unlock(&lock);
}

/* As on a device, where another thread runs it: the program that submits it may do what it waits for. */
Test(order, a_host_function_may_wait_for_what_the_program_does_next, .timeout = 20)
{
    start("early");
    CUstream stream = new_stream(CU_STREAM_NON_BLOCKING);
    CUdeviceptr to = new_memory(1);
    int taken = 0;

    pthread_mutex_lock(&lock);
    SUCCEEDS(cuLaunchHostFunc(stream, take_lock, &taken));
    SUCCEEDS(cuMemsetD8Async(to, 5, 1, stream));
    for (int i = 0; i < 10; i++)
        GIVES(CUDA_ERROR_NOT_READY, cuStreamQuery(stream)); /* a query never waits for it */
    cr_assert_eq(byte_at(to), FRESH);
    pthread_mutex_unlock(&lock);
    SUCCEEDS(cuStreamSynchronize(stream));
    cr_assert_eq(taken, 1);
    cr_assert_eq(byte_at(to), 5);
}
