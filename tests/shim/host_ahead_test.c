/* host_ahead_test.c: host memory that is made before it is asked for: that it is, how far ahead, who gets it, and
 * what happens where it cannot be made. By the simulator's account of the host's bytes and of calls. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host_ahead_support.h"

/* --- What is made, and for whom ----------------------------------------------------------------------------------- */

Test(host_ahead, memory_is_made_before_the_program_asks_and_given_when_it_does)
{
    use_ahead("on: cpu");
    open_model(model_of(LARGE, 8));
    cr_expect_eq(simcudaBytesUsed(HOST), 0, "a look into a file makes nothing");
    cr_expect(lies_at(allocate(LARGE), LARGE, HOST));
    expect_host(8 * LARGE);
    uint64_t made = simcudaCalls("cuMemCreate");
    cr_expect_eq(made, 8);
    for (int i = 1; i < 8; i++)
        cr_expect(lies_at(allocate(LARGE), LARGE, HOST));
    cr_expect_eq(simcudaCalls("cuMemCreate"), made, "what lay ready was taken");
    expect_host(8 * LARGE);
    expect_no_thread();
}

/* The program is as fast as the thread: each piece is made once, by one of the two. */
Test(host_ahead, what_is_just_being_made_is_waited_for)
{
    use_ahead("on: cpu");
    for (int round = 0; round < 8; round++) {
        void *weights[8];
        uint64_t before = simcudaCalls("cuMemCreate");
        open_model(model_of(LARGE, 8));
        for (int i = 0; i < 8; i++)
            weights[i] = allocate(LARGE);
        expect_host(8 * LARGE);
        cr_expect_eq(simcudaCalls("cuMemCreate") - before, 8, "%zu", (size_t)(simcudaCalls("cuMemCreate") - before));
        for (int i = 0; i < 8; i++)
            CUDA_OK(cudaFree(weights[i]));
        expect_host(0);
    }
}

/* A large model is no reason to take all of the host's memory before anyone knows that it will be loaded. */
Test(host_ahead, at_most_a_gibibyte_lies_ready)
{
    use_ahead("on: cpu");
    open_model(model_of(128 * MIB, 16));
    allocate(128 * MIB);
    expect_host(9 * 128 * MIB);
    allocate(128 * MIB);
    expect_host(10 * 128 * MIB);
    CUDA_OK(cudaDeviceReset());
    expect_host(0);
}

/* Loads the sizes; returns how often memory was made, and how much the host holds at the end. */
static uint64_t load_mixture(const size_t *sizes, size_t count, const char *ahead, size_t *held)
{
    void *weights[200];
    uint64_t before = simcudaCalls("cuMemCreate");
    cr_assert_leq(count, sizeof weights / sizeof *weights);
    setenv("VRAMSPAN_HOST_AHEAD", ahead, 1);
    open_model(hollow_model(sizes, count));
    for (size_t i = 0; i < count; i++)
        weights[i] = allocate(sizes[i]);
    sleep_ms(100);
    *held = simcudaBytesUsed(HOST);
    uint64_t made = simcudaCalls("cuMemCreate") - before;
    for (size_t i = 0; i < count; i++)
        CUDA_OK(cudaFree(weights[i]));
    expect_host(0);
    return made;
}

/* Pieces that tensors share, of whole pages and packed, and pieces of one tensor: nothing is made that nobody takes. */
Test(host_ahead, the_pieces_that_are_made_are_those_that_the_arena_takes)
{
    size_t sizes[120], held, held_ahead;
    for (size_t i = 0; i < 120; i++)
        sizes[i] = i % 10 == 0 ? LARGE + i * MIB : i % 3 == 0 ? 4 * MIB : i % 3 == 1 ? 300 * KIB : 5 * MIB + 512;
    use_ahead("on: cpu");
    uint64_t made = load_mixture(sizes, 120, "off", &held);
    uint64_t made_ahead = load_mixture(sizes, 120, "on", &held_ahead);
    cr_expect_gt(made, 12 + 2);
    cr_expect_eq(made_ahead, made, "%zu, not %zu", (size_t)made_ahead, (size_t)made);
    cr_expect_eq(held_ahead, held);
}

Test(host_ahead, only_what_is_planned_for_the_host_is_made)
{
    use_ahead("distorch: \"cuda:1,136mb;cpu,136mb\", order: listed");
    open_model(model_of(LARGE, 8));
    allocate(LARGE);
    expect_host(4 * LARGE);
}

Test(host_ahead, a_policy_that_places_nothing_in_the_host_has_no_thread)
{
    use_ahead("on: cuda:1");
    open_model(model_of(LARGE, 8));
    allocate(LARGE);
    sleep_ms(50);
    cr_expect_eq(simcudaBytesUsed(HOST), 0);
    cr_expect_not(has_thread());
}

Test(host_ahead, it_can_be_switched_off)
{
    use_ahead("on: cpu");
    setenv("VRAMSPAN_HOST_AHEAD", "off", 1);
    open_model(model_of(LARGE, 8));
    allocate(LARGE);
    sleep_ms(50);
    cr_expect_eq(simcudaBytesUsed(HOST), LARGE);
    cr_expect_not(has_thread());
}

Test(host_ahead, machines_without_mapping_make_nothing_ahead)
{
    use_machine("no-vmm");
    use_ahead("on: cpu");
    open_model(model_of(LARGE, 8));
    allocate(LARGE);
    sleep_ms(50);
    cr_expect_eq(simcudaBytesUsed(HOST), LARGE);
    cr_expect_not(has_thread());
}

/* The program's signal handlers run on its own threads. */
Test(host_ahead, the_thread_takes_no_signals)
{
    char value[64] = "";
    use_ahead("on: cpu");
    open_model(model_of(LARGE, 8));
    allocate(LARGE);
    cr_assert(thread_with("SigBlk:", value));
    unsigned long long blocked = strtoull(value, NULL, 16);
    cr_expect_eq(blocked | 0x1ull << 8 | 0x1ull << 18 | 0x3ull << 31, ~0ull, /* but SIGKILL, SIGSTOP and libc's two */
        "%llx", blocked);
}

/* --- What cannot be made ------------------------------------------------------------------------------------------ */

Test(host_ahead, nothing_is_made_ahead_of_the_reserve)
{
    void *pinned;
    int host = 0;
    use_machine("24gb+host:4gb");
    use_host_files();
    use_ahead("on: cpu"); /* 2 GB are kept */
    CUDA_OK(cudaHostAlloc(&pinned, 2048 * MIB - 80 * MIB, cudaHostAllocDefault));
    open_model(model_of(LARGE, 8));
    allocate(LARGE);
    expect_host(2048 * MIB - 80 * MIB + 2 * LARGE);
    for (int i = 1; i < 8; i++)
        host += lies_at(allocate(LARGE), LARGE, HOST);
    cr_expect_eq(host, 1);
}

/* 115 MB are left: for three of the first size, once what was made of the other is given back. */
Test(host_ahead, what_lies_ready_in_another_size_makes_room)
{
    const size_t sizes[] = {LARGE, LARGE, LARGE, 60 * MIB, 60 * MIB};
    void *pinned;
    use_machine("24gb+host:4gb");
    use_host_files();
    use_ahead("on: cpu");
    CUDA_OK(cudaHostAlloc(&pinned, 2048 * MIB - 115 * MIB, cudaHostAllocDefault));
    open_model(hollow_model(sizes, 5));
    for (int i = 0; i < 3; i++) {
        cr_expect(lies_at(allocate(LARGE), LARGE, HOST), "weight %d", i);
        sleep_ms(50);
    }
}

Test(host_ahead, a_failure_of_the_thread_is_not_the_programs)
{
    use_ahead("on: cpu");
    open_model(model_of(LARGE, 8));
    simcudaFail("cuMemCreate", 2, CUDA_ERROR_OUT_OF_MEMORY);
    for (int i = 0; i < 8; i++) {
        int place = place_new(LARGE);
        cr_expect(place == HOST || place == 0, "weight %d: %d", i, place);
        if (i == 0)
            sleep_ms(100); /* the second one is the thread's */
    }
    cr_expect_eq(simcudaBytesUsed(HOST), 8 * LARGE);
}

/* In global mode a call of any thread that is not relaxed breaks the capture. */
Test(host_ahead, a_capture_beside_it_stays_whole)
{
    cudaStream_t stream;
    cudaGraph_t graph;
    use_ahead("on: cpu");
    CUDA_OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    for (int round = 0; round < 8; round++) {
        open_model(model_of(LARGE, 8));
        allocate(LARGE);
        CUDA_OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
        sleep_ms(round % 4);
        CUDA_OK(cudaStreamEndCapture(stream, &graph));
        CUDA_OK(cudaGraphDestroy(graph));
        CUDA_OK(cudaDeviceReset());
        CUDA_OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    }
}
