/* peer_access_test.c: a device of the program that enabled peer access may use weights as it may use cudaMalloc's
 * memory: those that are there, and those that come. Who may use what is the driver's own answer. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include "fixture.h"

#define BYTES (4 * MIB)

static bool may_use(const void *weight, int device)
{
    const CUmemLocation location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device};
    unsigned long long flags;
    CUDA_OK(cuMemGetAccess(&flags, &location, (CUdeviceptr)weight));
    return flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
}

static void *allocate(void)
{
    void *weight;
    CUDA_OK(cudaMalloc(&weight, BYTES));
    return weight;
}

/* Pieces of one weight each: the second one is mapped anew. */
static void prepare(const char *sharing)
{
    const size_t sizes[] = {BYTES, BYTES, BYTES};
    char policy[256];
    use_machine("24gb+24gb+24gb");
    snprintf(policy, sizeof policy, "version: 1\nmodels: [{match: \"*\", distorch: \"%s\", order: listed}]\n", sharing);
    use_policy_text(policy);
    open_model(make_model(sizes, 3));
}

static void enable(int from, int to)
{
    CUDA_OK(cudaSetDevice(from));
    CUDA_OK(cudaDeviceEnablePeerAccess(to, 0));
    CUDA_OK(cudaSetDevice(0));
}

static void check(const char *sharing, int place)
{
    prepare(sharing);
    void *before = allocate();
    cr_assert_eq(place_of(before, BYTES), place == 2 ? NOWHERE : place);
    cr_assert(lies_at(before, BYTES, place));
    cr_assert(may_use(before, 0) && !may_use(before, 1));
    enable(1, 0);
    cr_expect(may_use(before, 0));
    cr_expect(may_use(before, 1), "what was there");
    CUDA_OK(cudaFree(before));
    void *after = allocate();
    cr_assert(lies_at(after, BYTES, place));
    cr_expect(may_use(after, 0));
    cr_expect(may_use(after, 1), "what came later");
    CUDA_OK(cudaSetDevice(1));
    CUDA_OK(cudaMemset(after, 0x3c, BYTES));
    CUDA_OK(cudaDeviceSynchronize());
    unsigned char byte = 0;
    cr_assert(simcudaPeek((char *)after + BYTES - 1, &byte, 1));
    cr_expect_eq(byte, 0x3c);
}

Test(peer_access, holds_for_local_weights)
{
    check("cuda:0,*", 0);
}

Test(peer_access, holds_for_weights_on_a_third_device)
{
    check("cuda:2,*", 2);
}

Test(peer_access, holds_for_weights_in_the_host)
{
    check("cpu,*", HOST);
}

Test(peer_access, enabled_through_the_driver_holds_too)
{
    CUcontext primary;
    CUdevice device;
    prepare("cuda:2,*");
    void *weight = allocate();
    CUDA_OK(cuDeviceGet(&device, 0));
    CUDA_OK(cuDevicePrimaryCtxRetain(&primary, device));
    CUDA_OK(cudaSetDevice(1));
    CUDA_OK(cudaFree(NULL));
    CUDA_OK(cuCtxEnablePeerAccess(primary, 0));
    cr_expect(may_use(weight, 1));
}

/* As PyTorch does it under its cudaMallocAsync allocator. */
static void grant(int from, cudaMemPool_t pool, enum cudaMemAccessFlags flags)
{
    const struct cudaMemAccessDesc list[] = {
        {{cudaMemLocationTypeDevice, 2}, cudaMemAccessFlagsProtReadWrite}, {{cudaMemLocationTypeDevice, from}, flags}};
    CUDA_OK(cudaMemPoolSetAccess(pool, list, 2));
}

Test(peer_access, to_the_default_pool_holds_too)
{
    cudaMemPool_t pool;
    prepare("cpu,*");
    void *before = allocate();
    CUDA_OK(cudaDeviceGetDefaultMemPool(&pool, 0));
    grant(1, pool, cudaMemAccessFlagsProtReadWrite);
    cr_expect(may_use(before, 1) && may_use(before, 2), "what was there");
    void *after;
    CUDA_OK(cudaMallocAsync(&after, BYTES, NULL));
    cr_expect(lies_at(after, BYTES, HOST) && may_use(after, 1), "what came later");
}

Test(peer_access, to_the_pool_that_the_program_set_holds_too)
{
    const CUmemPoolProps properties = {
        .allocType = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {CU_MEM_LOCATION_TYPE_DEVICE, 0}};
    const CUmemAccessDesc list = {{CU_MEM_LOCATION_TYPE_DEVICE, 1}, CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    CUmemoryPool own;
    prepare("cuda:2,*");
    void *weight = allocate();
    CUDA_OK(cuMemPoolCreate(&own, &properties));
    CUDA_OK(cuMemPoolSetAccess(own, &list, 1));
    cr_expect(!may_use(weight, 1), "nothing is allocated from it");
    CUDA_OK(cuDeviceSetMemPool(0, own));
    CUDA_OK(cuMemPoolSetAccess(own, &list, 1));
    cr_expect(may_use(weight, 1) && !may_use(weight, 2));
}

Test(peer_access, to_another_devices_pool_or_none_at_all_changes_nothing)
{
    cudaMemPool_t pool;
    prepare("cuda:0,*");
    void *weight = allocate();
    CUDA_OK(cudaDeviceGetDefaultMemPool(&pool, 0));
    const struct cudaMemAccessDesc taken = {{cudaMemLocationTypeDevice, 1}, cudaMemAccessFlagsProtNone};
    CUDA_OK(cudaMemPoolSetAccess(pool, &taken, 1));
    CUDA_OK(cudaDeviceGetDefaultMemPool(&pool, 2));
    grant(1, pool, cudaMemAccessFlagsProtReadWrite);
    cr_expect(!may_use(weight, 1) && !may_use(weight, 2));
    const struct cudaMemAccessDesc nobody = {{cudaMemLocationTypeDevice, 9}, cudaMemAccessFlagsProtReadWrite};
    cr_expect_eq(cudaMemPoolSetAccess(pool, &nobody, 1), cudaErrorInvalidDevice);
    cr_expect_eq(cudaGetLastError(), cudaErrorInvalidDevice);
    cr_expect_neq(cudaMemPoolSetAccess(pool, NULL, 1), cudaSuccess);
}

Test(peer_access, to_another_device_changes_nothing)
{
    prepare("cuda:2,*");
    void *weight = allocate();
    enable(1, 2);
    enable(0, 1);
    cr_expect(!may_use(weight, 1));
    cr_expect(may_use(weight, 0));
}

/* The driver may not be ready (600), and the device must not be waited for then: that would spoil the capture. */
Test(peer_access, enabled_under_a_capture_spoils_nothing)
{
    cudaStream_t stream;
    cudaGraph_t graph;
    prepare("cuda:2,*");
    void *weight = allocate();
    CUDA_OK(cudaSetDevice(1));
    CUDA_OK(cudaFree(NULL));
    CUDA_OK(cudaSetDevice(0));
    CUDA_OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    CUDA_OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
    CUDA_OK(cudaMemsetAsync(weight, 3, 100, stream));
    simcudaFail("cuMemSetAccess", 1, CUDA_ERROR_NOT_READY);
    enable(1, 0);
    simcudaFail("cuMemSetAccess", 0, 0);
    CUDA_OK(cudaStreamEndCapture(stream, &graph));
    cr_expect(may_use(weight, 1));
}

/* The order of errors is the runtime's: none of it is ours. */
Test(peer_access, errors_are_the_runtimes_own)
{
    prepare("cuda:0,*");
    allocate();
    enable(1, 0);
    CUDA_OK(cudaSetDevice(1));
    cr_expect_eq(cudaDeviceEnablePeerAccess(0, 0), cudaErrorPeerAccessAlreadyEnabled);
    cr_expect_eq(cudaGetLastError(), cudaErrorPeerAccessAlreadyEnabled);
    cr_expect_eq(cudaDeviceEnablePeerAccess(9, 0), cudaErrorInvalidDevice);
    cr_expect_eq(cudaGetLastError(), cudaErrorInvalidDevice);
}

/* The peer's work is waited for as the compute device's is: memory must not go from under it. */
Test(peer_access, cudaFree_waits_for_the_peer)
{
    unsigned char *pinned;
    cudaStream_t stream;
    setenv("SIMCUDA_ORDER", "late", 1);
    prepare("cuda:2,*");
    void *weight = allocate();
    enable(1, 0);
    CUDA_OK(cudaMemset(weight, 0x77, BYTES));
    CUDA_OK(cudaDeviceSynchronize());
    CUDA_OK(cudaSetDevice(1));
    CUDA_OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    CUDA_OK(cudaHostAlloc((void **)&pinned, BYTES, 0));
    CUDA_OK(cudaMemcpyAsync(pinned, weight, BYTES, cudaMemcpyDeviceToHost, stream));
    CUDA_OK(cudaSetDevice(0));
    CUDA_OK(cudaFree(weight));
    cr_expect_eq(pinned[BYTES / 2], 0x77);
    cr_expect_eq(simcudaBytesUsed(2), 0);
    CUDA_OK(cudaSetDevice(1));
    CUDA_OK(cudaDeviceSynchronize());
}

/* --- Without access ----------------------------------------------------------------------------------------------- */

static void expect_all(const unsigned char *bytes, unsigned char value, size_t count, const char *what)
{
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(bytes[i], value, "%s: byte %zu is %02x", what, i, bytes[i]);
}

/* CUDA serves an ordinary copy between devices whose memory is cudaMalloc's, in streams of either, also where nobody
 * enabled peer access. Behind the stream's work so far, before what comes later. */
static void copy_in_a_stream_without_access(const char *sharing, int place)
{
    unsigned char *other, *pinned;
    cudaStream_t stream;
    setenv("SIMCUDA_ORDER", "late", 1);
    prepare(sharing);
    unsigned char *weight = allocate();
    cr_assert(lies_at(weight, BYTES, place) && !may_use(weight, 1));
    CUDA_OK(cudaSetDevice(1));
    CUDA_OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    CUDA_OK(cudaMalloc((void **)&other, BYTES));
    CUDA_OK(cudaHostAlloc((void **)&pinned, BYTES, 0));
    CUDA_OK(cudaMemsetAsync(other, 0x11, BYTES, stream));
    CUDA_OK(cudaMemcpyAsync(weight, other, BYTES, cudaMemcpyDeviceToDevice, stream));
    CUDA_OK(cudaMemsetAsync(other, 0x22, BYTES, stream));
    CUDA_OK(cuMemcpyDtoDAsync((CUdeviceptr)weight + 4096, (CUdeviceptr)other, 4096, stream));
    CUDA_OK(cudaMemcpyAsync(pinned, weight, BYTES, cudaMemcpyDeviceToHost, stream));
    CUDA_OK(cudaStreamSynchronize(stream));
    expect_all(pinned, 0x11, 4096, "in one row");
    expect_all(pinned + 4096, 0x22, 4096, "by the driver");
    expect_all(pinned + 8192, 0x11, BYTES - 8192, "the rest of the row");

    CUDA_OK(cudaMemcpy2DAsync(other, 1024, weight, 8192, 512, 100, cudaMemcpyDefault, stream));
    CUDA_OK(cudaMemcpyAsync(pinned, other, BYTES, cudaMemcpyDeviceToHost, stream));
    CUDA_OK(cudaStreamSynchronize(stream));
    for (size_t row = 0; row < 100; row++) {
        expect_all(pinned + row * 1024, 0x11, 512, "in rows");
        expect_all(pinned + row * 1024 + 512, 0x22, 512, "between the rows");
    }
    CUDA_OK(cudaMemcpy(weight, other, 512, cudaMemcpyDeviceToDevice));
    cr_expect_eq(cudaPeekAtLastError(), cudaSuccess);
    cr_expect(!may_use(weight, 1), "nobody asked for that");
}

Test(peer_access, ordinary_copies_of_local_weights_need_none)
{
    copy_in_a_stream_without_access("cuda:0,*", 0);
}

Test(peer_access, ordinary_copies_of_weights_on_a_third_device_need_none)
{
    copy_in_a_stream_without_access("cuda:2,*", 2);
}

Test(peer_access, ordinary_copies_of_weights_in_the_host_need_none)
{
    copy_in_a_stream_without_access("cpu,*", HOST);
}
