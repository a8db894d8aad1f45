/* blas.h: cuBLAS and cuBLASLt in checks. They are loaded when a check asks for them, so that the program runs where
 * they are not installed: its checks of them are skipped there.
 *
 *   BLAS_OK(cublasSgemm_v2, handle, CUBLAS_OP_N, ...);   calls it; the check ends if it fails
 *   FAILS_SOMEHOW(BLAS(cublasSgemm_v2)(handle, ...));
 *
 * Types and values are those of NVIDIA's headers where a toolkit has them (for the runtime of CUDA 13), else the same
 * by ../blas/cublas_types.h. */
#ifndef CONFORMANCE_BLAS_H
#define CONFORMANCE_BLAS_H

#include "conformance.h"

#if CUDART_VERSION >= 13000 && __has_include(<cublasLt.h>) && __has_include(<cublas_v2.h>)
#include <cublasLt.h>
#include <cublas_v2.h>
#else
#include "../blas/cublas_types.h"

#include <stddef.h>

typedef struct cublasContext *cublasHandle_t;
typedef struct cublasLtContext *cublasLtHandle_t;
typedef struct cublasLtMatmulDesc *cublasLtMatmulDesc_t;
typedef struct cublasLtMatrixLayout *cublasLtMatrixLayout_t;
typedef struct cublasLtMatmulPreference *cublasLtMatmulPreference_t;
typedef struct cublaslt_algorithm cublasLtMatmulAlgo_t;
typedef struct {
    cublasLtMatmulAlgo_t algo;
    size_t workspaceSize;
    int state;
    float wavesCount;
    int reserved[4];
} cublasLtMatmulHeuristicResult_t;

int cublasCreate_v2(cublasHandle_t *handle);
int cublasSetStream_v2(cublasHandle_t handle, cudaStream_t stream);
int cublasSetPointerMode_v2(cublasHandle_t handle, int mode);
int cublasSgemm_v2(cublasHandle_t handle, int a_operation, int b_operation, int m, int n, int k, const float *alpha,
    const float *a, int lda, const float *b, int ldb, const float *beta, float *c, int ldc);
int cublasSgemmBatched(cublasHandle_t handle, int a_operation, int b_operation, int m, int n, int k, const float *alpha,
    const float *const a[], int lda, const float *const b[], int ldb, const float *beta, float *const c[], int ldc,
    int batch_count);
int cublasGemmBatchedEx(cublasHandle_t handle, int a_operation, int b_operation, int m, int n, int k, const void *alpha,
    const void *const a[], int a_type, int lda, const void *const b[], int b_type, int ldb, const void *beta,
    void *const c[], int c_type, int ldc, int batch_count, int compute_type, int algorithm);
int cublasLtCreate(cublasLtHandle_t *handle);
int cublasLtMatrixLayoutCreate(
    cublasLtMatrixLayout_t *layout, int type, uint64_t rows, uint64_t columns, int64_t leading);
int cublasLtMatmulDescCreate(cublasLtMatmulDesc_t *operation, int compute_type, int scale_type);
int cublasLtMatmulDescSetAttribute(cublasLtMatmulDesc_t operation, int attribute, const void *value, size_t bytes);
int cublasLtMatmulPreferenceCreate(cublasLtMatmulPreference_t *preference);
int cublasLtMatmulPreferenceSetAttribute(
    cublasLtMatmulPreference_t preference, int attribute, const void *value, size_t bytes);
int cublasLtMatmulAlgoGetHeuristic(cublasLtHandle_t handle, cublasLtMatmulDesc_t operation, cublasLtMatrixLayout_t a,
    cublasLtMatrixLayout_t b, cublasLtMatrixLayout_t c, cublasLtMatrixLayout_t d, cublasLtMatmulPreference_t preference,
    int requested, cublasLtMatmulHeuristicResult_t results[], int *returned);
int cublasLtMatmul(cublasLtHandle_t handle, cublasLtMatmulDesc_t operation, const void *alpha, const void *a,
    cublasLtMatrixLayout_t a_layout, const void *b, cublasLtMatrixLayout_t b_layout, const void *beta, const void *c,
    cublasLtMatrixLayout_t c_layout, void *d, cublasLtMatrixLayout_t d_layout, const cublasLtMatmulAlgo_t *algorithm,
    void *workspace, size_t workspace_bytes, cudaStream_t stream);
#endif

/* A function by its name; skips the check where the library is not installed. */
void *blas_function(const char *name);
#define BLAS(name) ((__typeof__(&name))blas_function(#name))
#define BLAS_OK(name, ...)                                                                                             \
    conformance_require(BLAS(name)(__VA_ARGS__) == CUBLAS_STATUS_SUCCESS, #name " succeeds", __FILE__, __LINE__)

/* A handle for the current device, on its legacy stream. */
cublasHandle_t blas_handle(void);
/* Device memory with `count` floats. */
float *device_floats(const float *values, size_t count);
void expect_floats(const float *memory, const float *expected, size_t count);

#endif
