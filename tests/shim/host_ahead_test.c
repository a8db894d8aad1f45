/* host_ahead_test.c: host memory that is made before it is asked for: that it is, how far ahead, who gets it, and that
 * nothing of it is left. By the simulator's account of the host's bytes and of calls. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fixture.h"

int cublasCreate_v2(void **handle);
int cublasSgemm_v2(void *handle, int trans_a, int trans_b, int m, int n, int k, const float *alpha, const float *a,
    int lda, const float *b, int ldb, const float *beta, float *c, int ldc);

#define LARGE   (34 * MIB) /* a piece of its own */
#define SHARED  (32 * MIB)
#define WAIT_MS 10000

static void sleep_ms(long ms)
{
    const struct timespec time = {ms / 1000, ms % 1000 * 1000000};
    nanosleep(&time, NULL);
}

/* The host holds so much, soon, and goes on doing so. */
static void expect_host(size_t bytes)
{
    for (int i = 0; i < WAIT_MS && simcudaBytesUsed(HOST) != bytes; i++)
        sleep_ms(1);
    sleep_ms(20);
    cr_expect_eq(
        simcudaBytesUsed(HOST), bytes, "the host holds %zu MiB, not %zu", simcudaBytesUsed(HOST) / MIB, bytes / MIB);
}

static void use_ahead(const char *models)
{
    char text[256];
    setenv("VRAMSPAN_HOST_AHEAD", "on", 1);
    snprintf(text, sizeof text, "version: 1\nmodels: [{match: \"*.safetensors\", %s}]\n", models);
    use_policy_text(text);
}

static const char *hollow_model(const size_t *sizes, size_t count)
{
    struct model_tensor tensors[200];
    char names[200][32];
    cr_assert_leq(count, 200);
    for (size_t i = 0; i < count; i++) {
        snprintf(names[i], sizeof names[i], "layer.%zu.weight", i);
        tensors[i] = (struct model_tensor){names[i], "U8", sizes[i], sizes[i]};
    }
    return make_hollow_model(tensors, count);
}

static const char *model_of(size_t bytes, size_t count)
{
    size_t sizes[64];
    for (size_t i = 0; i < count; i++)
        sizes[i] = bytes;
    return hollow_model(sizes, count);
}

static void *allocate(size_t bytes)
{
    void *pointer;
    CUDA_OK(cudaMallocAsync(&pointer, bytes, 0));
    return pointer;
}

/* The end of a load: the program computes. */
static void multiply(void)
{
    float *matrix, one = 1, zero = 0;
    void *handle;
    CUDA_OK(cudaMalloc((void **)&matrix, 4096));
    CUDA_OK(cudaMemset(matrix, 0, 4096));
    CUDA_OK(cublasCreate_v2(&handle));
    CUDA_OK(cublasSgemm_v2(handle, 0, 0, 2, 2, 2, &one, matrix, 2, matrix + 4, 2, &zero, matrix + 8, 2));
    CUDA_OK(cudaDeviceSynchronize());
}

/* The library's thread: its number, or 0; and what its status says behind a word. */
static long thread_with(const char *word, char value[64])
{
    DIR *folder = opendir("/proc/self/task");
    struct dirent *entry;
    long found = 0;
    cr_assert(folder);
    while (!found && (entry = readdir(folder))) {
        char path[300], line[256];
        bool ours = false;
        snprintf(path, sizeof path, "/proc/self/task/%s/status", entry->d_name);
        FILE *file = entry->d_name[0] == '.' ? NULL : fopen(path, "r");
        while (file && fgets(line, sizeof line, file)) {
            ours |= strcmp(line, "Name:\tvramspan-host\n") == 0;
            if (ours && strncmp(line, word, strlen(word)) == 0) {
                snprintf(value, 64, "%.60s", line + strlen(word));
                found = atol(entry->d_name);
            }
        }
        if (file)
            fclose(file);
    }
    closedir(folder);
    return found;
}

static bool has_thread(void)
{
    char value[64];
    return thread_with("Name:", value) != 0;
}

static void expect_no_thread(void)
{
    for (int i = 0; i < WAIT_MS && has_thread(); i++)
        sleep_ms(1);
    cr_expect_not(has_thread());
}

/* --- What is made, and for whom ----------------------------------------------------------------------------------- */

Test(host_ahead, memory_is_made_before_the_program_asks_and_given_when_it_does)
{
    use_ahead("on: cpu");
    open_model(model_of(LARGE, 8));
    cr_expect_eq(simcudaBytesUsed(HOST), 0, "a look into a file makes nothing");
    cr_expect(lies_at(allocate(LARGE), LARGE, HOST));
    expect_host(8 * LARGE);
    uint64_t made = simcudaCalls("cuMemCreate");
    cr_expect_eq(made, 8);
    for (int i = 1; i < 8; i++)
        cr_expect(lies_at(allocate(LARGE), LARGE, HOST));
    cr_expect_eq(simcudaCalls("cuMemCreate"), made, "what lay ready was taken");
    expect_host(8 * LARGE);
    expect_no_thread();
}

/* The program is as fast as the thread: each piece is made once, by one of the two. */
Test(host_ahead, what_is_just_being_made_is_waited_for)
{
    use_ahead("on: cpu");
    for (int round = 0; round < 8; round++) {
        void *weights[8];
        uint64_t before = simcudaCalls("cuMemCreate");
        open_model(model_of(LARGE, 8));
        for (int i = 0; i < 8; i++)
            weights[i] = allocate(LARGE);
        expect_host(8 * LARGE);
        cr_expect_eq(simcudaCalls("cuMemCreate") - before, 8, "%zu", (size_t)(simcudaCalls("cuMemCreate") - before));
        for (int i = 0; i < 8; i++)
            CUDA_OK(cudaFree(weights[i]));
        expect_host(0);
    }
}

/* A large model is no reason to take all of the host's memory before anyone knows that it will be loaded. */
Test(host_ahead, at_most_a_gibibyte_lies_ready)
{
    use_ahead("on: cpu");
    open_model(model_of(128 * MIB, 16));
    allocate(128 * MIB);
    expect_host(9 * 128 * MIB);
    allocate(128 * MIB);
    expect_host(10 * 128 * MIB);
    CUDA_OK(cudaDeviceReset());
    expect_host(0);
}

/* Loads the sizes; returns how often memory was made, and how much the host holds at the end. */
static uint64_t load_mixture(const size_t *sizes, size_t count, const char *ahead, size_t *held)
{
    void *weights[200];
    uint64_t before = simcudaCalls("cuMemCreate");
    cr_assert_leq(count, sizeof weights / sizeof *weights);
    setenv("VRAMSPAN_HOST_AHEAD", ahead, 1);
    open_model(hollow_model(sizes, count));
    for (size_t i = 0; i < count; i++)
        weights[i] = allocate(sizes[i]);
    sleep_ms(100);
    *held = simcudaBytesUsed(HOST);
    uint64_t made = simcudaCalls("cuMemCreate") - before;
    for (size_t i = 0; i < count; i++)
        CUDA_OK(cudaFree(weights[i]));
    expect_host(0);
    return made;
}

/* Pieces that tensors share, of whole pages and packed, and pieces of one tensor: nothing is made that nobody takes. */
Test(host_ahead, the_pieces_that_are_made_are_those_that_the_arena_takes)
{
    size_t sizes[120], held, held_ahead;
    for (size_t i = 0; i < 120; i++)
        sizes[i] = i % 10 == 0 ? LARGE + i * MIB : i % 3 == 0 ? 4 * MIB : i % 3 == 1 ? 300 * KIB : 5 * MIB + 512;
    use_ahead("on: cpu");
    uint64_t made = load_mixture(sizes, 120, "off", &held);
    uint64_t made_ahead = load_mixture(sizes, 120, "on", &held_ahead);
    cr_expect_gt(made, 12 + 2);
    cr_expect_eq(made_ahead, made, "%zu, not %zu", (size_t)made_ahead, (size_t)made);
    cr_expect_eq(held_ahead, held);
}

Test(host_ahead, only_what_is_planned_for_the_host_is_made)
{
    use_ahead("distorch: \"cuda:1,136mb;cpu,136mb\", order: listed");
    open_model(model_of(LARGE, 8));
    allocate(LARGE);
    expect_host(4 * LARGE);
}

Test(host_ahead, a_policy_that_places_nothing_in_the_host_has_no_thread)
{
    use_ahead("on: cuda:1");
    open_model(model_of(LARGE, 8));
    allocate(LARGE);
    sleep_ms(50);
    cr_expect_eq(simcudaBytesUsed(HOST), 0);
    cr_expect_not(has_thread());
}

Test(host_ahead, it_can_be_switched_off)
{
    use_ahead("on: cpu");
    setenv("VRAMSPAN_HOST_AHEAD", "off", 1);
    open_model(model_of(LARGE, 8));
    allocate(LARGE);
    sleep_ms(50);
    cr_expect_eq(simcudaBytesUsed(HOST), LARGE);
    cr_expect_not(has_thread());
}

Test(host_ahead, machines_without_mapping_make_nothing_ahead)
{
    use_machine("no-vmm");
    use_ahead("on: cpu");
    open_model(model_of(LARGE, 8));
    allocate(LARGE);
    sleep_ms(50);
    cr_expect_eq(simcudaBytesUsed(HOST), LARGE);
    cr_expect_not(has_thread());
}

/* The program's signal handlers run on its own threads. */
Test(host_ahead, the_thread_takes_no_signals)
{
    char value[64] = "";
    use_ahead("on: cpu");
    open_model(model_of(LARGE, 8));
    allocate(LARGE);
    cr_assert(thread_with("SigBlk:", value));
    unsigned long long blocked = strtoull(value, NULL, 16);
    cr_expect_eq(blocked | 0x1ull << 8 | 0x1ull << 18 | 0x3ull << 31, ~0ull, /* but SIGKILL, SIGSTOP and libc's two */
        "%llx", blocked);
}

/* --- What is not taken -------------------------------------------------------------------------------------------- */

Test(host_ahead, the_rest_goes_back_when_the_load_ends)
{
    use_ahead("on: cpu");
    open_model(model_of(LARGE, 8));
    void *weight = allocate(LARGE);
    expect_host(8 * LARGE);
    multiply();
    expect_host(LARGE);
    expect_no_thread();
    CUDA_OK(cudaFree(weight));
    expect_host(0);
}

Test(host_ahead, a_flush_gives_all_back_before_it_returns)
{
    cudaMemPool_t pool;
    use_ahead("on: cpu");
    open_model(model_of(LARGE, 8));
    allocate(LARGE);
    CUDA_OK(cudaDeviceGetDefaultMemPool(&pool, 0));
    for (int round = 0; round < 2; round++) { /* while pieces are made, and afterwards */
        CUDA_OK(cudaMemPoolTrimTo(pool, 0));
        cr_expect_eq(simcudaBytesUsed(HOST), LARGE);
        open_model(model_of(LARGE, 2));
        if (round == 0)
            expect_host(LARGE);
    }
    for (int i = 1; i < 8; i++)
        cr_expect(lies_at(allocate(LARGE), LARGE, HOST), "the load goes on");
}

Test(host_ahead, a_reset_of_the_device_leaves_nothing)
{
    use_ahead("on: cpu");
    for (int round = 0; round < 6; round++) {
        open_model(model_of(LARGE, 8));
        allocate(LARGE);
        if (round % 2)
            expect_host(8 * LARGE);
        CUDA_OK(cudaDeviceReset());
        cr_expect_eq(simcudaBytesUsed(HOST), 0);
    }
    open_model(model_of(LARGE, 8)); /* and it goes on */
    allocate(LARGE);
    expect_host(8 * LARGE);
}

/* Of two loads the end of one leaves the other its memory. */
Test(host_ahead, each_load_has_its_own)
{
    use_ahead("on: cpu");
    open_model(model_of(LARGE, 4));
    allocate(LARGE);
    open_model(model_of(48 * MIB, 4));
    allocate(48 * MIB);
    expect_host(4 * LARGE + 4 * 48 * MIB);
    for (int i = 1; i < 4; i++)
        allocate(LARGE); /* the first load ends */
    expect_host(4 * LARGE + 4 * 48 * MIB);
    for (int i = 1; i < 4; i++)
        allocate(48 * MIB);
    expect_host(4 * LARGE + 4 * 48 * MIB);
    expect_no_thread();
}

/* --- What cannot be made ------------------------------------------------------------------------------------------ */

Test(host_ahead, nothing_is_made_ahead_of_the_reserve)
{
    void *pinned;
    int host = 0;
    use_machine("24gb+host:4gb");
    use_host_files();
    use_ahead("on: cpu"); /* 2 GB are kept */
    CUDA_OK(cudaHostAlloc(&pinned, 2048 * MIB - 80 * MIB, cudaHostAllocDefault));
    open_model(model_of(LARGE, 8));
    allocate(LARGE);
    expect_host(2048 * MIB - 80 * MIB + 2 * LARGE);
    for (int i = 1; i < 8; i++)
        host += lies_at(allocate(LARGE), LARGE, HOST);
    cr_expect_eq(host, 1);
}

/* 115 MB are left: for three of the first size, once what was made of the other is given back. */
Test(host_ahead, what_lies_ready_in_another_size_makes_room)
{
    const size_t sizes[] = {LARGE, LARGE, LARGE, 60 * MIB, 60 * MIB};
    void *pinned;
    use_machine("24gb+host:4gb");
    use_host_files();
    use_ahead("on: cpu");
    CUDA_OK(cudaHostAlloc(&pinned, 2048 * MIB - 115 * MIB, cudaHostAllocDefault));
    open_model(hollow_model(sizes, 5));
    for (int i = 0; i < 3; i++) {
        cr_expect(lies_at(allocate(LARGE), LARGE, HOST), "weight %d", i);
        sleep_ms(50);
    }
}

Test(host_ahead, a_failure_of_the_thread_is_not_the_programs)
{
    use_ahead("on: cpu");
    open_model(model_of(LARGE, 8));
    simcudaFail("cuMemCreate", 2, CUDA_ERROR_OUT_OF_MEMORY);
    for (int i = 0; i < 8; i++) {
        int place = place_new(LARGE);
        cr_expect(place == HOST || place == 0, "weight %d: %d", i, place);
        if (i == 0)
            sleep_ms(100); /* the second one is the thread's */
    }
    cr_expect_eq(simcudaBytesUsed(HOST), 8 * LARGE);
}

/* In global mode a call of any thread that is not relaxed breaks the capture. */
Test(host_ahead, a_capture_beside_it_stays_whole)
{
    cudaStream_t stream;
    cudaGraph_t graph;
    use_ahead("on: cpu");
    CUDA_OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    for (int round = 0; round < 8; round++) {
        open_model(model_of(LARGE, 8));
        allocate(LARGE);
        CUDA_OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal));
        sleep_ms(round % 4);
        CUDA_OK(cudaStreamEndCapture(stream, &graph));
        CUDA_OK(cudaGraphDestroy(graph));
        CUDA_OK(cudaDeviceReset());
        CUDA_OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    }
}

/* --- Children, and the end ---------------------------------------------------------------------------------------- */

/* The child ends as programs do, with exit handlers; the parent goes on. */
Test(host_ahead, a_fork_meanwhile_hangs_neither)
{
    char output[8192], command[600];
    use_ahead("on: cpu");
    snprintf(command, sizeof command, "VRAMSPAN_HOST_AHEAD=on VRAMSPAN_LOG=warn %s ahead %s %zu", program("forking"),
        model_of(LARGE, 16), LARGE);
    for (int round = 0; round < 5; round++)
        cr_expect_eq(run(command, output), 0, "%s", output);
    cr_expect(strstr(output, "0 hung, all weights in the host"), "%s", output);
}

/* Frees at exit come while the thread works, or has just been ended. */
Test(host_ahead, an_exit_meanwhile_is_clean)
{
    char output[8192], command[600];
    use_ahead("on: cpu");
    snprintf(command, sizeof command, "VRAMSPAN_HOST_AHEAD=on timeout 20 %s %s %zu", program("exiting"),
        model_of(LARGE, 24), LARGE);
    for (int round = 0; round < 5; round++)
        cr_expect_eq(run(command, output), 0, "%s", output);
    cr_expect(strstr(output, "cpu held 2 weights"), "%s", output);
}
