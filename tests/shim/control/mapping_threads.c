/* mapping_threads.c: a step of the program `mapping`: threads map, write, read and unmap, while all that is mapped is
 * sent around. */
#include "mapping.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <unistd.h>

enum { THREADS = 3, ROUNDS = 20 };
static atomic_int running, differences;

static void work_once(CUcontext context, CUstream stream, unsigned thread, unsigned round)
{
    size_t bytes = (1 + (thread + round) % 5) * PAGE;
    unsigned value = thread << 16 | round, last = 0, first = 0;
    CUdeviceptr base = reserve(2 * bytes);
    const CUmemAllocationProp properties = device_memory(0);
    handle_t handle, again;
    MUST(cuCtxSetCurrent(context));
    MUST(cuMemCreate(&handle, bytes, &properties, 0));
    for (int turn = 0; turn < 2; turn++) {
        CUdeviceptr at = base + (size_t)turn * bytes;
        MUST(cuMemMap(at, bytes, 0, handle, 0));
        MUST(allow(at, bytes, 0, CU_MEM_ACCESS_FLAGS_PROT_READWRITE));
        if (turn == 0)
            MUST(cuMemsetD32Async(at, value, bytes / 4, stream));
        for (int i = 0; i < 4; i++) {
            MUST(cuMemcpyDtoHAsync(&first, at, 4, stream));
            MUST(cuMemcpyDtoHAsync(&last, at + bytes - 4, 4, stream));
            MUST(cuStreamSynchronize(stream));
            differences += first != value || last != value;
        }
        MUST(cuMemRetainAllocationHandle(&again, (void *)at));
        differences += again != handle;
        MUST(cuMemRelease(again));
        MUST(cuStreamSynchronize(stream));
        MUST(cuMemUnmap(at, bytes));
    }
    MUST(cuMemRelease(handle));
    MUST(cuMemAddressFree(base, 2 * bytes));
}

static void *work(void *number)
{
    CUcontext context;
    CUstream stream;
    MUST(cuDevicePrimaryCtxRetain(&context, 0));
    MUST(cuCtxSetCurrent(context));
    MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    for (unsigned round = 0; round < ROUNDS; round++)
        work_once(context, stream, (unsigned)(uintptr_t)number, round);
    MUST(cuStreamDestroy(stream));
    MUST(cuDevicePrimaryCtxRelease(0));
    running--;
    return NULL;
}

void threads(void)
{
    size_t (*send_all)(int location, size_t *refused) = dlsym(RTLD_DEFAULT, "vs_control_send_guests");
    pthread_t list[THREADS];
    running = THREADS;
    for (uintptr_t i = 0; i < THREADS; i++)
        pthread_create(&list[i], NULL, work, (void *)i);
    for (int turn = 0; running > 0; turn++) {
        size_t stayed = 0;
        if (send_all && getenv("AWAY"))
            seen_away += send_all(turn % 3 - 1, &stayed);
        seen_known += stayed;
        usleep(100);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(list[i], NULL);
    printf("differences: %d\n", (int)differences);
}
