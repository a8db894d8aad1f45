/* drain_test.c: a move that gave up leaves nothing behind that harms the program: no capture is spoilt, no context that
 * is gone is used, and moves go on once the work ends. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
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

Test(drain, moves_go_on_when_the_work_has_ended, .timeout = 30)
{
    give_up_a_move();
    end_work();
    cr_assert_eq(rehome(pages, page_bytes, HOST), 0);
    expect_place(pages, page_bytes, HOST, "after the work");
}
