/* host_limit_test.c: loads that find the host's memory full: by the files of the simulated machine, whose control group
 * may be smaller than it is; who has the rest then, and what is said. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fixture.h"

#define COUNT 24
#define BYTES (4 * MIB) /* each tensor in a span of its own */

static const char *model(void)
{
    size_t sizes[COUNT];
    for (int i = 0; i < COUNT; i++)
        sizes[i] = BYTES;
    return make_model(sizes, COUNT);
}

static void use_reserve(const char *reserve, const char *models)
{
    char text[512];
    snprintf(
        text, sizeof text, "version: 1\nhost-reserve: %s\nmodels: [{match: \"*.safetensors\", %s}]\n", reserve, models);
    use_policy_text(text);
}

/* Loads all tensors and expects so many of them at each place, by the simulator's account. */
static void expect_load(int host, int card_0, int card_1)
{
    int counts[3] = {0};
    for (int i = 0; i < COUNT; i++) {
        void *pointer;
        CUDA_OK(cudaMallocAsync(&pointer, BYTES, 0));
        for (int location = HOST; location < 2; location++)
            counts[location + 1] += lies_at(pointer, BYTES, location);
    }
    cr_expect(counts[0] == host && counts[1] == card_0 && counts[2] == card_1, "host %d, cuda:0 %d, cuda:1 %d",
        counts[0], counts[1], counts[2]);
}

/* The program pins so much itself. */
static void pin(size_t bytes)
{
    void *pinned;
    CUDA_OK(cudaHostAlloc(&pinned, bytes, cudaHostAllocDefault));
}

/* --- Full while a model is loaded --------------------------------------------------------------------------------- */

/* 64 GB, of which the group may use 8: 20 MB are left of those beside the reserve, enough for five. */
Test(host_limit, a_control_groups_limit_ends_what_the_host_lends)
{
    use_machine("host-limit");
    use_host_files();
    use_reserve("6gb", "on: cpu");
    listen();
    pin((2 << 10) * MIB - 20 * MIB);
    open_model(model());
    uint64_t before = simcudaCalls("cuMemCreate") + simcudaCalls("cuMemHostAlloc");
    expect_load(5, COUNT - 5, 0);
    uint64_t asked = simcudaCalls("cuMemCreate") + simcudaCalls("cuMemHostAlloc") - before;
    cr_expect_eq(
        asked, COUNT, "the driver was asked %zu times, for what the kernel could not bear, too", (size_t)asked);
    char *text = heard();
    cr_expect_eq(occurrences(text, "host memory is full: 6144 MB are left, says "), 1, "%s", text);
    cr_expect_eq(occurrences(text, "/sys/fs/cgroup/simcuda/memory.max, and `host-reserve` keeps 6144 MB of them; let "
                                   "less go to `cpu`, raise that limit"),
        1, "%s", text);
    cr_expect_eq(occurrences(text, "`cpu` is full, and nobody else may have its share"), 1, "%s", text);
    cr_expect_eq(occurrences(text, "warning"), 2, "%s", text);
    cr_expect_eq(occurrences(text, "error"), 0, "%s", text);
}

/* A driver whose kernel module does not charge the group for host memory: 60 MB are left for it all the same, and come
 * back when they are freed. */
Test(host_limit, a_control_groups_limit_holds_where_the_drivers_memory_is_not_charged_to_it)
{
    void *weights[15];
    char *machine = scratch_path("uncharged.yaml");
    FILE *file = fopen(machine, "w");
    cr_assert(file && fputs("host: 64gb\nhost-limit: 8gb\nhost-charged: false\n"
                            "devices: [{memory: 12gb, capability: 8.6}]\n",
                          file) >= 0);
    fclose(file);
    use_machine(machine);
    use_host_files();
    use_reserve("8132mb", "on: cpu");
    for (int round = 0; round < 3; round++) {
        open_model(model());
        for (int i = 0; i < 15; i++) {
            CUDA_OK(cudaMallocAsync(&weights[i], BYTES, 0));
            cr_expect(lies_at(weights[i], BYTES, HOST), "round %d: weight %d", round, i);
        }
        for (int i = 15; i < COUNT; i++)
            cr_expect_eq(place_new(BYTES), 0, "round %d: weight %d", round, i);
        for (int i = 0; i < 15; i++)
            CUDA_OK(cudaFreeAsync(weights[i], 0));
        CUDA_OK(cudaDeviceSynchronize());
    }
    free(machine);
}

/* The same without a group's limit: what others use of the machine counts, not how much it has. */
Test(host_limit, what_is_available_ends_what_the_host_lends)
{
    use_machine("24gb+host:4gb");
    use_host_files();
    use_reserve("1gb", "on: cpu");
    listen();
    pin(3072 * MIB - 32 * MIB);
    open_model(model());
    expect_load(8, COUNT - 8, 0);
    char *text = heard();
    cr_expect_eq(occurrences(text, "host memory is full: 1024 MB are left, says "), 1, "%s", text);
    cr_expect_eq(occurrences(text, "/proc/meminfo (MemAvailable), and `host-reserve` keeps 1024 MB"), 1, "%s", text);
}

Test(host_limit, what_the_host_has_no_room_for_passes_to_the_donor_behind_it)
{
    use_machine("24gb+24gb+host:4gb");
    use_host_files();
    use_policy_text("version: 1\nhost-reserve: 1gb\ndonors: [cpu, cuda:1]\n"
                    "models: [{match: \"*.safetensors\", virtual-vram: 96mb}]\n");
    listen();
    pin(3072 * MIB - 40 * MIB);
    open_model(model());
    expect_load(10, 0, COUNT - 10);
    char *text = heard();
    cr_expect_eq(occurrences(text, "its share passes to `cuda:1`"), 1, "%s", text);
    cr_expect_eq(occurrences(text, "host memory is full"), 1, "%s", text);
}

/* The reserve of 2 GB holds where nobody says one. */
Test(host_limit, the_usual_reserve_is_kept)
{
    use_machine("24gb+host:4gb");
    use_host_files();
    use_policy_text("version: 1\nmodels: [{match: \"*.safetensors\", on: cpu}]\n");
    pin(2048 * MIB - 8 * MIB);
    open_model(model());
    expect_load(2, COUNT - 2, 0);
}

Test(host_limit, small_tensors_share_what_is_left)
{
    size_t sizes[64];
    void *pointer;
    int host = 0;
    for (int i = 0; i < 64; i++)
        sizes[i] = MIB; /* shared pieces are larger than what is left at last */
    use_machine("24gb+host:4gb");
    use_host_files();
    use_reserve("1gb", "on: cpu");
    pin(3072 * MIB - 48 * MIB);
    open_model(make_model(sizes, 64));
    for (int i = 0; i < 64; i++) {
        CUDA_OK(cudaMallocAsync(&pointer, MIB, 0));
        host += lies_at(pointer, MIB, HOST);
    }
    cr_expect_eq(host, 48);
    cr_expect_leq(simcudaBytesUsed(HOST), 3072 * MIB);
}

Test(host_limit, pinned_memory_of_machines_without_mapping_is_looked_after_too)
{
    use_machine("no-vmm");
    use_host_files();
    use_reserve("63gb", "on: cpu"); /* of 64 */
    pin(1024 * MIB - 40 * MIB);
    open_model(model());
    expect_load(8, COUNT - 8, 0); /* its pieces have 32 MB each */
}

/* Room that comes back is lent to the next model. */
Test(host_limit, the_next_model_gets_what_is_free_by_then)
{
    void *pinned;
    use_machine("24gb+host:4gb");
    use_host_files();
    use_reserve("1gb", "on: cpu");
    listen();
    CUDA_OK(cudaHostAlloc(&pinned, 3072 * MIB, cudaHostAllocDefault));
    open_model(model());
    expect_load(0, COUNT, 0);
    CUDA_OK(cudaFreeHost(pinned));
    open_model(model());
    expect_load(COUNT, 0, 0);
    char *text = heard();
    cr_expect_eq(occurrences(text, "host memory is full"), 1, "%s", text);
}

/* --- Plans -------------------------------------------------------------------------------------------------------- */

Test(host_limit, a_plan_lends_what_the_group_may_use_less_the_reserve)
{
    use_machine("host-limit");
    use_host_files();
    use_reserve("8152mb", "virtual-vram: 96mb"); /* 40 MB are left */
    listen();
    open_model(model());
    expect_load(10, COUNT - 10, 0);
    char *text = heard();
    cr_expect_eq(occurrences(text, "96mb of virtual VRAM are asked for, and the donors lend 40mb"), 1, "%s", text);
    cr_expect_eq(occurrences(text, "host memory is full"), 0, "%s", text);
}

/* DisTorch's order knows no reserve in its plan; the memory is looked after all the same. */
Test(host_limit, a_plan_of_distorch_keeps_nothing_and_is_looked_after)
{
    use_machine("host-limit");
    use_host_files();
    use_reserve("8152mb", "distorch: \"cuda:0,0mb;cpu,*\", order: distorch");
    listen();
    open_model(model());
    expect_load(10, COUNT - 10, 0);
    char *text = heard();
    cr_expect_eq(occurrences(text, "host memory is full"), 1, "%s", text);
}

/* --- Odd files ---------------------------------------------------------------------------------------------------- */

/* Files that a test writes, and the simulator does not change: nothing available, whatever the machine has. */
Test(host_limit, files_below_the_root_are_believed)
{
    char path[256];
    const char *root = use_host_files();
    unsetenv("SIMCUDA_PROC_ROOT");
    mkdir(root, 0755);
    snprintf(path, sizeof path, "%s/proc", root);
    mkdir(path, 0755);
    snprintf(path, sizeof path, "%s/proc/meminfo", root);
    FILE *file = fopen(path, "w");
    cr_assert(file && fputs("MemTotal: 65536000 kB\nMemAvailable: 100 kB\n", file) >= 0 && fclose(file) == 0);
    use_reserve("0b", "on: cpu");
    open_model(model());
    expect_load(0, COUNT, 0);
}

Test(host_limit, without_files_the_host_lends_and_one_line_says_that_nothing_is_known)
{
    use_host_files();
    unsetenv("SIMCUDA_PROC_ROOT");
    use_reserve("2gb", "on: cpu");
    listen();
    open_model(model());
    expect_load(COUNT, 0, 0);
    char *text = heard();
    cr_expect_eq(occurrences(text, "/proc/meminfo cannot be read"), 1, "%s", text);
    cr_expect_eq(occurrences(text, "warning"), 1, "%s", text);
}
