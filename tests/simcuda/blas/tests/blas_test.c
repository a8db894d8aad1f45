/* blas_test.c: what the simulated cuBLAS and cuBLASLt make of their arguments, seen by a driver that records. They are
 * called as a program calls them: through the PLT, by their public names and signatures.
 */
#include "../cublaslt.h"
#include "recording_driver.h"

#include <criterion/criterion.h>
#include <dlfcn.h>
#include <string.h>

/* The public functions, with plain types. */
cublas_status cublasCreate_v2(struct blas_handle **);
cublas_status cublasDestroy_v2(struct blas_handle *);
cublas_status cublasSetStream_v2(struct blas_handle *, CUstream);
cublas_status cublasGetStream_v2(struct blas_handle *, CUstream *);
cublas_status cublasSetPointerMode_v2(struct blas_handle *, int);
cublas_status cublasSetMathMode(struct blas_handle *, int);
cublas_status cublasGetMathMode(struct blas_handle *, int *);
cublas_status cublasSgemm_v2(struct blas_handle *, int, int, int, int, int, const float *, const float *, int,
    const float *, int, const float *, float *, int);
cublas_status cublasDgemm_v2(struct blas_handle *, int, int, int, int, int, const double *, const double *, int,
    const double *, int, const double *, double *, int);
cublas_status cublasGemmEx(struct blas_handle *, int, int, int, int, int, const void *, const void *, int, int,
    const void *, int, int, const void *, void *, int, int, int, int);
cublas_status cublasGemmStridedBatchedEx(struct blas_handle *, int, int, int, int, int, const void *, const void *, int,
    int, long long, const void *, int, int, long long, const void *, void *, int, int, long long, int, int, int);
cublas_status cublasSgemv_v2(struct blas_handle *, int, int, int, const float *, const float *, int, const float *, int,
    const float *, float *, int);
cublas_status cublasSdot_v2(struct blas_handle *, int, const float *, int, const float *, int, float *);
cublas_status cublasSasum_v2(struct blas_handle *, int, const float *, int, float *);
const char *cublasGetStatusString(cublas_status);

/* Device addresses: never read here. */
#define AT(x) ((void *)(uintptr_t)(x))

static const float one = 1, zero = 0, half_alpha = 0.5f, two = 2;
static struct blas_handle *handle;

/* Stands in front of the library's, as a preloaded hook would. */
static int lt_calls;
cublas_status cublasLtMatmul(struct blas_handle *lt_handle, const struct lt_object *operation, const void *alpha,
    const void *a, const struct lt_object *a_layout, const void *b, const struct lt_object *b_layout, const void *beta,
    const void *c, const struct lt_object *c_layout, void *d, const struct lt_object *d_layout,
    const struct cublaslt_algorithm *algorithm, void *workspace, size_t workspace_bytes, CUstream stream)
{
    __typeof__(&cublasLtMatmul) next = (__typeof__(&cublasLtMatmul))dlsym(RTLD_NEXT, "cublasLtMatmul");
    lt_calls++;
    return next(lt_handle, operation, alpha, a, a_layout, b, b_layout, beta, c, c_layout, d, d_layout, algorithm,
        workspace, workspace_bytes, stream);
}

static void start(void)
{
    recording = (struct recording){.current_device = 1, .has_context = true};
    cr_assert_eq(cublasCreate_v2(&handle), CUBLAS_STATUS_SUCCESS);
}

static void check_matrix(const char *name, const struct simcuda_matrix *matrix, uintptr_t address,
    enum simcuda_type type, bool transposed, int64_t rows, int64_t columns, int64_t leading, int64_t stride)
{
    cr_assert_eq(matrix->address, address, "%s: address", name);
    cr_assert_eq(matrix->type, type, "%s: type", name);
    cr_assert_eq(matrix->transposed, transposed, "%s: transposed", name);
    cr_assert_eq(matrix->rows, rows, "%s: rows", name);
    cr_assert_eq(matrix->columns, columns, "%s: columns", name);
    cr_assert_eq(matrix->leading_dimension, leading, "%s: leading dimension", name);
    cr_assert_eq(matrix->batch_stride, stride, "%s: stride", name);
}

Test(handle, charges_its_kernels_and_takes_the_current_device, .init = start)
{
    cr_assert_str_eq(recording.owner, "libcublas");
    cr_assert_eq(recording.charged_bytes, 64u << 20);
    cr_assert_eq(recording.retained, 0);
    cr_assert_eq(cublasDestroy_v2(handle), CUBLAS_STATUS_SUCCESS);
    cr_assert_eq(cublasDestroy_v2(NULL), CUBLAS_STATUS_NOT_INITIALIZED);
}

Test(handle, without_a_context_enters_the_first_devices_primary_one)
{
    recording = (struct recording){0};
    cr_assert_eq(cublasCreate_v2(&handle), CUBLAS_STATUS_SUCCESS);
    cr_assert_eq(recording.retained, 1);
    cr_assert(recording.has_context);
}

Test(handle, a_full_device_is_an_allocation_failure)
{
    recording = (struct recording){.has_context = true, .charge_result = CUDA_ERROR_OUT_OF_MEMORY};
    cr_assert_eq(cublasCreate_v2(&handle), CUBLAS_STATUS_ALLOC_FAILED);
}

Test(handle, another_driver_than_the_simulated_one_is_refused)
{
    recording = (struct recording){.has_context = true, .hide_internals = true};
    cr_assert_eq(cublasCreate_v2(&handle), CUBLAS_STATUS_NOT_INITIALIZED);
}

Test(handle, is_refused_on_another_device_than_its_own, .init = start)
{
    recording.current_device = 0;
    cr_assert_eq(
        cublasSgemm_v2(handle, CUBLAS_OP_N, CUBLAS_OP_N, 2, 2, 2, &one, AT(256), 2, AT(512), 2, &zero, AT(768), 2),
        CUBLAS_STATUS_EXECUTION_FAILED);
    cr_assert_eq(recording.launches, 0);
}

Test(handle, keeps_settings, .init = start)
{
    int mode = -1;
    CUstream stream = NULL;
    cublasSetMathMode(handle, 17);
    cublasSetStream_v2(handle, AT(0x77));
    cr_assert_eq(cublasGetMathMode(handle, &mode), CUBLAS_STATUS_SUCCESS);
    cr_assert_eq(cublasGetStream_v2(handle, &stream), CUBLAS_STATUS_SUCCESS);
    cr_assert_eq(mode, 17);
    cr_assert_eq(stream, AT(0x77));
}

Test(gemm, sgemm_hands_on_shapes_scalars_and_stream, .init = start)
{
    cublasSetStream_v2(handle, AT(0x77));
    cr_assert_eq(cublasSgemm_v2(
                     handle, CUBLAS_OP_T, CUBLAS_OP_N, 5, 7, 3, &half_alpha, AT(256), 4, AT(512), 6, &two, AT(768), 8),
        CUBLAS_STATUS_SUCCESS);
    const struct simcuda_gemm *gemm = &recording.gemm;
    cr_assert_eq(lt_calls, 0, "the plain products do not take that way");
    cr_assert_str_eq(gemm->symbol, "cublasSgemm_v2");
    check_matrix("A", &gemm->a, 256, SIMCUDA_F32, true, 3, 5, 4, 0);
    check_matrix("B", &gemm->b, 512, SIMCUDA_F32, false, 3, 7, 6, 0);
    check_matrix("C", &gemm->c, 768, SIMCUDA_F32, false, 5, 7, 8, 0);
    check_matrix("D", &gemm->d, 768, SIMCUDA_F32, false, 5, 7, 8, 0);
    cr_assert_eq(gemm->batch_count, 1);
    cr_assert_not(gemm->scalars_on_device);
    cr_assert_eq(gemm->alpha, 0.5);
    cr_assert_eq(gemm->beta, 2);
    cr_assert_eq(recording.stream, AT(0x77));
}

Test(gemm, dgemm_reads_double_scalars, .init = start)
{
    double alpha = 1e-300, beta = 3;
    cublasDgemm_v2(handle, CUBLAS_OP_N, CUBLAS_OP_C, 5, 7, 3, &alpha, AT(256), 5, AT(512), 7, &beta, AT(768), 5);
    check_matrix("B", &recording.gemm.b, 512, SIMCUDA_F64, true, 7, 3, 7, 0);
    cr_assert_eq(recording.gemm.alpha, 1e-300);
    cr_assert_eq(recording.gemm.beta, 3);
}

Test(gemm, pointer_mode_device_hands_on_addresses, .init = start)
{
    cublasSetPointerMode_v2(handle, CUBLAS_POINTER_MODE_DEVICE);
    cublasSgemm_v2(
        handle, CUBLAS_OP_N, CUBLAS_OP_N, 2, 2, 2, AT(0x1000), AT(256), 2, AT(512), 2, AT(0x2000), AT(768), 2);
    cr_assert(recording.gemm.scalars_on_device);
    cr_assert_eq(recording.gemm.alpha_address, 0x1000);
    cr_assert_eq(recording.gemm.beta_address, 0x2000);
    cr_assert_eq(recording.gemm.scalar_type, SIMCUDA_F32);
}

Test(gemm, gemm_ex_takes_mixed_types_through_lt_under_its_own_name, .init = start)
{
    cr_assert_eq(cublasGemmEx(handle, CUBLAS_OP_T, CUBLAS_OP_N, 5, 7, 3, &half_alpha, AT(256), CUDA_R_16BF, 4, AT(512),
                     CUDA_R_16BF, 6, &two, AT(768), CUDA_R_32F, 8, CUBLAS_COMPUTE_32F, 99),
        CUBLAS_STATUS_SUCCESS);
    cr_assert_eq(lt_calls, 1, "the nested call goes through the PLT");
    cr_assert_str_eq(recording.gemm.symbol, "cublasGemmEx");
    check_matrix("A", &recording.gemm.a, 256, SIMCUDA_BF16, true, 3, 5, 4, 0);
    check_matrix("B", &recording.gemm.b, 512, SIMCUDA_BF16, false, 3, 7, 6, 0);
    check_matrix("D", &recording.gemm.d, 768, SIMCUDA_F32, false, 5, 7, 8, 0);
    cr_assert_eq(recording.gemm.alpha, 0.5);
    cr_assert_eq(recording.gemm.beta, 2);
}

Test(gemm, half_compute_has_half_scalars, .init = start)
{
    const uint16_t three = 0x4200, minus_one = 0xbc00; /* binary16 */
    cr_assert_eq(cublasGemmEx(handle, CUBLAS_OP_N, CUBLAS_OP_N, 4, 4, 4, &three, AT(256), CUDA_R_16F, 4, AT(512),
                     CUDA_R_16F, 4, &minus_one, AT(768), CUDA_R_16F, 4, CUBLAS_COMPUTE_16F, 99),
        CUBLAS_STATUS_SUCCESS);
    cr_assert_eq(recording.gemm.alpha, 3);
    cr_assert_eq(recording.gemm.beta, -1);
}

Test(gemm, strided_batches_keep_each_stride, .init = start)
{
    cr_assert_eq(cublasGemmStridedBatchedEx(handle, CUBLAS_OP_N, CUBLAS_OP_N, 4, 4, 4, &one, AT(256), CUDA_R_16F, 4, 0,
                     AT(512), CUDA_R_16F, 4, 1LL << 33, &zero, AT(768), CUDA_R_16F, 4, 48, 9, CUBLAS_COMPUTE_32F, 99),
        CUBLAS_STATUS_SUCCESS);
    cr_assert_eq(recording.gemm.batch_count, 9);
    cr_assert_eq(recording.gemm.a.batch_stride, 0);
    cr_assert_eq(recording.gemm.b.batch_stride, 1LL << 33);
    cr_assert_eq(recording.gemm.d.batch_stride, 48);
}

Test(gemm, what_is_not_simulated_is_not_supported, .init = start)
{
    enum { CUDA_R_8F_E4M3 = 28, CUDA_R_8I = 3, CUBLAS_COMPUTE_32I = 72 };
    cr_assert_eq(cublasGemmEx(handle, CUBLAS_OP_T, CUBLAS_OP_N, 4, 4, 4, &one, AT(256), CUDA_R_8F_E4M3, 4, AT(512),
                     CUDA_R_8F_E4M3, 4, &zero, AT(768), CUDA_R_32F, 4, CUBLAS_COMPUTE_32F, 99),
        CUBLAS_STATUS_NOT_SUPPORTED);
    cr_assert_eq(cublasGemmEx(handle, CUBLAS_OP_N, CUBLAS_OP_N, 4, 4, 4, &one, AT(256), CUDA_R_32F, 4, AT(512),
                     CUDA_R_32F, 4, &zero, AT(768), CUDA_R_32F, 4, CUBLAS_COMPUTE_64F, 99),
        CUBLAS_STATUS_NOT_SUPPORTED);
    cr_assert_eq(cublasSasum_v2(handle, 4, AT(256), 1, AT(512)), CUBLAS_STATUS_NOT_SUPPORTED);
    cr_assert_eq(recording.launches, 0);
}

Test(gemm, an_empty_result_launches_nothing_and_a_bad_leading_dimension_is_invalid, .init = start)
{
    cr_assert_eq(cublasSgemm_v2(handle, CUBLAS_OP_N, CUBLAS_OP_N, 0, 2, 2, &one, NULL, 1, AT(512), 2, &zero, NULL, 1),
        CUBLAS_STATUS_SUCCESS);
    cr_assert_eq(
        cublasSgemm_v2(handle, CUBLAS_OP_N, CUBLAS_OP_N, 4, 2, 2, &one, AT(256), 3, AT(512), 2, &zero, AT(768), 4),
        CUBLAS_STATUS_INVALID_VALUE);
    cr_assert_eq(
        cublasSgemm_v2(handle, CUBLAS_OP_T, CUBLAS_OP_N, 4, 2, 2, &one, AT(256), 2, AT(512), 2, &zero, AT(768), 3),
        CUBLAS_STATUS_INVALID_VALUE);
    cr_assert_eq(recording.launches, 0);
}

Test(gemm, a_failed_launch_is_reported, .init = start)
{
    recording.launch_result = CUDA_ERROR_ILLEGAL_ADDRESS;
    cr_assert_eq(
        cublasSgemm_v2(handle, CUBLAS_OP_N, CUBLAS_OP_N, 2, 2, 2, &one, AT(256), 2, AT(512), 2, &zero, AT(768), 2),
        CUBLAS_STATUS_EXECUTION_FAILED);
    cr_assert_str_eq(cublasGetStatusString(CUBLAS_STATUS_EXECUTION_FAILED), "CUBLAS_STATUS_EXECUTION_FAILED");
}

Test(vector, gemv_is_a_product_with_rows_for_vectors, .init = start)
{
    cr_assert_eq(cublasSgemv_v2(handle, CUBLAS_OP_N, 5, 3, &one, AT(256), 6, AT(512), 2, &two, AT(768), 4),
        CUBLAS_STATUS_SUCCESS);
    check_matrix("x", &recording.gemm.a, 512, SIMCUDA_F32, false, 1, 3, 2, 0);
    check_matrix("A", &recording.gemm.b, 256, SIMCUDA_F32, true, 5, 3, 6, 0);
    check_matrix("y", &recording.gemm.d, 768, SIMCUDA_F32, false, 1, 5, 4, 0);

    cublasSgemv_v2(handle, CUBLAS_OP_T, 5, 3, &one, AT(256), 6, AT(512), 2, &two, AT(768), 4);
    check_matrix("x", &recording.gemm.a, 512, SIMCUDA_F32, false, 1, 5, 2, 0);
    check_matrix("A", &recording.gemm.b, 256, SIMCUDA_F32, false, 5, 3, 6, 0);
    check_matrix("y", &recording.gemm.d, 768, SIMCUDA_F32, false, 1, 3, 4, 0);
}

Test(vector, dot_writes_one_element_on_the_device_and_is_refused_for_the_host, .init = start)
{
    cr_assert_eq(cublasSdot_v2(handle, 9, AT(256), 1, AT(512), 3, AT(768)), CUBLAS_STATUS_NOT_SUPPORTED);
    cublasSetPointerMode_v2(handle, CUBLAS_POINTER_MODE_DEVICE);
    cr_assert_eq(cublasSdot_v2(handle, 9, AT(256), 1, AT(512), 3, AT(768)), CUBLAS_STATUS_SUCCESS);
    check_matrix("x", &recording.gemm.a, 256, SIMCUDA_F32, false, 1, 9, 1, 0);
    check_matrix("y", &recording.gemm.b, 512, SIMCUDA_F32, true, 1, 9, 3, 0);
    check_matrix("result", &recording.gemm.d, 768, SIMCUDA_F32, false, 1, 1, 1, 0);
    cr_assert_eq(recording.gemm.alpha, 1);
    cr_assert_not(recording.gemm.scalars_on_device);
}
