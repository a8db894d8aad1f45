/* proof_full_test.c: memory that is full when it is to prove itself: what is remembered of that, and for how long. How
 * many processes try memory tells the simulator, which keeps a trace for each that starts CUDA. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"

#define WEIGHTS 24
#define BYTES   (4 * MIB)

static char *traces;

/* Processes that start CUDA from here on are counted, and an empty cache is used. */
static void count_processes(void)
{
    char pattern[512];
    traces = scratch_path("traces");
    cr_assert_eq(mkdir(traces, 0700), 0);
    snprintf(pattern, sizeof pattern, "%s/%%p", traces);
    setenv("SIMCUDA_TRACE", pattern, 1);
    setenv("VRAMSPAN_CACHE", scratch_path("cache"), 1);
}

/* But for this one. */
static size_t processes(void)
{
    size_t count = 0;
    DIR *listing = opendir(traces);
    for (const struct dirent *entry; listing && (entry = readdir(listing));)
        count += entry->d_name[0] != '.' && atoi(entry->d_name) != (int)getpid();
    if (listing)
        closedir(listing);
    return count;
}

static const char *open_new_model(void)
{
    static size_t sizes[WEIGHTS];
    for (size_t i = 0; i < WEIGHTS; i++)
        sizes[i] = BYTES;
    const char *path = make_model(sizes, WEIGHTS);
    open_model(path);
    return path;
}

/* The children are told to find it full, not this process. */
static void fill_for_children(const char *call)
{
    char fault[64];
    snprintf(fault, sizeof fault, "%s:1:OUT_OF_MEMORY", call);
    CUDA_OK(cudaFree(NULL)); /* who reads it has done so */
    setenv("SIMCUDA_FAIL", fault, 1);
}

Test(proof_full, a_full_compute_device_is_tried_once_for_a_plan_not_for_each_weight)
{
    void *weights[2 * WEIGHTS];
    use_policy("cuda:0,80mb;cpu,16mb");
    count_processes();
    fill_for_children("cuMemCreate");
    open_new_model();
    for (size_t i = 0; i < WEIGHTS; i++)
        CUDA_OK(cudaMalloc(&weights[i], BYTES));
    size_t first = processes();
    cr_expect(first >= 1 && first <= 4, "%zu processes for one plan", first);
    unsetenv("SIMCUDA_FAIL"); /* there is room again */
    open_new_model();
    for (size_t i = WEIGHTS; i < 2 * WEIGHTS; i++)
        CUDA_OK(cudaMalloc(&weights[i], BYTES));
    cr_expect(processes() > first, "it was not tried again");
    cr_expect_eq(place_of(weights[WEIGHTS], BYTES), 0);
    cr_expect_eq(place_of(weights[2 * WEIGHTS - 1], BYTES), HOST);
}

#define BESIDE                                                                                                         \
    "version: 1\ncompute: cuda:0\ndonors: [cuda:1, cpu]\nmodels:\n  - match: \"*.safetensors\"\n    virtual-vram: "    \
    "100%\n"

/* A second process has no room for its context there; the donor may be as good as ever. */
Test(proof_full, a_compute_device_without_room_for_a_second_context_loses_no_donor)
{
    void *weight;
    use_policy_text(BESIDE);
    count_processes();
    listen();
    fill_for_children("cuDevicePrimaryCtxRetain");
    open_new_model();
    CUDA_OK(cudaMalloc(&weight, BYTES));
    cr_expect_eq(place_of(weight, BYTES), HOST, "the host is tried in this process");
    unsetenv("SIMCUDA_FAIL");
    for (size_t i = 1; i < WEIGHTS; i++)
        CUDA_OK(cudaMalloc(&weight, BYTES));
    open_new_model();
    CUDA_OK(cudaMalloc(&weight, BYTES));
    cr_expect_eq(place_of(weight, BYTES), 1);
    char *text = heard();
    cr_expect_eq(occurrences(text, "is not used"), 0, "%s", text);
    cr_expect_eq(occurrences(text, "exclusive mode"), 0, "%s", text);
    cr_expect_eq(occurrences(text, "the compute device is too full to try it"), 1, "%s", text);
    free(text);
}

/* CUDA_ERROR_DEVICE_UNAVAILABLE: the device is in exclusive mode (CUDA Driver API, CUcomputemode). */
Test(proof_full, a_compute_device_in_exclusive_mode_is_told_with_the_remedy)
{
    void *weight;
    use_policy_text(BESIDE);
    count_processes();
    listen();
    CUDA_OK(cudaFree(NULL));
    setenv("SIMCUDA_FAIL", "cuDevicePrimaryCtxRetain:1:46", 1);
    open_new_model();
    CUDA_OK(cudaMalloc(&weight, BYTES));
    cr_expect_eq(place_of(weight, BYTES), HOST);
    char *text = heard();
    cr_expect_eq(occurrences(text, "vmm on cuda:1 is not used for cuda:0: it could not be tried: no context can be made"
                                   " in a process of its own: CUDA_ERROR_DEVICE_UNAVAILABLE (a GPU in exclusive mode"),
        1, "%s", text);
    free(text);
}
