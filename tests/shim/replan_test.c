/* replan_test.c: devices that cannot lend, from the start or from a moment on: who takes their share, what is said and
 * how often, and when the library gives up. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

#define COUNT 24
#define BYTES (4 * MIB) /* each tensor in a span of its own: one cuMemCreate */

static const char *model(void)
{
    size_t sizes[COUNT];
    for (int i = 0; i < COUNT; i++)
        sizes[i] = BYTES;
    return make_model(sizes, COUNT);
}

/* Loads so many tensors and expects so many of them at each place. */
static void expect_load(int tensors, int host, int card_0, int card_1, int card_2)
{
    int counts[4] = {0};
    for (int i = 0; i < tensors; i++) {
        void *pointer;
        CUDA_OK(cudaMallocAsync(&pointer, BYTES, 0));
        for (int location = SIMCUDA_LOCATION_HOST; location < 3; location++)
            counts[location + 1] += lies_at(pointer, BYTES, location);
    }
    cr_expect(counts[0] == host && counts[1] == card_0 && counts[2] == card_1 && counts[3] == card_2,
        "host %d, cuda:0 %d, cuda:1 %d, cuda:2 %d", counts[0], counts[1], counts[2], counts[3]);
}

/* The program itself uses all of a card, but for so many bytes. */
static void *fill_card(int card, size_t but_for_bytes)
{
    size_t free_bytes, total_bytes;
    void *filler;
    CUDA_OK(cudaSetDevice(card));
    CUDA_OK(cudaMemGetInfo(&free_bytes, &total_bytes));
    CUDA_OK(cudaMalloc(&filler, (free_bytes - but_for_bytes) / (2 * MIB) * 2 * MIB));
    CUDA_OK(cudaSetDevice(0));
    return filler;
}

static void use_virtual_vram(const char *donors, const char *size)
{
    char text[256];
    snprintf(text, sizeof text, "version: 1\n%s%s\nmodels:\n- {match: \"*.safetensors\", virtual-vram: %s}\n",
        donors ? "donors: " : "", donors ? donors : "", size);
    use_policy_text(text);
}

/* --- While a model is loaded -------------------------------------------------------------------------------------- */

Test(replan, a_full_donor_keeps_what_it_has_and_the_rest_passes_on_with_one_warning)
{
    use_machine("24gb+1536mb");
    use_virtual_vram("[cuda:1, cpu]", "96mb");
    listen();
    open_model(model());
    fill_card(1, 20 * MIB);
    expect_load(COUNT, COUNT - 5, 0, 5, 0);
    char *text = heard();
    cr_expect_eq(occurrences(text, "warning"), 1, "%s", text);
    cr_expect_eq(occurrences(text, "policy.yaml:4: warning: `cuda:1` cannot lend memory to `cuda:0` "
                                   "(CUDA_ERROR_OUT_OF_MEMORY); its share passes to `cpu`\n"),
        1, "%s", text);
    cr_expect(strstr(text, "cuda:1                   5          20.00      20.8%          96.00"), "%s", text);
    cr_expect(strstr(text, "cpu                     19          76.00      79.2%           0.00"), "%s", text);
}

/* Planned are 8 tensors on each; those of the compute device and of the host stay what they are. */
Test(replan, only_the_share_of_the_donor_that_failed_moves)
{
    use_machine("24gb+1536mb");
    use_virtual_vram("[\"cuda:1:32mb\", cpu]", "64mb");
    open_model(model());
    fill_card(1, 0);
    expect_load(COUNT, 16, 8, 0, 0);
}

Test(replan, a_share_passes_to_the_next_gpu_before_the_host)
{
    use_machine("24gb+1536mb+24gb");
    use_virtual_vram("[\"cuda:1:32mb\", \"cuda:2:48mb\", cpu]", "64mb");
    listen();
    open_model(model());
    fill_card(1, 0);
    expect_load(COUNT, 4, 8, 0, 12); /* 32 MB of cuda:1 and 32 of cuda:2, which lends 48 */
    char *text = heard();
    cr_expect_eq(occurrences(text, "its share passes to `cuda:2`"), 1, "%s", text);
}

Test(replan, the_next_model_is_offered_the_donor_again_and_nothing_is_said_twice)
{
    use_machine("24gb+1536mb");
    use_virtual_vram("[cuda:1, cpu]", "100%");
    listen();
    void *filler = fill_card(1, 0);
    for (int round = 0; round < 2; round++) {
        open_model(model());
        expect_load(COUNT, COUNT, 0, 0, 0);
    }
    CUDA_OK(cudaFree(filler));
    open_model(model());
    expect_load(COUNT, 0, 0, COUNT, 0);
    char *text = heard();
    cr_expect_eq(occurrences(text, "warning"), 1, "%s", text);
}

/* --- Where nobody else may have the share of a full donor --------------------------------------------------------- */

/* The donor has room for five; the compute device takes what is left, since out of memory is for the program only once
 * all are full. */
static void expect_taken_by_the_compute_device(const char *models, int host, int card_0)
{
    char policy[256];
    snprintf(policy, sizeof policy, "version: 1\nmodels: [%s]\n", models);
    use_machine("24gb+1536mb");
    use_policy_text(policy);
    listen();
    fill_card(1, 20 * MIB);
    for (int round = 0; round < 2; round++) {
        open_model(model());
        if (round == 0)
            expect_load(COUNT, host, card_0, 5, 0);
        else
            expect_load(COUNT, host, card_0 + 5, 0, 0);
    }
    char *text = heard();
    cr_expect_eq(occurrences(text, "warning"), 1, "%s", text);
    cr_expect_eq(occurrences(text, "error"), 0, "%s", text);
    cr_expect_eq(occurrences(text, "policy.yaml, line 2: `cuda:1` is full, and nobody else may have its share: what is "
                                   "left of that stays on `cuda:0`"),
        1, "%s", text);
}

Test(replan, the_compute_device_takes_what_a_full_donor_of_a_whole_model_cannot)
{
    expect_taken_by_the_compute_device("{match: \"*\", on: cuda:1}", 0, COUNT - 5);
}

/* layer.1, layer.10 to layer.19 */
Test(replan, the_compute_device_takes_what_a_full_donor_of_some_tensors_cannot)
{
    expect_taken_by_the_compute_device(
        "{match: \"*\", on: cpu, tensors: [{match: \"layer.1*\", on: cuda:1}]}", COUNT - 11, 6);
}

Test(replan, a_host_that_is_full_leaves_its_share_to_the_compute_device)
{
    void *filler;
    use_machine("24gb+host:1gb");
    use_virtual_vram("cpu", "48mb");
    open_model(model());
    CUDA_OK(cudaHostAlloc(&filler, 1024 * MIB, 0));
    expect_load(COUNT, 0, COUNT, 0, 0);
}

/* --- From the start ----------------------------------------------------------------------------------------------- */

Test(replan, a_donor_that_cannot_be_mapped_is_warned_of_once_for_all_models)
{
    use_machine("2x24gb-no-peer");
    use_virtual_vram("[cuda:1]", "50%"); /* nobody else is named: `cpu` */
    listen();
    for (int i = 0; i < 3; i++) {
        open_model(model());
        expect_load(COUNT, COUNT / 2, COUNT / 2, 0, 0);
    }
    char *text = heard();
    cr_expect_eq(occurrences(text, "warning"), 1, "%s", text);
    cr_expect_eq(occurrences(text, "has no peer access to it); its share passes to `cpu`"), 1, "%s", text);
    cr_expect_eq(simcudaBytesUsed(1), 0, "nothing of an unused donor may be touched");
}

Test(replan, where_the_policy_passes_through_the_program_runs_as_ever)
{
    use_machine("2x24gb-no-peer");
    use_policy_text("version: 1\non-error: passthrough\nmodels: [{match: \"*\", on: cuda:1}]\n");
    listen();
    open_model(model());
    expect_load(COUNT, 0, COUNT, 0, 0);
    open_model(model());
    expect_load(COUNT, 0, COUNT, 0, 0);
    char *text = heard();
    cr_expect_eq(occurrences(text, "`on: cuda:1` cannot be had"), 1, "%s", text);
    cr_expect_eq(occurrences(text, "stepping aside"), 1, "%s", text);
    cr_expect_eq(simcudaCalls("cuMemCreate"), 0);
}

Test(replan, what_cannot_be_had_stops_the_program_and_says_why)
{
    static const struct {
        const char *machine, *fail, *models, *said;
    } cases[] = {
        {"2x24gb-no-peer", "", "{match: \"*\", on: cuda:1}",
            "policy.yaml:2: error: `on: cuda:1` cannot be had: it cannot lend memory to `cuda:0` (the compute device "
            "has no "
            "peer access to it)\n"},
        {"2x24gb-no-peer", "", "{match: \"*\", on: cpu, tensors: [{match: \"*\", on: cuda:1}]}",
            "policy.yaml:2: error: `on: cuda:1` cannot be had"},
        {"2x24gb", "cuMemCreate:1:801", "{match: \"*\", on: cuda:1}",
            "`on: cuda:1` cannot be had: it cannot lend memory to `cuda:0` (CUDA_ERROR_NOT_SUPPORTED)\n"},
        {"2x24gb", "cuMemCreate:1:801,cuMemHostRegister_v2:1:801", "{match: \"*\", virtual-vram: 100%}",
            "`cpu` cannot lend memory to `cuda:0` (CUDA_ERROR_NOT_SUPPORTED), and there is no donor after it that "
            "could "
            "take its share\n"},
        {"2x24gb", "", "{match: \"*\", on: cuda:5}",
            "policy.yaml:2: error: `cuda:5` is not there: the machine has cuda:0, cuda:1, cpu\n"},
        {"2x24gb", "", "{match: \"*\", distorch: \"cuda:5,1gb;cpu,*\"}", "`cuda:5` is not there"},
    };
    char output[8192], command[700], policy[256];
    const char *path = model();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(policy, sizeof policy, "version: 1\nmodels: [%s]\n", cases[i].models);
        use_policy_text(policy);
        snprintf(command, sizeof command, "SIMCUDA_MACHINE=%s SIMCUDA_FAIL=%s %s %s %zu", cases[i].machine,
            cases[i].fail, program("exiting"), path, BYTES);
        cr_expect_eq(run(command, output), 78, "%s: %s", cases[i].models, output);
        cr_expect(strstr(output, cases[i].said), "%s: %s", cases[i].models, output);
        cr_expect_eq(occurrences(output, "line 2: this cannot be had on this machine"), 1, "%s", output);
        snprintf(command, sizeof command, "VRAMSPAN_ON_ERROR=passthrough SIMCUDA_MACHINE=%s SIMCUDA_FAIL=%s %s %s %zu",
            cases[i].machine, cases[i].fail, program("exiting"), path, BYTES);
        cr_expect_eq(run(command, output), 0, "%s: %s", cases[i].models, output);
    }
}

/* --- What does not fit -------------------------------------------------------------------------------------------- */

static void expect_told(const char *machine, const char *policy, const char *what)
{
    char text[256];
    snprintf(text, sizeof text, "version: 1\n%s\n", policy);
    use_machine(machine);
    use_policy_text(text);
    listen();
    open_model(model());
    for (int i = 0; i < COUNT; i++)
        place_new(BYTES);
    char *said = heard();
    cr_expect_eq(occurrences(said, what), 1, "%s", said);
}

Test(replan, a_compute_device_that_is_too_small_is_named_with_what_to_do)
{
    expect_told("2gb+1536mb", "compute-reserve: 2000mb\nmodels: [{match: \"*\", on: cuda:0}]",
        "`cuda:0` is to hold 96 MB of it, and has beside the reserve 48 MB: the program may run out of memory; let "
        "other "
        "devices hold more of it\n");
}

Test(replan, a_donor_that_is_too_small_is_named_with_what_to_do)
{
    expect_told("2gb+80mb", "donors: [cuda:1]\nmodels: [{match: \"*\", on: cuda:1}]",
        "`cuda:1` is to hold 96 MB of it, and has 80 MB: what finds it full goes to another device; let it hold "
        "less\n");
}

/* The way out names where the device was said. */
Test(replan, a_compute_device_that_is_not_there_is_told_with_where_it_was_said)
{
    static const struct {
        const char *variables, *policy, *said;
    } cases[] = {
        {"A=b", "compute: cuda:5\nmodels: [{match: \"*\", virtual-vram: 4mb}]", "correct `compute:` in /"},
        {"A=b", "models: [{match: \"*\", distorch: \"cpu,*#cuda:5\"}]", "correct what stands behind the `#` in /"},
        {"VRAMSPAN_DISTORCH='cpu,*#cuda:5'", "models: [{match: \"*\", virtual-vram: 4mb}]",
            "correct what stands behind the `#` in VRAMSPAN_DISTORCH\n"},
    };
    char output[8192], command[700], policy[256];
    const char *path = model();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        snprintf(policy, sizeof policy, "version: 1\n%s\n", cases[i].policy);
        use_policy_text(policy);
        snprintf(command, sizeof command, "%s %s %s %zu", cases[i].variables, program("exiting"), path, BYTES);
        cr_expect_eq(run(command, output), 78, "%s: %s", cases[i].policy, output);
        cr_expect(
            strstr(output, "the compute device cuda:5 is not there: CUDA shows the program 2 devices; "), "%s", output);
        cr_expect(strstr(output, cases[i].said), "%s: %s", cases[i].policy, output);
    }
}

/* --- A GPU that nobody uses --------------------------------------------------------------------------------------- */

Test(replan, a_gpu_that_could_lend_and_is_not_named_is_pointed_out_once)
{
    use_virtual_vram(NULL, "50%");
    listen();
    for (int i = 0; i < 2; i++) {
        open_model(model());
        expect_load(COUNT, COUNT / 2, COUNT / 2, 0, 0);
    }
    char *text = heard();
    cr_expect_eq(
        occurrences(text, "cuda:1 could lend its memory: to let it, write `donors: [cuda:1, cpu]`"), 1, "%s", text);
    cr_expect_null(strstr(text, "warning"), "%s", text);
}

static void expect_nothing_pointed_out(const char *machine, const char *policy)
{
    use_machine(machine);
    use_policy_text(policy);
    listen();
    open_model(model());
    expect_load(COUNT, COUNT / 2, COUNT / 2, 0, 0);
    char *text = heard();
    cr_expect_null(strstr(text, "could lend"), "%s", text);
}

#define HALF "models: [{match: \"*.safetensors\", virtual-vram: 50%}"

Test(replan, who_names_donors_knows)
{
    expect_nothing_pointed_out("2x24gb", "version: 1\ndonors: cpu\n" HALF "]\n");
}

Test(replan, a_gpu_that_another_section_uses_is_not_idle)
{
    expect_nothing_pointed_out("2x24gb", "version: 1\n" HALF ", {match: \"t5*\", on: cuda:1}]\n");
}

Test(replan, a_gpu_that_cannot_lend_is_not_pointed_out)
{
    expect_nothing_pointed_out("2x24gb-no-peer", "version: 1\n" HALF "]\n");
}

Test(replan, a_single_gpu_has_nobody_beside_it)
{
    expect_nothing_pointed_out("1x12gb", "version: 1\n" HALF "]\n");
}

/* --- An error that is no lack of memory --------------------------------------------------------------------------- */

/* Eight weights share a piece of memory. A call for the next piece fails: all of the rest goes elsewhere. */
static void load_with_error(const char *call, CUresult error, int host, int card_0)
{
    open_model(model());
    expect_load(8, 0, 0, 8, 0);
    simcudaFail(call, 1, error);
    expect_load(COUNT - 8, host, card_0, 0, 0);
}

/* Errors that tell of what happened, not of what the memory is: who was driven out for them would lend nothing until
 * the program ends. */
Test(replan, a_donor_that_fails_once_lends_again_to_the_next_load)
{
    static const CUresult errors[] = {CUDA_ERROR_UNKNOWN, CUDA_ERROR_OPERATING_SYSTEM, CUDA_ERROR_NOT_INITIALIZED};
    static const char *const calls[] = {"cuMemCreate", "cuMemMap", "cuMemSetAccess"};
    use_virtual_vram("[cuda:1, cpu]", "96mb");
    for (size_t i = 0; i < sizeof errors / sizeof *errors; i++)
        for (size_t k = 0; k < sizeof calls / sizeof *calls; k++)
            load_with_error(calls[k], errors[i], COUNT - 8, 0);
    cr_expect_eq(simcudaBytesUsed(1) + simcudaBytesUsed(HOST), 9 * COUNT * BYTES, "nothing is lost");
}

static void expect_not_asked_again_after(CUresult error)
{
    use_virtual_vram("[cuda:1, cpu]", "96mb");
    load_with_error("cuMemCreate", error, COUNT - 8, 0);
    open_model(model());
    expect_load(COUNT, COUNT, 0, 0, 0);
}

Test(replan, a_donor_whose_memory_is_not_supported_is_not_asked_again)
{
    expect_not_asked_again_after(CUDA_ERROR_NOT_SUPPORTED);
}

Test(replan, a_donor_whose_memory_is_an_invalid_value_is_not_asked_again)
{
    expect_not_asked_again_after(CUDA_ERROR_INVALID_VALUE);
}

Test(replan, a_donor_whose_memory_is_not_permitted_is_not_asked_again)
{
    expect_not_asked_again_after(CUDA_ERROR_NOT_PERMITTED);
}

/* `on: cuda:1` lets nobody else have the rest: the compute device has it, and the program goes on. */
Test(replan, the_compute_device_takes_what_a_donor_that_fails_once_cannot)
{
    use_policy_text("version: 1\nmodels: [{match: \"*\", on: cuda:1}]\n");
    listen();
    load_with_error("cuMemCreate", CUDA_ERROR_UNKNOWN, 0, COUNT - 8);
    open_model(model());
    expect_load(COUNT, 0, 0, COUNT, 0);
    char *text = heard();
    cr_expect_eq(
        occurrences(text, "line 2: `cuda:1` fails at the moment (CUDA_ERROR_UNKNOWN), and nobody else may have its "
                          "share: what is left of that stays on `cuda:0`"),
        1, "%s", text);
    cr_expect_eq(occurrences(text, "error:"), 0, "%s", text);
}
