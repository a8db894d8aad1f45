/* proof_test.c: memory proves itself before it gets its first weight: what is used on each kind of machine, by the
 * simulator's account of where bytes are; what is kept of it, and that the program does not notice. */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fixture.h"

static const size_t sizes[] = {4 * MIB, 6 * MIB, 8 * MIB};
#define WEIGHTS 3

/* Weights of these sizes: the first for cuda:0, the next for cuda:1, the last for the host. */
static void load(void *weights[WEIGHTS])
{
    open_model(make_model(sizes, WEIGHTS));
    for (int i = 0; i < WEIGHTS; i++)
        CUDA_OK(cudaMalloc(&weights[i], sizes[i]));
}

#define POLICY "cuda:0,4mb;cuda:1,6mb;cpu,*"

/* An empty cache, in this process's scratch folder. */
static const char *use_new_cache(void)
{
    static char *path;
    path = scratch_path("cache");
    setenv("VRAMSPAN_CACHE", path, 1);
    return path;
}

/* --- Each kind of machine ----------------------------------------------------------------------------------------- */

struct machine_case {
    char machine[32];
    int places[WEIGHTS];
    char said[160]; /* or empty: nothing is refused */
    unsigned flags;
};
enum {
    PINNED = 1, /* host memory is registered, not mapped */
    WARM = 2,   /* with the cache that all tests share, not one of its own */
    ALONE = 4,  /* there is no cuda:1 */
};

ParameterizedTestParameters(proof, each_machine_gets_what_works_there)
{
    static struct machine_case cases[] = {
        {"2x24gb", {0, 1, HOST}, "", 0},
        {"2x24gb", {0, 1, HOST}, "", WARM},
        {"2x24gb-peer-lies", {0, HOST, HOST},
            "vmm on cuda:1 is not used for cuda:0: copies arrive, but kernels read other bytes there (peer-to-peer is "
            "broken",
            0},
        {"2x24gb-peer-faults", {0, HOST, HOST},
            "vmm on cuda:1 is not used for cuda:0: a kernel that reads it fails: CUDA_ERROR_ILLEGAL_ADDRESS (", 0},
        {"2x24gb-peer-hangs", {0, HOST, HOST},
            "vmm on cuda:1 is not used for cuda:0: a kernel that reads it does not end within 1 s (", 0},
        {"2x24gb-no-peer", {0, HOST, HOST}, "the compute device has no peer access to it", 0},
        {"2x24gb-dma-only", {0, HOST, HOST}, "the compute device has no peer access to it", 0},
        {"2x24gb-small-bar1", {0, 1, HOST}, "", 0},
        {"no-vmm", {0, HOST, HOST}, "", PINNED | ALONE},
        {"no-host-vmm", {0, HOST, HOST}, "", PINNED | ALONE},
        {"hmm", {0, HOST, HOST}, "", ALONE},
        {"set-access-not-ready", {0, 1, HOST}, "", 0},
    };
    return cr_make_param_array(struct machine_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct machine_case *machine, proof, each_machine_gets_what_works_there)
{
    void *weights[WEIGHTS];
    setenv("VRAMSPAN_PROOF_SECONDS", "1", 1);
    setenv("SIMCUDA_SEED", "5", 1);
    use_machine(machine->machine);
    use_policy((machine->flags & ALONE) ? "cuda:0,4mb;cpu,*" : POLICY);
    if (!(machine->flags & WARM))
        use_new_cache();
    listen();
    load(weights);
    for (int i = 0; i < WEIGHTS; i++)
        cr_expect_eq(place_of(weights[i], sizes[i]), machine->places[i], "%s: weight %d is at %d, not %d",
            machine->machine, i, place_of(weights[i], sizes[i]), machine->places[i]);
    cr_expect_eq(simcudaCalls("cuMemHostRegister_v2") > 0, (machine->flags & PINNED) != 0, "%s", machine->machine);
    cr_expect_eq(cudaPeekAtLastError(), cudaSuccess);
    char *text = heard();
    if (machine->said[0])
        cr_expect_eq(occurrences(text, machine->said), 1, "%s said:\n%s", machine->machine, text);
    else
        cr_expect_eq(occurrences(text, "is not used"), 0, "%s said:\n%s", machine->machine, text);
    if (machine->places[1] == HOST && !(machine->flags & ALONE))
        cr_expect_eq(simcudaBytesUsed(1), 0, "%s: a device that lends nothing is touched", machine->machine);
    free(text);
}

/* --- In the program's own process --------------------------------------------------------------------------------- */

/* Without their UUIDs a child could not be told which devices are meant. */
Test(proof, where_no_child_can_be_had_the_own_devices_and_the_host_are_tried_here_and_nothing_is_left_of_it)
{
    void *weights[WEIGHTS];
    char *text;
    use_new_cache();
    use_policy(POLICY);
    listen();
    CUDA_OK(cudaFree(NULL));
    for (int i = 1; i <= 64; i++)
        simcudaFail("cuDeviceGetUuid_v2", (unsigned)i, CUDA_ERROR_NOT_SUPPORTED);
    size_t live = simcudaLiveAllocations(), local = simcudaBytesUsed(0);
    load(weights);
    text = heard();
    cr_expect_eq(place_of(weights[1], sizes[1]), HOST, "what could not be tried was used");
    cr_expect_eq(
        occurrences(text, "vmm on cuda:1 is not used for cuda:0: it could not be tried: the driver does not tell "
                          "the UUIDs"),
        1, "%s", text);
    cr_expect_eq(place_of(weights[0], sizes[0]), 0);
    cr_expect_eq(place_of(weights[2], sizes[2]), HOST);
    cr_expect_eq(simcudaLaunchesComputed("vs_proof_sum"), 6, "three sums here for each of two places");
    for (int i = 0; i < WEIGHTS; i++)
        CUDA_OK(cudaFree(weights[i]));
    CUDA_OK(cudaDeviceSynchronize());
    CUDA_OK(cudaMalloc(&weights[0], 512)); /* what was retired is given back */
    CUDA_OK(cudaFree(weights[0]));
    cr_expect_eq(simcudaLiveAllocations(), live);
    cr_expect_eq(simcudaBytesUsed(0), local);
    cr_expect_eq(simcudaBytesUsed(HOST), 0);
    free(text);
}

Test(proof, a_context_of_the_program_and_its_last_error_are_as_they_were)
{
    CUcontext before, after;
    void *weights[WEIGHTS];
    use_machine("2x24gb-peer-faults");
    use_policy(POLICY);
    use_new_cache();
    CUDA_OK(cudaSetDevice(1));
    CUDA_OK(cudaFree(NULL));
    CUDA_OK(cudaSetDevice(0));
    CUDA_OK(cudaFree(NULL));
    CUDA_OK(cuCtxGetCurrent(&before));
    cr_assert_eq(cudaSetDevice(77), cudaErrorInvalidDevice);
    load(weights);
    cr_expect_eq(cudaPeekAtLastError(), cudaErrorInvalidDevice);
    CUDA_OK(cuCtxGetCurrent(&after));
    cr_expect_eq(before, after);
    CUDA_OK(cuCtxSynchronize()); /* what faults there faults elsewhere */
}

/* --- VRAMSPAN_BACKENDS -------------------------------------------------------------------------------------------- */

struct wish_case {
    char said[32];
    int places[WEIGHTS];
    bool maps, pins;
};

ParameterizedTestParameters(proof, backends_are_forced_and_forbidden)
{
    static struct wish_case cases[] = {
        {"vmm,pinned", {0, 1, HOST}, true, false},
        {"pinned", {0, HOST, HOST}, false, true},
        {"-vmm:host", {0, 1, HOST}, true, true},
        {"-vmm:peer", {0, HOST, HOST}, true, false},
        {"pinned,vmm:peer", {0, 1, HOST}, true, true},
        {"-vmm", {0, HOST, HOST}, false, true},
    };
    return cr_make_param_array(struct wish_case, cases, sizeof cases / sizeof *cases);
}

ParameterizedTest(struct wish_case *wish, proof, backends_are_forced_and_forbidden)
{
    void *weights[WEIGHTS];
    setenv("VRAMSPAN_BACKENDS", wish->said, 1);
    use_policy(POLICY);
    load(weights);
    for (int i = 0; i < WEIGHTS; i++)
        cr_expect_eq(place_of(weights[i], sizes[i]), wish->places[i], "%s: weight %d", wish->said, i);
    cr_expect_eq(simcudaCalls("cuMemCreate") > 0, wish->maps, "%s", wish->said);
    cr_expect_eq(simcudaCalls("cuMemHostRegister_v2") > 0, wish->pins, "%s", wish->said);
}

Test(proof, a_bad_word_in_backends_stops_the_program_with_what_is_wrong)
{
    char output[8192], command[600];
    use_policy("cpu,*");
    setenv("VRAMSPAN_BACKENDS", "vmm,pinnd", 1);
    snprintf(command, sizeof command, "%s %s %zu", program("exiting"), make_model(sizes, 1), sizes[0]);
    cr_expect_eq(run(command, output), 78, "%s", output);
    cr_expect(strstr(output, "VRAMSPAN_BACKENDS:1:5: error: `pinnd` is no backing"), "%s", output);
    cr_expect(strstr(output, "did you mean `pinned`?"), "%s", output);
}
