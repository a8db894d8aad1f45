/* proof_key_test.c: what a proof that is kept depends on: where any of it changes, memory is tried anew. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fixture.h"

#define BYTES (4 * MIB)

static char *root;

/* Below the root of the host's files. */
static void write_file(const char *inside, const char *text)
{
    char command[1024];
    snprintf(
        command, sizeof command, "mkdir -p %s$(dirname %s) && printf '%s\\n' > %s%s", root, inside, text, root, inside);
    cr_assert_eq(system(command), 0, "%s", command);
}

/* In how many processes CUDA is started by a program that loads a model. */
static size_t processes(void)
{
    static unsigned runs;
    static const char *model;
    const size_t sizes[] = {BYTES, BYTES};
    char name[32], command[1400], output[8192];
    if (!model)
        model = make_model(sizes, 2);
    snprintf(name, sizeof name, "traces-%u", runs++);
    char *traces = scratch_path(name);
    cr_assert(mkdir(traces, 0700) == 0);
    snprintf(command, sizeof command, "SIMCUDA_TRACE=%s/%%p %s %s %zu", traces, program("exiting"), model, BYTES);
    cr_expect_eq(run(command, output), 0, "%s", output);
    size_t count = 0;
    DIR *listing = opendir(traces);
    for (const struct dirent *entry; listing && (entry = readdir(listing));)
        count += entry->d_name[0] != '.';
    closedir(listing);
    free(traces);
    return count;
}

Test(proof_key, each_part_of_what_it_depends_on_counts)
{
    static const char *const changes[][2] = {
        {"/sys/module/nvidia/version", "580.65.07"},
        {"/sys/module/nvidia/srcversion", "PATCHED"},
        {"/proc/cmdline", "quiet iommu=pt"},
        {"/proc/cmdline", "quiet iommu=pt pcie_acs_override=downstream"},
        {"/proc/cmdline", "quiet amd_iommu=off iommu=pt pcie_acs_override=downstream"},
        {"/sys/kernel/iommu_groups/1/type", "DMA"},
    };
    use_policy("cpu,*");
    root = scratch_path("host");
    setenv("VRAMSPAN_PROC_ROOT", root, 1);
    setenv("VRAMSPAN_CACHE", scratch_path("cache"), 1);
    write_file("/proc/meminfo", "MemTotal: 67108864 kB\\nMemAvailable: 33554432 kB");
    write_file("/sys/module/nvidia/version", "580.65.06");
    write_file("/sys/module/nvidia/srcversion", "STOCK");
    write_file("/proc/cmdline", "quiet");
    write_file("/sys/kernel/iommu_groups/0/type", "DMA");
    cr_expect_eq(processes(), 2);
    cr_expect_eq(processes(), 1);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        write_file(changes[i][0], changes[i][1]);
        cr_expect_eq(processes(), 2, "%s: %s", changes[i][0], changes[i][1]);
        cr_expect_eq(processes(), 1, "%s: %s", changes[i][0], changes[i][1]);
    }
    write_file("/proc/cmdline", "splash amd_iommu=off root=/dev/sda1 iommu=pt pcie_acs_override=downstream");
    cr_expect_eq(processes(), 1, "what has nothing to do with it counts");
}
