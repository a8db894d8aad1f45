/* failing_test.c: a move that fails at any of its steps leaves the old home, every byte and no leak; a move that is not
 * to happen does not. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "movable.h"

#define BYTES (8 * MIB)
#define MS    1000000u

/* --- Each call of the driver fails in turn ------------------------------------------------------------------------ */

/* Of a move that splits one weight and moves another as a whole: more than one call of each kind. */
static struct vs_control_move moves[2];
static unsigned char *weights[2];
static size_t whole_bytes[2];

static void go_home(void)
{
    for (int i = 0; i < 2; i++)
        cr_assert_eq(rehome(pages_of(weights[i], BYTES, &whole_bytes[i]), whole_bytes[i], LOCAL), 0);
}

static void expect_state(bool moved, struct used before, const char *when)
{
    for (int i = 0; i < 2; i++) {
        expect_place(moves[i].address, moves[i].bytes, moved ? moves[i].location : LOCAL, when);
        expect_bytes(weights[i], (size_t)i, BYTES, when);
    }
    struct used now = used_now();
    cr_assert_eq(now.at[1], before.at[1] + (moved ? moves[0].bytes : 0), "%s: bytes are left at a peer", when);
    cr_assert_eq(now.at[2], before.at[2] + (moved ? moves[1].bytes : 0), "%s: bytes are left in the host", when);
    cr_assert_eq(now.at[0], before.at[0] - (moved ? moves[0].bytes + moves[1].bytes : 0), "%s: local bytes", when);
}

/* The calls of a move that may fail; those behind the switch are tried again, so that nothing is left behind. */
static const struct {
    const char *symbol;
    CUresult error;
    bool late; /* it is called when all has succeeded only: the move stays */
} calls[] = {
    {"cuCtxPushCurrent_v2", CUDA_ERROR_INVALID_CONTEXT, false},
    {"cuMemAddressReserve", CUDA_ERROR_OUT_OF_MEMORY, false},
    {"cuStreamCreate", CUDA_ERROR_OUT_OF_MEMORY, false},
    {"cuMemGetAllocationGranularity", CUDA_ERROR_NOT_SUPPORTED, false},
    {"cuMemCreate", CUDA_ERROR_OUT_OF_MEMORY, false},
    {"cuMemMap", CUDA_ERROR_OUT_OF_MEMORY, false},
    {"cuMemSetAccess", CUDA_ERROR_UNKNOWN, false},
    {"cuMemSetAccess", CUDA_ERROR_NOT_READY, false},
    {"cuCtxSynchronize", CUDA_ERROR_LAUNCH_TIMEOUT, false},
    {"cuMemcpyAsync", CUDA_ERROR_UNKNOWN, false},
    {"cuStreamSynchronize", CUDA_ERROR_UNKNOWN, false},
    {"cuMemUnmap", CUDA_ERROR_UNKNOWN, false},
    {"cuMemRelease", CUDA_ERROR_UNKNOWN, true},
    {"cuMemAddressFree", CUDA_ERROR_UNKNOWN, true},
};

static void each_call_fails(const char *machine)
{
    unsigned failures = 0, successes = 0;
    use_machine(machine);
    make_weights("cuda:0,*", weights, 2, BYTES);
    for (int i = 0; i < 2; i++)
        moves[i] = (struct vs_control_move){.address = pages_of(weights[i], BYTES, &whole_bytes[i]),
            .bytes = i ? whole_bytes[i] : PAGE,
            .location = i ? HOST : PEER};
    moves[0].address = (char *)moves[0].address + PAGE;
    cr_assert_eq(rehome_all(moves, 2), 0);
    go_home();
    for (size_t c = 0; c < sizeof calls / sizeof *calls; c++)
        for (unsigned n = 1; n < 30; n++) {
            char when[96];
            struct used before = used_now();
            snprintf(when, sizeof when, "%s fails at call %u with %d", calls[c].symbol, n, (int)calls[c].error);
            uint64_t made = simcudaCalls(calls[c].symbol);
            simcudaFail(calls[c].symbol, n, calls[c].error);
            int result = rehome_all(moves, 2);
            bool reached = simcudaCalls(calls[c].symbol) - made >= n;
            simcudaFail(calls[c].symbol, 0, 0);
            expect_state(result == 0, before, when);
            if (!reached) {
                cr_assert_eq(result, 0, "%s", when);
                cr_expect_gt(n, 1, "%s is never called: nothing is proved", calls[c].symbol);
            } else {
                cr_assert(!calls[c].late || result == 0, "%s: %d", when, result);
                failures += result != 0;
                successes += result == 0;
            }
            go_home();
            if (!reached)
                break;
        }
    cr_expect_gt(failures, 15, "%u: nearly nothing failed", failures);
    cr_expect_gt(successes, 5, "what can be tried again is");
    for (int i = 0; i < 2; i++)
        CUDA_OK(cudaFree(weights[i]));
    cr_expect_eq(simcudaBytesUsed(SIMCUDA_LOCATION_HOST), 0);
}

Test(failing, each_call_of_the_driver_fails_in_turn)
{
    each_call_fails(NULL);
}

/* --- Captures and graphs ------------------------------------------------------------------------------------------ */

static cudaStream_t stream;

Test(failing, nothing_moves_while_a_capture_is_open_nor_what_a_graph_may_use)
{
    unsigned char *target;
    size_t bytes[2];
    cudaGraph_t graph;
    cudaGraphExec_t executable;
    enum cudaStreamCaptureStatus status;
    make_weights("cuda:0,*", weights, 1, BYTES);
    unsigned char *pages = pages_of(weights[0], BYTES, &bytes[0]);
    CUDA_OK(cudaMalloc((void **)&target, BYTES));
    CUDA_OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    CUDA_OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
    CUDA_OK(cudaMemcpyAsync(target, weights[0], BYTES, cudaMemcpyDeviceToDevice, stream));
    cr_expect_eq(rehome(pages, bytes[0], HOST), CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED);
    CUDA_OK(cudaStreamIsCapturing(stream, &status));
    cr_expect_eq(status, cudaStreamCaptureStatusActive);
    CUDA_OK(cudaStreamEndCapture(stream, &graph));
    cr_expect_eq(rehome(pages, bytes[0], HOST), CUDA_ERROR_NOT_PERMITTED);
    CUDA_OK(cudaGraphInstantiate(&executable, graph, 0));
    cr_expect_eq(rehome(pages, bytes[0], HOST), CUDA_ERROR_NOT_PERMITTED);
    expect_place(pages, bytes[0], LOCAL, "under a graph");
    CUDA_OK(cudaGraphLaunch(executable, stream));
    expect_bytes(target, 0, BYTES, "by the graph");

    /* What came after the graph is no business of its. */
    const size_t sizes[] = {BYTES};
    open_model(make_model(sizes, 1));
    CUDA_OK(cudaMalloc((void **)&weights[1], BYTES));
    fill(weights[1], 1, BYTES);
    pages = pages_of(weights[1], BYTES, &bytes[1]);
    cr_expect_eq(rehome(pages, bytes[1], HOST), 0);
    expect_bytes(weights[1], 1, BYTES, "beside a graph");
}

/* --- Waits that cannot end ---------------------------------------------------------------------------------------- */

static atomic_bool begun, launched;
static unsigned char *scratch;

/* In a stream: does not return before another thread has launched. */
static void CUDART_CB wait_for_a_launch(void *unused)
{
    (void)unused;
    atomic_store(&begun, true);
    while (!atomic_load(&launched))
        usleep(1000);
}

static void *launch_later(void *unused)
{
    while (!atomic_load(&begun))
        usleep(1000);
    usleep(60000); /* by now the gate is closed */
    int result = (int)cudaMemsetAsync(scratch, 1, 1, cudaStreamPerThread);
    atomic_store(&launched, true);
    return result ? &launched : unused;
}

Test(failing, a_stream_that_waits_for_who_stands_at_the_gate_ends_the_move_and_not_the_program, .timeout = 60)
{
    size_t bytes;
    pthread_t thread;
    void *failed;
    make_weights("cuda:0,*", weights, 1, BYTES);
    unsigned char *pages = pages_of(weights[0], BYTES, &bytes);
    CUDA_OK(cudaMalloc((void **)&scratch, 1));
    CUDA_OK(cudaMemset(scratch, 0, 1));
    CUDA_OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    CUDA_OK(cudaDeviceSynchronize());
    struct used before = used_now();
    set_limit(400 * MS);
    CUDA_OK(cudaLaunchHostFunc(stream, wait_for_a_launch, NULL));
    pthread_create(&thread, NULL, launch_later, NULL);
    cr_expect_eq(rehome(pages, bytes, HOST), CUDA_ERROR_NOT_READY);
    pthread_join(thread, &failed);
    cr_expect_null(failed);
    cr_expect(atomic_load(&launched));
    CUDA_OK(cudaStreamSynchronize(stream));
    expect_used(before, 0, LOCAL, LOCAL, "after giving up");
    expect_bytes(weights[0], 0, BYTES, "after giving up");
    set_limit(20000ull * MS);
    cr_expect_eq(rehome(pages, bytes, HOST), 0, "what once was stuck is no obstacle later");
    expect_bytes(weights[0], 0, BYTES, "in the end");
}

static atomic_bool may_return;

static void CUDART_CB wait_for_permission(void *unused)
{
    (void)unused;
    atomic_store(&begun, true);
    while (!atomic_load(&may_return))
        usleep(1000);
}

static void *synchronous_copy(void *unused)
{
    static unsigned char byte;
    return cudaMemcpy(&byte, weights[0], 1, cudaMemcpyDeviceToHost) ? &launched : unused;
}

/* The thread is inside the gate, and does not come out of its call. */
Test(failing, a_call_that_does_not_return_ends_the_move, .timeout = 60)
{
    size_t bytes;
    pthread_t thread;
    void *failed;
    make_weights("cuda:0,*", weights, 1, BYTES);
    unsigned char *pages = pages_of(weights[0], BYTES, &bytes);
    CUDA_OK(cudaStreamCreate(&stream)); /* the legacy stream, which cudaMemcpy uses, waits for it */
    set_limit(200 * MS);
    CUDA_OK(cudaLaunchHostFunc(stream, wait_for_permission, NULL));
    pthread_create(&thread, NULL, synchronous_copy, NULL);
    while (!atomic_load(&begun))
        usleep(1000);
    usleep(50000);
    cr_expect_eq(rehome(pages, bytes, HOST), CUDA_ERROR_NOT_READY);
    atomic_store(&may_return, true);
    pthread_join(thread, &failed);
    cr_expect_null(failed);
    set_limit(20000ull * MS);
    cr_expect_eq(rehome(pages, bytes, HOST), 0);
    expect_bytes(weights[0], 0, BYTES, "in the end");
}
