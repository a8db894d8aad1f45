/* movable.c: see movable.h. */
#include "movable.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

static void *control(const char *name)
{
    void *function = dlsym(RTLD_DEFAULT, name);
    cr_assert(function, "%s: the test build of the library is not preloaded", name);
    return function;
}

int rehome(void *address, size_t bytes, int location)
{
    return ((int (*)(void *, size_t, int))control("vs_control_rehome"))(address, bytes, location);
}

int rehome_all(const struct vs_control_move *moves, size_t count)
{
    return ((int (*)(const struct vs_control_move *, size_t))control("vs_control_rehome_all"))(moves, count);
}

void set_limit(uint64_t ns)
{
    ((void (*)(uint64_t))control("vs_control_set_limit"))(ns);
}

size_t extents(size_t *bytes)
{
    return ((size_t(*)(size_t *))control("vs_control_extents"))(bytes);
}

size_t extent(void *address, void **base)
{
    return ((size_t(*)(void *, void **))control("vs_control_extent"))(address, base);
}

void fill(void *weight, size_t index, size_t bytes)
{
    unsigned char *content = malloc(bytes);
    fill_pattern(content, index, bytes);
    CUDA_OK(cudaMemcpy(weight, content, bytes, cudaMemcpyHostToDevice));
    CUDA_OK(cudaDeviceSynchronize());
    free(content);
}

void make_weights(const char *distorch, unsigned char *weights[], size_t count, size_t bytes)
{
    size_t *sizes = calloc(count, sizeof *sizes);
    for (size_t i = 0; i < count; i++)
        sizes[i] = bytes;
    use_policy(distorch);
    open_model(make_model(sizes, count));
    free(sizes);
    for (size_t i = 0; i < count; i++) {
        void *base;
        CUDA_OK(cudaMalloc((void **)&weights[i], bytes));
        cr_assert_gt(extent(weights[i], &base), 0, "weight %zu is not held by the library", i);
        fill(weights[i], i, bytes);
    }
}

void expect_bytes(const void *weight, size_t index, size_t bytes, const char *when)
{
    unsigned char *expected = malloc(bytes), *seen = calloc(1, bytes);
    CUDA_OK(cudaDeviceSynchronize());
    fill_pattern(expected, index, bytes);
    cr_assert(simcudaPeek(weight, seen, bytes), "%s: not all of it is mapped", when);
    cr_assert(memcmp(seen, expected, bytes) == 0, "%s: bytes differ", when);
    free(seen);
    free(expected);
}

void expect_place(const void *pages, size_t bytes, int location, const char *when)
{
    cr_assert_eq(simcudaBytesAt(pages, bytes, location), bytes, "%s: %zu of %zu bytes are at %d", when,
        simcudaBytesAt(pages, bytes, location), bytes, location);
}

unsigned char *pages_of(void *weight, size_t weight_bytes, size_t *bytes)
{
    uintptr_t begin = ((uintptr_t)weight + PAGE - 1) / PAGE * PAGE;
    uintptr_t end = ((uintptr_t)weight + weight_bytes) / PAGE * PAGE;
    cr_assert_gt(end, begin);
    *bytes = end - begin;
    return (unsigned char *)begin;
}

/* The mangled name of read(const unsigned *): it tells that the memory is only read. */
static const char reading_ptx[] = ".version 6.0\n.target sm_50\n.address_size 64\n"
                                  ".visible .entry _Z4readPKj(.param .u64 from)\n"
                                  "{\n"
                                  "    .reg .b64 %address, %global;\n"
                                  "    .reg .b32 %word;\n"
                                  "    ld.param.u64 %address, [from];\n"
                                  "    cvta.to.global.u64 %global, %address;\n"
                                  "    ld.volatile.global.u32 %word, [%global];\n"
                                  "    ret;\n"
                                  "}\n";

CUfunction reading_kernel(void)
{
    CUmodule module;
    CUfunction kernel;
    CUDA_OK(cuModuleLoadData(&module, reading_ptx));
    CUDA_OK(cuModuleGetFunction(&kernel, module, "_Z4readPKj"));
    return kernel;
}

void read_by_kernel(CUfunction kernel, const void *address, CUstream stream)
{
    void *arguments[] = {&address};
    CUDA_OK(cuLaunchKernel(kernel, 1, 1, 1, 1, 1, 1, 0, stream, arguments, NULL));
}

struct used used_now(void)
{
    return (struct used){{simcudaBytesUsed(0), simcudaBytesUsed(1), simcudaBytesUsed(SIMCUDA_LOCATION_HOST)}};
}

void expect_used(struct used before, size_t bytes, int from, int to, const char *when)
{
    struct used after = used_now();
    before.at[from < 0 ? 2 : from] -= bytes;
    before.at[to < 0 ? 2 : to] += bytes;
    for (int i = 0; i < 3; i++)
        cr_assert_eq(after.at[i], before.at[i], "%s: %zu bytes are in use at %d, not %zu", when, after.at[i],
            i == 2 ? HOST : i, before.at[i]);
}
