/* stress.c: threads allocate, fill, check and free weights at once, while models are opened. Weights must really have
 * been elsewhere, by the simulator's account, and nothing may be left there at the end. A plain program, so that it can
 * run under ThreadSanitizer. Prints one TAP line.
 *
 * stress THREADS ROUNDS MODEL BYTES: the model holds many tensors of BYTES. */
#include <cuda_runtime_api.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../simcuda/simcuda.h"

static const char *model;
static size_t bytes;
static unsigned rounds;
static atomic_uint elsewhere; /* weights seen outside of the compute device */

static void *fail(const char *what, unsigned thread)
{
    fprintf(stderr, "thread %u: %s\n", thread, what);
    return (void *)1;
}

static void *work(void *argument)
{
    unsigned thread = *(unsigned *)argument;
    unsigned char *content = malloc(bytes), *result = malloc(bytes);
    cudaStream_t stream;
    if (!content || !result || cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking) != cudaSuccess)
        return fail("set-up failed", thread);
    for (unsigned round = 0; round < rounds; round++) {
        void *weight, *other;
        close(open(model, O_RDONLY));
        if (cudaMalloc(&weight, bytes) != cudaSuccess || cudaMallocAsync(&other, bytes, stream) != cudaSuccess)
            return fail("an allocation failed", thread);
        memset(content, (int)(thread * 31 + round), bytes);
        if (cudaMemcpyAsync(weight, content, bytes, cudaMemcpyHostToDevice, stream) != cudaSuccess ||
            cudaMemcpyAsync(other, weight, bytes, cudaMemcpyDeviceToDevice, stream) != cudaSuccess ||
            cudaMemcpyAsync(result, other, bytes, cudaMemcpyDeviceToHost, stream) != cudaSuccess ||
            cudaStreamSynchronize(stream) != cudaSuccess)
            return fail("a copy failed", thread);
        if (memcmp(content, result, bytes) != 0)
            return fail("bytes were changed", thread);
        if (simcudaBytesAt(weight, bytes, 0) == 0)
            atomic_fetch_add(&elsewhere, 1);
        struct cudaPointerAttributes attributes;
        if (cudaPointerGetAttributes(&attributes, weight) != cudaSuccess || attributes.type != cudaMemoryTypeDevice)
            return fail("a weight is not device memory", thread);
        if ((round % 2 ? cudaFree(weight) : cudaFreeAsync(weight, stream)) != cudaSuccess ||
            cudaFreeAsync(other, stream) != cudaSuccess)
            return fail("a free failed", thread);
    }
    cudaStreamSynchronize(stream);
    free(content);
    free(result);
    return NULL;
}

int main(int count, char **arguments)
{
    if (count != 5)
        return 2;
    unsigned threads = (unsigned)atoi(arguments[1]), numbers[64];
    pthread_t handles[64];
    rounds = (unsigned)atoi(arguments[2]);
    model = arguments[3];
    bytes = strtoull(arguments[4], NULL, 10);
    if (threads > 64)
        return 2;
    for (unsigned i = 0; i < threads; i++) {
        numbers[i] = i;
        pthread_create(&handles[i], NULL, work, &numbers[i]);
    }
    int failed = 0;
    for (unsigned i = 0; i < threads; i++) {
        void *result;
        pthread_join(handles[i], &result);
        failed |= result != NULL;
    }
    cudaMemPool_t pool;
    cudaDeviceSynchronize();
    if (cudaDeviceGetDefaultMemPool(&pool, 0) != cudaSuccess || cudaMemPoolTrimTo(pool, 0) != cudaSuccess)
        failed = 1; /* a flush, so that all that was freed is given back */
    if (atomic_load(&elsewhere) == 0 || simcudaBytesUsed(1) > 0 || simcudaBytesUsed(SIMCUDA_LOCATION_HOST) > 0) {
        fprintf(stderr, "%u weights were elsewhere; left: %zu bytes on cuda:1, %zu in the host\n",
            atomic_load(&elsewhere), simcudaBytesUsed(1), simcudaBytesUsed(SIMCUDA_LOCATION_HOST));
        failed = 1;
    }
    printf("%s 1 - %u threads, %u rounds: every byte is what it was\n", failed ? "not ok" : "ok", threads, rounds);
    return failed;
}
