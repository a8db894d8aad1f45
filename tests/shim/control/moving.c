/* moving.c: threads that launch on a segment while its pages move. A plain program, so that it can run under
 * ThreadSanitizer, and so that a seed can be given to it. The test build of the library is preloaded.
 *
 *     moving SEED OPERATIONS [turns]
 *
 * One weight of 16 MiB is the segment. Each of two threads owns a half of it, and keeps in ordinary memory what it must
 * hold; it fills, uploads, copies and reads in streams of its own. A third thread moves pages of the whole segment,
 * those in use like the others, now one, now several at once. SIMCUDA_ORDER and SIMCUDA_SEED choose when queued work is
 * done. With `turns` the threads take turns, and two runs of a seed do the same: the last line says what was done.
 *
 * The last line: `ok - SEED: N operations, M moves, HASH`. */
#include <cuda.h>
#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../simcuda/simcuda.h"
#include "control.h"

#define PAGE          ((size_t)2 << 20)
#define SEGMENT_BYTES (8 * PAGE)
#define HALF_BYTES    (SEGMENT_BYTES / 2)

enum { OWNERS = 2, STREAMS = 2 };

#define OK(call)                                                                                                       \
    do {                                                                                                               \
        int ok_result = (int)(call);                                                                                   \
        if (ok_result != 0) {                                                                                          \
            fprintf(stderr, "seed %lu: %s gave %d\n", seed, #call, ok_result);                                         \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

static unsigned long seed;
static unsigned operations;
static bool turns;
static unsigned char *segment;
static CUfunction kernel;
static int (*rehome_all)(const struct vs_control_move *moves, size_t count);
static atomic_uint owners_at_work = OWNERS;
static unsigned moves_made, pages_at[3];
static uint64_t done_by[OWNERS + 1]; /* what each thread has done, in its order */

struct random {
    uint64_t state;
};

static size_t below(struct random *random, size_t limit) /* splitmix64 */
{
    uint64_t z = random->state += 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return (size_t)((z ^ z >> 31) % limit);
}

static void note(unsigned thread, uint64_t what)
{
    done_by[thread] = (done_by[thread] ^ what) * 0x100000001B3u;
}

/* --- Who launches ------------------------------------------------------------------------------------------------- */

struct owner {
    unsigned number;
    struct random random;
    unsigned char *half, *expected, *upload, *download;
    unsigned char *plain; /* device memory that is not ours */
    cudaStream_t streams[STREAMS];
};

static void compare(struct owner *owner, const unsigned char *bytes, size_t at, size_t count, const char *what)
{
    for (size_t i = 0; i < count; i++)
        if (bytes[i] != owner->expected[at + i]) {
            fprintf(stderr, "seed %lu, owner %u: %s: byte %zu of its half is %#x, not %#x\n", seed, owner->number, what,
                at + i, bytes[i], owner->expected[at + i]);
            exit(1);
        }
}

/* Everything of one operation is in one stream, which is waited for before the next one where the bytes are looked at.
 */
static void operate(struct owner *owner)
{
    struct random *random = &owner->random;
    cudaStream_t stream = owner->streams[below(random, STREAMS)];
    size_t count = 1 + below(random, below(random, 4) ? 64 << 10 : 3 * PAGE), at = below(random, HALF_BYTES - count);
    unsigned char value = (unsigned char)below(random, 256);
    size_t what = below(random, 6);
    note(owner->number, what << 32 | at);
    switch (what) {
    case 0:
        OK(cudaMemsetAsync(owner->half + at, value, count, stream));
        memset(owner->expected + at, value, count);
        break;
    case 1:
        memset(owner->upload, value, count);
        OK(cudaMemcpyAsync(owner->half + at, owner->upload, count, cudaMemcpyHostToDevice, stream));
        memset(owner->expected + at, value, count);
        break;
    case 2:
        OK(cudaMemcpyAsync(owner->plain, owner->half + at, count, cudaMemcpyDeviceToDevice, stream));
        OK(cudaMemcpyAsync(owner->download, owner->plain, count, cudaMemcpyDeviceToHost, stream));
        OK(cudaStreamSynchronize(stream));
        compare(owner, owner->download, at, count, "a copy between devices");
        break;
    case 3:
        OK(cudaMemcpyAsync(owner->download, owner->half + at, count, cudaMemcpyDeviceToHost, stream));
        OK(cudaStreamSynchronize(stream));
        compare(owner, owner->download, at, count, "a download");
        break;
    case 4: {
        const unsigned char *address = owner->half + at / 4 * 4;
        void *arguments[] = {&address};
        for (int i = 0; i < 3; i++)
            OK(cuLaunchKernel(kernel, 1, 1, 1, 1, 1, 1, 0, stream, arguments, NULL));
        return; /* stays queued */
    }
    default:
        OK(cudaMemcpy(owner->half + at, memset(owner->download, value, count), count, cudaMemcpyDefault));
        memset(owner->expected + at, value, count);
    }
    if (what <= 1 && below(random, 2))
        return;
    OK(cudaStreamSynchronize(stream));
}

/* Writes of two streams of one owner must not meet: each is waited for by the other stream. */
static void *own(void *argument)
{
    struct owner *owner = argument;
    cudaEvent_t event;
    if (turns && !simcudaTurnsEnter(owner->number, OWNERS + 1))
        exit(1);
    OK(cudaSetDevice(0));
    OK(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    for (unsigned i = 0; i < operations; i++) {
        operate(owner);
        for (int from = 0; from < STREAMS; from++) {
            OK(cudaEventRecord(event, owner->streams[from]));
            OK(cudaStreamWaitEvent(owner->streams[1 - from], event, 0));
        }
        if (i % 8 == 7) /* the pinned source may be written again */
            OK(cudaStreamSynchronize(owner->streams[0]));
        OK(cudaStreamSynchronize(owner->streams[below(&owner->random, STREAMS)]));
    }
    for (int i = 0; i < STREAMS; i++)
        OK(cudaStreamSynchronize(owner->streams[i]));
    atomic_fetch_sub(&owners_at_work, 1);
    if (turns)
        simcudaTurnsLeave();
    return NULL;
}

static void make_owner(struct owner *owner, unsigned number)
{
    *owner = (struct owner){.number = number, .random = {seed * 7919 + number}, .half = segment + number * HALF_BYTES};
    owner->expected = calloc(1, HALF_BYTES);
    OK(cudaMallocHost((void **)&owner->upload, HALF_BYTES));
    OK(cudaMallocHost((void **)&owner->download, HALF_BYTES));
    OK(cudaMalloc((void **)&owner->plain, HALF_BYTES));
    OK(cudaMemset(owner->half, 0, HALF_BYTES));
    for (int i = 0; i < STREAMS; i++)
        OK(cudaStreamCreateWithFlags(&owner->streams[i], i ? cudaStreamNonBlocking : cudaStreamDefault));
}

/* --- Who moves ---------------------------------------------------------------------------------------------------- */

static void *move(void *unused)
{
    struct random random = {seed * 104729 + 1};
    if (turns && !simcudaTurnsEnter(OWNERS, OWNERS + 1))
        exit(1);
    while (atomic_load(&owners_at_work) > 0) {
        struct vs_control_move list[4];
        size_t count = 1 + below(&random, 4), used = 0;
        for (size_t i = 0; i < count; i++) {
            size_t page = i * 2 + below(&random, 2), pages = page % 2 ? 1 : 1 + below(&random, 2);
            list[used++] = (struct vs_control_move){segment + page * PAGE, pages * PAGE, (int)below(&random, 3) - 1};
            note(OWNERS, page << 8 | pages << 4 | (uint64_t)(list[i].location + 1));
        }
        OK(rehome_all(list, used));
        for (size_t i = 0; i < used; i++) {
            if (simcudaBytesAt(list[i].address, list[i].bytes, list[i].location) != list[i].bytes) {
                fprintf(stderr, "seed %lu: pages are not where they were moved to\n", seed);
                exit(1);
            }
            pages_at[list[i].location + 1]++;
        }
        moves_made++;
    }
    if (turns)
        simcudaTurnsLeave();
    return unused;
}

/* --- The weight that all of it is about --------------------------------------------------------------------------- */

static const char reading_ptx[] = ".version 6.0\n.target sm_50\n.address_size 64\n"
                                  ".visible .entry _Z4readPKj(.param .u64 from)\n{\n    ret;\n}\n";

static void write_file(const char *folder, const char *name, const void *head, size_t head_bytes, size_t zeros)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    if (!file || fwrite(head, 1, head_bytes, file) != head_bytes || fflush(file) != 0 ||
        ftruncate(fileno(file), (off_t)(head_bytes + zeros)) != 0 || fclose(file) != 0)
        exit(2);
}

static void make_segment(void)
{
    static const char policy[] =
        "version: 1\nmodels:\n  - {match: \"*.safetensors\", distorch: \"cuda:0,*\", order: listed}\n";
    char folder[] = "/tmp/vramspan-moving-XXXXXX", path[300], head[256], file[264];
    const size_t bytes = SEGMENT_BYTES + PAGE; /* whole pages, wherever it begins */
    uint64_t length = (uint64_t)snprintf(
        head, sizeof head, "{\"w\":{\"dtype\":\"U8\",\"shape\":[%zu],\"data_offsets\":[0,%zu]}}", bytes, bytes);
    if (!mkdtemp(folder))
        exit(2);
    memcpy(file, &length, sizeof length);
    memcpy(file + sizeof length, head, length);
    write_file(folder, "w.safetensors", file, sizeof length + length, bytes);
    write_file(folder, "policy.yaml", policy, strlen(policy), 0);
    snprintf(path, sizeof path, "%s/policy.yaml", folder);
    setenv("VRAMSPAN_POLICY", path, 1);
    snprintf(path, sizeof path, "%s/w.safetensors", folder);
    FILE *opened = fopen(path, "r");
    unsigned char *weight;
    OK(cudaMalloc((void **)&weight, bytes));
    fclose(opened);
    segment = (unsigned char *)(((uintptr_t)weight + PAGE - 1) / PAGE * PAGE);
    snprintf(path, sizeof path, "rm -rf %s", folder);
    if (system(path) != 0)
        exit(2);
}

int main(int count, char **arguments)
{
    if (count < 3)
        return 2;
    seed = strtoul(arguments[1], NULL, 10);
    operations = (unsigned)atoi(arguments[2]);
    turns = count > 3;
    void (*set_limit)(uint64_t) = (void (*)(uint64_t))dlsym(RTLD_DEFAULT, "vs_control_set_limit");
    rehome_all = (int (*)(const struct vs_control_move *, size_t))dlsym(RTLD_DEFAULT, "vs_control_rehome_all");
    if (!rehome_all || !set_limit)
        return 2;
    set_limit(turns ? 0 : 60000000000u); /* who waits on a thread of its own does not replay */
    make_segment();
    CUmodule module;
    OK(cuModuleLoadData(&module, reading_ptx));
    OK(cuModuleGetFunction(&kernel, module, "_Z4readPKj"));
    static struct owner owners[OWNERS];
    pthread_t threads[OWNERS + 1];
    for (unsigned i = 0; i < OWNERS; i++)
        make_owner(&owners[i], i);
    OK(cudaDeviceSynchronize());
    for (unsigned i = 0; i < OWNERS; i++)
        pthread_create(&threads[i], NULL, own, &owners[i]);
    pthread_create(&threads[OWNERS], NULL, move, NULL);
    for (unsigned i = 0; i <= OWNERS; i++)
        pthread_join(threads[i], NULL);
    OK(cudaDeviceSynchronize());
    uint64_t hash = 0;
    for (unsigned i = 0; i < OWNERS; i++) {
        unsigned char *seen = malloc(HALF_BYTES);
        if (!simcudaPeek(owners[i].half, seen, HALF_BYTES))
            return 1;
        compare(&owners[i], seen, 0, HALF_BYTES, "in the end");
        free(seen);
    }
    for (unsigned i = 0; i <= OWNERS; i++)
        hash = hash * 31 + done_by[i];
    if (moves_made == 0 || cudaGetLastError() != cudaSuccess)
        return 1;
    printf("ok - %lu: %u operations, %u moves, %016llx\n", seed, OWNERS * operations, moves_made,
        (unsigned long long)hash);
    return 0;
}
