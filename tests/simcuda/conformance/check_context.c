/* check_context.c: initialisation, contexts, and finding functions. */
#include "context.h"

#include <pthread.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

CHECK(init_first, "[header: cuInit]", "a driver call before cuInit is an error", "init_before_use")
{
    int count;
    FAILS(cuDeviceGetCount(&count), CUDA_ERROR_NOT_INITIALIZED);
}

CHECK(fork_child, "[observed: PyTorch, CUDA in a forked subprocess]",
    "a child of a process that called cuInit cannot use CUDA", "fork_child")
{
    OK(cuInit(0));
    pid_t child = fork();
    EXPECT(child >= 0);
    if (child == 0) {
        int count;
        _exit(cuDeviceGetCount(&count) == CUDA_ERROR_NOT_INITIALIZED ? 0 : 1);
    }
    int status;
    EXPECT(waitpid(child, &status, 0) == child);
    EXPECT(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

CHECK(context_needed, "[header: cuMemAlloc]", "an allocation without a current context is refused", "context_needed")
{
    CUdeviceptr memory;
    OK(cuInit(0));
    FAILS(cuMemAlloc(&memory, 4096), CUDA_ERROR_INVALID_CONTEXT);
}

CHECK(context_primary_state, "[header: cuDevicePrimaryCtxRetain]",
    "a primary context is active from its first retain to its last release")
{
    CUdevice device;
    CUcontext first, second;
    unsigned flags;
    int active;
    OK(cuInit(0));
    OK(cuDeviceGet(&device, 0));
    OK(cuDevicePrimaryCtxGetState(device, &flags, &active));
    EXPECT(!active);
    OK(cuDevicePrimaryCtxRetain(&first, device));
    OK(cuDevicePrimaryCtxRetain(&second, device));
    EXPECT(first == second);
    OK(cuDevicePrimaryCtxRelease(device));
    OK(cuDevicePrimaryCtxGetState(device, &flags, &active));
    EXPECT(active);
    OK(cuDevicePrimaryCtxRelease(device));
    OK(cuDevicePrimaryCtxGetState(device, &flags, &active));
    EXPECT(!active);
}

CHECK(context_released_too_often, "[header: cuDevicePrimaryCtxRelease]",
    "a primary context that is not retained cannot be released", "release_retained")
{
    CUdevice device;
    CUcontext context;
    OK(cuInit(0));
    OK(cuDeviceGet(&device, 0));
    OK(cuDevicePrimaryCtxRetain(&context, device));
    OK(cuDevicePrimaryCtxRelease(device));
    FAILS(cuDevicePrimaryCtxRelease(device), CUDA_ERROR_INVALID_CONTEXT);
}

CHECK(context_stack, "[header: cuCtxPushCurrent, cuCtxPopCurrent]",
    "contexts that were pushed come back in the opposite order, and none from an empty stack", "pop_something")
{
    CUcontext first = new_context(0), second = new_context(0), found;
    OK(cuCtxPushCurrent(first));
    OK(cuCtxPopCurrent(&found));
    EXPECT(found == first);
    OK(cuCtxPopCurrent(&found));
    EXPECT(found == second);
    OK(cuCtxGetCurrent(&found));
    EXPECT(found == first);
    OK(cuCtxPopCurrent(&found));
    OK(cuCtxGetCurrent(&found));
    EXPECT(found == NULL);
    FAILS(cuCtxPopCurrent(&found), CUDA_ERROR_INVALID_CONTEXT);
}

struct meeting {
    pthread_barrier_t current, destroyed;
    CUcontext context;
    CUresult result;
};

static void *use_destroyed(void *state)
{
    struct meeting *meeting = state;
    CUdeviceptr memory;
    OK(cuCtxSetCurrent(meeting->context));
    pthread_barrier_wait(&meeting->current);
    pthread_barrier_wait(&meeting->destroyed);
    meeting->result = cuMemAlloc(&memory, MIB);
    return NULL;
}

CHECK(context_destroyed, "[header: cuCtxDestroy]",
    "a destroyed context stays current to other threads, whose calls say that it is destroyed", "context_destroyed")
{
    struct meeting meeting = {.context = new_context(0)};
    pthread_t thread;
    CUcontext mine;
    EXPECT(!pthread_barrier_init(&meeting.current, NULL, 2) && !pthread_barrier_init(&meeting.destroyed, NULL, 2));
    EXPECT(!pthread_create(&thread, NULL, use_destroyed, &meeting));
    pthread_barrier_wait(&meeting.current);
    OK(cuCtxDestroy(meeting.context));
    OK(cuCtxGetCurrent(&mine));
    EXPECT(mine == NULL); /* it is taken from the stack of the thread that destroyed it */
    pthread_barrier_wait(&meeting.destroyed);
    EXPECT(!pthread_join(thread, NULL));
    FAILS(meeting.result, CUDA_ERROR_CONTEXT_IS_DESTROYED);
}

CHECK(context_of_runtime, "[doc: runtime API, interactions with the driver API]",
    "the runtime works in the device's primary context")
{
    CUcontext primary, current;
    CUdevice device;
    use_device(0);
    OK(cuCtxGetCurrent(&current));
    OK(cuDeviceGet(&device, 0));
    OK(cuDevicePrimaryCtxRetain(&primary, device));
    EXPECT(current == primary);
}

static void *current_context(void *context)
{
    OK(cuCtxGetCurrent(context));
    return NULL;
}

CHECK(context_per_thread, "[doc: driver API, context]",
    "the current context is the thread's own: a new thread has none", "context_per_thread")
{
    CUcontext there = (CUcontext)1;
    pthread_t thread;
    use_device(0);
    EXPECT(!pthread_create(&thread, NULL, current_context, &there));
    EXPECT(!pthread_join(thread, NULL));
    EXPECT(there == NULL);
}

CHECK(context_adopted, "[doc: runtime API, interactions with the driver API]",
    "the runtime uses the context that the program made current with the driver")
{
    CUcontext current, primary;
    CUdevice device;
    int found;
    need_devices(2);
    use_device(0);
    OK(cuDeviceGet(&device, 1));
    OK(cuDevicePrimaryCtxRetain(&primary, device));
    OK(cuCtxSetCurrent(primary));
    OK(cudaGetDevice(&found));
    EXPECT(found == 1);
    OK(cudaFree(NULL));
    OK(cuCtxGetCurrent(&current));
    EXPECT(current == primary);
}

CHECK(device_reset, "[doc: cudaDeviceReset]", "a reset frees all of the device, and the next call starts it anew",
    "free_live")
{
    void *memory;
    use_device(0);
    size_t before = free_bytes();
    OK(cudaMalloc(&memory, 256 * MIB));
    OK(cudaDeviceReset());
    use_device(0);
    EXPECT(free_bytes() + 16 * MIB > before);
    FAILS(cudaFree(memory), cudaErrorInvalidValue);
    OK(cudaMalloc(&memory, MIB));
    OK(cudaMemset(memory, 1, MIB));
    expect_filled((CUdeviceptr)memory, 1, MIB);
}

CHECK(device_invalid, "[doc: cudaSetDevice]", "a device ordinal beyond the last is refused and changes nothing",
    "device_ordinal")
{
    int count = device_count(), device;
    FAILS(cudaSetDevice(count), cudaErrorInvalidDevice);
    FAILS(cudaSetDevice(-1), cudaErrorInvalidDevice);
    OK(cudaGetDevice(&device));
    EXPECT(device == 0);
}

/* Header and guide differ on whether such a look-up succeeds; what counts is that it gives no function and says why. */
static void expect_no_function(const char *name, int version, CUdriverProcAddressQueryResult why)
{
    void *function = (void *)1;
    CUdriverProcAddressQueryResult found = CU_GET_PROC_ADDRESS_SUCCESS;
    CUresult result = cuGetProcAddress(name, &function, version, CU_GET_PROC_ADDRESS_DEFAULT, &found);
    EXPECT(result == CUDA_SUCCESS || result == CUDA_ERROR_NOT_FOUND);
    NEVER(function != NULL);
    EXPECT(found == why);
}

CHECK(entry_point_unknown, "[header: cuGetProcAddress]", "a look-up of an unknown name gives no function",
    "entry_point_known")
{
    OK(cuInit(0));
    expect_no_function("cuNoSuchFunction", 12000, CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND);
}

CHECK(entry_point_unknown_to_runtime, "[doc: cudaGetDriverEntryPointByVersion]",
    "the runtime's look-up of an unknown name succeeds and gives no function", "entry_point_known")
{
    void *function = (void *)1;
    enum cudaDriverEntryPointQueryResult status;
#if CUDART_VERSION >= 12050
    OK(cudaGetDriverEntryPointByVersion("cuNoSuchFunction", &function, 12000, cudaEnableDefault, &status));
#else
    OK(cudaGetDriverEntryPoint("cuNoSuchFunction", &function, cudaEnableDefault, &status));
#endif
    NEVER(function != NULL);
    EXPECT(status == cudaDriverEntryPointSymbolNotFound);
}

CHECK(entry_point_version, "[header: cuGetProcAddress]",
    "a look-up never gives a function newer than the version asked for", "entry_point_version")
{
    void *function = NULL;
    CUdriverProcAddressQueryResult found;
    OK(cuInit(0));
    expect_no_function("cuMemAllocAsync", 11010, CU_GET_PROC_ADDRESS_VERSION_NOT_SUFFICIENT); /* it came with 11.2 */
    OK(cuGetProcAddress("cuMemAllocAsync", &function, 11020, CU_GET_PROC_ADDRESS_DEFAULT, &found));
    EXPECT(function != NULL && found == CU_GET_PROC_ADDRESS_SUCCESS);
}
