/* host_short_test.c: a driver that gives no more host memory by mapping, although the host has it: drivers with HMM end
 * at about 2 GiB of it, and a NUMA node may be full. By the simulator's account of where bytes are. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

#define WEIGHTS 4
#define BYTES   (34 * MIB) /* a piece of its own */

static void open_new_model(void)
{
    const size_t sizes[WEIGHTS] = {BYTES, BYTES, BYTES, BYTES};
    open_model(make_model(sizes, WEIGHTS));
}

/* From the n-th call on, memory is not made. */
static void refuse_from(unsigned first)
{
    for (unsigned n = first; n < first + 40; n++)
        simcudaFail("cuMemCreate", n, CUDA_ERROR_OUT_OF_MEMORY);
}

static void expect_all_in_host(void)
{
    void *weight;
    for (int i = 0; i < WEIGHTS; i++) {
        CUDA_OK(cudaMalloc(&weight, BYTES));
        cr_expect_eq(place_of(weight, BYTES), HOST, "weight %d", i);
    }
}

static const char policy[] = "version: 1\ncompute: cuda:0\nmodels:\n  - match: \"*.safetensors\"\n    on: cpu\n";

Test(host_short, what_the_driver_does_not_map_is_page_locked_which_is_said_once)
{
    use_policy_text(policy);
    listen();
    open_new_model();
    CUDA_OK(cudaFree(NULL));
    refuse_from(3);
    expect_all_in_host();
    cr_expect_eq(simcudaCalls("cuMemHostRegister_v2"), WEIGHTS - 2);
    char *text = heard();
    cr_expect_eq(occurrences(text, "vmm: the driver gives no more host memory in this way"), 1, "%s", text);
    cr_expect_eq(occurrences(text, "is full"), 0, "%s", text);
    free(text);
}

Test(host_short, what_lies_ready_in_another_size_goes_back_first)
{
    void *weight;
    const size_t sizes[] = {BYTES, 40 * MIB, 40 * MIB};
    use_policy_text(policy);
    setenv("VRAMSPAN_HOST_AHEAD", "on", 1);
    listen();
    open_model(make_model(sizes, 3));
    CUDA_OK(cudaMalloc(&weight, BYTES));
    for (int i = 0; i < 1000 && simcudaBytesUsed(HOST) != BYTES + 80 * MIB; i++)
        cr_assert_eq(system("sleep 0.01"), 0);
    simcudaFail("cuMemCreate", 1, CUDA_ERROR_OUT_OF_MEMORY);
    open_new_model();
    CUDA_OK(cudaMalloc(&weight, BYTES));
    cr_expect_eq(place_of(weight, BYTES), HOST);
    cr_expect_eq(simcudaCalls("cuMemHostRegister_v2"), 0);
}

/* Not even for the proof. */
Test(host_short, a_driver_that_maps_no_host_memory_at_all_is_told_and_page_locked_memory_serves)
{
    use_policy_text(policy);
    setenv("VRAMSPAN_CACHE", scratch_path("cache"), 1);
    listen();
    open_new_model();
    CUDA_OK(cudaFree(NULL));
    setenv("SIMCUDA_FAIL", "cuMemCreate:1:OUT_OF_MEMORY", 1);
    expect_all_in_host();
    cr_expect_eq(simcudaCalls("cuMemHostRegister_v2"), WEIGHTS);
    char *text = heard();
    cr_expect_eq(occurrences(text, "vmm: the driver gives no more host memory in this way"), 1, "%s", text);
    cr_expect_eq(occurrences(text, "is full"), 0, "%s", text);
    free(text);
}

Test(host_short, weights_that_were_asked_for_and_refused_are_told_apart_from_none)
{
    char output[8192], command[800];
    const size_t sizes[] = {BYTES, BYTES};
    use_policy_text(policy);
    setenv("VRAMSPAN_BACKENDS", "vmm", 1);
    int at = snprintf(command, sizeof command, "SIMCUDA_FAIL=cuMemCreate:1");
    for (int n = 2; n < 30; n++)
        at += snprintf(command + at, sizeof command - (size_t)at, ",cuMemCreate:%d", n);
    snprintf(command + at, sizeof command - (size_t)at, " %s %s %zu", program("exiting"), make_model(sizes, 2), BYTES);
    cr_expect_eq(run(command, output), 0, "%s", output);
    cr_expect(strstr(output, "they were asked for, and no device that may hold them had memory"), "%s", output);
    cr_expect(!strstr(output, "no allocation of a weight's size came"), "%s", output);
}
