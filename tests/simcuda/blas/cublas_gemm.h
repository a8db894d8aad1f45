/* cublas_gemm.h: what cuBLAS's matrix products have in common. */
#ifndef SIMCUDA_CUBLAS_GEMM_H
#define SIMCUDA_CUBLAS_GEMM_H

#include "driver.h"

/* The arguments that all products have in common, in BLAS terms: C = alpha op(A) op(B) + beta C. */
struct product {
    const char *symbol;
    int a_operation, b_operation;
    int64_t m, n, k;
    const void *alpha, *beta;
    const void *a, *b;
    void *c;
    int a_type, b_type, c_type;
    int64_t a_leading, b_leading, c_leading;
    int64_t a_stride, b_stride, c_stride;
    int64_t batch_count;
};

/* Whether handle, shape and pointers are in order; SUCCESS or the error to return. */
cublas_status cublas_check_product(const struct blas_handle *handle, const struct product *p);

/* The product on the driver's terms, for operands and scalars of the given types. Host scalars are read. */
struct simcuda_gemm cublas_translate(const struct blas_handle *handle, const struct product *p,
    enum simcuda_type a_type, enum simcuda_type b_type, enum simcuda_type c_type, enum simcuda_type scalar_type);

/* Which cudaDataType alpha and beta have (cuBLAS documentation, cublasGemmEx(), table of supported types). */
int cublas_scale_type(int compute_type);

#endif
