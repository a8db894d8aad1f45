/* usage_test.c: what is allocated below the runtime is counted, and the figures of NVML are told beside ours, once. */
#include <criterion/criterion.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

#define BYTES (4 * MIB)
#define OTHER (6 * MIB) /* no tensor's size */

static double megabytes(size_t bytes)
{
    return (double)bytes / (double)MIB;
}

/* The line for a device: figures in bytes. */
static void expect_told(const char *text, int device, size_t used, size_t weights, size_t below)
{
    char line[256];
    snprintf(line, sizeof line,
        "usage: cuda:%d: NVML counts %.1f MB in use: %.1f MB of weights placed there, %.1f MB allocated below the "
        "runtime "
        "(cuBLAS and others), %.1f MB besides",
        device, megabytes(used), megabytes(weights), megabytes(below), megabytes(used - weights - below));
    cr_expect(strstr(text, line), "no `%s` in %s", line, text);
}

Test(usage, nvmls_figure_is_told_beside_ours_once)
{
    const size_t sizes[] = {BYTES, BYTES};
    void *weights[2], *activation, *second[2];
    CUdeviceptr below, freed;
    use_policy("cuda:0,4mb;cuda:1,4mb;cpu,*");
    setenv("VRAMSPAN_LOG", "info", 1);
    listen();
    CUDA_OK(cudaMalloc(&activation, OTHER)); /* by the runtime: the driver call inside it is not counted */
    CUDA_OK(cuMemAlloc(&below, 2 * OTHER));
    CUDA_OK(cuMemAlloc(&freed, OTHER));
    CUDA_OK(cuMemFree(freed));
    const char *model = make_model(sizes, 2);
    open_model(model);
    CUDA_OK(cudaMalloc(&weights[0], BYTES));
    cr_expect_not(strstr(heard(), "usage:"));
    CUDA_OK(cudaMalloc(&weights[1], BYTES)); /* the load ends */
    char *text = heard();
    expect_told(text, 0, simcudaBytesUsed(0), BYTES, 2 * OTHER);
    expect_told(text, 1, simcudaBytesUsed(1), BYTES, 0);
    cr_expect_eq(occurrences(text, "usage:"), 2, "%s", text);
    CUDA_OK(cudaFree(weights[0]));
    CUDA_OK(cudaFree(weights[1]));
    open_model(model);
    CUDA_OK(cudaMalloc(&second[0], BYTES));
    CUDA_OK(cudaMalloc(&second[1], BYTES));
    text = heard();
    cr_expect_eq(occurrences(text, "usage:"), 2, "%s", text);
}

/* Found by dlsym, as Triton does; in a stream of the other device; freed by the runtime. */
Test(usage, driver_calls_of_every_kind_are_counted_on_the_device_that_they_are_for)
{
    const size_t sizes[] = {BYTES};
    void *weight;
    CUdeviceptr on_zero, on_one, by_runtime;
    CUstream stream;
    use_policy("cpu,*");
    listen();
    CUresult (*allocate)(CUdeviceptr *, size_t) =
        (CUresult(*)(CUdeviceptr *, size_t))dlsym(dlopen("libcuda.so.1", RTLD_NOW), "cuMemAlloc_v2");
    CUDA_OK(cudaSetDevice(1));
    CUDA_OK(cudaStreamCreate(&stream));
    CUDA_OK(cudaSetDevice(0));
    CUDA_OK(cudaFree(NULL));
    CUDA_OK(allocate(&on_zero, OTHER));
    CUDA_OK(allocate(&by_runtime, OTHER));
    CUDA_OK(cuMemAllocAsync(&on_one, 3 * OTHER, stream));
    CUDA_OK(cudaFree((void *)by_runtime));
    cr_expect_neq(cuMemFree(on_zero + 512), CUDA_SUCCESS);
    open_model(make_model(sizes, 1));
    CUDA_OK(cudaMalloc(&weight, BYTES));
    char *text = heard();
    expect_told(text, 0, simcudaBytesUsed(0), 0, OTHER);
    expect_told(text, 1, simcudaBytesUsed(1), 0, 3 * OTHER);
}

Test(usage, the_end_of_the_run_tells_what_was_allocated_below_the_runtime_at_most)
{
    char output[8192], command[600];
    use_policy("cpu,*");
    setenv("VRAMSPAN_LOG", "info", 1);
    const size_t sizes[] = {BYTES, BYTES};
    snprintf(command, sizeof command, "%s %s %zu", program("exiting"), make_model(sizes, 2), BYTES);
    cr_expect_eq(run(command, output), 0, "%s", output);
    cr_expect_not(strstr(output, "at most were allocated"), "%s", output);
    snprintf(command, sizeof command, "%s 64", program("below"));
    cr_expect_eq(run(command, output), 0, "%s", output);
    cr_expect(
        strstr(output, "end of run: cuda:0: 64.0 MB at most were allocated below the runtime, 16.0 MB at the end"),
        "%s", output);
}

typedef int allocate_function(void **, size_t);

/* Both bring a runtime of their own; the one is named as NVIDIA's are. */
Test(usage, a_workspace_of_nvidias_libraries_is_no_weight_and_is_counted)
{
    const size_t sizes[] = {BYTES, BYTES};
    void *workspace, *weight, *last;
    use_policy("cpu,*");
    listen();
    void *cublas = dlopen(program("libcublas_workspace.so"), RTLD_NOW | RTLD_LOCAL);
    void *extension = dlopen(program("libextension.so"), RTLD_NOW | RTLD_LOCAL);
    cr_assert(cublas && extension, "%s", dlerror());
    open_model(make_model(sizes, 2));
    CUDA_OK(((allocate_function *)dlsym(cublas, "allocate_workspace"))(&workspace, BYTES));
    cr_expect(lies_at(workspace, BYTES, 0));
    CUDA_OK(((allocate_function *)dlsym(extension, "allocate_workspace"))(&weight, BYTES));
    cr_expect(lies_at(weight, BYTES, HOST));
    CUDA_OK(cudaMalloc(&last, BYTES));
    cr_expect(lies_at(last, BYTES, HOST));
    expect_told(heard(), 0, simcudaBytesUsed(0), 0, BYTES);
    CUDA_OK(((int (*)(void *))dlsym(cublas, "free_workspace"))(workspace));
    CUDA_OK(((int (*)(void *))dlsym(extension, "free_workspace"))(weight));
    CUDA_OK(cudaFree(last)); /* the two may share what lies behind them */
    cr_expect_not(lies_at(weight, BYTES, HOST));
}

Test(usage, a_runtime_that_a_library_brings_counts_the_programs_devices)
{
    setenv("VRAMSPAN_DEVICES", "cuda:1", 1);
    setenv("VRAMSPAN_DONORS", "cuda:0", 1);
    use_policy_text("version: 1\nmodels:\n  - {match: \"*.safetensors\", on: cuda:0}\n");
    int shown = -1, (*own_count)(int *) = (int (*)(int *))simcudaFunction("cuDeviceGetCount");
    void *extension = dlopen(program("libextension.so"), RTLD_NOW | RTLD_LOCAL);
    cr_assert(extension, "%s", dlerror());
    cr_expect_eq(((int (*)(void))dlsym(extension, "count_devices"))(), 1);
    CUDA_OK(own_count(&shown));
    cr_expect_eq(shown, 2);
}
