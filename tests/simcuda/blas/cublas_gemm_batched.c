/* cublas_gemm_batched.c: products of a batch whose matrices are named by arrays of addresses in device memory. */
#include "cublas_gemm.h"

static cublas_status launch(const struct blas_handle *handle, const struct product *p, int scale_type)
{
    cublas_status status = cublas_check_product(handle, p);
    enum simcuda_type a_type, b_type, c_type, scalar_type;

    if (status)
        return status;
    if (!blas_type(p->a_type, &a_type) || !blas_type(p->b_type, &b_type) || !blas_type(p->c_type, &c_type) ||
        !blas_type(scale_type, &scalar_type) || a_type != b_type || (c_type != a_type && p->c_type != CUDA_R_32F))
        return blas_refuse(p->symbol, "data types %d, %d, %d (A, B, C) with scalars of type %d are not simulated",
            p->a_type, p->b_type, p->c_type, scale_type);
    struct simcuda_gemm gemm = cublas_translate(handle, p, a_type, b_type, c_type, scalar_type);
    gemm.a_array = (CUdeviceptr)p->a;
    gemm.b_array = (CUdeviceptr)p->b;
    gemm.c_array = (CUdeviceptr)p->c;
    return blas_launch(handle->stream, &gemm);
}

#define PLAIN_BATCHED(NAME, TYPE)                                                                                      \
    CUBLAS_API cublas_status NAME(struct blas_handle *handle, int a_operation, int b_operation, int m, int n, int k,   \
        const void *alpha, const void *const a[], int lda, const void *const b[], int ldb, const void *beta,           \
        void *const c[], int ldc, int batch_count);                                                                    \
    cublas_status NAME(struct blas_handle *handle, int a_operation, int b_operation, int m, int n, int k,              \
        const void *alpha, const void *const a[], int lda, const void *const b[], int ldb, const void *beta,           \
        void *const c[], int ldc, int batch_count)                                                                     \
    {                                                                                                                  \
        struct product product = {#NAME, a_operation, b_operation, m, n, k, alpha, beta, a, b, (void *)c, TYPE, TYPE,  \
            TYPE, lda, ldb, ldc, 0, 0, 0, batch_count};                                                                \
        return launch(handle, &product, TYPE);                                                                         \
    }

PLAIN_BATCHED(cublasSgemmBatched, CUDA_R_32F)
PLAIN_BATCHED(cublasDgemmBatched, CUDA_R_64F)

CUBLAS_API cublas_status cublasGemmBatchedEx(struct blas_handle *handle, int a_operation, int b_operation, int m, int n,
    int k, const void *alpha, const void *const a[], int a_type, int lda, const void *const b[], int b_type, int ldb,
    const void *beta, void *const c[], int c_type, int ldc, int batch_count, int compute_type, int algorithm);

cublas_status cublasGemmBatchedEx(struct blas_handle *handle, int a_operation, int b_operation, int m, int n, int k,
    const void *alpha, const void *const a[], int a_type, int lda, const void *const b[], int b_type, int ldb,
    const void *beta, void *const c[], int c_type, int ldc, int batch_count, int compute_type, int algorithm)
{
    (void)algorithm;
    struct product product = {__func__, a_operation, b_operation, m, n, k, alpha, beta, a, b, (void *)c, a_type, b_type,
        c_type, lda, ldb, ldc, 0, 0, 0, batch_count};
    return launch(handle, &product, cublas_scale_type(compute_type));
}
