/* move_test.c: pages change their homes at the same addresses, under work that uses them, and no byte changes. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "movable.h"

#define BYTES (8 * MIB)

enum { STREAMS = 3, ROUNDS = 3 };
static const int road[] = {PEER, HOST, LOCAL, HOST, PEER, LOCAL};
enum { STEPS = sizeof road / sizeof *road };

static CUstream streams[STREAMS];
static unsigned char *copies[STREAMS], *pinned[STREAMS];
static CUfunction kernel;

static void make_streams(size_t bytes)
{
    kernel = reading_kernel();
    for (int i = 0; i < STREAMS; i++) {
        CUDA_OK(cudaStreamCreateWithFlags(&streams[i], i == 0 ? cudaStreamDefault : cudaStreamNonBlocking));
        CUDA_OK(cudaMalloc((void **)&copies[i], bytes));
        CUDA_OK(cudaMallocHost((void **)&pinned[i], bytes));
    }
}

/* Work of every kind that reads the weight, and some that writes it, left in the streams. The last stream writes its
 * half: pattern `index` of the whole weight, from pinned memory that is not touched before all is done. */
static void queue_work(unsigned char *weight, size_t index, size_t bytes)
{
    for (int i = 0; i < STREAMS - 1; i++) {
        read_by_kernel(kernel, weight + (size_t)i * bytes / STREAMS, streams[i]);
        CUDA_OK(cudaMemcpyAsync(copies[i], weight, bytes / 2, cudaMemcpyDeviceToDevice, streams[i]));
        CUDA_OK(cudaMemcpyAsync(pinned[i], weight, bytes / 2, cudaMemcpyDeviceToHost, streams[i]));
        read_by_kernel(kernel, weight + bytes - 4, streams[i]);
    }
    fill_pattern(pinned[STREAMS - 1], index, bytes);
    CUDA_OK(cudaMemsetAsync(weight + bytes / 2, 0x77, bytes / 2, streams[STREAMS - 1]));
    CUDA_OK(cudaMemcpyAsync(
        weight + bytes / 2, pinned[STREAMS - 1] + bytes / 2, bytes / 2, cudaMemcpyHostToDevice, streams[STREAMS - 1]));
}

static void expect_work_done(size_t index, size_t bytes, const char *when)
{
    for (int i = 0; i < STREAMS - 1; i++) {
        expect_bytes(copies[i], index, bytes / 2, when);
        for (size_t at = 0; at < bytes / 2; at += 4099)
            cr_assert_eq(pinned[i][at], pattern(index, at), "%s: a download differs at %zu", when, at);
        CUDA_OK(cudaMemset(copies[i], 0, bytes));
    }
}

static void all_the_way_round(const char *order)
{
    unsigned char *weight;
    size_t bytes;
    char when[64];
    setenv("SIMCUDA_ORDER", order, 1);
    setenv("SIMCUDA_SEED", "7", 1);
    make_weights("cuda:0,*", &weight, 1, BYTES);
    make_streams(BYTES);
    unsigned char *pages = pages_of(weight, BYTES, &bytes);
    int at = LOCAL;
    queue_work(weight, 0, BYTES); /* a kernel's first launch takes memory */
    CUDA_OK(cudaDeviceSynchronize());
    struct used before = used_now();
    for (int round = 0; round < ROUNDS; round++)
        for (int step = 0; step < STEPS; step++) {
            snprintf(when, sizeof when, "%s, round %d, step %d", order, round, step);
            queue_work(weight, 0, BYTES);
            cr_assert_eq(rehome(pages, bytes, road[step]), 0, "%s", when);
            expect_place(pages, bytes, road[step], when);
            expect_used(before, bytes, LOCAL, road[step], when);
            queue_work(weight, 0, BYTES);
            expect_bytes(weight, 0, BYTES, when);
            expect_work_done(0, BYTES, when);
            at = road[step];
        }
    cr_assert_eq(at, LOCAL);
    CUDA_OK(cudaFree(weight));
}

Test(move, all_the_way_round_under_queued_work_that_is_done_early)
{
    all_the_way_round("early");
}
Test(move, all_the_way_round_under_queued_work_that_is_done_late)
{
    all_the_way_round("late");
}
Test(move, all_the_way_round_under_queued_work_in_a_random_order)
{
    all_the_way_round("random");
}

Test(move, what_moved_is_freed_at_its_new_home)
{
    unsigned char *weights[3];
    size_t bytes, left;
    cudaMemPool_t pool;
    make_weights("cuda:0,*", weights, 3, BYTES);
    const int to[] = {PEER, HOST, LOCAL};
    for (int i = 0; i < 3; i++) {
        unsigned char *pages = pages_of(weights[i], BYTES, &bytes);
        cr_assert_eq(rehome(pages, bytes, to[i]), 0);
    }
    for (int i = 0; i < 3; i++)
        CUDA_OK(cudaFree(weights[i]));
    CUDA_OK(cudaDeviceGetDefaultMemPool(&pool, 0));
    CUDA_OK(cudaMemPoolTrimTo(pool, 0));
    cr_expect_eq(extents(&left), 0);
    cr_expect_eq(left, 0);
    cr_expect_eq(simcudaBytesUsed(SIMCUDA_LOCATION_HOST), 0);
}

Test(move, a_part_of_a_piece_moves_and_the_rest_stays)
{
    unsigned char *weight;
    size_t bytes, count, held;
    make_weights("cuda:1,*", &weight, 1, 12 * MIB);
    unsigned char *pages = pages_of(weight, 12 * MIB, &bytes);
    cr_assert_geq(bytes, 5 * PAGE);
    struct used before = used_now();
    count = extents(&held);
    cr_assert_eq(rehome(pages + 2 * PAGE, PAGE, HOST), 0);
    expect_used(before, PAGE, PEER, HOST, "the third page");
    expect_place(pages, 2 * PAGE, PEER, "before it");
    expect_place(pages + 2 * PAGE, PAGE, HOST, "the third page");
    expect_place(pages + 3 * PAGE, bytes - 3 * PAGE, PEER, "behind it");
    expect_bytes(weight, 0, 12 * MIB, "in pieces");
    cr_expect_eq(extents(&held), count + 2);
    cr_assert_eq(rehome(pages, bytes, LOCAL), 0);
    expect_used(before, bytes, PEER, LOCAL, "all of it");
    expect_bytes(weight, 0, 12 * MIB, "together");
    CUDA_OK(cudaFree(weight));
}

Test(move, a_batch_waits_for_the_device_once)
{
    enum { COUNT = 6 };
    unsigned char *weights[COUNT];
    struct vs_control_move moves[COUNT];
    setenv("SIMCUDA_ORDER", "late", 1);
    make_weights("cuda:0,*", weights, COUNT, BYTES);
    make_streams(BYTES);
    for (int i = 0; i < COUNT; i++) {
        moves[i].address = pages_of(weights[i], BYTES, &moves[i].bytes);
        moves[i].location = road[i % 3];
    }
    queue_work(weights[0], 0, BYTES);
    uint64_t waits = simcudaCalls("cuCtxSynchronize");
    cr_assert_eq(rehome_all(moves, COUNT), 0);
    cr_expect_eq(simcudaCalls("cuCtxSynchronize") - waits, 1);
    for (int i = 0; i < COUNT; i++) {
        expect_place(moves[i].address, moves[i].bytes, moves[i].location, "in the batch");
        expect_bytes(weights[i], (size_t)i, BYTES, "in the batch");
    }
    waits = simcudaCalls("cuCtxSynchronize");
    cr_assert_eq(rehome_all(moves, COUNT), 0);
    cr_expect_eq(simcudaCalls("cuCtxSynchronize"), waits, "pages that are there already keep nobody waiting");
}

/* What is said at the end speaks of where the bytes are then: of one weight of 18 MiB, whose pages were moved about. */
Test(move, the_last_words_follow_the_pages)
{
    char output[8192], command[512];
    double all = 0;
    snprintf(command, sizeof command, "VRAMSPAN_LOG=info %s 3 10", program("moving"));
    cr_assert_eq(run(command, output), 0, "%s", output);
    cr_expect(strstr(output, "cuda:0 held 1 weight, 18.0 MB at most"), "%s", output);
    cr_expect(strstr(output, "cpu held 0 weights"), "%s", output);
    for (const char *at = output; (at = strstr(at, " at most, ")); at++)
        all += atof(at + strlen(" at most, "));
    cr_expect(all > 17.8 && all < 18.2, "%s", output);
}

Test(move, the_threads_context_and_last_error_are_left_alone)
{
    unsigned char *weight;
    size_t bytes;
    CUcontext context, now;
    make_weights("cuda:0,*", &weight, 1, BYTES);
    unsigned char *pages = pages_of(weight, BYTES, &bytes);
    cr_assert_neq(cudaMemcpy(weight, weight, 1, (enum cudaMemcpyKind)77), cudaSuccess);
    cudaError_t last = cudaPeekAtLastError();
    CUDA_OK(cuCtxGetCurrent(&context));
    cr_assert_eq(rehome(pages, bytes, PEER), 0);
    CUDA_OK(cuCtxGetCurrent(&now));
    cr_expect_eq(now, context);
    CUDA_OK(cuCtxSetCurrent(NULL));
    cr_assert_eq(rehome(pages, bytes, HOST), 0);
    CUDA_OK(cuCtxGetCurrent(&now));
    cr_expect_null(now);
    CUDA_OK(cuCtxSetCurrent(context));
    cr_expect_eq(cudaPeekAtLastError(), last);
}

/* Where access is refused now and then until the program waits for something. */
Test(move, access_that_is_not_ready_is_asked_for_again)
{
    unsigned char *weight;
    size_t bytes;
    use_machine("set-access-not-ready");
    make_weights("cuda:0,*", &weight, 1, BYTES);
    unsigned char *pages = pages_of(weight, BYTES, &bytes);
    for (int i = 0; i < 60; i++) {
        cr_assert_eq(rehome(pages, bytes, road[i % STEPS]), 0, "move %d", i);
        expect_place(pages, bytes, road[i % STEPS], "after it");
    }
    expect_bytes(weight, 0, BYTES, "in the end");
}

/* --- Everything that may be queued on devices with access is waited for ------------------------------------------- */

Test(move, work_in_a_context_that_the_program_made_is_waited_for)
{
    unsigned char *weight;
    size_t bytes;
    CUcontext own;
    CUstream stream;
    setenv("SIMCUDA_ORDER", "late", 1);
    make_weights("cuda:0,*", &weight, 1, BYTES);
    unsigned char *pages = pages_of(weight, BYTES, &bytes);
    CUDA_OK(cuCtxCreate(&own, NULL, 0, 0));
    CUDA_OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CUfunction own_kernel = reading_kernel();
    for (int step = 0; step < STEPS; step++) {
        read_by_kernel(own_kernel, weight + step * 4, stream);
        cr_assert_eq(rehome(pages, bytes, road[step]), 0);
    }
    CUDA_OK(cuStreamSynchronize(stream));
    CUDA_OK(cuCtxDestroy(own));
    cr_assert_eq(rehome(pages, bytes, HOST), 0, "a context that is gone is waited for no more");
    expect_bytes(weight, 0, BYTES, "in the end");
}

/* A device that enabled peer access reads the weight as it could read other memory there, before and after a move. */
Test(move, work_of_a_peer_is_waited_for_and_the_peer_keeps_its_access)
{
    unsigned char *weight, *copy;
    size_t bytes;
    cudaStream_t stream;
    setenv("SIMCUDA_ORDER", "late", 1);
    make_weights("cuda:0,*", &weight, 1, BYTES);
    unsigned char *pages = pages_of(weight, BYTES, &bytes);
    CUDA_OK(cudaSetDevice(1));
    CUDA_OK(cudaDeviceEnablePeerAccess(0, 0));
    CUDA_OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    CUDA_OK(cudaMalloc((void **)&copy, BYTES));
    CUfunction of_peer = reading_kernel();
    for (int step = 0; step < STEPS; step++) {
        read_by_kernel(of_peer, pages + step * 4, stream);
        cr_assert_eq(rehome(pages, bytes, road[step]), 0);
        read_by_kernel(of_peer, pages + step * 4, stream);
        CUDA_OK(cudaMemcpyAsync(copy, weight, BYTES, cudaMemcpyDefault, stream));
        CUDA_OK(cudaStreamSynchronize(stream));
        expect_bytes(copy, 0, BYTES, "read by the peer");
        CUDA_OK(cudaMemset(copy, 0, BYTES));
    }
    expect_bytes(weight, 0, BYTES, "in the end");
}

/* --- Refusals ----------------------------------------------------------------------------------------------------- */

Test(move, what_are_no_whole_pages_of_ours_is_refused)
{
    unsigned char *weight, *plain;
    size_t bytes;
    make_weights("cuda:0,*", &weight, 1, BYTES);
    unsigned char *pages = pages_of(weight, BYTES, &bytes);
    CUDA_OK(cudaMalloc((void **)&plain, BYTES));
    struct used before = used_now();
    cr_expect_eq(rehome(plain, PAGE, HOST), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(rehome(pages + 512, PAGE, HOST), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(rehome(pages, PAGE - 512, HOST), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(rehome(pages, 0, HOST), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(rehome(pages, 1000 * PAGE, HOST), CUDA_ERROR_INVALID_VALUE, "nothing lies behind the last ones");
    cr_expect_eq(rehome(pages, PAGE, 63), CUDA_ERROR_NOT_SUPPORTED, "there is no such device");
    const struct vs_control_move twice[] = {{pages, 2 * PAGE, HOST}, {pages + PAGE, PAGE, PEER}};
    cr_expect_eq(rehome_all(twice, 2), CUDA_ERROR_INVALID_VALUE);
    cr_expect_eq(rehome_all(NULL, 0), 0);
    expect_used(before, 0, LOCAL, LOCAL, "after refusals");
    expect_bytes(weight, 0, BYTES, "after refusals");
    cr_expect_eq(rehome(pages, bytes, HOST), 0, "and none of them holds on to the pages");
}

static void refused_on(const char *machine, const char *distorch, int location, int expected)
{
    unsigned char *weight;
    size_t bytes;
    use_machine(machine);
    make_weights(distorch, &weight, 1, BYTES);
    unsigned char *pages = pages_of(weight, BYTES, &bytes);
    struct used before = used_now();
    cr_expect_eq(rehome(pages, bytes, location), expected);
    expect_used(before, 0, LOCAL, LOCAL, "after a refusal");
    expect_bytes(weight, 0, BYTES, "after a refusal");
}

Test(move, a_peer_without_access_is_no_home)
{
    refused_on("2x24gb-no-peer", "cuda:0,*", PEER, CUDA_ERROR_NOT_SUPPORTED);
}

Test(move, the_host_is_no_home_where_its_memory_cannot_be_mapped)
{
    refused_on("no-host-vmm", "cuda:0,*", HOST, CUDA_ERROR_NOT_SUPPORTED);
}

Test(move, page_locked_memory_stays)
{
    refused_on("no-host-vmm", "cpu,*", LOCAL, CUDA_ERROR_NOT_SUPPORTED);
}

Test(move, a_home_that_is_full_leaves_the_pages_where_they_are)
{
    unsigned char *weight, *filler;
    size_t bytes, free_bytes, all;
    use_machine("4gb+1gb");
    make_weights("cuda:0,*", &weight, 1, 64 * MIB);
    unsigned char *pages = pages_of(weight, 64 * MIB, &bytes);
    CUDA_OK(cudaSetDevice(1));
    CUDA_OK(cudaMemGetInfo(&free_bytes, &all));
    CUDA_OK(cudaMalloc((void **)&filler, free_bytes - 32 * MIB));
    CUDA_OK(cudaSetDevice(0));
    struct used before = used_now();
    cr_expect_eq(rehome(pages, bytes, PEER), CUDA_ERROR_OUT_OF_MEMORY);
    expect_used(before, 0, LOCAL, LOCAL, "after a refusal");
    expect_bytes(weight, 0, 64 * MIB, "after a refusal");
    CUDA_OK(cudaFree(filler));
    cr_expect_eq(rehome(pages, bytes, PEER), 0);
    expect_bytes(weight, 0, 64 * MIB, "once there is room");
}
