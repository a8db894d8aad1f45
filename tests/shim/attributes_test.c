/* attributes_test.c: whatever the program asks about a weight, it is device memory of the compute device. */
#include <criterion/criterion.h>

#include "fixture.h"

#define BYTES (2 * MIB + 512)

static char *place_weight(const char *distorch)
{
    const size_t sizes[] = {KIB, BYTES};
    void *first, *weight;
    use_policy(distorch);
    open_model(make_model(sizes, 2));
    CUDA_OK(cudaMalloc(&first, KIB)); /* so that the weight does not begin its span */
    CUDA_OK(cudaMalloc(&weight, BYTES));
    return weight;
}

static void check(const char *distorch)
{
    char *weight = place_weight(distorch);
    struct cudaPointerAttributes attributes;
    CUDA_OK(cudaPointerGetAttributes(&attributes, weight + 100));
    cr_expect_eq(attributes.type, cudaMemoryTypeDevice);
    cr_expect_eq(attributes.device, 0);
    cr_expect_eq(attributes.devicePointer, weight + 100);
    cr_expect_null(attributes.hostPointer);

    unsigned type;
    int ordinal;
    CUdeviceptr start;
    size_t bytes;
    CUcontext context, current;
    void *host;
    CUdeviceptr address = (CUdeviceptr)weight + 100;
    CUDA_OK(cuPointerGetAttribute(&type, CU_POINTER_ATTRIBUTE_MEMORY_TYPE, address));
    CUDA_OK(cuPointerGetAttribute(&ordinal, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, address));
    CUDA_OK(cuPointerGetAttribute(&start, CU_POINTER_ATTRIBUTE_RANGE_START_ADDR, address));
    CUDA_OK(cuPointerGetAttribute(&bytes, CU_POINTER_ATTRIBUTE_RANGE_SIZE, address));
    CUDA_OK(cuPointerGetAttribute(&context, CU_POINTER_ATTRIBUTE_CONTEXT, address));
    CUDA_OK(cuCtxGetCurrent(&current));
    cr_expect_eq(type, CU_MEMORYTYPE_DEVICE);
    cr_expect_eq(ordinal, 0);
    cr_expect_eq(start, (CUdeviceptr)weight);
    cr_expect_eq(bytes, BYTES);
    cr_expect_eq(context, current);
    cr_expect_eq(cuPointerGetAttribute(&host, CU_POINTER_ATTRIBUTE_HOST_POINTER, address), CUDA_ERROR_INVALID_VALUE);

    CUpointer_attribute names[] = {CU_POINTER_ATTRIBUTE_MEMORY_TYPE, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL};
    void *data[] = {&type, &ordinal};
    type = 99, ordinal = 99;
    CUDA_OK(cuPointerGetAttributes(2, names, data, address));
    cr_expect_eq(type, CU_MEMORYTYPE_DEVICE);
    cr_expect_eq(ordinal, 0);

    CUDA_OK(cuMemGetAddressRange(&start, &bytes, address));
    cr_expect_eq(start, (CUdeviceptr)weight);
    cr_expect_eq(bytes, BYTES);
}

Test(attributes, of_a_weight_on_a_peer)
{
    check("cuda:1,*");
}
Test(attributes, of_a_weight_in_the_host)
{
    check("cpu,*");
}
Test(attributes, of_a_local_weight)
{
    check("cuda:0,*");
}

Test(attributes, of_pinned_memory_that_stands_in_for_vmm)
{
    use_machine("no-vmm");
    check("cpu,*");
}

Test(attributes, of_other_memory_are_the_drivers)
{
    void *plain, *pinned;
    struct cudaPointerAttributes attributes;
    place_weight("cpu,*");
    CUDA_OK(cudaHostAlloc(&pinned, BYTES, 0));
    CUDA_OK(cudaPointerGetAttributes(&attributes, pinned));
    cr_expect_eq(attributes.type, cudaMemoryTypeHost);
    CUDA_OK(cudaSetDevice(1));
    CUDA_OK(cudaMalloc(&plain, BYTES));
    CUDA_OK(cudaPointerGetAttributes(&attributes, plain));
    cr_expect_eq(attributes.device, 1);
}

Test(attributes, a_weight_cannot_be_exported_and_the_log_says_so)
{
    cudaIpcMemHandle_t handle;
    char *weight = place_weight("cuda:1,*");
    listen();
    cr_expect_neq(cudaIpcGetMemHandle(&handle, weight), cudaSuccess);
    char *text = heard();
    cr_expect_eq(occurrences(text, "cudaIpcGetMemHandle"), 1, "%s", text);
}
