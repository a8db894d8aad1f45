/* inside.c: while a launching call is inside the runtime, which has queued nothing of it yet, pages do not move; once
 * it has returned they do. argv: a model of one tensor, and its bytes. Prints a line for each call; the status is 1
 * where one is not as it should be. Calls inside_cudart.c; where bytes are is the simulator's account. */
#include <cuda.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../simcuda/simcuda.h"

#define PAGE ((size_t)2 << 20)

extern atomic_bool is_inside, may_return;
int cudaLaunchKernel(const void *function, unsigned long a, unsigned b, unsigned long c, unsigned d, void **arguments,
    size_t shared_bytes, void *stream);
int cudaGraphLaunch(void *graph, void *stream);
int cudaMemcpyAsync(void *dst, const void *src, size_t bytes, int kind, void *stream);
int cudaMemsetAsync(void *dst, int value, size_t bytes, void *stream);

static char *page, host[4096];
static int (*rehome)(void *address, size_t bytes, int location);
static CUcontext context;

static void launch(void)
{
    cudaLaunchKernel(page, 1, 1, 1, 1, NULL, 0, NULL);
}

static void launch_graph(void)
{
    cudaGraphLaunch(page, NULL);
}

static void copy(void)
{
    cudaMemcpyAsync(page, host, sizeof host, 1, NULL);
}

static void set(void)
{
    cudaMemsetAsync(page, 1, 4096, NULL);
}

static const struct {
    const char *name;
    void (*make)(void);
} calls[] = {{"cudaLaunchKernel", launch}, {"cudaMemcpyAsync", copy}, {"cudaMemsetAsync", set},
    {"cudaGraphLaunch", launch_graph}}; /* the last one: what a graph may use stays */

static void *make_call(void *call)
{
    cuCtxSetCurrent(context);
    calls[*(const size_t *)call].make();
    return NULL;
}

static bool lies_at(int location)
{
    return simcudaBytesAt(page, PAGE, location) == PAGE;
}

static bool stays_while_inside(size_t call)
{
    pthread_t thread;
    atomic_store(&is_inside, false);
    atomic_store(&may_return, false);
    pthread_create(&thread, NULL, make_call, &call);
    while (!atomic_load(&is_inside))
        usleep(200);
    int refused = rehome(page, PAGE, SIMCUDA_LOCATION_HOST);
    bool stayed = lies_at(0);
    atomic_store(&may_return, true);
    pthread_join(thread, NULL);
    return refused == CUDA_ERROR_NOT_READY && stayed;
}

int main(int count, char **arguments)
{
    CUdeviceptr weight;
    CUdevice device;
    bool good = true;
    if (count != 3)
        return 2;
    size_t bytes = strtoull(arguments[2], NULL, 10);
    rehome = (int (*)(void *, size_t, int))dlsym(RTLD_DEFAULT, "vs_control_rehome");
    void (*set_limit)(uint64_t) = (void (*)(uint64_t))dlsym(RTLD_DEFAULT, "vs_control_set_limit");
    if (!rehome || !set_limit || cuInit(0) || cuDeviceGet(&device, 0) || cuDevicePrimaryCtxRetain(&context, device) ||
        cuCtxSetCurrent(context))
        return 3;
    close(open(arguments[1], O_RDONLY));
    if (cuMemAlloc(&weight, bytes))
        return 4;
    page = (char *)((weight + PAGE - 1) / PAGE * PAGE);
    set_limit(200000000u);
    for (size_t call = 0; call < sizeof calls / sizeof *calls; call++) {
        bool stays = stays_while_inside(call), last = call + 1 == sizeof calls / sizeof *calls;
        bool moves = last || (rehome(page, PAGE, SIMCUDA_LOCATION_HOST) == 0 && lies_at(SIMCUDA_LOCATION_HOST) &&
                                 rehome(page, PAGE, 0) == 0 && lies_at(0));
        printf("%s: pages %s while it is inside, and %s after it\n", calls[call].name, stays ? "stay" : "DO NOT STAY",
            moves ? "move" : "DO NOT MOVE");
        good = good && stays && moves;
    }
    return !good;
}
