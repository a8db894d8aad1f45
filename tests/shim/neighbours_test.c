/* neighbours_test.c: other libraries between the program and CUDA are named; and libraries that are opened in unusual
 * ways. */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

#define BYTES (4 * MIB)

typedef int malloc_function(void **, size_t);
typedef int patch_function(void *, int);

static void *open_program(const char *name, int flags)
{
    void *library = dlopen(program(name), flags);
    cr_assert(library, "%s", dlerror());
    return library;
}

static void *find(void *library, const char *symbol)
{
    void *found = dlsym(library, symbol);
    cr_assert(found, "%s", symbol);
    return found;
}

/* A whole load of one weight. At its end neighbours are told of. */
static void *load_one(void)
{
    const size_t sizes[] = {BYTES};
    void *weight;
    open_model(make_model(sizes, 1));
    CUDA_OK(cudaMalloc(&weight, BYTES));
    cr_expect(lies_at(weight, BYTES, SIMCUDA_LOCATION_HOST));
    return weight;
}

/* --- Patched in place --------------------------------------------------------------------------------------------- */

/* Functions that nothing here calls afterwards. */
static const char *const patched[] = {"cuMemPoolTrimTo", "cuMemcpy2D_v2", "cuStreamBeginCapture_v2"};

Test(neighbours, a_library_that_patches_in_place_is_named_once)
{
    use_policy("cpu,*");
    listen();
    patch_function *patch = (patch_function *)find(open_program("libpatcher.so", RTLD_NOW), "patch_in_place");
    void *first = load_one();
    cr_expect_not(strstr(heard(), "neighbours:"), "before it patches: %s", heard());
    for (size_t i = 0; i < 3; i++) {
        CUDA_OK(patch(simcudaFunction(patched[i]), 0));
        cr_expect_eq(((int (*)(void))simcudaFunction(patched[i]))(), 77);
    }
    cudaFree(first);
    cudaFree(load_one());
    cudaFree(load_one());
    char *text = heard();
    cr_expect(strstr(text, "programs/libpatcher.so has patched cuMemcpy2D_v2 and 2 more functions of CUDA in place"),
        "%s", text);
    cr_expect_eq(occurrences(text, "libpatcher.so"), 1, "%s", text);
}

Test(neighbours, each_form_of_a_jump_is_followed)
{
    char expected[128];
    for (int form = 0; form < 4; form++) {
        fflush(NULL);
        pid_t child = fork();
        if (child == 0) {
            use_policy("cpu,*");
            listen();
            patch_function *patch = (patch_function *)find(open_program("libpatcher.so", RTLD_NOW), "patch_in_place");
            CUDA_OK(patch(simcudaFunction(patched[form % 3]), form));
            load_one();
            snprintf(expected, sizeof expected, "libpatcher.so has patched %s in place", patched[form % 3]);
            _exit(strstr(heard(), expected) ? 0 : 1);
        }
        int status;
        cr_assert_eq(waitpid(child, &status, 0), child);
        cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "form %d", form);
    }
}

/* What allocates and frees; all else it is given as others are. */
static void expect_given(const char *library, bool real_ones)
{
    static const struct {
        const char *name, *symbol;
        bool accounted;
    } asked[] = {{"cuMemAlloc", "cuMemAlloc_v2", true}, {"cuMemFree", "cuMemFree_v2", true},
        {"cuMemAllocAsync", "cuMemAllocAsync", true}, {"cuMemFreeAsync", "cuMemFreeAsync", true},
        {"cuMemcpyHtoD", "cuMemcpyHtoD_v2", false}, {"cuMemGetAddressRange", "cuMemGetAddressRange_v2", false}};
    void *handle = open_program(library, RTLD_NOW);
    void *(*look_up)(const char *) = (void *(*)(const char *))find(handle, "look_up");
    void *(*look_up_symbol)(const char *) = (void *(*)(const char *))find(handle, "look_up_symbol");
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        void *real = simcudaFunction(asked[i].symbol), *ours = find(dlopen("libcuda.so.1", RTLD_NOW), asked[i].symbol);
        void *expected = real_ones && asked[i].accounted ? real : ours;
        cr_expect_neq(real, ours);
        cr_expect_eq(look_up(asked[i].name), expected, "%s is given another %s", library, asked[i].name);
        cr_expect_eq(look_up_symbol(asked[i].symbol), expected, "%s is given another %s", library, asked[i].symbol);
    }
}

Test(neighbours, one_that_carries_funchook_finds_the_real_functions_to_patch)
{
    use_policy("cpu,*");
    expect_given("libpatcher_marked.so", true);
    expect_given("libpatcher.so", false);
}

Test(neighbours, one_that_carries_funchook_is_no_warning)
{
    use_policy("cpu,*");
    listen();
    patch_function *patch = (patch_function *)find(open_program("libpatcher_marked.so", RTLD_NOW), "patch_in_place");
    CUDA_OK(patch(simcudaFunction("cuMemcpy2D_v2"), 0));
    load_one();
    char *text = heard();
    cr_expect(strstr(text, "libpatcher_marked.so watches cuMemcpy2D_v2, patched in place"), "%s", text);
}

/* --- The same symbols --------------------------------------------------------------------------------------------- */

static void run_with(const char *preload, char output[8192])
{
    const size_t sizes[] = {BYTES, BYTES};
    char command[2048];
    use_policy("cuda:0,4mb;cpu,*");
    snprintf(command, sizeof command, "env LD_PRELOAD=%s %s %s %zu", preload, program("exiting"), make_model(sizes, 2),
        BYTES);
    cr_expect_eq(run(command, output), 0, "%s", output);
}

Test(neighbours, an_interposer_is_named_before_us_and_behind)
{
    char output[8192], preload[1024], other[512], *ours = getenv("LD_PRELOAD");
    snprintf(other, sizeof other, "%s", program("libinterposer.so"));
    run_with(ours, output);
    cr_expect_not(strstr(output, "neighbours:"), "alone: %s", output);
    snprintf(preload, sizeof preload, "%s:%s", ours, other);
    run_with(preload, output);
    cr_expect(
        strstr(output, "libinterposer.so takes over cudaFree and 2 more functions of CUDA as well, and is not asked"),
        "%s", output);
    cr_expect(strstr(output, "cpu held 1 weight"), "%s", output);
    snprintf(preload, sizeof preload, "%s:%s", other, ours);
    run_with(preload, output);
    cr_expect(strstr(output, "libinterposer.so takes over cudaFree and 2 more functions of CUDA before vramspan"), "%s",
        output);
    cr_expect(strstr(output, "put libvramspan.so first in LD_PRELOAD"), "%s", output);
}

/* --- Unusual ways to open a library ------------------------------------------------------------------------------- */

static bool built_for_asan(void)
{
    return strstr(getenv("LD_PRELOAD"), "libasan");
}

Test(opened, deeply_bound_libraries_go_past_us_and_are_named)
{
    void *weight;
    if (built_for_asan())
        return; /* it refuses RTLD_DEEPBIND */
    use_policy("cpu,*");
    listen();
    void *user = open_program("libuser13.so", RTLD_NOW | RTLD_DEEPBIND);
    CUDA_OK(((malloc_function *)find(user, "user13_malloc"))(&weight, KIB));
    cr_expect_eq(place_of(weight, KIB), 0);
    load_one();
    char *text = heard();
    cr_expect(
        strstr(text, "libuser13.so was opened with RTLD_DEEPBIND: its calls of CUDA go past vramspan"), "%s", text);
    cr_expect_eq(occurrences(text, "RTLD_DEEPBIND:"), 1, "%s", text);
}

Test(opened, what_could_not_be_bound_deeply_is_not_named)
{
    if (built_for_asan())
        return;
    use_policy("cpu,*");
    setenv("VRAMSPAN_LOG", "info", 1);
    listen();
    cr_assert(!dlopen("/nowhere/libmissing.so", RTLD_NOW | RTLD_DEEPBIND));
    load_one();
    char *text = heard();
    cr_expect(!strstr(text, "RTLD_DEEPBIND"), "%s", text);
    free(text);
}

Test(opened, a_local_library_is_met)
{
    const size_t sizes[] = {BYTES};
    void *weight, *user = open_program("libuser12.so", RTLD_NOW | RTLD_LOCAL);
    use_policy("cpu,*");
    open_model(make_model(sizes, 1));
    CUDA_OK(((malloc_function *)find(user, "user12_malloc"))(&weight, BYTES));
    cr_expect(lies_at(weight, BYTES, SIMCUDA_LOCATION_HOST));
}

/* Reopened, it may lie elsewhere, and so may its runtime. */
Test(opened, a_library_may_be_closed_and_opened_again)
{
    const size_t sizes[] = {BYTES, BYTES, BYTES};
    use_policy("cpu,*");
    open_model(make_model(sizes, 3));
    for (int i = 0; i < 3; i++) {
        void *weight, *user = open_program("libuser12.so", RTLD_NOW | RTLD_LOCAL);
        CUDA_OK(((malloc_function *)find(user, "user12_malloc"))(&weight, BYTES));
        cr_expect(lies_at(weight, BYTES, SIMCUDA_LOCATION_HOST), "round %d", i);
        cr_expect_eq(((int (*)(void))find(user, "user12_last_error"))(), 0);
        cr_expect_eq(dlclose(user), 0);
        if (i == 0) /* something takes its addresses */
            open_program("libpatcher.so", RTLD_NOW);
    }
}

/* Its CUDA is another one: a driver of its own, which we do not see and do not disturb. */
Test(opened, another_namespace_has_a_cuda_of_its_own)
{
    void *here, *there;
    use_policy("cpu,*");
    void *user = dlmopen(LM_ID_NEWLM, program("libuser13.so"), RTLD_NOW | RTLD_LOCAL);
    cr_assert(user, "%s", dlerror());
    CUDA_OK(((malloc_function *)find(user, "user13_malloc"))(&there, KIB));
    void *driver = dlmopen(LM_ID_NEWLM, "libcuda.so.1", RTLD_NOW);
    cr_assert(driver, "%s", dlerror());
    cr_expect_neq(find(driver, "cuMemAlloc_v2"), find(dlopen("libcuda.so.1", RTLD_NOW), "cuMemAlloc_v2"));
    Dl_info info;
    cr_assert(dladdr(find(driver, "cuMemAlloc_v2"), &info));
    cr_expect(strstr(info.dli_fname, "libcuda.so.1"), "%s", info.dli_fname);
    here = load_one();
    CUDA_OK(cudaFree(here));
    CUDA_OK(((int (*)(void *))find(user, "user13_free"))(there));
}
