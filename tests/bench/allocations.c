/* allocations.c: what the library adds to an activation-sized cudaMallocAsync and the cudaFreeAsync of it, in a program
 * that uses models. The runtime's own (pool_cudart.c) cost next to nothing; the driver is the simulated one.
 *
 *     allocations STATE LIVE [direct|hooked]
 *
 * STATE: `idle` (no model is opened), `weights` (those of a model live), `load` (half of them live, and the rest are
 * missing still). LIVE allocations of 512 bytes to 64 KiB live besides. Prints nanoseconds a pair of calls, hooked and
 * direct: the smallest of 50 rounds each, in turn. With the third argument it makes 2,000 pairs in direct_pairs or
 * hooked_pairs and prints nothing, for counting instructions with callgrind (--toggle-collect). */
#include <cuda.h>
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WEIGHTS      400
#define WEIGHT_BYTES ((size_t)96 << 10)
#define PAIRS        2000
#define ROUNDS       50

int cudaMallocAsync(void **pointer, size_t bytes, CUstream stream);
int cudaFreeAsync(void *pointer, CUstream stream);

struct calls {
    int (*allocate)(void **pointer, size_t bytes, CUstream stream);
    int (*free)(void *pointer, CUstream stream);
};
static volatile struct calls hooked = {cudaMallocAsync, cudaFreeAsync}, direct;

/* Of activations, none of them a weight's; one after the other. */
static const size_t sizes[] = {512, 2048, 4096, 20480, 65536};
static CUstream stream;

static void must(int result, const char *what)
{
    if (result == 0)
        return;
    fprintf(stderr, "allocations: %s: error %d\n", what, result);
    exit(1);
}

static size_t size_of(size_t turn)
{
    return sizes[turn % (sizeof sizes / sizeof *sizes)];
}

static void write_model(const char *path)
{
    static char header[WEIGHTS * 96];
    size_t length = (size_t)sprintf(header, "{");
    for (size_t i = 0; i < WEIGHTS; i++)
        length += (size_t)sprintf(header + length,
            "%s\"layer.%zu.weight\":{\"dtype\":\"U8\",\"shape\":[%zu],\"data_offsets\":[%zu,%zu]}", i ? "," : "", i,
            WEIGHT_BYTES, i * WEIGHT_BYTES, (i + 1) * WEIGHT_BYTES);
    length += (size_t)sprintf(header + length, "}");
    uint64_t prefix = length;
    FILE *file = fopen(path, "w");
    if (!file || fwrite(&prefix, sizeof prefix, 1, file) != 1 || fwrite(header, 1, length, file) != length ||
        fflush(file) != 0 || ftruncate(fileno(file), (off_t)(sizeof prefix + length + WEIGHTS * WEIGHT_BYTES)) != 0)
        exit(1);
    fclose(file);
}

static void load(size_t count)
{
    char path[64];
    void *weight;
    CUmemorytype type;
    snprintf(path, sizeof path, "/tmp/vramspan-bench-%d.safetensors", (int)getpid());
    write_model(path);
    FILE *file = fopen(path, "r");
    for (size_t i = 0; file && i < count; i++)
        must(cudaMallocAsync(&weight, WEIGHT_BYTES, stream), "a weight");
    must(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, (CUdeviceptr)weight), "it is not placed");
    if (file)
        fclose(file);
    remove(path);
}

static inline void make_pairs(const volatile struct calls *calls)
{
    void *activation;
    for (size_t i = 0; i < PAIRS; i++) {
        calls->allocate(&activation, size_of(i), stream);
        calls->free(activation, stream);
    }
}

__attribute__((noinline)) void direct_pairs(void);
__attribute__((noinline)) void hooked_pairs(void);
void direct_pairs(void)
{
    make_pairs(&direct);
}

void hooked_pairs(void)
{
    make_pairs(&hooked);
}

static double pair_ns(void (*pairs)(void))
{
    struct timespec before, after;
    clock_gettime(CLOCK_MONOTONIC, &before);
    pairs();
    clock_gettime(CLOCK_MONOTONIC, &after);
    return ((double)(after.tv_sec - before.tv_sec) * 1e9 + (double)(after.tv_nsec - before.tv_nsec)) / PAIRS;
}

static void start(void)
{
    CUcontext context;
    CUdevice device;
    void *runtime = dlopen("libcudart.so.13", RTLD_LAZY | RTLD_NOLOAD);
    must(!runtime, "no runtime");
    direct.allocate = (int (*)(void **, size_t, CUstream))dlsym(runtime, "cudaMallocAsync");
    direct.free = (int (*)(void *, CUstream))dlsym(runtime, "cudaFreeAsync");
    must(direct.free == hooked.free, "libvramspan.so is not preloaded");
    must(cuInit(0) || cuDeviceGet(&device, 0) || cuDevicePrimaryCtxRetain(&context, device) ||
             cuCtxSetCurrent(context) || cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING),
        "a stream");
}

int main(int count, char **arguments)
{
    void *live, *weight;
    CUmemorytype type;
    if (count < 3)
        return 2;
    start();
    if (strcmp(arguments[1], "idle") != 0)
        load(strcmp(arguments[1], "weights") == 0 ? WEIGHTS : WEIGHTS / 2);
    for (size_t i = strtoul(arguments[2], NULL, 10); i > 0; i--)
        must(cudaMallocAsync(&live, size_of(i), stream), "an allocation that lives");
    must(cudaFreeAsync(live, stream), "the first free, which resolves its entry point");
    if (count > 3) {
        strcmp(arguments[3], "direct") == 0 ? direct_pairs() : hooked_pairs();
        return 0;
    }
    double least_hooked = 1e9, least_direct = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        double a = pair_ns(hooked_pairs), b = pair_ns(direct_pairs);
        least_hooked = a < least_hooked ? a : least_hooked;
        least_direct = b < least_direct ? b : least_direct;
    }
    if (strcmp(arguments[1], "load") == 0)
        must(cudaMallocAsync(&weight, WEIGHT_BYTES, stream) ||
                 cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, (CUdeviceptr)weight),
            "the load is not open any more");
    printf("%.1f %.1f\n", least_hooked, least_direct);
    return 0;
}
