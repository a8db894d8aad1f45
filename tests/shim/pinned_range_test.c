/* pinned_range_test.c: host memory where the driver cannot map it: page-locked memory in a range that is kept for it,
 * so that what is ours is told by the address there, too. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

static const char *const machines[] = {"no-vmm", "no-host-vmm"};

#define LARGE (40 * MIB)
#define SMALL (3 * MIB)
enum { SMALL_COUNT = 30 };

static void load(const char *machine)
{
    size_t sizes[SMALL_COUNT + 1];
    for (int i = 0; i < SMALL_COUNT; i++)
        sizes[i] = SMALL;
    sizes[SMALL_COUNT] = LARGE;
    use_machine(machine);
    use_policy("cpu,*");
    open_model(make_model(sizes, SMALL_COUNT + 1));
}

static void *allocate(size_t bytes)
{
    void *weight;
    CUDA_OK(cudaMalloc(&weight, bytes));
    cr_assert(lies_at(weight, bytes, HOST));
    return weight;
}

/* No copy may run from one registration into the next, so no weight does. */
static void check_bytes(const char *machine)
{
    char *weights[SMALL_COUNT + 1];
    unsigned char *content = malloc(LARGE), *result = malloc(LARGE);
    load(machine);
    for (int i = 0; i <= SMALL_COUNT; i++) {
        size_t bytes = i < SMALL_COUNT ? SMALL : LARGE;
        weights[i] = allocate(bytes);
        fill_pattern(content, (size_t)i, bytes);
        CUDA_OK(cudaMemcpy(weights[i], content, bytes, cudaMemcpyHostToDevice));
    }
    for (int i = 0; i <= SMALL_COUNT; i++) {
        size_t bytes = i < SMALL_COUNT ? SMALL : LARGE;
        struct cudaPointerAttributes attributes;
        fill_pattern(content, (size_t)i, bytes);
        memset(result, 0, bytes);
        CUDA_OK(cudaMemcpy(result, weights[i], bytes, cudaMemcpyDeviceToHost));
        cr_expect(memcmp(content, result, bytes) == 0, "%s: weight %d", machine, i);
        CUDA_OK(cudaPointerGetAttributes(&attributes, weights[i] + bytes - 1));
        cr_expect_eq(attributes.type, cudaMemoryTypeDevice, "%s: weight %d", machine, i);
    }
    cr_expect_leq(simcudaCalls("cuMemHostRegister_v2"), 5, "three of 32 MiB, one of 40, and the rest");
    for (int i = 0; i <= SMALL_COUNT; i++)
        CUDA_OK(cudaFree(weights[i]));
    cr_expect_eq(simcudaBytesUsed(HOST), 0, "%s", machine);
    free(content);
    free(result);
}

Test(pinned_range, keeps_every_byte_and_gives_it_back_without_vmm)
{
    check_bytes(machines[0]);
}

Test(pinned_range, keeps_every_byte_and_gives_it_back_without_vmm_of_the_host)
{
    check_bytes(machines[1]);
}

/* An address that was given back is in the range still, and belongs to nobody. */
Test(pinned_range, what_was_freed_is_foreign)
{
    struct cudaPointerAttributes attributes;
    load("no-vmm");
    char *weight = allocate(SMALL);
    CUDA_OK(cudaFree(weight));
    cr_expect(
        cudaPointerGetAttributes(&attributes, weight) != cudaSuccess || attributes.type == cudaMemoryTypeUnregistered);
    cudaGetLastError();
    cr_expect_neq(cudaFree(weight), cudaSuccess);
    cudaGetLastError();
    cr_expect_eq(allocate(SMALL), weight, "first fit");
}

/* A host that refuses: nothing is left, and the compute device serves. */
Test(pinned_range, a_host_that_is_full_leaves_nothing_behind)
{
    void *weight;
    setenv("VRAMSPAN_ON_ERROR", "passthrough", 1);
    load("no-vmm");
    simcudaFail("cuMemHostRegister_v2", 1, CUDA_ERROR_OUT_OF_MEMORY);
    CUDA_OK(cudaMalloc(&weight, SMALL));
    cr_expect(lies_at(weight, SMALL, 0));
    cr_expect_eq(simcudaBytesUsed(HOST), 0);
    CUDA_OK(cudaFree(weight));
}

Test(pinned_range, an_address_that_the_device_does_not_share_is_not_used)
{
    void *weight;
    setenv("VRAMSPAN_ON_ERROR", "passthrough", 1);
    load("no-vmm");
    simcudaFail("cuMemHostGetDevicePointer_v2", 1, CUDA_ERROR_INVALID_VALUE);
    CUDA_OK(cudaMalloc(&weight, SMALL));
    cr_expect(lies_at(weight, SMALL, 0));
    cr_expect_eq(simcudaBytesUsed(HOST), 0);
}

/* A child's copy of such a page would part the parent's from the one that the device knows. */
Test(pinned_range, a_fork_leaves_its_pages_to_the_parent)
{
    load("no-vmm");
    unsigned char *weight = allocate(SMALL), byte = 0;
    CUDA_OK(cudaMemset(weight, 0x11, SMALL));
    CUDA_OK(cudaDeviceSynchronize());
    pid_t child = fork();
    if (child == 0) {
        int ends[2];
        _exit(pipe(ends) == 0 && write(ends[1], weight, 1) < 0 && errno == EFAULT ? 0 : 1);
    }
    int status;
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child has the pages");
    CUDA_OK(cudaMemset(weight, 0x22, SMALL));
    CUDA_OK(cudaDeviceSynchronize());
    cr_assert(simcudaPeek(weight, &byte, 1));
    cr_expect_eq(byte, 0x22);
}
