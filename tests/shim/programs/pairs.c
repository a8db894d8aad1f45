/* pairs.c: makes each runtime call of the table of hooks once, and tells what the driver was entered by: a line
 *
 *     SYMBOL=RESULT DRIVER_SYMBOL*COUNT ...
 *
 * with the driver's functions of the table that are of the call's own kind, or allocate, free or copy. So a call that
 * acts twice, or not to the end, differs from the same call without the preload. Where the table has a call that is not
 * made here with arguments of its own, it is made with nothing. */
#include <cuda.h>
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "../../simcuda/simcuda.h"

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

static _Alignas(64) char buffer[1 << 16];

/* What the calls work on. */
static char *one, *two, host[4096];
static void *block;
static cudaStream_t stream;
static cudaMemPool_t pool;
static cudaGraph_t graph;
static int value;
static char text[64];
enum { BYTES = 256 };

static const struct {
    const char *symbol, *kind;
} rows[] = {
#define ROW(symbol, name, since, per_thread, kind, pfn) {#symbol, kind},
#include "rows.h"
#undef ROW
};
enum { ROWS = sizeof rows / sizeof *rows };

/* --- Calls of their own ------------------------------------------------------------------------------------------- */

#define PAIR(symbol, kind, result, parameters, arguments) typedef result type_##symbol parameters;
#include "pairs.h"
#undef PAIR

#define REAL(symbol) ((type_##symbol *)function)
#define OWN(symbol, ...)                                                                                               \
    static int own_##symbol(void *function)                                                                            \
    {                                                                                                                  \
        return (int)REAL(symbol)(__VA_ARGS__);                                                                         \
    }

OWN(cudaMalloc, &block, 4096)
OWN(cudaFree, block)
OWN(cudaMallocAsync, &block, 4096, stream)
OWN(cudaFreeAsync, block, stream)
OWN(cudaMallocAsync_ptsz, &block, 4096, stream)
OWN(cudaFreeAsync_ptsz, block, stream)
OWN(cudaMemcpy, one, host, BYTES, cudaMemcpyHostToDevice)
OWN(cudaMemcpy_ptds, host, one, BYTES, cudaMemcpyDeviceToHost)
OWN(cudaMemcpyAsync, two, one, BYTES, cudaMemcpyDeviceToDevice, stream)
OWN(cudaMemcpyAsync_ptsz, one, host, BYTES, cudaMemcpyHostToDevice, stream)
OWN(cudaMemcpy2D, one, 64, host, 64, 32, 4, cudaMemcpyHostToDevice)
OWN(cudaMemcpy2D_ptds, host, 64, one, 64, 32, 4, cudaMemcpyDeviceToHost)
OWN(cudaMemcpy2DAsync, two, 64, one, 64, 32, 4, cudaMemcpyDeviceToDevice, stream)
OWN(cudaMemcpy2DAsync_ptsz, one, 64, host, 64, 32, 4, cudaMemcpyHostToDevice, stream)
static struct cudaMemcpy3DParms box(void)
{
    return (struct cudaMemcpy3DParms){
        .srcPtr = {one, 64, 64, 4}, .dstPtr = {two, 64, 64, 4}, .extent = {32, 2, 2}, .kind = cudaMemcpyDeviceToDevice};
}
static struct cudaMemcpy3DPeerParms peer_box(void)
{
    return (struct cudaMemcpy3DPeerParms){.srcPtr = {one, 64, 64, 4}, .dstPtr = {two, 64, 64, 4}, .extent = {32, 2, 2}};
}
OWN(cudaMemcpy3D, (struct cudaMemcpy3DParms[]){box()})
OWN(cudaMemcpy3D_ptds, (struct cudaMemcpy3DParms[]){box()})
OWN(cudaMemcpy3DAsync, (struct cudaMemcpy3DParms[]){box()}, stream)
OWN(cudaMemcpy3DAsync_ptsz, (struct cudaMemcpy3DParms[]){box()}, stream)
OWN(cudaMemcpyPeer, two, 0, one, 0, BYTES)
OWN(cudaMemcpyPeerAsync, two, 0, one, 0, BYTES, stream)
OWN(cudaMemcpy3DPeer, (struct cudaMemcpy3DPeerParms[]){peer_box()})
OWN(cudaMemcpy3DPeerAsync, (struct cudaMemcpy3DPeerParms[]){peer_box()}, stream)
OWN(cudaPointerGetAttributes, (struct cudaPointerAttributes *)buffer, one)
OWN(cudaIpcGetMemHandle, (cudaIpcMemHandle_t *)buffer, one)
OWN(cudaMemPoolTrimTo, pool, 0)
OWN(cudaStreamBeginCapture, stream, cudaStreamCaptureModeRelaxed)
OWN(cudaStreamEndCapture, stream, &graph)
OWN(cudaStreamBeginCapture_ptsz, stream, cudaStreamCaptureModeRelaxed)
OWN(cudaStreamEndCapture_ptsz, stream, &graph)
OWN(cudaGetDeviceCount, &value)
OWN(cudaDeviceGetByPCIBusId, &value, text)
OWN(cudaSetValidDevices, &value, 0)
OWN(cudaSetDevice, 0)
OWN(cudaGetDeviceProperties, (struct cudaDeviceProp *)buffer, 0)
OWN(cudaDeviceGetAttribute, &value, cudaDevAttrWarpSize, 0)
OWN(cudaDeviceGetPCIBusId, text, sizeof text, 0)
OWN(cudaDeviceCanAccessPeer, &value, 0, 1)
OWN(cudaDeviceEnablePeerAccess, 1, 0)
OWN(cudaDeviceDisablePeerAccess, 1)
OWN(cudaDeviceGetP2PAttribute, &value, cudaDevP2PAttrAccessSupported, 0, 1)
OWN(cudaInitDevice, 0, 0, 0)
OWN(cudaDeviceGetDefaultMemPool, &pool, 0)
OWN(cudaDeviceGetMemPool, &pool, 0)
OWN(cudaDeviceSetMemPool, 0, pool)
OWN(cudaDeviceGetGraphMemAttribute, 0, cudaGraphMemAttrUsedMemCurrent, buffer)
OWN(cudaDeviceGraphMemTrim, 0)
OWN(cudaGetDriverEntryPoint, "cuMemAlloc", &block, 0, NULL)
OWN(cudaGetDriverEntryPointByVersion, "cuMemAlloc", &block, 12000, 0, NULL)

#define ENTRY(symbol) {#symbol, own_##symbol},
static const struct own {
    const char *symbol;
    int (*call)(void *function);
} owns[] = {
    /* In this order: what is allocated is freed next. */
    ENTRY(cudaMalloc) ENTRY(cudaFree) ENTRY(cudaMallocAsync) ENTRY(cudaFreeAsync) ENTRY(cudaMallocAsync_ptsz) ENTRY(
        cudaFreeAsync_ptsz) ENTRY(cudaMemcpy) ENTRY(cudaMemcpy_ptds) ENTRY(cudaMemcpyAsync) ENTRY(cudaMemcpyAsync_ptsz)
        ENTRY(cudaMemcpy2D) ENTRY(cudaMemcpy2D_ptds) ENTRY(cudaMemcpy2DAsync) ENTRY(cudaMemcpy2DAsync_ptsz)
            ENTRY(cudaMemcpy3D) ENTRY(cudaMemcpy3D_ptds) ENTRY(cudaMemcpy3DAsync) ENTRY(cudaMemcpy3DAsync_ptsz)
                ENTRY(cudaMemcpyPeer) ENTRY(cudaMemcpyPeerAsync) ENTRY(cudaMemcpy3DPeer) ENTRY(cudaMemcpy3DPeerAsync)
                    ENTRY(cudaPointerGetAttributes) ENTRY(cudaIpcGetMemHandle) ENTRY(cudaMemPoolTrimTo)
                        ENTRY(cudaStreamBeginCapture) ENTRY(cudaStreamEndCapture) ENTRY(cudaStreamBeginCapture_ptsz)
                            ENTRY(cudaStreamEndCapture_ptsz) ENTRY(cudaGetDeviceCount) ENTRY(cudaDeviceGetPCIBusId)
                                ENTRY(cudaDeviceGetByPCIBusId) ENTRY(cudaSetValidDevices) ENTRY(cudaSetDevice)
                                    ENTRY(cudaGetDeviceProperties) ENTRY(cudaDeviceGetAttribute)
                                        ENTRY(cudaDeviceCanAccessPeer) ENTRY(cudaDeviceEnablePeerAccess)
                                            ENTRY(cudaDeviceDisablePeerAccess) ENTRY(cudaDeviceGetP2PAttribute)
                                                ENTRY(cudaInitDevice) ENTRY(cudaDeviceGetDefaultMemPool)
                                                    ENTRY(cudaDeviceGetMemPool) ENTRY(cudaDeviceSetMemPool)
                                                        ENTRY(cudaDeviceGetGraphMemAttribute)
                                                            ENTRY(cudaDeviceGraphMemTrim) ENTRY(cudaGetDriverEntryPoint)
                                                                ENTRY(cudaGetDriverEntryPointByVersion)};
enum { OWNS = sizeof owns / sizeof *owns };

/* --- All others ----------------------------------------------------------------------------------------------------
 */

#define PAIR(symbol, kind, result, parameters, arguments)                                                              \
    static int plain_##symbol(void *function)                                                                          \
    {                                                                                                                  \
        return (int)REAL(symbol) arguments;                                                                            \
    }
#include "pairs.h"
#undef PAIR

static const struct pair {
    const char *symbol, *kind;
    int (*plain)(void *function);
} pairs[] = {
#define PAIR(symbol, kind, result, parameters, arguments) {#symbol, kind, plain_##symbol},
#include "pairs.h"
};
enum { PAIRS = sizeof pairs / sizeof *pairs };

static bool has_own(const char *symbol)
{
    for (int i = 0; i < OWNS; i++)
        if (strcmp(owns[i].symbol, symbol) == 0)
            return true;
    return false;
}

static const char *kind_of(const char *symbol)
{
    for (int i = 0; i < PAIRS; i++)
        if (strcmp(pairs[i].symbol, symbol) == 0)
            return pairs[i].kind;
    return "";
}

static bool is_told(const char *row, const char *call)
{
    return strcmp(row, call) == 0 || strcmp(row, "alloc") == 0 || strcmp(row, "free") == 0 || strcmp(row, "copy") == 0;
}

static void make(const char *symbol, const char *kind, int (*call)(void *function))
{
    uint64_t before[ROWS];
    void *function = dlsym(RTLD_DEFAULT, symbol);
    if (!function || !dlsym(dlopen("libcudart.so.13", RTLD_NOW), symbol))
        return; /* of another major version */
    for (int i = 0; i < ROWS; i++)
        before[i] = simcudaCalls(rows[i].symbol);
    int result = call(function);
    printf("%s=%d", symbol, result);
    for (int i = 0; i < ROWS; i++)
        if (simcudaCalls(rows[i].symbol) != before[i] && is_told(rows[i].kind, kind))
            printf(" %s*%d", rows[i].symbol, (int)(simcudaCalls(rows[i].symbol) - before[i]));
    puts("");
}

int main(void)
{
    if (cudaMalloc((void **)&one, 4096) || cudaMalloc((void **)&two, 4096) || cudaStreamCreate(&stream) ||
        cudaDeviceGetDefaultMemPool(&pool, 0))
        return 1;
    cudaMemPoolTrimTo(pool, 0);
    for (int i = 0; i < OWNS; i++)
        make(owns[i].symbol, kind_of(owns[i].symbol), owns[i].call);
    cudaDeviceSynchronize();
    for (int i = 0; i < PAIRS; i++)
        if (!has_own(pairs[i].symbol) && strcmp(pairs[i].symbol, "cudaDeviceReset") != 0)
            make(pairs[i].symbol, pairs[i].kind, pairs[i].plain);
    for (int i = 0; i < PAIRS; i++)
        if (strcmp(pairs[i].symbol, "cudaDeviceReset") == 0)
            make(pairs[i].symbol, pairs[i].kind, pairs[i].plain);
    return 0;
}
