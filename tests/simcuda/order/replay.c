/* replay.c: work for the scheduler whose order is to be compared from run to run. Prints what its threads did in turn.
 *
 *     replay one          400 calls, chosen by a fixed sequence of numbers, from one thread
 *     replay threads      four threads that take turns, hold locks across CUDA calls, wait for conditions, and are
 * joined replay slow         two threads, one of which makes no call for longer than the turns wait */
#include "../simcuda.h"

#include <cuda_runtime_api.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BYTES   4096
#define THREADS 4
#define ROUNDS  12

#define OK(call)                                                                                                       \
    do {                                                                                                               \
        cudaError_t got = (call);                                                                                      \
        if (got != cudaSuccess) {                                                                                      \
            fprintf(stderr, "replay: %s gave %d (%s)\n", #call, (int)got, cudaGetErrorName(got));                      \
            exit(2);                                                                                                   \
        }                                                                                                              \
    } while (0)

static cudaStream_t new_stream(unsigned flags)
{
    cudaStream_t stream;
    OK(cudaStreamCreateWithFlags(&stream, flags));
    return stream;
}

static void *device_memory(void)
{
    void *memory;
    OK(cudaMalloc(&memory, BYTES));
    return memory;
}

static void *pinned_memory(void)
{
    void *memory;
    OK(cudaMallocHost(&memory, BYTES));
    return memset(memory, 1, BYTES);
}

/* --- one thread --------------------------------------------------------------------------------------------------- */

static unsigned next_number(void)
{
    static unsigned state = 12345; /* the calls are the same in every run, whatever the seed */
    state = state * 1103515245 + 12345;
    return state >> 16 & 0x7fff;
}

static void CUDART_CB say(void *text)
{
    fputs(text, stdout);
}

static void from_one_thread(void)
{
    enum { STREAMS = 5 };
    cudaStream_t streams[STREAMS];
    cudaEvent_t events[STREAMS];
    char *memory = device_memory(), *pinned = pinned_memory(), pageable[64] = {0};
    void *block;

    for (int i = 0; i < STREAMS; i++) {
        streams[i] = new_stream(i == 0 ? cudaStreamDefault : cudaStreamNonBlocking);
        OK(cudaEventCreateWithFlags(&events[i], cudaEventDisableTiming));
    }
    for (int i = 0; i < 400; i++) {
        cudaStream_t stream = streams[next_number() % STREAMS];
        cudaEvent_t event = events[next_number() % STREAMS];
        char *to = memory + next_number() % (BYTES - 64);
        switch (next_number() % 10) {
        case 0:
            OK(cudaMemcpyAsync(to, pinned, 64, cudaMemcpyHostToDevice, stream));
            break;
        case 1:
            OK(cudaMemcpyAsync(to, pageable, 64, cudaMemcpyHostToDevice, stream));
            break;
        case 2:
            OK(cudaMemcpyAsync(to, memory, 32, cudaMemcpyDeviceToDevice, NULL));
            break;
        case 3:
            OK(cudaEventRecord(event, stream));
            break;
        case 4:
            OK(cudaStreamWaitEvent(stream, event, 0));
            break;
        case 5:
            OK(cudaLaunchHostFunc(stream, say, "host function\n"));
            break;
        case 6:
            OK(cudaMallocAsync(&block, 512, stream));
            OK(cudaMemsetAsync(block, 3, 512, stream));
            OK(cudaFreeAsync(block, stream));
            break;
        case 7:
            printf("query %d\n", cudaEventQuery(event) == cudaSuccess);
            break;
        case 8:
            if (next_number() % 8 == 0)
                OK(cudaStreamSynchronize(stream));
            break;
        default:
            OK(cudaMemsetAsync(to, i, 64, stream));
        }
    }
    OK(cudaDeviceSynchronize());
}

/* --- threads ------------------------------------------------------------------------------------------------------ */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t round_ended = PTHREAD_COND_INITIALIZER;
static int rounds_done[THREADS];
static char *shared, *source;

static void CUDART_CB count(void *number)
{
    ++*(int *)number;
}

/* Each round: a call under the lock, which others wait for; then all wait until nobody is two rounds behind. */
static void *work(void *argument)
{
    int number = (int)(intptr_t)argument, functions = 0;
    cudaStream_t stream;

    if (!simcudaTurnsEnter((unsigned)number, THREADS + 1))
        exit(3);
    stream = new_stream(cudaStreamNonBlocking);
    for (int round = 0; round < ROUNDS; round++) {
        OK(cudaMemcpyAsync(shared + number * 64, source, 64, cudaMemcpyHostToDevice, stream));
        pthread_mutex_lock(&lock);
        OK(cudaMemsetAsync(shared, number, 16, stream));
        OK(cudaLaunchHostFunc(stream, count, &functions));
        printf("thread %d round %d\n", number, round);
        OK(cudaStreamSynchronize(stream));
        rounds_done[number]++;
        pthread_cond_broadcast(&round_ended);
        for (int other = 0; other < THREADS; other++)
            while (rounds_done[other] < round)
                pthread_cond_wait(&round_ended, &lock);
        pthread_mutex_unlock(&lock);
    }
    OK(cudaStreamDestroy(stream));
    if (functions != ROUNDS)
        exit(4);
    return NULL;
}

static void from_threads(void)
{
    pthread_t threads[THREADS];

    shared = device_memory();
    source = pinned_memory();
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, work, (void *)(intptr_t)i);
    if (!simcudaTurnsEnter(THREADS, THREADS + 1))
        exit(3);
    for (int i = 0; i < 20; i++)
        OK(cudaMemsetAsync(shared + 1024, i, 16, NULL));
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        OK(cudaMemsetAsync(shared + 2048, i, 16, NULL)); /* while others still work */
    }
    OK(cudaDeviceSynchronize());
    simcudaTurnsLeave();
}

/* --- a thread that does not come ---------------------------------------------------------------------------------- */

static void *compute_long(void *unused)
{
    if (!simcudaTurnsEnter(0, 2))
        exit(3);
    sleep(4);
    OK(cudaDeviceSynchronize());
    return unused;
}

static void from_a_slow_thread(void)
{
    pthread_t thread;

    OK(cudaFree(NULL));
    pthread_create(&thread, NULL, compute_long, NULL);
    if (!simcudaTurnsEnter(1, 2))
        exit(3);
    for (int i = 0; i < 3; i++)
        OK(cudaDeviceSynchronize());
    puts("went on");
    pthread_join(thread, NULL);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } modes[] = {{"one", from_one_thread}, {"threads", from_threads}, {"slow", from_a_slow_thread}};

    for (size_t i = 0; argc == 2 && i < sizeof modes / sizeof *modes; i++)
        if (strcmp(argv[1], modes[i].name) == 0) {
            modes[i].run();
            return 0;
        }
    fputs("usage: replay one|threads|slow\n", stderr);
    return 1;
}
