/* blas_on_simcuda_test.c: products through cuBLAS on the whole simulated CUDA: operands that lie in several places,
 * operands out of reach, what a handle costs.
 */
#include "../../simcuda.h"
#include "../cublas_types.h"

#include <criterion/criterion.h>
#include <cuda.h>
#include <stdlib.h>

struct blas_handle;
cublas_status cublasCreate_v2(struct blas_handle **);
cublas_status cublasDestroy_v2(struct blas_handle *);
cublas_status cublasSgemm_v2(struct blas_handle *, int, int, int, int, int, const float *, const float *, int,
    const float *, int, const float *, float *, int);

#define OK(call) cr_assert_eq(call, CUDA_SUCCESS, "%s", #call)

enum { PAGE = 2 << 20, M = 1024, K = 1536, N = 8 }; /* A: 1024 x 1536 floats = 3 pages */

static const float one = 1, zero = 0;
static CUcontext contexts[2];
static struct blas_handle *handle;

static void start(void)
{
    setenv("SIMCUDA_MACHINE", "2x24gb", 1);
    OK(cuInit(0));
    for (int device = 1; device >= 0; device--) {
        OK(cuDevicePrimaryCtxRetain(&contexts[device], device));
        OK(cuCtxSetCurrent(contexts[device]));
    }
}

static void stop(void)
{
    cublasDestroy_v2(handle);
}

static CUdeviceptr upload(const float *values, size_t count)
{
    CUdeviceptr address;
    OK(cuMemAlloc(&address, count * sizeof *values));
    OK(cuMemcpyHtoD(address, values, count * sizeof *values));
    return address;
}

/* Element values are small integers: sums are exact in any order. */
static float *numbers(size_t count, unsigned seed)
{
    float *values = malloc(count * sizeof *values);
    cr_assert_not_null(values);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)((i * 7919 + seed) % 11) - 5;
    return values;
}

static void map_page(CUdeviceptr at, CUmemLocationType type, int id)
{
    CUmemAllocationProp properties = {.type = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {.type = type, .id = id}};
    CUmemAccessDesc access = {
        .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0}, .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    CUmemGenericAllocationHandle page;
    OK(cuMemCreate(&page, PAGE, &properties, 0));
    OK(cuMemMap(at, PAGE, 0, page, 0));
    OK(cuMemRelease(page));
    OK(cuMemSetAccess(at, PAGE, &access, 1));
}

Test(blas_on_simcuda, a_handle_takes_64_mib_once_per_device, .init = start, .fini = stop)
{
    struct blas_handle *second, *other;
    size_t before = simcudaBytesUsed(0), before_other = simcudaBytesUsed(1);
    cr_assert_eq(cublasCreate_v2(&handle), CUBLAS_STATUS_SUCCESS);
    cr_assert_eq(simcudaBytesUsed(0) - before, 64u << 20);
    cr_assert_eq(cublasCreate_v2(&second), CUBLAS_STATUS_SUCCESS);
    cr_assert_eq(simcudaBytesUsed(0) - before, 64u << 20);
    cr_assert_eq(simcudaBytesUsed(1), before_other);
    OK(cuCtxSetCurrent(contexts[1]));
    cr_assert_eq(cublasCreate_v2(&other), CUBLAS_STATUS_SUCCESS);
    cr_assert_eq(simcudaBytesUsed(1) - before_other, 64u << 20);
    cublasDestroy_v2(second);
    cublasDestroy_v2(other);
}

Test(blas_on_simcuda, an_operand_may_lie_on_two_devices_and_the_host, .init = start, .fini = stop)
{
    float *a = numbers((size_t)M * K, 1), *b = numbers((size_t)K * N, 2), got[M * N];
    CUdeviceptr a_address, b_address, c_address;
    cr_assert_eq(cublasCreate_v2(&handle), CUBLAS_STATUS_SUCCESS);
    OK(cuMemAddressReserve(&a_address, 3 * (size_t)PAGE, 0, 0, 0));
    map_page(a_address, CU_MEM_LOCATION_TYPE_DEVICE, 0);
    map_page(a_address + PAGE, CU_MEM_LOCATION_TYPE_HOST, 0);
    map_page(a_address + 2 * (CUdeviceptr)PAGE, CU_MEM_LOCATION_TYPE_DEVICE, 1);
    OK(cuMemcpy(a_address, (CUdeviceptr)a, 3 * (size_t)PAGE));
    cr_assert_eq(simcudaBytesAt((void *)a_address, 3 * (size_t)PAGE, 1), PAGE);
    cr_assert_eq(simcudaBytesAt((void *)a_address, 3 * (size_t)PAGE, SIMCUDA_LOCATION_HOST), PAGE);
    b_address = upload(b, (size_t)K * N);
    OK(cuMemAlloc(&c_address, sizeof got));

    cr_assert_eq(cublasSgemm_v2(handle, CUBLAS_OP_N, CUBLAS_OP_N, M, N, K, &one, (float *)a_address, M,
                     (float *)b_address, K, &zero, (float *)c_address, M),
        CUBLAS_STATUS_SUCCESS);
    OK(cuMemcpyDtoH(got, c_address, sizeof got));
    for (int column = 0; column < N; column++)
        for (int row = 0; row < M; row++) {
            float want = 0;
            for (size_t k = 0; k < K; k++)
                want += a[k * M + (size_t)row] * b[(size_t)column * K + k];
            cr_assert_eq(got[column * M + row], want, "(%d, %d)", row, column);
        }
    free(a);
    free(b);
}

Test(blas_on_simcuda, another_devices_memory_without_peer_access_is_an_illegal_address, .init = start, .fini = stop)
{
    float values[16] = {1};
    CUdeviceptr here = upload(values, 16), there;
    OK(cuCtxSetCurrent(contexts[1]));
    there = upload(values, 16);
    OK(cuCtxSetCurrent(contexts[0]));
    cr_assert_eq(cublasCreate_v2(&handle), CUBLAS_STATUS_SUCCESS);
    cublasSgemm_v2(
        handle, CUBLAS_OP_N, CUBLAS_OP_N, 4, 4, 4, &one, (float *)there, 4, (float *)here, 4, &zero, (float *)here, 4);
    cr_assert_eq(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
    cr_assert_eq(cuMemcpyDtoH(values, here, sizeof values), CUDA_ERROR_ILLEGAL_ADDRESS, "sticky");
}

Test(blas_on_simcuda, with_peer_access_it_is_read, .init = start, .fini = stop)
{
    float identity[16] = {[0] = 1, [5] = 1, [10] = 1, [15] = 1}, got[16] = {0};
    float *values = numbers(16, 3);
    CUdeviceptr here = upload(identity, 16), there;
    OK(cuCtxSetCurrent(contexts[1]));
    there = upload(values, 16);
    OK(cuCtxSetCurrent(contexts[0]));
    OK(cuCtxEnablePeerAccess(contexts[1], 0));
    cr_assert_eq(cublasCreate_v2(&handle), CUBLAS_STATUS_SUCCESS);
    cr_assert_eq(cublasSgemm_v2(handle, CUBLAS_OP_T, CUBLAS_OP_N, 4, 4, 4, &one, (float *)there, 4, (float *)here, 4,
                     &zero, (float *)here, 4),
        CUBLAS_STATUS_SUCCESS);
    OK(cuMemcpyDtoH(got, here, sizeof got));
    for (int i = 0; i < 16; i++)
        cr_assert_eq(got[i], values[i % 4 * 4 + i / 4]);
    free(values);
}
