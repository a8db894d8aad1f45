/* drain_test.c: a move that gave up leaves nothing behind that harms the program: no capture is spoilt, no context that
 * is gone is used, and moves go on once the work ends. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "movable.h"

#define BYTES    (8 * MIB)
#define LIMIT_NS 200000000u

static atomic_bool over;
static unsigned char *pages;
static size_t page_bytes;
static CUcontext primary, own;

static void wait_until_over(void *unused)
{
    (void)unused;
    while (!atomic_load(&over))
        usleep(500);
}

static atomic_bool moved;

static void *move_pages(void *unused)
{
    (void)unused;
    CUDA_OK(cudaSetDevice(0));
    rehome(pages, page_bytes, HOST);
    atomic_store(&moved, true);
    return NULL;
}

static void end_work(void)
{
    atomic_store(&over, true);
    CUDA_OK(cudaDeviceSynchronize());
    usleep(200000); /* the thread that was left behind goes on */
}

/* A weight, a context of the program's own beside the primary one, and work in that one that does not end: a move has
 * been given up. */
static void give_up_a_move(void)
{
    unsigned char *weight;
    cudaStream_t busy;
    make_weights("cuda:0,*", &weight, 1, BYTES);
    pages = pages_of(weight, BYTES, &page_bytes);
    CUDA_OK(cuCtxGetCurrent(&primary));
    CUDA_OK(cuCtxCreate(&own, NULL, 0, 0));
    CUDA_OK(cuCtxSetCurrent(primary));
    set_limit(LIMIT_NS);
    CUDA_OK(cudaStreamCreateWithFlags(&busy, cudaStreamNonBlocking));
    CUDA_OK(cudaLaunchHostFunc(busy, wait_until_over, NULL));
    cr_assert_eq(rehome(pages, page_bytes, HOST), CUDA_ERROR_NOT_READY);
    expect_place(pages, page_bytes, LOCAL, "it was given up");
}

Test(drain, a_move_that_gave_up_spoils_no_later_capture, .timeout = 30)
{
    CUstream stream;
    CUgraph graph;
    give_up_a_move();
    CUDA_OK(cuCtxSetCurrent(own));
    CUDA_OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    CUDA_OK(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
    CUDA_OK(cuMemsetD8Async((CUdeviceptr)pages, 3, 100, stream));
    atomic_store(&over, true);
    usleep(300000);
    CUDA_OK(cuStreamEndCapture(stream, &graph));
}

Test(drain, a_context_that_is_gone_is_not_used, .timeout = 30)
{
    give_up_a_move();
    uint64_t entered = simcudaCalls("cuCtxPushCurrent_v2");
    CUDA_OK(cuCtxDestroy(own));
    atomic_store(&over, true);
    usleep(300000);
    cr_expect_eq(simcudaCalls("cuCtxPushCurrent_v2"), entered, "only what was under way is ended");
}

/* While the work that the first one could not wait for still runs, the next ones hold nobody up; it is said once. */
Test(drain, the_next_moves_give_up_at_once, .timeout = 30)
{
    struct timespec before, after;
    setenv("VRAMSPAN_LOG", "warn", 1);
    listen();
    give_up_a_move();
    uint64_t reserved = simcudaCalls("cuMemCreate");
    clock_gettime(CLOCK_MONOTONIC, &before);
    for (int i = 0; i < 10; i++)
        cr_expect_eq(rehome(pages, page_bytes, HOST), CUDA_ERROR_NOT_READY);
    clock_gettime(CLOCK_MONOTONIC, &after);
    cr_expect_lt((after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec - before.tv_nsec, LIMIT_NS);
    cr_expect_eq(simcudaCalls("cuMemCreate"), reserved, "nor is memory taken for nothing");
    end_work();
    char *said = heard();
    cr_expect_eq(occurrences(said, "did not end"), 1, "%s", said);
    cr_expect_eq(occurrences(said, "launches waited 0."), 1, "%s", said);
}

/* Its memory goes when the move is over. */
Test(drain, a_free_meanwhile_does_not_wait_for_the_move, .timeout = 30)
{
    unsigned char *weight, *other;
    cudaStream_t busy, idle;
    pthread_t thread;
    cudaMemPool_t pool;
    unsigned char *weights[2];
    make_weights("cuda:0,*", weights, 2, BYTES);
    weight = weights[0], other = weights[1];
    size_t before = simcudaBytesUsed(0);
    pages = pages_of(weight, BYTES, &page_bytes);
    set_limit(2000000000u);
    CUDA_OK(cudaStreamCreateWithFlags(&busy, cudaStreamNonBlocking));
    CUDA_OK(cudaStreamCreateWithFlags(&idle, cudaStreamNonBlocking));
    CUDA_OK(cudaLaunchHostFunc(busy, wait_until_over, NULL));
    uint64_t waits = simcudaCalls("cuCtxSynchronize");
    pthread_create(&thread, NULL, move_pages, NULL);
    while (simcudaCalls("cuCtxSynchronize") == waits)
        sched_yield();
    CUDA_OK(cudaFreeAsync(weight, idle));
    CUDA_OK(cudaFreeAsync(other, idle));
    cr_expect(!atomic_load(&moved), "the free has waited for the move");
    atomic_store(&over, true);
    pthread_join(thread, NULL);
    CUDA_OK(cudaDeviceSynchronize());
    CUDA_OK(cudaDeviceGetDefaultMemPool(&pool, 0));
    CUDA_OK(cudaMemPoolTrimTo(pool, 0));
    cr_expect_leq(simcudaBytesUsed(0) + 2 * BYTES, before);
    cr_expect_eq(simcudaBytesUsed(HOST), 0, "nothing of it is left where it moved to");
}

Test(drain, moves_go_on_when_the_work_has_ended, .timeout = 30)
{
    give_up_a_move();
    end_work();
    cr_assert_eq(rehome(pages, page_bytes, HOST), 0);
    expect_place(pages, page_bytes, HOST, "after the work");
}

/* More contexts than are remembered: their work cannot be waited for, and nothing moves any more. It is said once. */
Test(drain, with_too_many_contexts_pages_stay_and_it_is_said, .timeout = 60)
{
    enum { CONTEXTS = 256 + 2 };
    unsigned char *weight;
    CUcontext context;
    setenv("VRAMSPAN_LOG", "warn", 1);
    listen();
    make_weights("cuda:0,*", &weight, 1, BYTES);
    pages = pages_of(weight, BYTES, &page_bytes);
    CUDA_OK(cuCtxGetCurrent(&primary));
    for (int i = 0; i < CONTEXTS; i++)
        CUDA_OK(cuCtxCreate(&context, NULL, 0, 0));
    CUDA_OK(cuCtxSetCurrent(primary));
    for (int i = 0; i < 2; i++)
        cr_expect_eq(rehome(pages, page_bytes, HOST), CUDA_ERROR_NOT_READY);
    expect_place(pages, page_bytes, LOCAL, "it cannot move");
    char *said = heard();
    cr_expect_eq(occurrences(said, "has made more than 256 contexts"), 1, "%s", said);
}
