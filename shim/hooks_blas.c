/* hooks_blas.c: library calls that compute with weights. The first one after a load ends it: what is allocated from
 * then on are activations. */
#include "hook.h"
#include "placement.h"

int vs_cublasSgemm_v2(const struct vs_cublas *real, void *handle, int trans_a, int trans_b, int m, int n, int k,
    const float *alpha, const float *a, int lda, const float *b, int ldb, const float *beta, float *c, int ldc)
{
    vs_placement_end_loads();
    return real->cublasSgemm_v2(handle, trans_a, trans_b, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc);
}

int vs_cublasGemmEx(const struct vs_cublas *real, void *handle, int trans_a, int trans_b, int m, int n, int k,
    const void *alpha, const void *a, int type_a, int lda, const void *b, int type_b, int ldb, const void *beta,
    void *c, int type_c, int ldc, int compute_type, int algorithm)
{
    vs_placement_end_loads();
    return real->cublasGemmEx(handle, trans_a, trans_b, m, n, k, alpha, a, type_a, lda, b, type_b, ldb, beta, c, type_c,
        ldc, compute_type, algorithm);
}

int vs_cublasGemmStridedBatchedEx(const struct vs_cublas *real, void *handle, int trans_a, int trans_b, int m, int n,
    int k, const void *alpha, const void *a, int type_a, int lda, long long stride_a, const void *b, int type_b,
    int ldb, long long stride_b, const void *beta, void *c, int type_c, int ldc, long long stride_c, int batch_count,
    int compute_type, int algorithm)
{
    vs_placement_end_loads();
    return real->cublasGemmStridedBatchedEx(handle, trans_a, trans_b, m, n, k, alpha, a, type_a, lda, stride_a, b,
        type_b, ldb, stride_b, beta, c, type_c, ldc, stride_c, batch_count, compute_type, algorithm);
}

int vs_cublasSgemmStridedBatched(const struct vs_cublas *real, void *handle, int trans_a, int trans_b, int m, int n,
    int k, const float *alpha, const float *a, int lda, long long stride_a, const float *b, int ldb, long long stride_b,
    const float *beta, float *c, int ldc, long long stride_c, int batch_count)
{
    vs_placement_end_loads();
    return real->cublasSgemmStridedBatched(handle, trans_a, trans_b, m, n, k, alpha, a, lda, stride_a, b, ldb, stride_b,
        beta, c, ldc, stride_c, batch_count);
}

int vs_cublasLtMatmul(const struct vs_cublasLt *real, void *handle, void *description, const void *alpha, const void *a,
    void *layout_a, const void *b, void *layout_b, const void *beta, const void *c, void *layout_c, void *d,
    void *layout_d, const void *algorithm, void *workspace, size_t workspace_bytes, cudaStream_t stream)
{
    vs_placement_end_loads();
    return real->cublasLtMatmul(handle, description, alpha, a, layout_a, b, layout_b, beta, c, layout_c, d, layout_d,
        algorithm, workspace, workspace_bytes, stream);
}
