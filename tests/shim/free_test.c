/* free_test.c: memory goes back when it is freed, not before it is out of use, through whichever door. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

#define BYTES (40 * MIB) /* a span of its own */

static const char *model;

/* A weight of BYTES on cuda:1 and the use of that device before it. */
static void *place_weight(bool stream_ordered)
{
    static size_t sizes[8] = {BYTES, BYTES, BYTES, BYTES, BYTES, BYTES, BYTES, BYTES};
    void *weight;
    if (!model) {
        use_policy("cuda:1,*");
        model = make_model(sizes, 8);
        open_model(model);
    }
    CUDA_OK(stream_ordered ? cudaMallocAsync(&weight, BYTES, 0) : cudaMalloc(&weight, BYTES));
    cr_assert(lies_at(weight, BYTES, 1));
    return weight;
}

Test(free, cudaFree_gives_back_at_once)
{
    void *weight = place_weight(false);
    CUDA_OK(cudaFree(weight));
    cr_expect_eq(simcudaBytesUsed(1), 0);
}

Test(free, every_door_frees_what_every_other_allocated)
{
    CUdeviceptr address;
    CUDA_OK(cudaFree(place_weight(true)));
    CUDA_OK(cudaFreeAsync(place_weight(false), 0));
    CUDA_OK(cuMemFree((CUdeviceptr)place_weight(true)));
    CUDA_OK(cuMemFreeAsync((CUdeviceptr)place_weight(false), 0));
    CUDA_OK(cuMemAlloc(&address, BYTES));
    cr_assert(lies_at((void *)address, BYTES, 1));
    CUDA_OK(cudaFree((void *)address));
    CUDA_OK(cudaDeviceSynchronize());
    cudaMemPool_t pool;
    CUDA_OK(cudaDeviceGetDefaultMemPool(&pool, 0));
    CUDA_OK(cudaMemPoolTrimTo(pool, 0)); /* a flush collects what is done */
    cr_expect_eq(simcudaBytesUsed(1), 0);
}

Test(free, a_plain_allocation_is_freed_by_the_real_allocator)
{
    void *plain;
    place_weight(false);
    size_t before = simcudaBytesUsed(0);
    CUDA_OK(cudaMalloc(&plain, 64 * MIB + 1));
    cr_assert_gt(simcudaBytesUsed(0), before);
    CUDA_OK(cudaFree(plain));
    cr_expect_eq(simcudaBytesUsed(0), before);
}

/* With work executed as late as is legal, a copy queued before the free has not run when cudaFreeAsync returns. */
Test(free, cudaFreeAsync_waits_for_the_work_before_it)
{
    unsigned char *pinned;
    cudaStream_t stream;
    cudaMemPool_t pool;
    setenv("SIMCUDA_ORDER", "late", 1);
    void *weight = place_weight(true);
    CUDA_OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    CUDA_OK(cudaHostAlloc((void **)&pinned, BYTES, 0));
    CUDA_OK(cudaMemset(weight, 0x77, BYTES));
    CUDA_OK(cudaDeviceSynchronize());
    CUDA_OK(cudaMemcpyAsync(pinned, weight, BYTES, cudaMemcpyDeviceToHost, stream));
    CUDA_OK(cudaFreeAsync(weight, stream));
    CUDA_OK(cudaDeviceGetDefaultMemPool(&pool, 0));
    CUDA_OK(cudaMemPoolTrimTo(pool, 0));
    cr_expect_geq(simcudaBytesUsed(1), BYTES, "given back while a copy from it was queued");
    void *next = place_weight(true); /* must not get the same memory */
    CUDA_OK(cudaMemset(next, 0x11, BYTES));
    CUDA_OK(cudaStreamSynchronize(stream));
    cr_expect_eq(pinned[0], 0x77);
    cr_expect_eq(pinned[BYTES - 1], 0x77);
}

/* The free is ordered on its own stream: what another stream still does says nothing about it, and the other way round.
 */
Test(free, cudaFreeAsync_follows_its_own_stream)
{
    unsigned char *pinned;
    cudaStream_t busy, idle;
    cudaMemPool_t pool;
    setenv("SIMCUDA_ORDER", "late", 1);
    void *weight = place_weight(true), *other = place_weight(true);
    CUDA_OK(cudaStreamCreateWithFlags(&busy, cudaStreamNonBlocking));
    CUDA_OK(cudaStreamCreateWithFlags(&idle, cudaStreamNonBlocking));
    CUDA_OK(cudaHostAlloc((void **)&pinned, BYTES, 0));
    CUDA_OK(cudaDeviceSynchronize());
    CUDA_OK(cudaDeviceGetDefaultMemPool(&pool, 0));
    CUDA_OK(cudaMemcpyAsync(pinned, weight, BYTES, cudaMemcpyDeviceToHost, busy));
    CUDA_OK(cudaFreeAsync(weight, busy));
    CUDA_OK(cudaFreeAsync(other, idle));
    CUDA_OK(cudaStreamSynchronize(idle));
    CUDA_OK(cudaMemPoolTrimTo(pool, 0));
    cr_expect_eq(simcudaBytesUsed(1), BYTES, "the idle stream's is given back, the busy one's is not");
    CUDA_OK(cudaStreamSynchronize(busy));
    CUDA_OK(cudaMemPoolTrimTo(pool, 0));
    cr_expect_eq(simcudaBytesUsed(1), 0);
}

Test(free, cudaFree_waits_for_the_work_that_uses_it)
{
    unsigned char *pinned;
    cudaStream_t stream;
    setenv("SIMCUDA_ORDER", "late", 1);
    void *weight = place_weight(false);
    CUDA_OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    CUDA_OK(cudaHostAlloc((void **)&pinned, BYTES, 0));
    CUDA_OK(cudaMemset(weight, 0x77, BYTES));
    CUDA_OK(cudaDeviceSynchronize());
    CUDA_OK(cudaMemcpyAsync(pinned, weight, BYTES, cudaMemcpyDeviceToHost, stream));
    CUDA_OK(cudaFree(weight));
    CUDA_OK(cudaDeviceSynchronize()); /* an unmap under the copy would have made the context unusable */
    cr_expect_eq(pinned[BYTES / 2], 0x77);
    cr_expect_eq(simcudaBytesUsed(1), 0);
}

Test(free, what_is_no_allocation_is_refused_as_cuda_refuses_it)
{
    char *weight = place_weight(false);
    cr_expect_eq(cudaFree(weight + 512), cudaErrorInvalidValue);
    cr_expect_eq(cudaGetLastError(), cudaErrorInvalidValue);
    cr_expect_eq(cudaGetLastError(), cudaSuccess);
    CUDA_OK(cudaFree(weight));
    cr_expect_neq(cudaFree(weight), cudaSuccess, "freed twice");
    cudaGetLastError();
    CUDA_OK(cudaFree(NULL));
}

/* A device that broke down: the error comes from our own wait, and must be seen where the runtime's errors are seen. */
Test(free, an_error_of_ours_is_the_threads_last_error)
{
    void *weight = place_weight(false);
    simcudaFail("cuCtxSynchronize", 1, CUDA_ERROR_LAUNCH_FAILED);
    cr_expect_eq(cudaFree(weight), cudaErrorLaunchFailure);
    cr_expect_eq(cudaPeekAtLastError(), cudaErrorLaunchFailure);
    cr_expect_eq(cudaGetLastError(), cudaErrorLaunchFailure);
    cr_expect_eq(cudaGetLastError(), cudaSuccess);
}

Test(free, the_current_context_and_the_last_error_are_left_alone)
{
    CUcontext before, after;
    place_weight(true);
    CUDA_OK(cudaSetDevice(1));
    CUDA_OK(cuCtxGetCurrent(&before));
    cr_assert_neq(cudaMemcpy(NULL, NULL, 16, cudaMemcpyDeviceToDevice), cudaSuccess);
    cudaError_t expected = cudaPeekAtLastError();
    cr_assert_neq(expected, cudaSuccess);
    CUDA_OK(cudaSetDevice(0));
    void *weight = place_weight(true);
    CUDA_OK(cudaSetDevice(1));
    CUDA_OK(cudaFree(weight)); /* works on the other device's context inside */
    CUDA_OK(cuCtxGetCurrent(&after));
    cr_expect_eq(before, after);
    cr_expect_eq(cudaGetLastError(), expected);
}

Test(free, memory_of_the_device_goes_when_it_is_reset)
{
    place_weight(false);
    place_weight(true);
    cr_assert_gt(simcudaBytesUsed(1), 0);
    CUDA_OK(cudaDeviceReset());
    cr_expect_eq(simcudaBytesUsed(1), 0);
    void *plain;
    CUDA_OK(cudaMalloc(&plain, KIB));
    CUDA_OK(cudaMemset(plain, 0, KIB));
}

/* Every driver call that making a home needs fails once: the allocation is served all the same, its bytes are right,
 * and nothing is left behind when it is freed. */
static void check_fault_at(const char *distorch, const char *symbol, unsigned call)
{
    const size_t sizes[] = {BYTES};
    unsigned char *content = malloc(BYTES), *result = malloc(BYTES);
    use_policy(distorch);
    open_model(make_model(sizes, 1));
    void *warm, *weight;
    CUDA_OK(cudaMalloc(&warm, KIB));
    size_t before[] = {simcudaBytesUsed(0), simcudaBytesUsed(1), simcudaBytesUsed(SIMCUDA_LOCATION_HOST)};
    simcudaFail(symbol, call, CUDA_ERROR_OUT_OF_MEMORY);
    CUDA_OK(cudaMalloc(&weight, BYTES));
    simcudaFail(symbol, 0, 0);
    cr_expect_eq(cudaGetLastError(), cudaSuccess, "a failure of ours reached the program");
    fill_pattern(content, 3, BYTES);
    CUDA_OK(cudaMemcpy(weight, content, BYTES, cudaMemcpyHostToDevice));
    CUDA_OK(cudaMemcpy(result, weight, BYTES, cudaMemcpyDeviceToHost));
    cr_expect(memcmp(content, result, BYTES) == 0);
    CUDA_OK(cudaFree(weight));
    cr_expect_eq(simcudaBytesUsed(0), before[0], "%s failed: cuda:0 keeps bytes", symbol);
    cr_expect_eq(simcudaBytesUsed(1), before[1], "%s failed: cuda:1 keeps bytes", symbol);
    cr_expect_eq(simcudaBytesUsed(SIMCUDA_LOCATION_HOST), before[2], "%s failed: the host keeps bytes", symbol);
    free(content);
    free(result);
}

static void check_fault(const char *symbol, unsigned call)
{
    check_fault_at("cuda:1,*", symbol, call);
}

/* Nobody is left to take what the host cannot: the library steps aside. */
Test(fault, create_fails_in_the_host)
{
    setenv("VRAMSPAN_ON_ERROR", "passthrough", 1);
    check_fault_at("cpu,*", "cuMemCreate", 1);
}

Test(fault, set_access_fails_in_the_host)
{
    setenv("VRAMSPAN_ON_ERROR", "passthrough", 1);
    check_fault_at("cpu,*", "cuMemSetAccess", 1);
}

Test(fault, create_fails)
{
    check_fault("cuMemCreate", 1);
}
Test(fault, reserving_addresses_fails)
{
    check_fault("cuMemAddressReserve", 1);
}
Test(fault, map_fails)
{
    check_fault("cuMemMap", 1);
}
Test(fault, set_access_fails)
{
    check_fault("cuMemSetAccess", 1);
}
Test(fault, granularity_fails)
{
    check_fault("cuMemGetAllocationGranularity", 1);
}
Test(fault, push_context_fails)
{
    check_fault("cuCtxPushCurrent_v2", 1);
}

Test(fault, set_access_that_is_not_ready_once_is_tried_again)
{
    place_weight(false);
    simcudaFail("cuMemSetAccess", 1, CUDA_ERROR_NOT_READY);
    place_weight(false); /* asserts that it is on cuda:1 */
}

Test(fault, an_event_that_cannot_be_made_only_costs_time)
{
    void *weight = place_weight(true);
    simcudaFail("cuEventCreate", 1, CUDA_ERROR_OUT_OF_MEMORY);
    CUDA_OK(cudaFreeAsync(weight, 0));
    cr_expect_eq(simcudaBytesUsed(1), 0);
}

/* --- Many that wait ----------------------------------------------------------------------------------------------- */

enum { MANY = 60 };

/* Weights of 2 MiB on cuda:1, all alive. */
static void place_many(void *weights[MANY])
{
    size_t sizes[MANY];
    for (int i = 0; i < MANY; i++)
        sizes[i] = 2 * MIB;
    use_policy("cuda:1,*");
    open_model(make_model(sizes, MANY));
    for (int i = 0; i < MANY; i++)
        CUDA_OK(cudaMallocAsync(&weights[i], 2 * MIB, NULL));
    CUDA_OK(cudaDeviceSynchronize());
}

static void wait_until(void *over)
{
    while (!atomic_load((atomic_bool *)over))
        sched_yield();
}

/* In a stream, only the first one can be the next that is done. */
Test(free, those_that_wait_for_a_stream_cost_one_question)
{
    void *weights[MANY], *activations[10];
    cudaStream_t busy, idle;
    cudaMemPool_t pool;
    static atomic_bool over;
    place_many(weights);
    CUDA_OK(cudaStreamCreateWithFlags(&busy, cudaStreamNonBlocking));
    CUDA_OK(cudaStreamCreateWithFlags(&idle, cudaStreamNonBlocking));
    CUDA_OK(cudaLaunchHostFunc(busy, wait_until, &over));
    uint64_t before = simcudaCalls("cuEventQuery");
    for (int i = 0; i < MANY - 1; i++)
        CUDA_OK(cudaFreeAsync(weights[i], busy));
    cr_expect_leq(simcudaCalls("cuEventQuery") - before, MANY);
    before = simcudaCalls("cuEventQuery");
    for (int i = 0; i < 10; i++)
        CUDA_OK(cudaMallocAsync(&activations[i], 4096, idle));
    cr_expect_leq(simcudaCalls("cuEventQuery") - before, 10);
    size_t held = simcudaBytesUsed(1);
    CUDA_OK(cudaFreeAsync(weights[MANY - 1], idle));
    atomic_store(&over, true);
    CUDA_OK(cudaStreamSynchronize(busy));
    CUDA_OK(cudaStreamSynchronize(idle));
    CUDA_OK(cudaDeviceGetDefaultMemPool(&pool, 0));
    CUDA_OK(cudaMemPoolTrimTo(pool, 0));
    cr_expect_geq(held, MANY * 2 * MIB);
    cr_expect_eq(simcudaBytesUsed(1), 0, "all come back, of both streams");
}

/* What was freed under a capture is waited for once, however many there are. */
Test(free, those_that_wait_for_a_device_cost_one_wait)
{
    void *weights[MANY];
    cudaStream_t stream;
    cudaGraph_t graph;
    cudaMemPool_t pool;
    place_many(weights);
    CUDA_OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    CUDA_OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
    for (int i = 0; i < MANY; i++)
        CUDA_OK(cudaFree(weights[i]));
    CUDA_OK(cudaStreamEndCapture(stream, &graph));
    cr_expect_geq(simcudaBytesUsed(1), MANY * 2 * MIB);
    uint64_t before = simcudaCalls("cuCtxSynchronize");
    CUDA_OK(cudaDeviceGetDefaultMemPool(&pool, 0));
    CUDA_OK(cudaMemPoolTrimTo(pool, 0));
    cr_expect_eq(simcudaBytesUsed(1), 0);
    cr_expect_leq(simcudaCalls("cuCtxSynchronize") - before, 2);
}

/* One thread's collecting is no reason for another one to miss what comes back. */
static void *free_and_allocate(void *unused)
{
    void *memory;
    cudaStream_t stream;
    (void)unused;
    CUDA_OK(cudaSetDevice(0));
    CUDA_OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    for (int i = 0; i < 200; i++) {
        CUDA_OK(cudaMallocAsync(&memory, 4096, stream));
        CUDA_OK(cudaFreeAsync(memory, stream));
    }
    CUDA_OK(cudaStreamDestroy(stream));
    return NULL;
}

Test(free, threads_that_collect_at_once_lose_nothing)
{
    void *weights[MANY];
    pthread_t threads[4];
    cudaStream_t streams[4];
    cudaMemPool_t pool;
    setenv("SIMCUDA_ORDER", "random", 1);
    place_many(weights);
    for (int i = 0; i < 4; i++) {
        CUDA_OK(cudaStreamCreateWithFlags(&streams[i], cudaStreamNonBlocking));
        pthread_create(&threads[i], NULL, free_and_allocate, NULL);
    }
    for (int i = 0; i < MANY; i++) {
        CUDA_OK(cudaMemsetAsync(weights[i], 1, MIB, streams[i % 4]));
        CUDA_OK(cudaFreeAsync(weights[i], streams[i % 4]));
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    CUDA_OK(cudaDeviceSynchronize());
    CUDA_OK(cudaDeviceGetDefaultMemPool(&pool, 0));
    CUDA_OK(cudaMemPoolTrimTo(pool, 0));
    cr_expect_eq(simcudaBytesUsed(1), 0);
}
