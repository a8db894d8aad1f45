/* driver_calls.c: what a call of the simulated driver costs where no data moves; the budget is 2 microseconds.
 *
 *     driver_calls               prints the time per call of each kind, with few and with many allocations alive
 *     driver_calls NAME COUNT    makes COUNT calls of one kind, for instructions to be counted */
#include <cuda.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CALLS 100000
#define MANY  4000 /* allocations of a large model */

static CUcontext context;
static CUstream stream;
static CUevent event;
static CUdeviceptr memory;
static CUfunction kernel;

static void check(CUresult result)
{
    if (result != CUDA_SUCCESS) {
        fprintf(stderr, "driver_calls: a call gave %d\n", result);
        exit(1);
    }
}

static void query(void)
{
    CUresult result = cuStreamQuery(stream); /* SIMCUDA_ORDER may refuse it */
    check(result == CUDA_ERROR_NOT_READY ? CUDA_SUCCESS : result);
}

static void fill(void)
{
    check(cuMemsetD8Async(memory, 1, 16, stream));
}

static void record(void)
{
    check(cuEventRecord(event, stream));
}

static void wait(void)
{
    check(cuStreamWaitEvent(stream, event, 0));
}

static void launch(void)
{
    unsigned value = 1;
    void *arguments[] = {&memory, &value};
    check(cuLaunchKernel(kernel, 1, 1, 1, 1, 1, 1, 0, stream, arguments, NULL));
}

static void copy(void)
{
    check(cuMemcpyDtoDAsync(memory + 64, memory, 16, stream));
}

static void allocate(void)
{
    CUdeviceptr block;
    check(cuMemAllocAsync(&block, 512, stream));
    check(cuMemFreeAsync(block, stream));
}

static const struct kind {
    const char *name;
    unsigned calls; /* of the driver */
    void (*call)(void);
} kinds[] = {
    {"cuStreamQuery", 1, query},
    {"cuMemsetD8Async", 1, fill},
    {"cuEventRecord", 1, record},
    {"cuStreamWaitEvent", 1, wait},
    {"cuLaunchKernel", 1, launch},
    {"cuMemcpyDtoDAsync", 1, copy},
    {"cuMemAllocAsync+cuMemFreeAsync", 2, allocate},
};
#define KIND_COUNT (sizeof kinds / sizeof *kinds)

static void start(void)
{
    static const char ptx[] = ".version 7.0\n.target sm_50\n.address_size 64\n"
                              ".visible .entry store(.param .u64 to, .param .u32 value)\n{\n    ret;\n}\n";
    CUmodule module;

    check(cuInit(0));
    check(cuDevicePrimaryCtxRetain(&context, 0));
    check(cuCtxSetCurrent(context));
    check(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    check(cuEventCreate(&event, CU_EVENT_DISABLE_TIMING));
    check(cuMemAlloc(&memory, 4096));
    check(cuModuleLoadData(&module, ptx));
    check(cuModuleGetFunction(&kernel, module, "store"));
    for (size_t i = 0; i < KIND_COUNT; i++)
        kinds[i].call(); /* what is done once is not counted */
}

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

static double ns_per_call(const struct kind *kind)
{
    double best = 0;

    for (int round = 0; round < 5; round++) {
        double began = now_ns(), taken;
        for (int i = 0; i < CALLS / 5; i++)
            kind->call();
        taken = (now_ns() - began) / (CALLS / 5) / kind->calls;
        if (round == 0 || taken < best)
            best = taken;
    }
    return best;
}

/* The function that callgrind watches. */
__attribute__((noinline)) void make_calls(const struct kind *kind, long count);

void make_calls(const struct kind *kind, long count)
{
    for (long i = 0; i < count; i++)
        kind->call();
}

int main(int argc, char **argv)
{
    double few[KIND_COUNT];

    start();
    if (argc == 3) {
        for (size_t i = 0; i < KIND_COUNT; i++)
            if (strcmp(argv[1], kinds[i].name) == 0) {
                make_calls(&kinds[i], strtol(argv[2], NULL, 10));
                return 0;
            }
        return 1;
    }
    for (size_t i = 0; i < KIND_COUNT; i++)
        few[i] = ns_per_call(&kinds[i]);
    for (int i = 0; i < MANY; i++) {
        CUdeviceptr one;
        check(cuMemAlloc(&one, 4096));
    }
    printf("%-32s %12s %12s\n", "simulated driver, ns a call", "1 allocation", "4000");
    for (size_t i = 0; i < KIND_COUNT; i++)
        printf("%-32s %12.0f %12.0f\n", kinds[i].name, few[i], ns_per_call(&kinds[i]));
    return 0;
}
