/* process_test.c: whole processes under the preload: those that are none of our business, those that fork, exit or
 * bring a broken policy or an unknown CUDA. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

#define BYTES (4 * MIB)

/* --- Processes without CUDA --------------------------------------------------------------------------------------- */

Test(process, programs_without_cuda_are_left_alone)
{
    const char *const commands[] = {"/bin/true", "bash -c 'echo $((1+1)) | grep -q 2'", "cat /dev/null",
        "python3 -c 'import threading; assert threading.active_count() == 1; import os; assert "
        "len(os.listdir(\"/proc/self/task\")) == 1'"};
    char output[8192];
    use_policy_text("this: is not a policy\n"); /* must not even be read */
    for (size_t i = 0; i < sizeof commands / sizeof *commands; i++) {
        cr_expect_eq(run(commands[i], output), 0, "%s", commands[i]);
        cr_expect_str_empty(output, "%s printed: %s", commands[i], output);
    }
}

Test(process, a_program_that_only_asks_nvml_is_left_alone)
{
    char output[8192];
    use_policy("cpu,*");
    cr_expect_eq(run(program("nvml_only"), output), 0);
    cr_expect_str_eq(output, "GPU 0: Simulated GPU\n");
}

/* --- Early calls and calls within calls --------------------------------------------------------------------------- */

Test(process, hooks_work_before_any_constructor_of_ours_ran)
{
    const size_t sizes[] = {BYTES};
    char output[8192], bytes[32];
    use_policy("cpu,*");
    snprintf(bytes, sizeof bytes, "%zu", BYTES);
    setenv("MODEL", make_model(sizes, 1), 1);
    setenv("BYTES", bytes, 1);
    cr_expect_eq(run(program("early"), output), 0, "%s", output);
    cr_expect(strstr(output, "early weight: 4194304 of 4194304 bytes in the host"), "%s", output);
}

Test(process, only_the_outermost_hook_acts)
{
    const size_t sizes[] = {BYTES, BYTES};
    char output[8192], command[600];
    use_policy("cpu,*");
    snprintf(command, sizeof command, "%s %s %zu", program("nesting"), make_model(sizes, 2), BYTES);
    cr_expect_eq(run(command, output), 0, "%s", output);
    cr_expect(strstr(output, "inner call: not placed\n"), "%s", output);
    cr_expect(strstr(output, "outer call: placed\n"), "%s", output);
    cr_expect(strstr(output, "driver call: placed\n"), "%s", output);
}

/* --- Ends and children -------------------------------------------------------------------------------------------- */

Test(process, frees_at_exit_are_served)
{
    const size_t sizes[] = {BYTES, BYTES};
    char output[8192], command[600];
    use_policy("cuda:0,4mb;cpu,*");
    snprintf(command, sizeof command, "%s %s %zu", program("exiting"), make_model(sizes, 2), BYTES);
    cr_expect_eq(run(command, output), 0, "%s", output);
    cr_expect(strstr(output, "cuda:0 held 1 weight, 4.0 MB"), "%s", output);
    cr_expect(strstr(output, "cpu held 1 weight, 4.0 MB"), "%s", output);
}

Test(process, a_model_that_placed_nothing_is_told)
{
    const size_t sizes[] = {BYTES, BYTES};
    char output[8192], command[600];
    use_policy("cpu,*");
    snprintf(command, sizeof command, "%s %s %zu", program("exiting"), make_model(sizes, 2), BYTES + 1);
    cr_expect_eq(run(command, output), 0);
    cr_expect(strstr(output, "none of its weights was placed"), "%s", output);
}

Test(process, a_policy_that_named_no_opened_model_is_told)
{
    const size_t sizes[] = {BYTES, BYTES};
    char output[8192], command[600];
    use_policy_text("version: 1\nmodels:\n  - match: \"flux*.safetensors\"\n    distorch: \"cpu,*\"\n");
    snprintf(command, sizeof command, "%s %s %zu", program("exiting"), make_model(sizes, 2), BYTES);
    cr_expect_eq(run(command, output), 0);
    cr_expect(strstr(output, "names none of those that were opened (model-0.safetensors)"), "%s", output);
}

Test(process, a_compute_device_that_is_not_there_is_told)
{
    const size_t sizes[] = {BYTES, BYTES};
    char output[8192], command[600];
    use_policy_text("version: 1\ncompute: cuda:7\nmodels:\n  - match: \"*.safetensors\"\n    distorch: \"cpu,*\"\n");
    snprintf(command, sizeof command, "%s %s %zu", program("exiting"), make_model(sizes, 2), BYTES);
    cr_expect_eq(run(command, output), 78, "%s", output);
    cr_expect(
        strstr(output, "cuda:7 is not there: CUDA shows the program 2 devices; correct `compute:` in /"), "%s", output);
}

/* The child's first call of a library that the parent never used must not act either. */
Test(process, a_forked_childs_first_driver_call_is_the_real_one)
{
    const size_t sizes[] = {BYTES, BYTES};
    CUdeviceptr address;
    void *weight;
    use_policy("cpu,*");
    open_model(make_model(sizes, 2));
    CUDA_OK(cudaMalloc(&weight, BYTES));
    pid_t child = fork();
    cr_assert(child >= 0);
    if (child == 0)
        _exit(cuMemAlloc(&address, BYTES) == CUDA_ERROR_NOT_INITIALIZED ? 0 : 1);
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

Test(process, a_forked_child_does_nothing_of_ours)
{
    const size_t sizes[] = {BYTES, BYTES};
    const char *model = make_model(sizes, 2);
    void *weight;
    use_policy("cpu,*");
    open_model(model);
    CUDA_OK(cudaMalloc(&weight, BYTES));
    listen();
    pid_t child = fork();
    cr_assert(child >= 0);
    if (child == 0) {
        open_model(model); /* as a DataLoader's worker may */
        int result = cudaMalloc(&weight, BYTES);
        _exit(result == cudaErrorInitializationError ? 0 : 1);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "CUDA does not survive a fork");
    char *text = heard();
    cr_expect_eq(occurrences(text, "end of run"), 0, "the child told an end of run: %s", text);
    CUDA_OK(cudaMalloc(&weight, BYTES)); /* the parent goes on */
    cr_expect(lies_at(weight, BYTES, SIMCUDA_LOCATION_HOST));
}

/* --- Two majors in one process ------------------------------------------------------------------------------------ */

typedef int malloc_function(void **, size_t);
typedef int free_function(void *);
typedef int error_function(void);
typedef int copy_function(void *, const void *, size_t);

static void *load(const char *name)
{
    void *library = dlopen(program(name), RTLD_NOW | RTLD_LOCAL);
    cr_assert(library, "%s", dlerror());
    return library;
}

static void *look_up(void *library, const char *symbol)
{
    void *found = dlsym(library, symbol);
    cr_assert(found, "%s", symbol);
    return found;
}

Test(majors, each_library_reaches_its_own_runtime)
{
    const size_t sizes[] = {BYTES, BYTES + 512};
    void *of_12, *of_13;
    use_policy("cpu,*");
    void *user_12 = load("libuser12.so");
    malloc_function *malloc_12 = (malloc_function *)look_up(user_12, "user12_malloc");
    error_function *error_12 = (error_function *)look_up(user_12, "user12_last_error");
    CUDA_OK(malloc_12(&of_12, KIB)); /* long in use before the other major comes */
    void *user_13 = load("libuser13.so");
    malloc_function *malloc_13 = (malloc_function *)look_up(user_13, "user13_malloc");
    error_function *error_13 = (error_function *)look_up(user_13, "user13_last_error");
    open_model(make_model(sizes, 2));

    CUDA_OK(malloc_12(&of_12, BYTES));
    CUDA_OK(malloc_13(&of_13, BYTES + 512));
    cr_expect(lies_at(of_12, BYTES, SIMCUDA_LOCATION_HOST));
    cr_expect(lies_at(of_13, BYTES + 512, SIMCUDA_LOCATION_HOST));
    CUDA_OK(((copy_function *)look_up(user_12, "user12_copy_in"))(of_13, &sizes, sizeof sizes));
    CUDA_OK(((free_function *)look_up(user_13, "user13_free"))(of_12)); /* one address space for both */

    /* The last error belongs to one runtime: only the one that was called has it. */
    cr_assert_neq(malloc_12(&of_12, (size_t)1 << 50), 0);
    cr_expect_eq(error_13(), 0);
    cr_expect_neq(error_12(), 0);
    cr_assert_neq(malloc_13(&of_13, (size_t)1 << 50), 0);
    cr_expect_eq(error_12(), 0);
    cr_expect_neq(error_13(), 0);
}

Test(majors, stepping_aside_keeps_what_was_placed)
{
    const size_t sizes[] = {BYTES, BYTES};
    unsigned char content[64] = "kept", result[64] = "";
    void *weight;
    use_policy_text("version: 1\non-error: passthrough\nmodels:\n  - match: \"*.safetensors\"\n    on: cpu\n");
    open_model(make_model(sizes, 2));
    CUDA_OK(cudaMalloc(&weight, BYTES));
    cr_assert(lies_at(weight, BYTES, SIMCUDA_LOCATION_HOST));
    void *old = load("libold_user.so"); /* a runtime of another age appears */
    cr_expect_eq(((int (*)(void))look_up(old, "old_user_malloc"))(), 0);
    CUDA_OK(cudaMemcpy(weight, content, sizeof content, cudaMemcpyHostToDevice));
    CUDA_OK(cudaMemcpy(result, weight, sizeof result, cudaMemcpyDeviceToHost));
    cr_expect_str_eq((char *)result, "kept");
    CUDA_OK(cudaFree(weight));
    cr_expect_eq(simcudaBytesUsed(SIMCUDA_LOCATION_HOST), 0);
}

/* Stepping aside ends the placing; the program goes on seeing what it was shown. */
Test(majors, a_runtime_of_another_age_does_not_see_the_hidden_donors_either)
{
    int count;
    setenv("VRAMSPAN_DEVICES", "cuda:1", 1);
    setenv("VRAMSPAN_DONORS", "cuda:0", 1);
    use_policy_text("version: 1\non-error: passthrough\nmodels:\n  - match: \"*.safetensors\"\n    on: cuda:0\n");
    CUDA_OK(cudaGetDeviceCount(&count));
    cr_expect_eq(count, 1);
    CUresult (*shown)(int *) = (CUresult(*)(int *))simcudaFunction("cuDeviceGetCount");
    CUDA_OK(shown(&count));
    cr_expect_eq(count, 2);
    cr_expect_eq(((int (*)(void))look_up(load("libold_user.so"), "old_user_count"))(), 1);
    CUDA_OK(cudaGetDeviceCount(&count));
    cr_expect_eq(count, 1);
}

/* A library whose constructor waits for a thread that opens a file: the loader's lock is held meanwhile. */
Test(process, a_constructor_that_waits_for_a_thread_does_not_hang)
{
    char output[8192], command[700];
    unsetenv("VRAMSPAN_POLICY");
    snprintf(command, sizeof command, "timeout 10 %s", program("waiting"));
    cr_expect_eq(run(command, output), 0, "%s", output);
}

/* --- Threads ------------------------------------------------------------------------------------------------------ */

Test(threads, many_threads_place_copy_and_free)
{
    static size_t sizes[64];
    char output[8192], command[600];
    for (int i = 0; i < 64; i++)
        sizes[i] = 256 * KIB;
    use_policy("cuda:0,2mb;cuda:1,3mb;cpu,*");
    snprintf(command, sizeof command, "%s 8 40 %s %zu", program("stress"), make_model(sizes, 64), 256 * KIB);
    setenv("VRAMSPAN_LOG", "warn", 1);
    cr_expect_eq(run(command, output), 0, "%s", output);
    cr_expect(strstr(output, "ok 1"), "%s", output);
}
