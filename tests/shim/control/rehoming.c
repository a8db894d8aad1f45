/* rehoming.c: a gigabyte of weights changes its home while kernels read it, on this machine's GPU or on a simulated
 * one; bits are compared, and times told. The test build of the library is preloaded. Called by `make gpu-check`.
 *
 *     rehoming MEBIBYTES
 *
 * One thread launches kernels that add up the whole weight, one after the other; the main thread moves it to the host,
 * to a peer where there is one, and back. Each sum must be the one that the CPU finds (a simulated GPU does not compute
 * the kernel: there it is only judged what it reads), and in the end every word must be as it was. Prints TAP. */
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
#include <time.h>
#include <unistd.h>

#define PAGE        ((size_t)2 << 20)
#define CHUNK_BYTES ((size_t)32 << 20)

enum { SUMS = 4096, BLOCKS = 256, THREADS = 256 };

#define OK(call)                                                                                                       \
    do {                                                                                                               \
        int ok_result = (int)(call);                                                                                   \
        if (ok_result != 0) {                                                                                          \
            printf("not ok %d - %s gave %d\n", ++number, #call, ok_result);                                            \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

static int number, failures;
static unsigned char *weight;
static size_t weight_bytes;
static uint64_t *sums, expected_sum; /* device memory, which the kernels add to */
static atomic_bool moved;
static atomic_uint launched;
static CUcontext context;

static const char sum_ptx[] = ".version 6.0\n.target sm_50\n.address_size 64\n"
                              ".visible .entry _Z3sumPKyPyy(.param .u64 from, .param .u64 to, .param .u64 words)\n"
                              "{\n"
                              "    .reg .pred %done;\n"
                              "    .reg .b32 %block, %threads, %thread, %blocks;\n"
                              "    .reg .b64 %from, %to, %words, %at, %lane, %stride, %sum, %address, %word;\n"
                              "    ld.param.u64 %from, [from];\n"
                              "    ld.param.u64 %to, [to];\n"
                              "    ld.param.u64 %words, [words];\n"
                              "    cvta.to.global.u64 %from, %from;\n"
                              "    cvta.to.global.u64 %to, %to;\n"
                              "    mov.u32 %block, %ctaid.x;\n"
                              "    mov.u32 %threads, %ntid.x;\n"
                              "    mov.u32 %thread, %tid.x;\n"
                              "    mov.u32 %blocks, %nctaid.x;\n"
                              "    mul.wide.u32 %at, %block, %threads;\n"
                              "    cvt.u64.u32 %lane, %thread;\n"
                              "    add.u64 %at, %at, %lane;\n"
                              "    mul.wide.u32 %stride, %blocks, %threads;\n"
                              "    mov.u64 %sum, 0;\n"
                              "next:\n"
                              "    setp.ge.u64 %done, %at, %words;\n"
                              "    @%done bra all;\n"
                              "    shl.b64 %address, %at, 3;\n"
                              "    add.u64 %address, %from, %address;\n"
                              "    ld.global.u64 %word, [%address];\n"
                              "    add.u64 %sum, %sum, %word;\n"
                              "    add.u64 %at, %at, %stride;\n"
                              "    bra next;\n"
                              "all:\n"
                              "    red.global.add.u64 [%to], %sum;\n"
                              "    ret;\n"
                              "}\n";

static uint64_t word_at(uint64_t index) /* splitmix64 */
{
    uint64_t z = (index + 1) * 0x9E3779B97F4A7C15u;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void tell(bool good, const char *sentence)
{
    printf("%sok %d - %s\n", good ? "" : "not ", ++number, sentence);
    failures += !good;
}

/* --- The weight
 * ------------------------------------------------------------------------------------------------------- */

static void write_file(const char *path, const void *head, size_t head_bytes, size_t hole_bytes)
{
    FILE *file = fopen(path, "w");
    if (!file || fwrite(head, 1, head_bytes, file) != head_bytes || fflush(file) != 0 ||
        ftruncate(fileno(file), (off_t)(head_bytes + hole_bytes)) != 0 || fclose(file) != 0)
        exit(2);
}

/* Whole pages of one weight of a model that a policy keeps on the compute device. */
static void make_weight(size_t bytes)
{
    static const char policy[] = "version: 1\nmodels:\n  - {match: \"*.safetensors\", distorch: \"cuda:0,*\"}\n";
    char folder[] = "/tmp/vramspan-rehoming-XXXXXX", path[300], head[264];
    if (!mkdtemp(folder))
        exit(2);
    size_t with_room = bytes + PAGE;
    uint64_t length = (uint64_t)snprintf(head + 8, sizeof head - 8,
        "{\"w\":{\"dtype\":\"U8\",\"shape\":[%zu],\"data_offsets\":[0,%zu]}}", with_room, with_room);
    memcpy(head, &length, sizeof length);
    snprintf(path, sizeof path, "%s/policy.yaml", folder);
    write_file(path, policy, strlen(policy), 0);
    setenv("VRAMSPAN_POLICY", path, 1);
    snprintf(path, sizeof path, "%s/w.safetensors", folder);
    write_file(path, head, 8 + length, with_room);
    OK(cudaFree(NULL));
    FILE *opened = fopen(path, "r");
    OK(cudaMalloc((void **)&weight, with_room));
    fclose(opened);
    weight = (unsigned char *)(((uintptr_t)weight + PAGE - 1) / PAGE * PAGE);
    weight_bytes = bytes;
    snprintf(path, sizeof path, "rm -rf %s", folder);
    if (system(path) != 0)
        exit(2);
}

static void fill_weight(uint64_t *chunk)
{
    for (size_t at = 0; at < weight_bytes; at += CHUNK_BYTES) {
        for (size_t i = 0; i < CHUNK_BYTES / 8; i++)
            expected_sum += chunk[i] = word_at(at / 8 + i);
        OK(cudaMemcpy(weight + at, chunk, CHUNK_BYTES, cudaMemcpyHostToDevice));
    }
}

static bool weight_is_whole(uint64_t *chunk)
{
    for (size_t at = 0; at < weight_bytes; at += CHUNK_BYTES) {
        OK(cudaMemcpy(chunk, weight + at, CHUNK_BYTES, cudaMemcpyDeviceToHost));
        for (size_t i = 0; i < CHUNK_BYTES / 8; i++)
            if (chunk[i] != word_at(at / 8 + i))
                return false;
    }
    return true;
}

/* --- Who reads it
 * ------------------------------------------------------------------------------------------------------ */

static void *read_all_the_time(void *unused)
{
    CUmodule module;
    CUfunction sum;
    CUstream stream;
    CUevent behind[2];
    uint64_t words = weight_bytes / 8;
    OK(cuCtxSetCurrent(context));
    OK(cuModuleLoadData(&module, sum_ptx));
    OK(cuModuleGetFunction(&sum, module, "_Z3sumPKyPyy"));
    OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    for (int i = 0; i < 2; i++)
        OK(cuEventCreate(&behind[i], CU_EVENT_DISABLE_TIMING));
    for (unsigned i = 0; i < SUMS && !atomic_load(&moved); i++) {
        uint64_t *to = sums + i;
        void *arguments[] = {&weight, &to, &words};
        if (i >= 2) /* two are queued at a time */
            OK(cuEventSynchronize(behind[i % 2]));
        OK(cuLaunchKernel(sum, BLOCKS, 1, 1, THREADS, 1, 1, 0, stream, arguments, NULL));
        OK(cuEventRecord(behind[i % 2], stream));
        atomic_store(&launched, i + 1);
    }
    OK(cuStreamSynchronize(stream));
    return unused;
}

/* --- Who moves it
 * ------------------------------------------------------------------------------------------------------ */

static void move_to(const char *name, int location)
{
    int (*rehome)(void *, size_t, int) = (int (*)(void *, size_t, int))dlsym(RTLD_DEFAULT, "vs_control_rehome");
    int (*home)(void *) = (int (*)(void *))dlsym(RTLD_DEFAULT, "vs_control_home");
    char sentence[160];
    if (!rehome || !home)
        exit(2);
    unsigned before = atomic_load(&launched);
    while (atomic_load(&launched) == before && before < SUMS) /* kernels are on their way */
        usleep(1000);
    double begun = now();
    int result = rehome(weight, weight_bytes, location);
    double taken = now() - begun;
    snprintf(sentence, sizeof sentence, "rehome of %.2f GiB to %s under a chain of kernels: %.3f s (%.1f GB/s)%s",
        (double)weight_bytes / (1 << 30), name, taken, (double)weight_bytes / 1e9 / taken, result ? ", refused" : "");
    if (result)
        snprintf(sentence + strlen(sentence), sizeof sentence - strlen(sentence), ": error %d", result);
    tell(result == 0 && home(weight) == location, sentence);
}

int main(int count, char **arguments)
{
    size_t bytes = count > 1 ? strtoull(arguments[1], NULL, 10) << 20 : 0;
    bool simulated = dlsym(RTLD_DEFAULT, "simcudaPeek");
    if (bytes == 0 || bytes % CHUNK_BYTES)
        return 2;
    make_weight(bytes);
    uint64_t *chunk, *seen = malloc(SUMS * sizeof *seen);
    OK(cuCtxGetCurrent(&context));
    OK(cudaMallocHost((void **)&chunk, CHUNK_BYTES));
    OK(cudaMalloc((void **)&sums, SUMS * sizeof *sums));
    OK(cudaMemset(sums, 0, SUMS * sizeof *sums));
    fill_weight(chunk);
    OK(cudaDeviceSynchronize());
    pthread_t reader;
    pthread_create(&reader, NULL, read_all_the_time, NULL);
    int devices, reachable = 0;
    OK(cudaGetDeviceCount(&devices));
    if (devices > 1)
        OK(cudaDeviceCanAccessPeer(&reachable, 0, 1));
    move_to("the host", -1);
    if (reachable)
        move_to("a peer", 1);
    move_to("the device itself", 0);
    atomic_store(&moved, true);
    pthread_join(reader, NULL);
    OK(cudaDeviceSynchronize());
    OK(cudaMemcpy(seen, sums, SUMS * sizeof *sums, cudaMemcpyDeviceToHost));
    unsigned wrong = 0;
    for (unsigned i = 0; i < atomic_load(&launched) && !simulated; i++)
        wrong += seen[i] != expected_sum;
    char sentence[96];
    snprintf(sentence, sizeof sentence, "%u kernels read it meanwhile%s, %u of them other bits", atomic_load(&launched),
        simulated ? " (not computed here)" : "", wrong);
    tell(wrong == 0 && atomic_load(&launched) > 2, sentence);
    tell(weight_is_whole(chunk), "every bit is what it was");
    return failures != 0;
}
