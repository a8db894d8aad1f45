/* unlisted_test.c: copies in the streams of a device that has no access to the compute device's memory, between cards
 * that only copy engines connect: pages move, and go, as if those were waited for. */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "movable.h"

#define BYTES (8 * MIB)

static unsigned char *weight, *there;
static cudaStream_t stream;

/* A copy of the weight to cuda:1 in a stream of that device, and one back of its second half, as late as can be. */
static void queue_copies(void)
{
    setenv("SIMCUDA_ORDER", "late", 1);
    use_machine("2x24gb-dma-only");
    make_weights("cuda:0,*", &weight, 1, BYTES);
    CUDA_OK(cudaDeviceSynchronize());
    CUDA_OK(cudaSetDevice(1));
    CUDA_OK(cudaMalloc((void **)&there, BYTES));
    CUDA_OK(cudaMemset(there, 0x44, BYTES));
    CUDA_OK(cudaDeviceSynchronize());
    CUDA_OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    CUDA_OK(cudaMemcpyAsync(weight + BYTES / 2, there + BYTES / 2, BYTES / 2, cudaMemcpyDeviceToDevice, stream));
    CUDA_OK(cudaMemcpyAsync(there, weight, BYTES / 2, cudaMemcpyDeviceToDevice, stream));
    CUDA_OK(cudaSetDevice(0));
}

static void expect_copied(void)
{
    CUDA_OK(cudaSetDevice(1));
    CUDA_OK(cudaDeviceSynchronize());
    expect_bytes(there, 0, BYTES / 2, "the copy");
    CUDA_OK(cudaSetDevice(0));
    CUDA_OK(cudaDeviceSynchronize());
}

Test(unlisted, pages_move_after_the_copies_of_another_device)
{
    size_t bytes;
    unsigned char byte = 0;
    queue_copies();
    unsigned char *pages = pages_of(weight, BYTES, &bytes);
    cr_assert_eq(rehome(pages, bytes, HOST), 0);
    expect_copied();
    cr_expect(simcudaPeek(weight + BYTES - 1, &byte, 1));
    cr_expect_eq(byte, 0x44);
    expect_bytes(weight, 0, BYTES / 2, "the weight's first half");
}

Test(unlisted, memory_is_freed_after_the_copies_of_another_device)
{
    queue_copies();
    CUDA_OK(cudaFree(weight));
    expect_copied();
}
