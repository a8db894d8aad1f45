/* main.c: threads use the simulated driver at once: streams that wait for each other's events, stream-ordered and
 * mapped memory, pools, host functions, queries. Each checks its own bytes. A plain program, so that it can run under
 * ThreadSanitizer, which Criterion cannot. One TAP line a kind of work.
 *
 * stress [THREADS [ROUNDS]] */
#include <cuda.h>

#include "../simcuda.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE        ((size_t)2 << 20)
#define BLOCK_BYTES 200000
#define MAX_THREADS 64

static unsigned thread_count = 6, rounds = 60;
static int device_count;
static CUcontext contexts[16];

/* --- Failing ------------------------------------------------------------------------------------------------------ */

static atomic_uint failures;

static bool told(bool good, const char *what, CUresult result)
{
    if (!good) {
        atomic_fetch_add(&failures, 1);
        fprintf(stderr, "# %s gave %d\n", what, (int)result);
    }
    return good;
}

/* Within a work function: ends it where a call fails. */
#define OK(call)                                                                                                       \
    do {                                                                                                               \
        CUresult got = (call);                                                                                         \
        if (!told(got == CUDA_SUCCESS, #call, got))                                                                    \
            return;                                                                                                    \
    } while (0)
#define TRUE(condition)                                                                                                \
    do {                                                                                                               \
        if (!told((condition), #condition, CUDA_SUCCESS))                                                              \
            return;                                                                                                    \
    } while (0)

static bool holds(const unsigned char *bytes, unsigned char value, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (bytes[i] != value)
            return false;
    return true;
}

/* --- Work: each function is one thread's share, and runs in several threads at once ------------------------------- */

/* Stream-ordered memory goes round: filled, copied, read back, freed, all in one stream. */
static void use_pools(unsigned thread)
{
    static _Thread_local unsigned char back[BLOCK_BYTES];
    CUstream stream;
    OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    for (unsigned round = 0; round < rounds; round++) {
        CUdeviceptr first, second;
        unsigned char value = (unsigned char)(thread * 37 + round);
        OK(cuMemAllocAsync(&first, BLOCK_BYTES, stream));
        OK(cuMemAllocAsync(&second, BLOCK_BYTES, stream));
        OK(cuMemsetD8Async(first, value, BLOCK_BYTES, stream));
        OK(cuMemcpyDtoDAsync(second, first, BLOCK_BYTES, stream));
        OK(cuMemFreeAsync(first, stream));
        OK(cuMemcpyDtoHAsync(back, second, BLOCK_BYTES, stream));
        OK(cuMemFreeAsync(second, stream));
        OK(cuStreamSynchronize(stream));
        TRUE(holds(back, value, BLOCK_BYTES));
    }
    OK(cuStreamDestroy(stream));
}

/* A pool of one's own, made and destroyed while others allocate. */
static void make_pools(unsigned thread)
{
    CUstream stream;
    OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    for (unsigned round = 0; round < rounds; round++) {
        CUmemPoolProps properties = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED,
            .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = (int)(thread % (unsigned)device_count)}};
        CUmemoryPool pool;
        CUdeviceptr memory;
        uint64_t keep = UINT64_MAX, used = 0;
        OK(cuMemPoolCreate(&pool, &properties));
        OK(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &keep));
        OK(cuMemAllocFromPoolAsync(&memory, BLOCK_BYTES, pool, stream));
        OK(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &used));
        TRUE(used >= BLOCK_BYTES);
        OK(cuMemFreeAsync(memory, stream));
        OK(cuStreamSynchronize(stream));
        OK(cuMemPoolTrimTo(pool, 0));
        OK(cuMemPoolDestroy(pool));
    }
    OK(cuStreamDestroy(stream));
}

/* Pages are mapped, used, unmapped and mapped elsewhere; the bytes stay with the handle. */
static void map_pages(unsigned thread)
{
    int device = (int)(thread % (unsigned)device_count);
    CUmemAllocationProp properties = {
        .type = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device}};
    CUmemAccessDesc access = {.location = properties.location, .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    OK(cuCtxSetCurrent(contexts[device]));
    for (unsigned round = 0; round < rounds; round++) {
        CUmemGenericAllocationHandle handle, same;
        CUdeviceptr address, moved;
        unsigned char value = (unsigned char)(thread * 11 + round), found[64];
        OK(cuMemCreate(&handle, PAGE, &properties, 0));
        OK(cuMemAddressReserve(&address, 4 * PAGE, 0, 0, 0));
        moved = address + 2 * PAGE;
        OK(cuMemMap(address, PAGE, 0, handle, 0));
        OK(cuMemSetAccess(address, PAGE, &access, 1));
        OK(cuMemsetD8(address, value, PAGE));
        OK(cuCtxSynchronize());
        OK(cuMemRetainAllocationHandle(&same, (void *)(address + 100)));
        TRUE(same == handle);
        OK(cuMemUnmap(address, PAGE));
        OK(cuMemMap(moved, PAGE, 0, handle, 0));
        OK(cuMemSetAccess(moved, PAGE, &access, 1));
        OK(cuMemcpyDtoH(found, moved + PAGE - sizeof found, sizeof found));
        TRUE(holds(found, value, sizeof found));
        OK(cuMemUnmap(moved, PAGE));
        OK(cuMemRelease(same));
        OK(cuMemRelease(handle));
        OK(cuMemAddressFree(address, 4 * PAGE));
    }
}

struct mark {
    _Atomic unsigned round;
};

static void CUDA_CB note_round(void *data)
{
    atomic_fetch_add(&((struct mark *)data)->round, 1);
}

/* Two streams hand a buffer to and fro by events; host functions count the rounds; queries poll. */
static void pass_events(unsigned thread)
{
    CUstream streams[2];
    CUevent event;
    CUdeviceptr memory;
    struct mark mark = {0};
    unsigned char *back;
    OK(cuMemAlloc(&memory, BLOCK_BYTES));
    OK(cuMemHostAlloc((void **)&back, BLOCK_BYTES, 0));
    OK(cuEventCreate(&event, thread % 2 ? CU_EVENT_DISABLE_TIMING : 0));
    for (int i = 0; i < 2; i++)
        OK(cuStreamCreate(&streams[i], CU_STREAM_NON_BLOCKING));
    for (unsigned round = 0; round < rounds; round++) {
        unsigned char value = (unsigned char)(thread * 5 + round);
        OK(cuMemsetD8Async(memory, value, BLOCK_BYTES, streams[0]));
        OK(cuEventRecord(event, streams[0]));
        OK(cuStreamWaitEvent(streams[1], event, 0));
        OK(cuMemcpyDtoHAsync(back, memory, BLOCK_BYTES, streams[1]));
        OK(cuLaunchHostFunc(streams[1], note_round, &mark));
        OK(cuEventRecord(event, streams[1]));
        OK(cuStreamWaitEvent(streams[0], event, 0));
        CUresult state;
        while ((state = cuEventQuery(event)) == CUDA_ERROR_NOT_READY)
            sched_yield();
        OK(state);
        TRUE(holds(back, value, BLOCK_BYTES));
        TRUE(atomic_load(&mark.round) == round + 1);
    }
    for (int i = 0; i < 2; i++)
        OK(cuStreamDestroy(streams[i]));
    OK(cuEventDestroy(event));
    OK(cuMemFreeHost(back));
    OK(cuMemFree(memory));
}

/* One stream for all threads: each waits for its own event, whatever others queue in between. */
static CUstream shared_stream;
static CUdeviceptr shared_memory; /* one block a thread */

static void share_a_stream(unsigned thread)
{
    unsigned char back[512];
    CUdeviceptr mine = shared_memory + (size_t)thread * sizeof back;
    for (unsigned round = 0; round < rounds; round++) {
        CUevent event;
        OK(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
        OK(cuMemsetD8Async(mine, (unsigned char)(thread + round), sizeof back, shared_stream));
        OK(cuMemcpyDtoHAsync(back, mine, sizeof back, shared_stream));
        OK(cuEventRecord(event, shared_stream));
        OK(cuEventSynchronize(event));
        TRUE(holds(back, (unsigned char)(thread + round), sizeof back));
        OK(cuEventDestroy(event));
    }
}

/* Contexts, captures and questions, while others work: everything that reads what they change. */
static void ask(unsigned thread)
{
    OK(cuCtxSetCurrent(contexts[thread % (unsigned)device_count]));
    for (unsigned round = 0; round < rounds; round++) {
        size_t available, total;
        CUstream stream;
        CUgraph graph;
        CUgraphExec exec;
        CUdeviceptr memory, base;
        OK(cuMemGetInfo(&available, &total));
        TRUE(available <= total);
        OK(cuMemAlloc(&memory, 4096));
        OK(cuMemGetAddressRange(&base, NULL, memory + 1));
        TRUE(base == memory);
        TRUE(simcudaBytesAt((void *)memory, 4096, (int)(thread % (unsigned)device_count)) == 4096);
        OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
        OK(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
        OK(cuMemsetD8Async(memory, 3, 4096, stream));
        OK(cuStreamEndCapture(stream, &graph));
        OK(cuGraphInstantiate(&exec, graph, 0));
        OK(cuGraphLaunch(exec, stream));
        OK(cuStreamSynchronize(stream));
        unsigned char found = 0;
        TRUE(simcudaPeek((void *)memory, &found, 1) && found == 3);
        OK(cuGraphExecDestroy(exec));
        OK(cuGraphDestroy(graph));
        OK(cuStreamDestroy(stream));
        OK(cuMemFree(memory));
    }
}

static const struct {
    const char *name;
    void (*work)(unsigned thread);
} works[] = {{"stream-ordered memory of one pool", use_pools}, {"pools come and go", make_pools},
    {"pages move", map_pages}, {"events order two streams", pass_events}, {"a stream that all share", share_a_stream},
    {"questions and graphs in between", ask}};
#define WORKS (sizeof works / sizeof *works)

/* --- Threads ------------------------------------------------------------------------------------------------------ */

struct task {
    unsigned number;
    size_t work;
};

static void *run(void *argument)
{
    const struct task *task = argument;
    if (told(cuCtxSetCurrent(contexts[0]) == CUDA_SUCCESS, "cuCtxSetCurrent", CUDA_SUCCESS))
        works[task->work].work(task->number);
    return NULL;
}

/* All threads at the works from `first` to `last`, in turn. */
static void run_threads(size_t first, size_t last)
{
    pthread_t handles[MAX_THREADS];
    struct task tasks[MAX_THREADS];
    for (unsigned i = 0; i < thread_count; i++) {
        tasks[i] = (struct task){i, first + i % (last - first + 1)};
        if (pthread_create(&handles[i], NULL, run, &tasks[i]))
            abort();
    }
    for (unsigned i = 0; i < thread_count; i++)
        pthread_join(handles[i], NULL);
}

static bool start(void)
{
    bool good = cuInit(0) == CUDA_SUCCESS && cuDeviceGetCount(&device_count) == CUDA_SUCCESS && device_count > 0;
    for (int i = 0; i < device_count && good; i++)
        good = cuDevicePrimaryCtxRetain(&contexts[i], i) == CUDA_SUCCESS;
    return good && cuCtxSetCurrent(contexts[0]) == CUDA_SUCCESS && cuStreamCreate(&shared_stream, 0) == CUDA_SUCCESS &&
           cuMemAlloc(&shared_memory, MAX_THREADS * 512) == CUDA_SUCCESS;
}

static bool all_is_given_back(void)
{
    bool good = cuStreamDestroy(shared_stream) == CUDA_SUCCESS && cuMemFree(shared_memory) == CUDA_SUCCESS;
    for (int i = 0; i < device_count && good; i++)
        good = cuDevicePrimaryCtxReset(i) == CUDA_SUCCESS && simcudaBytesUsed(i) == 0;
    return good && simcudaBytesUsed(SIMCUDA_LOCATION_HOST) == 0 && simcudaLiveAllocations() == 0;
}

int main(int count, char **arguments)
{
    if (count > 1)
        thread_count = (unsigned)atoi(arguments[1]);
    if (count > 2)
        rounds = (unsigned)atoi(arguments[2]);
    if (thread_count == 0 || thread_count > MAX_THREADS || !start())
        return 2;
    printf("1..%zu\n", WORKS + 2);
    for (size_t i = 0; i < WORKS; i++) {
        unsigned before = atomic_load(&failures);
        run_threads(i, i);
        printf("%s %zu - %s\n", atomic_load(&failures) == before ? "ok" : "not ok", i + 1, works[i].name);
    }
    unsigned before = atomic_load(&failures);
    run_threads(0, WORKS - 1);
    printf("%s %zu - all of them at once\n", atomic_load(&failures) == before ? "ok" : "not ok", WORKS + 1);
    bool given_back = all_is_given_back();
    printf("%s %zu - all memory is given back\n", given_back ? "ok" : "not ok", WORKS + 2);
    return atomic_load(&failures) || !given_back;
}
