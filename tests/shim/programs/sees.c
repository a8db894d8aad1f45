/* sees.c: tells what a program sees of the machine's devices, at the runtime and at the driver, each through its
 * symbols. What the driver shows in truth is asked of the driver's own functions (simcudaFunction).
 *
 *     sees [then...]       each argument is one step, in order:
 *       look               the environment, the counts, and the names of all devices
 *       beyond BUS         what calls answer that name the first device behind those, whose bus address is BUS
 *       use FILE           opens the model FILE, allocates its tensors of 4 MiB, and tells where they lie
 *       set VALUE          sets CUDA_VISIBLE_DEVICES; VALUE `-` takes it away
 *       spawn, fork, exec  the rest of the steps in a child: of posix_spawn, of fork alone, of fork and exec
 *       early              starts CUDA by the driver's own function, which no hook meets
 *       race               many threads make their first call at once, and each tells what is not as it should be
 */
#include <cuda.h>
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../simcuda/simcuda.h"

extern char **environ;

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "(unset)";
}

/* --- look --------------------------------------------------------------------------------------------------------- */

/* The names of what the driver shows in truth. */
static void tell_driver(void)
{
    CUresult (*get_count)(int *) = (CUresult(*)(int *))simcudaFunction("cuDeviceGetCount");
    CUresult (*get_name)(char *, int, CUdevice) =
        (CUresult(*)(char *, int, CUdevice))simcudaFunction("cuDeviceGetName");
    int count = 0;
    printf(" shown=");
    if (get_count(&count) != CUDA_SUCCESS)
        printf("nothing");
    for (int i = 0; i < count; i++) {
        char name[96] = "?";
        get_name(name, sizeof name, i);
        printf("%s%s", i ? "," : "", name);
    }
}

static void look(void)
{
    int runtime_count = -1, driver_count = -1, current = -1;
    cudaError_t result = cudaGetDeviceCount(&runtime_count);
    if (result != cudaSuccess) {
        printf("env=%s error=%d\n", variable("CUDA_VISIBLE_DEVICES"), (int)result);
        return;
    }
    cuDeviceGetCount(&driver_count);
    cudaGetDevice(&current);
    printf("env=%s runtime=", variable("CUDA_VISIBLE_DEVICES"));
    for (int i = 0; i < runtime_count; i++) {
        struct cudaDeviceProp properties;
        char bus[32] = "";
        int by_bus = -1;
        result = cudaGetDeviceProperties(&properties, i);
        printf("%s%s", i ? "," : "", result == cudaSuccess ? properties.name : "(error)");
        if (cudaDeviceGetPCIBusId(bus, sizeof bus, i) != cudaSuccess ||
            cudaDeviceGetByPCIBusId(&by_bus, bus) != cudaSuccess || by_bus != i)
            printf("(no bus address)");
    }
    printf(" driver=");
    for (int i = 0; i < driver_count; i++) {
        CUdevice device;
        char name[96] = "(error)";
        if (cuDeviceGet(&device, i) == CUDA_SUCCESS)
            cuDeviceGetName(name, sizeof name, device);
        printf("%s%s", i ? "," : "", name);
    }
    tell_driver();
    printf(" current=%d\n", current);
}

/* --- beyond ------------------------------------------------------------------------------------------------------- */

#define TELL(call) printf("%s=%d ", #call, (int)(call))

static void beyond(const char *bus)
{
    int count, value = -1, other = -1;
    cudaMemPool_t pool;
    CUmemoryPool driver_pool;
    CUcontext context;
    CUdevice device;
    struct cudaDeviceProp properties;
    size_t bytes;
    char text[64] = "";
    cudaGetDeviceCount(&count);

    cudaError_t set = cudaSetDevice(count), peek = cudaPeekAtLastError(), last = cudaGetLastError(),
                then = cudaGetLastError();
    cudaGetDevice(&value);
    printf("set=%d peek=%d last=%d then=%d current=%d\n", (int)set, (int)peek, (int)last, (int)then, value);

    TELL(cudaGetDeviceProperties(&properties, count));
    TELL(cudaDeviceGetAttribute(&value, cudaDevAttrWarpSize, count));
    TELL(cudaDeviceGetPCIBusId(text, sizeof text, count));
    TELL(cudaDeviceCanAccessPeer(&other, 0, count));
    TELL(cudaDeviceCanAccessPeer(&other, count, 0));
    TELL(cudaDeviceEnablePeerAccess(count, 0));
    TELL(cudaInitDevice(count, 0, 0));
    TELL(cudaDeviceGetDefaultMemPool(&pool, count));
    TELL(cudaDeviceGetMemPool(&pool, count));
    cudaDeviceGetDefaultMemPool(&pool, 0);
    const struct cudaMemAccessDesc access = {{cudaMemLocationTypeDevice, count}, cudaMemAccessFlagsProtReadWrite};
    TELL(cudaMemPoolSetAccess(pool, &access, 1));
    const CUmemAccessDesc driver_access = {{CU_MEM_LOCATION_TYPE_DEVICE, count}, CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    TELL(cuMemPoolSetAccess(pool, &driver_access, 1));
    TELL(cudaDeviceGetByPCIBusId(&other, bus));
    void *memory = NULL;
    cudaMalloc(&memory, 64);
    TELL(cudaMemcpyPeer(memory, count, memory, 0, 16));
    TELL(cudaMemcpyPeerAsync(memory, 0, memory, count, 16, NULL));
    TELL(cudaGetLastError());
    TELL(cudaSetDevice(-1));
    TELL(cudaGetLastError());
    puts("");
    TELL(cuDeviceGet(&device, count));
    TELL(cuDeviceGetName(text, sizeof text, count));
    TELL(cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_WARP_SIZE, count));
    TELL(cuDeviceTotalMem(&bytes, count));
    TELL(cuDeviceCanAccessPeer(&value, 0, count));
    TELL(cuDevicePrimaryCtxRetain(&context, count));
    TELL(cuDeviceGetDefaultMemPool(&driver_pool, count));
    TELL(cuDeviceGetByPCIBusId(&device, bus));
    TELL(cudaGetLastError());
    puts("");
}

/* --- use ---------------------------------------------------------------------------------------------------------- */

#define BYTES ((size_t)4 << 20)

static void use(const char *model)
{
    struct cudaPointerAttributes attributes;
    CUcontext before = NULL, after = NULL;
    cudaFree(NULL); /* the runtime's own context is there from here on */
    cuCtxGetCurrent(&before);
    close(open(model, O_RDONLY));
    for (int i = 0; i < 3; i++) {
        void *weight = NULL;
        if (cudaMalloc(&weight, BYTES) != cudaSuccess || cudaPointerGetAttributes(&attributes, weight) != cudaSuccess)
            printf("error ");
        if (simcudaBytesAt(weight, BYTES, SIMCUDA_LOCATION_HOST) == BYTES)
            printf("host");
        for (int location = 0; location < 8; location++)
            if (simcudaBytesAt(weight, BYTES, location) == BYTES)
                printf("driver:%d", location);
        printf("(%d) ", attributes.device);
    }
    cuCtxGetCurrent(&after);
    puts(before == after ? "same context" : "ANOTHER CONTEXT");
}

/* --- race --------------------------------------------------------------------------------------------------------- */

enum { THREADS = 16 };
static pthread_barrier_t barrier;
static char narrowed[256];

static void *race_one(void *argument)
{
    int count = -1, number = (int)(intptr_t)argument;
    pthread_barrier_wait(&barrier);
    if (number % 3 == 0)
        cuInit(0);
    if (number % 3 == 1)
        cudaFree(NULL);
    if (number % 3 != 2 && strcmp(variable("CUDA_VISIBLE_DEVICES"), narrowed) != 0)
        puts("the environment is not narrowed");
    if (cudaGetDeviceCount(&count) != cudaSuccess || count != 1)
        printf("a thread counts %d\n", count);
    if (strcmp(variable("CUDA_VISIBLE_DEVICES"), narrowed) != 0)
        puts("the environment is not narrowed");
    return NULL;
}

static void race(void)
{
    pthread_t threads[THREADS];
    snprintf(narrowed, sizeof narrowed, "%s", variable("CUDA_VISIBLE_DEVICES"));
    pthread_barrier_init(&barrier, NULL, THREADS);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, race_one, (void *)(intptr_t)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    puts("raced");
}

/* --- Steps -------------------------------------------------------------------------------------------------------- */

static int wait_for(pid_t child)
{
    int status = 1;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

static int in_child(const char *how, char **program)
{
    pid_t child = -1;
    fflush(stdout);
    if (strcmp(how, "spawn") == 0)
        return posix_spawn(&child, "/proc/self/exe", NULL, NULL, program, environ) ? 1 : wait_for(child);
    child = fork();
    if (child == 0) {
        execv("/proc/self/exe", program);
        _exit(1);
    }
    return wait_for(child);
}

int main(int count, char **arguments)
{
    for (int i = 1; i < count; i++) {
        const char *step = arguments[i];
        if (strcmp(step, "look") == 0)
            look();
        else if (strcmp(step, "beyond") == 0 && i + 1 < count)
            beyond(arguments[++i]);
        else if (strcmp(step, "early") == 0)
            ((CUresult(*)(unsigned))simcudaFunction("cuInit"))(0);
        else if (strcmp(step, "race") == 0)
            race();
        else if (strcmp(step, "use") == 0 && i + 1 < count)
            use(arguments[++i]);
        else if (strcmp(step, "set") == 0 && i + 1 < count)
            strcmp(arguments[++i], "-") == 0 ? unsetenv("CUDA_VISIBLE_DEVICES")
                                             : setenv("CUDA_VISIBLE_DEVICES", arguments[i], 1);
        else if (strcmp(step, "fork") == 0) {
            fflush(stdout);
            pid_t child = fork();
            if (child > 0)
                return wait_for(child);
        } else {
            char *how = arguments[i];
            arguments[i] = arguments[0]; /* the child goes on behind this step */
            return in_child(how, arguments + i);
        }
    }
    return 0;
}
