/* cublas_vector.c: cuBLAS's matrix-vector and dot products, as matrix products.
 *
 * A vector with a step between its elements is a matrix of one row whose leading dimension is the step. So
 * y = op(A) x is launched transposed: y' = x' op(A)'.
 */
#include "driver.h"

#include "../driver/gemm_types.h"

static cublas_status launch_vector_product(const struct blas_handle *handle, const char *symbol, enum simcuda_type type,
    bool transposed, int64_t m, int64_t n, const void *alpha, const void *a, int64_t lda, const void *x, int64_t x_step,
    const void *beta, void *y, int64_t y_step)
{
    int64_t x_count = transposed ? m : n, y_count = transposed ? n : m;
    cublas_status status = blas_handle_check(handle, symbol);
    if (status)
        return status;
    if (m < 0 || n < 0 || lda < (m > 1 ? m : 1) || !alpha || !beta)
        return blas_refuse_with(CUBLAS_STATUS_INVALID_VALUE, symbol,
            "m %lld and n %lld do not fit the leading dimension %lld, or a scalar is NULL", (long long)m, (long long)n,
            (long long)lda);
    if (x_step < 1 || y_step < 1)
        return blas_refuse(symbol, "vectors with a step below 1 are not simulated");
    struct simcuda_gemm gemm = {
        .symbol = symbol,
        .a = {(CUdeviceptr)x, type, false, 1, x_count, x_step, 0},
        .b = {(CUdeviceptr)a, type, !transposed, m, n, lda, 0},
        .c = {(CUdeviceptr)y, type, false, 1, y_count, y_step, 0},
        .d = {(CUdeviceptr)y, type, false, 1, y_count, y_step, 0},
        .batch_count = 1,
        .scalars_on_device = handle->pointer_mode == CUBLAS_POINTER_MODE_DEVICE,
        .scalar_type = type,
    };
    if (gemm.scalars_on_device) {
        gemm.alpha_address = (CUdeviceptr)alpha;
        gemm.beta_address = (CUdeviceptr)beta;
    } else {
        sim_load_doubles(type, alpha, &gemm.alpha, 1);
        sim_load_doubles(type, beta, &gemm.beta, 1);
    }
    return blas_launch(handle->stream, &gemm);
}

#define GEMV(NAME, TYPE)                                                                                               \
    CUBLAS_API cublas_status NAME(struct blas_handle *handle, int operation, int m, int n, const void *alpha,          \
        const void *a, int lda, const void *x, int x_step, const void *beta, void *y, int y_step);                     \
    cublas_status NAME(struct blas_handle *handle, int operation, int m, int n, const void *alpha, const void *a,      \
        int lda, const void *x, int x_step, const void *beta, void *y, int y_step)                                     \
    {                                                                                                                  \
        return launch_vector_product(                                                                                  \
            handle, #NAME, TYPE, operation != CUBLAS_OP_N, m, n, alpha, a, lda, x, x_step, beta, y, y_step);           \
    }

GEMV(cublasSgemv_v2, SIMCUDA_F32)
GEMV(cublasDgemv_v2, SIMCUDA_F64)

/* The result is one element in device memory; a result in host memory would need a device buffer of the library's own,
 * and no program of ours asks for one. */
static cublas_status launch_dot(const struct blas_handle *handle, const char *symbol, int64_t n, const void *x,
    int x_type, int64_t x_step, const void *y, int y_type, int64_t y_step, void *result, int result_type)
{
    struct simcuda_gemm gemm = {.symbol = symbol, .batch_count = 1, .alpha = 1};
    cublas_status status = blas_handle_check(handle, symbol);
    if (status)
        return status;
    if (handle->pointer_mode != CUBLAS_POINTER_MODE_DEVICE)
        return blas_refuse(symbol, "a result in host memory (pointer mode HOST) is not simulated");
    if (n < 0 || x_step < 1 || y_step < 1)
        return blas_refuse(symbol, "vectors of negative length, or with a step below 1, are not simulated");
    gemm.a = (struct simcuda_matrix){(CUdeviceptr)x, SIMCUDA_F32, false, 1, n, x_step, 0};
    gemm.b = (struct simcuda_matrix){(CUdeviceptr)y, SIMCUDA_F32, true, 1, n, y_step, 0};
    gemm.d = (struct simcuda_matrix){(CUdeviceptr)result, SIMCUDA_F32, false, 1, 1, 1, 0};
    if (!blas_type(x_type, &gemm.a.type) || !blas_type(y_type, &gemm.b.type) || !blas_type(result_type, &gemm.d.type))
        return blas_refuse(symbol, "data types %d, %d and %d are not simulated", x_type, y_type, result_type);
    gemm.c = gemm.d;
    return blas_launch(handle->stream, &gemm);
}

CUBLAS_API cublas_status cublasDotEx(struct blas_handle *handle, int n, const void *x, int x_type, int x_step,
    const void *y, int y_type, int y_step, void *result, int result_type, int execution_type);
CUBLAS_API cublas_status cublasSdot_v2(
    struct blas_handle *handle, int n, const float *x, int x_step, const float *y, int y_step, float *result);
CUBLAS_API cublas_status cublasDdot_v2(
    struct blas_handle *handle, int n, const double *x, int x_step, const double *y, int y_step, double *result);

cublas_status cublasDotEx(struct blas_handle *handle, int n, const void *x, int x_type, int x_step, const void *y,
    int y_type, int y_step, void *result, int result_type, int execution_type)
{
    (void)execution_type;
    return launch_dot(handle, __func__, n, x, x_type, x_step, y, y_type, y_step, result, result_type);
}

cublas_status cublasSdot_v2(
    struct blas_handle *handle, int n, const float *x, int x_step, const float *y, int y_step, float *result)
{
    return launch_dot(handle, __func__, n, x, CUDA_R_32F, x_step, y, CUDA_R_32F, y_step, result, CUDA_R_32F);
}

cublas_status cublasDdot_v2(
    struct blas_handle *handle, int n, const double *x, int x_step, const double *y, int y_step, double *result)
{
    return launch_dot(handle, __func__, n, x, CUDA_R_64F, x_step, y, CUDA_R_64F, y_step, result, CUDA_R_64F);
}
