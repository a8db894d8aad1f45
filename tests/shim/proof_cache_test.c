/* proof_cache_test.c: what is kept of how memory proved itself: when it is tried again, and in which file. How many
 * processes there are tells the simulator, which keeps a trace for each. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fixture.h"
#include "proof_support.h"

#define BYTES (4 * MIB)

/* Runs a program that loads a model under these settings; returns in how many processes CUDA was started. */
static size_t processes(const char *settings, char output[8192])
{
    static unsigned runs;
    static const char *model;
    const size_t sizes[] = {BYTES, BYTES};
    char name[32], command[1400];
    if (!model)
        model = make_model(sizes, 2);
    snprintf(name, sizeof name, "traces-%u", runs++);
    char *traces = scratch_path(name);
    cr_assert(mkdir(traces, 0700) == 0);
    snprintf(command, sizeof command, "%s SIMCUDA_TRACE=%s/%%p %s %s %zu", settings, traces, program("exiting"), model,
        BYTES);
    cr_expect_eq(run(command, output), 0, "%s: %s", settings, output);
    size_t count = files_in(traces);
    free(traces);
    return count;
}

static void expect_processes(size_t expected, const char *settings, const char *said)
{
    char output[8192];
    size_t count = processes(settings, output);
    cr_expect_eq(count, expected, "%s: %zu processes, not %zu: %s", settings, count, expected, output);
    cr_expect(strstr(output, said), "%s: %s", settings, output);
}

/* The one proof that is kept. */
static char *kept_file(void)
{
    char folder[512], *path = NULL;
    snprintf(folder, sizeof folder, "%s/proofs", proof_cache());
    DIR *listing = opendir(folder);
    for (const struct dirent *entry; listing && (entry = readdir(listing));)
        if (entry->d_name[0] != '.')
            cr_assert(!path && asprintf(&path, "%s/%s", folder, entry->d_name) > 0, "more than one is kept");
    if (listing)
        closedir(listing);
    return path;
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    cr_assert(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

static char *read_file(const char *path)
{
    char *text = calloc(1, 4096);
    FILE *file = fopen(path, "r");
    cr_assert(file && fread(text, 1, 4095, file) > 0 && fclose(file) == 0);
    return text;
}

#define WEIGHTS_ARE_PLACED "cpu                      2"

Test(proof_cache, what_was_found_out_is_not_tried_again_but_with_another_driver)
{
    use_policy("cpu,*");
    use_new_proof_cache();
    expect_processes(2, "", WEIGHTS_ARE_PLACED);
    expect_processes(1, "", WEIGHTS_ARE_PLACED);
    expect_processes(2, "SIMCUDA_DRIVER_VERSION=13010", WEIGHTS_ARE_PLACED);
    expect_processes(1, "SIMCUDA_DRIVER_VERSION=13010", WEIGHTS_ARE_PLACED);
    expect_processes(1, "", WEIGHTS_ARE_PLACED);
    expect_processes(2, "SIMCUDA_MACHINE=8gb+24gb", WEIGHTS_ARE_PLACED); /* another card */
}

Test(proof_cache, it_is_the_users_alone_and_whole)
{
    struct stat info;
    use_policy("cpu,*");
    use_new_proof_cache();
    expect_processes(2, "", WEIGHTS_ARE_PLACED);
    char *path = kept_file(), *text = read_file(path);
    cr_assert_eq(stat(path, &info), 0);
    cr_expect_eq(info.st_mode & 0777, 0600);
    cr_expect(strstr(text, "outcome works\n"), "%s", text);
    free(text);
    free(path);
}

Test(proof_cache, what_cannot_be_read_is_tried_again_and_written_anew)
{
    use_policy("cpu,*");
    use_new_proof_cache();
    expect_processes(2, "", WEIGHTS_ARE_PLACED);
    char *path = kept_file(), *good = read_file(path), *cut = strdup(good), *other = strdup(good), *full = strdup(good);
    cut[strlen(cut) - 3] = '\0';
    memcpy(strstr(other, "outcome works"), "outcome wrens", 13);
    memcpy(strstr(full, "outcome works"), "outcome full\n", 13); /* is never kept */
    const char *const texts[] = {"", "garbage\n", "outcome works\n", cut, other, full};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        write_file(path, texts[i]);
        expect_processes(2, "", WEIGHTS_ARE_PLACED);
        char *now = read_file(path);
        cr_expect_str_eq(now, good);
        free(now);
    }
    expect_processes(1, "", WEIGHTS_ARE_PLACED);
    cr_assert(remove(path) == 0 && mkdir(path, 0700) == 0); /* neither read nor replaced */
    expect_processes(2, "", WEIGHTS_ARE_PLACED);
    cr_assert(rmdir(path) == 0);
    expect_processes(2, "", WEIGHTS_ARE_PLACED);
}

Test(proof_cache, what_failed_is_kept_too_and_told_with_how_to_try_again)
{
    char said[600];
    use_policy("cuda:1,*;cpu,0");
    use_policy_text("version: 1\ncompute: cuda:0\ndonors: [cuda:1, cpu]\nmodels:\n  - match: \"*.safetensors\"\n"
                    "    virtual-vram: 100%\n");
    use_new_proof_cache();
    snprintf(said, sizeof said, "remove %s/proofs/", proof_cache());
    expect_processes(3, "SIMCUDA_MACHINE=2x24gb-peer-lies", said); /* of cuda:1, and of cpu */
    expect_processes(1, "SIMCUDA_MACHINE=2x24gb-peer-lies", said);
    expect_processes(1, "SIMCUDA_MACHINE=2x24gb-peer-lies",
        "`cuda:1` cannot lend memory to `cuda:0` (copies arrive, but kernels read other bytes there); its share passes "
        "to "
        "`cpu`");
}

Test(proof_cache, without_a_folder_it_is_tried_each_time_which_is_said_at_the_level_of_debugging_only)
{
    char output[8192];
    use_policy("cpu,*");
    for (int i = 0; i < 2; i++)
        expect_processes(2, "VRAMSPAN_CACHE=/proc/nowhere", WEIGHTS_ARE_PLACED);
    expect_processes(2, "VRAMSPAN_CACHE=/proc/nowhere VRAMSPAN_LOG=debug", "cannot be kept in /proc/nowhere/proofs/");
    processes("VRAMSPAN_CACHE=/proc/nowhere", output);
    cr_expect(!strstr(output, "kept"), "%s", output);
    expect_processes(2, "env -u VRAMSPAN_CACHE -u XDG_CACHE_HOME -u HOME", WEIGHTS_ARE_PLACED);
}

Test(proof_cache, a_donor_that_gets_nothing_is_not_tried)
{
    use_policy_text("version: 1\ncompute: cuda:0\ndonors: [cuda:1, cpu]\nmodels:\n  - match: \"*.safetensors\"\n"
                    "    on: cpu\n");
    use_new_proof_cache();
    expect_processes(2, "", WEIGHTS_ARE_PLACED);
    char *path = kept_file(), *text = read_file(path);
    cr_expect(strstr(text, "\nplace host\n"), "%s", text);
    free(text);
    free(path);
}

Test(proof_cache, several_processes_at_once_keep_one_good_file)
{
    char output[8192], command[2000];
    const size_t sizes[] = {BYTES, BYTES};
    use_policy("cpu,*");
    use_new_proof_cache();
    snprintf(command, sizeof command,
        "for i in 1 2 3 4 5 6; do %s %s %zu & pids=\"$pids $!\"; done; for p in $pids; do wait $p || exit 9; done",
        program("exiting"), make_model(sizes, 2), BYTES);
    cr_expect_eq(run(command, output), 0, "%s", output);
    free(kept_file());
    expect_processes(1, "", WEIGHTS_ARE_PLACED);
}
