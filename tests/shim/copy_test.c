/* copy_test.c: every kind of copy from and to every home keeps every byte, whatever direction the program states. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "fixture.h"

#define BYTES (3 * MIB + 512)

enum { HOMES = 3 };
static const char *const policies[HOMES] = {"cuda:0,*", "cuda:1,*", "cpu,*"};
static const int locations[HOMES] = {0, 1, SIMCUDA_LOCATION_HOST};

static unsigned char *content, *result;
static void *weight, *other, *plain;
static cudaStream_t stream;

/* Two weights at home `home`, and a plain allocation. */
static void prepare(int home)
{
    const size_t sizes[] = {BYTES, BYTES};
    use_policy(policies[home]);
    open_model(make_model(sizes, 2));
    CUDA_OK(cudaMalloc(&weight, BYTES));
    CUDA_OK(cudaMalloc(&other, BYTES));
    cr_assert(lies_at(weight, BYTES, locations[home]) && lies_at(other, BYTES, locations[home]));
    CUDA_OK(cudaMalloc(&plain, BYTES));
    CUDA_OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    content = malloc(BYTES);
    result = calloc(1, BYTES);
    fill_pattern(content, (size_t)home + 7, BYTES);
}

static void expect_content(const void *device_pointer, const char *what)
{
    CUDA_OK(cudaDeviceSynchronize());
    memset(result, 0, BYTES);
    cr_assert(simcudaPeek(device_pointer, result, BYTES));
    cr_expect(memcmp(result, content, BYTES) == 0, "%s changed bytes", what);
}

static void expect_result(const char *what)
{
    CUDA_OK(cudaDeviceSynchronize());
    cr_expect(memcmp(result, content, BYTES) == 0, "%s changed bytes", what);
    memset(result, 0, BYTES);
}

static void wipe(void)
{
    CUDA_OK(cudaMemset(weight, 0x5a, BYTES));
    CUDA_OK(cudaMemset(other, 0x5a, BYTES));
    CUDA_OK(cudaMemset(plain, 0x5a, BYTES));
    CUDA_OK(cudaDeviceSynchronize());
}

static void check_runtime(int home)
{
    prepare(home);
    CUDA_OK(cudaMemcpy(weight, content, BYTES, cudaMemcpyHostToDevice));
    expect_content(weight, "cudaMemcpy host to device");
    CUDA_OK(cudaMemcpy(result, weight, BYTES, cudaMemcpyDeviceToHost));
    expect_result("cudaMemcpy device to host");
    CUDA_OK(cudaMemcpy(other, weight, BYTES, cudaMemcpyDeviceToDevice));
    expect_content(other, "cudaMemcpy device to device");
    CUDA_OK(cudaMemcpy(plain, weight, BYTES, cudaMemcpyDeviceToDevice));
    expect_content(plain, "cudaMemcpy from a weight to a plain allocation");
    wipe();
    CUDA_OK(cudaMemcpyAsync(weight, content, BYTES, cudaMemcpyHostToDevice, stream));
    expect_content(weight, "cudaMemcpyAsync host to device");
    CUDA_OK(cudaMemcpyAsync(other, weight, BYTES, cudaMemcpyDeviceToDevice, stream));
    expect_content(other, "cudaMemcpyAsync device to device");
    CUDA_OK(cudaMemcpyAsync(result, other, BYTES, cudaMemcpyDeviceToHost, stream));
    expect_result("cudaMemcpyAsync device to host");
    CUDA_OK(cudaMemcpyPeer(plain, 0, weight, 0, BYTES));
    expect_content(plain, "cudaMemcpyPeer");
    wipe();
    CUDA_OK(cudaMemcpy(plain, content, BYTES, cudaMemcpyHostToDevice));
    CUDA_OK(cudaStreamSynchronize(NULL)); /* the last part of a pageable copy may still be on its way */
    CUDA_OK(cudaMemcpyPeerAsync(weight, 0, plain, 0, BYTES, stream));
    expect_content(weight, "cudaMemcpyPeerAsync");
}

Test(copy, runtime_copies_of_a_local_weight)
{
    check_runtime(0);
}
Test(copy, runtime_copies_of_a_weight_on_a_peer)
{
    check_runtime(1);
}
Test(copy, runtime_copies_of_a_weight_in_the_host)
{
    check_runtime(2);
}

static void check_pitched(int home)
{
    const size_t width = 1000, height = 512, pitch = 1024;
    prepare(home);
    CUDA_OK(cudaMemset(weight, 0, BYTES));
    CUDA_OK(cudaMemcpy2D(weight, pitch, content, pitch, width, height, cudaMemcpyHostToDevice));
    CUDA_OK(cudaStreamSynchronize(NULL)); /* the last part of a pageable copy may still be on its way */
    CUDA_OK(cudaMemcpy2DAsync(other, pitch, weight, pitch, width, height, cudaMemcpyDeviceToDevice, stream));
    CUDA_OK(cudaStreamSynchronize(stream));
    CUDA_OK(cudaMemcpy2DAsync(result, pitch, other, pitch, width, height, cudaMemcpyDeviceToHost, stream));
    CUDA_OK(cudaDeviceSynchronize());
    for (size_t row = 0; row < height; row++)
        cr_assert(memcmp(result + row * pitch, content + row * pitch, width) == 0, "row %zu", row);
    cr_assert(simcudaPeek(weight, result, pitch));
    for (size_t column = width; column < pitch; column++)
        cr_assert_eq(result[column], 0, "a 2-D copy wrote beyond its width");

    struct cudaMemcpy3DParms whole = {
        .srcPtr = {content, pitch, pitch, height},
        .dstPtr = {weight, pitch, pitch, height},
        .extent = {pitch, height, 1},
        .kind = cudaMemcpyHostToDevice,
    };
    CUDA_OK(cudaMemcpy3D(&whole));
    CUDA_OK(cudaDeviceSynchronize());
    cr_assert(simcudaPeek(weight, result, pitch * height));
    cr_expect(memcmp(result, content, pitch * height) == 0, "cudaMemcpy3D changed bytes");
}

Test(copy, pitched_copies_of_a_local_weight)
{
    check_pitched(0);
}
Test(copy, pitched_copies_of_a_weight_on_a_peer)
{
    check_pitched(1);
}
Test(copy, pitched_copies_of_a_weight_in_the_host)
{
    check_pitched(2);
}

static void check_driver(int home)
{
    prepare(home);
    CUdeviceptr a = (CUdeviceptr)weight, b = (CUdeviceptr)other;
    CUDA_OK(cuMemcpyHtoD(a, content, BYTES));
    expect_content(weight, "cuMemcpyHtoD");
    CUDA_OK(cuMemcpyDtoD(b, a, BYTES));
    expect_content(other, "cuMemcpyDtoD");
    CUDA_OK(cuMemcpyDtoH(result, b, BYTES));
    expect_result("cuMemcpyDtoH");
    wipe();
    CUDA_OK(cuMemcpyHtoDAsync(a, content, BYTES, stream));
    CUDA_OK(cuMemcpyDtoDAsync(b, a, BYTES, stream));
    expect_content(other, "cuMemcpyDtoDAsync");
    CUDA_OK(cuMemcpyDtoHAsync(result, b, BYTES, stream));
    expect_result("cuMemcpyDtoHAsync");
    CUcontext context;
    CUDA_OK(cuCtxGetCurrent(&context));
    wipe();
    CUDA_OK(cuMemcpyHtoD((CUdeviceptr)plain, content, BYTES));
    CUDA_OK(cuMemcpyPeer(a, context, (CUdeviceptr)plain, context, BYTES));
    expect_content(weight, "cuMemcpyPeer");
    CUDA_OK(cuMemcpyPeerAsync(b, context, a, context, BYTES, stream));
    expect_content(other, "cuMemcpyPeerAsync");
    wipe();
    CUDA_MEMCPY2D copy = {.srcMemoryType = CU_MEMORYTYPE_HOST,
        .srcHost = content,
        .srcPitch = 512,
        .dstMemoryType = CU_MEMORYTYPE_DEVICE,
        .dstDevice = a,
        .dstPitch = 512,
        .WidthInBytes = 512,
        .Height = BYTES / 512};
    CUDA_OK(cuMemcpy2D(&copy));
    expect_content(weight, "cuMemcpy2D");
}

Test(copy, driver_copies_of_a_local_weight)
{
    check_driver(0);
}
Test(copy, driver_copies_of_a_weight_on_a_peer)
{
    check_driver(1);
}
Test(copy, driver_copies_of_a_weight_in_the_host)
{
    check_driver(2);
}

Test(copy, a_copy_between_two_devices_takes_the_weight_from_its_home)
{
    void *remote;
    prepare(2);
    CUDA_OK(cudaMemcpy(weight, content, BYTES, cudaMemcpyHostToDevice));
    CUDA_OK(cudaSetDevice(1));
    CUDA_OK(cudaMalloc(&remote, BYTES));
    CUDA_OK(cudaSetDevice(0));
    CUDA_OK(cudaMemcpyPeer(remote, 1, weight, 0, BYTES));
    expect_content(remote, "cudaMemcpyPeer to another device");
}

Test(copy, memset_reaches_the_host)
{
    prepare(2);
    CUDA_OK(cudaMemcpy(weight, content, BYTES, cudaMemcpyHostToDevice));
    CUDA_OK(cudaMemset((char *)weight + 100, 0xab, 1000));
    memset(content + 100, 0xab, 1000);
    expect_content(weight, "cudaMemset");
}

static void check_from_the_other_device(int home)
{
    void *remote;
    prepare(home);
    CUDA_OK(cudaMemcpy(weight, content, BYTES, cudaMemcpyHostToDevice));
    CUDA_OK(cudaSetDevice(1));
    CUDA_OK(cudaMallocAsync(&remote, BYTES, 0));
    CUDA_OK(cudaMemcpyPeer(remote, 1, weight, 0, BYTES));
    expect_content(remote, "cudaMemcpyPeer from the other device");
    fill_pattern(content, 99, BYTES);
    CUDA_OK(cudaMemcpy(remote, content, BYTES, cudaMemcpyHostToDevice));
    CUDA_OK(cudaMemcpyPeerAsync(weight, 0, remote, 1, BYTES, 0));
    CUDA_OK(cudaSetDevice(0));
    expect_content(weight, "cudaMemcpyPeerAsync into a weight");
}

Test(copy, asked_for_from_the_other_device_of_a_weight_on_a_peer)
{
    check_from_the_other_device(1);
}

Test(copy, asked_for_from_the_other_device_of_a_weight_in_the_host)
{
    check_from_the_other_device(2);
}

Test(copy, asked_for_from_the_other_device_without_peer_access)
{
    use_machine("2x24gb-no-peer");
    check_from_the_other_device(2);
}

Test(copy, other_pitched_copies_of_the_driver)
{
    prepare(2);
    CUdeviceptr a = (CUdeviceptr)weight, b = (CUdeviceptr)other;
    CUDA_MEMCPY2D in = {.srcMemoryType = CU_MEMORYTYPE_HOST,
        .srcHost = content,
        .srcPitch = 512,
        .dstMemoryType = CU_MEMORYTYPE_DEVICE,
        .dstDevice = a,
        .dstPitch = 512,
        .WidthInBytes = 512,
        .Height = BYTES / 512};
    CUDA_OK(cuMemcpy2DUnaligned(&in));
    expect_content(weight, "cuMemcpy2DUnaligned");
    in.dstDevice = b;
    CUDA_OK(cuMemcpy2DAsync(&in, stream));
    expect_content(other, "cuMemcpy2DAsync");
    wipe();
    CUDA_MEMCPY3D whole = {.srcMemoryType = CU_MEMORYTYPE_HOST,
        .srcHost = content,
        .srcPitch = 512,
        .dstMemoryType = CU_MEMORYTYPE_DEVICE,
        .dstDevice = a,
        .dstPitch = 512,
        .WidthInBytes = 512,
        .Height = BYTES / 512,
        .Depth = 1};
    CUDA_OK(cuMemcpy3D(&whole));
    expect_content(weight, "cuMemcpy3D");
    whole.dstDevice = b;
    CUDA_OK(cuMemcpy3DAsync(&whole, stream));
    expect_content(other, "cuMemcpy3DAsync");
}

Test(copy, other_pitched_copies_of_the_runtime)
{
    const size_t pitch = 1024, height = 512;
    prepare(2);
    struct cudaMemcpy3DParms in = {
        .srcPtr = {content, pitch, pitch, height},
        .dstPtr = {weight, pitch, pitch, height},
        .extent = {pitch, height, 1},
        .kind = cudaMemcpyHostToDevice,
    };
    struct cudaMemcpy3DPeerParms over = {
        .srcPtr = {weight, pitch, pitch, height},
        .dstPtr = {other, pitch, pitch, height},
        .extent = {pitch, height, 1},
    };
    CUDA_OK(cudaMemcpy3DAsync(&in, stream));
    CUDA_OK(cudaMemcpy3DPeerAsync(&over, stream));
    CUDA_OK(cudaDeviceSynchronize());
    cr_assert(simcudaPeek(other, result, pitch * height));
    cr_expect(memcmp(result, content, pitch * height) == 0, "cudaMemcpy3DAsync or cudaMemcpy3DPeerAsync");
    wipe();
    CUDA_OK(cudaMemcpy3D(&in));
    CUDA_OK(cudaMemcpy3DPeer(&over));
    CUDA_OK(cudaDeviceSynchronize());
    cr_assert(simcudaPeek(other, result, pitch * height));
    cr_expect(memcmp(result, content, pitch * height) == 0, "cudaMemcpy3DPeer");
}

/* Entry points of programs that were built for per-thread default streams. */
cudaError_t cudaMallocAsync_ptsz(void **pointer, size_t bytes, cudaStream_t at);
cudaError_t cudaFreeAsync_ptsz(void *pointer, cudaStream_t at);
cudaError_t cudaMemcpy_ptds(void *dst, const void *src, size_t bytes, enum cudaMemcpyKind kind);
cudaError_t cudaMemcpyAsync_ptsz(void *dst, const void *src, size_t bytes, enum cudaMemcpyKind kind, cudaStream_t at);

Test(copy, per_thread_default_streams)
{
    const size_t sizes[] = {BYTES};
    prepare(2);
    open_model(make_model(sizes, 1));
    CUDA_OK(cudaMallocAsync_ptsz(&weight, BYTES, 0));
    cr_assert(lies_at(weight, BYTES, SIMCUDA_LOCATION_HOST));
    CUDA_OK(cudaMemcpy_ptds(weight, content, BYTES, cudaMemcpyHostToDevice));
    CUDA_OK(cudaMemcpyAsync_ptsz(other, weight, BYTES, cudaMemcpyDeviceToDevice, 0));
    expect_content(other, "cudaMemcpyAsync_ptsz");
    CUDA_OK(cudaFreeAsync_ptsz(weight, 0));
    cr_expect_neq(cudaFree(weight), cudaSuccess, "it was freed before");
}
