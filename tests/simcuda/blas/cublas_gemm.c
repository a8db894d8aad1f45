/* cublas_gemm.c: cuBLAS's matrix products.
 *
 * The plain ones of one type (S, D) launch directly; those with types as arguments go through cublasLtMatmul, as in the
 * real library, which uses both ways: a hook on cublasLtMatmul must see calls that are nested in a hooked cuBLAS
 * function.
 */
#include "cublas_gemm.h"
#include "cublaslt.h"

#include "../driver/gemm_types.h"

cublas_status cublas_check_product(const struct blas_handle *handle, const struct product *p)
{
    cublas_status status = blas_handle_check(handle, p->symbol);
    if (status)
        return status;
    int64_t a_rows = p->a_operation == CUBLAS_OP_N ? p->m : p->k;
    int64_t b_rows = p->b_operation == CUBLAS_OP_N ? p->k : p->n;
    if (p->a_operation < CUBLAS_OP_N || p->a_operation > CUBLAS_OP_C || p->b_operation < CUBLAS_OP_N ||
        p->b_operation > CUBLAS_OP_C)
        return blas_refuse_with(CUBLAS_STATUS_INVALID_VALUE, p->symbol, "operations %d and %d are not N, T or C",
            p->a_operation, p->b_operation);
    if (p->m < 0 || p->n < 0 || p->k < 0 || p->batch_count < 0 || p->a_leading < (a_rows > 1 ? a_rows : 1) ||
        p->b_leading < (b_rows > 1 ? b_rows : 1) || p->c_leading < (p->m > 1 ? p->m : 1))
        return blas_refuse_with(CUBLAS_STATUS_INVALID_VALUE, p->symbol,
            "m %lld, n %lld, k %lld, batches %lld do not fit the leading dimensions %lld, %lld, %lld", (long long)p->m,
            (long long)p->n, (long long)p->k, (long long)p->batch_count, (long long)p->a_leading,
            (long long)p->b_leading, (long long)p->c_leading);
    if (!p->alpha || !p->beta || ((!p->a || !p->b || !p->c) && p->m && p->n && p->k && p->batch_count))
        return blas_refuse_with(CUBLAS_STATUS_INVALID_VALUE, p->symbol, "a pointer is NULL");
    return CUBLAS_STATUS_SUCCESS;
}

static struct simcuda_matrix matrix_of(const void *address, enum simcuda_type type, int operation, int64_t rows,
    int64_t columns, int64_t leading, int64_t stride)
{
    bool transposed = operation != CUBLAS_OP_N;
    return (struct simcuda_matrix){(CUdeviceptr)address, type, transposed, transposed ? columns : rows,
        transposed ? rows : columns, leading, stride};
}

struct simcuda_gemm cublas_translate(const struct blas_handle *handle, const struct product *p,
    enum simcuda_type a_type, enum simcuda_type b_type, enum simcuda_type c_type, enum simcuda_type scalar_type)
{
    struct simcuda_gemm gemm = {
        .symbol = p->symbol,
        .a = matrix_of(p->a, a_type, p->a_operation, p->m, p->k, p->a_leading, p->a_stride),
        .b = matrix_of(p->b, b_type, p->b_operation, p->k, p->n, p->b_leading, p->b_stride),
        .c = matrix_of(p->c, c_type, CUBLAS_OP_N, p->m, p->n, p->c_leading, p->c_stride),
        .d = matrix_of(p->c, c_type, CUBLAS_OP_N, p->m, p->n, p->c_leading, p->c_stride),
        .batch_count = p->batch_count,
        .scalars_on_device = handle->pointer_mode == CUBLAS_POINTER_MODE_DEVICE,
        .scalar_type = scalar_type,
    };
    if (gemm.scalars_on_device) {
        gemm.alpha_address = (CUdeviceptr)p->alpha;
        gemm.beta_address = (CUdeviceptr)p->beta;
    } else {
        sim_load_doubles(scalar_type, p->alpha, &gemm.alpha, 1);
        sim_load_doubles(scalar_type, p->beta, &gemm.beta, 1);
    }
    return gemm;
}

/* All operands and scalars are of p->c_type: float or double. */
static cublas_status launch_directly(const struct blas_handle *handle, const struct product *p)
{
    cublas_status status = cublas_check_product(handle, p);
    enum simcuda_type type;
    if (status)
        return status;
    blas_type(p->c_type, &type);
    struct simcuda_gemm gemm = cublas_translate(handle, p, type, type, type, type);
    return blas_launch(handle->stream, &gemm);
}

static cublas_status make_layout(struct lt_object **layout, int type, int operation, int64_t rows, int64_t columns,
    int64_t leading, int64_t stride, int64_t batch_count)
{
    bool transposed = operation != CUBLAS_OP_N;
    int32_t batches = (int32_t)batch_count;
    cublas_status status = cublasLtMatrixLayoutCreate(
        layout, type, (uint64_t)(transposed ? columns : rows), (uint64_t)(transposed ? rows : columns), leading);
    if (!status && batch_count > 1) {
        status =
            cublasLtMatrixLayoutSetAttribute(*layout, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, &batches, sizeof batches);
        if (!status)
            status = cublasLtMatrixLayoutSetAttribute(
                *layout, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, &stride, sizeof stride);
    }
    return status;
}

int cublas_scale_type(int compute_type)
{
    switch (compute_type) {
    case CUBLAS_COMPUTE_16F:
    case CUBLAS_COMPUTE_16F_PEDANTIC:
        return CUDA_R_16F;
    case CUBLAS_COMPUTE_64F:
    case CUBLAS_COMPUTE_64F_PEDANTIC:
        return CUDA_R_64F;
    default:
        return CUDA_R_32F;
    }
}

static cublas_status launch_through_lt(struct blas_handle *handle, const struct product *p, int compute_type)
{
    struct lt_object *operation = NULL, *a = NULL, *b = NULL, *c = NULL;
    cublas_status status = cublas_check_product(handle, p);
    if (status)
        return status;
    if (p->m == 0 || p->n == 0 || p->batch_count == 0)
        return CUBLAS_STATUS_SUCCESS;

    const int32_t attributes[][2] = {{CUBLASLT_MATMUL_DESC_TRANSA, p->a_operation},
        {CUBLASLT_MATMUL_DESC_TRANSB, p->b_operation}, {CUBLASLT_MATMUL_DESC_POINTER_MODE, handle->pointer_mode}};
    status = cublasLtMatmulDescCreate(&operation, compute_type, cublas_scale_type(compute_type));
    for (size_t i = 0; !status && i < sizeof attributes / sizeof *attributes; i++)
        status =
            cublasLtMatmulDescSetAttribute(operation, attributes[i][0], &attributes[i][1], sizeof attributes[i][1]);
    if (status ||
        (status = make_layout(&a, p->a_type, p->a_operation, p->m, p->k, p->a_leading, p->a_stride, p->batch_count)) ||
        (status = make_layout(&b, p->b_type, p->b_operation, p->k, p->n, p->b_leading, p->b_stride, p->batch_count)) ||
        (status = make_layout(&c, p->c_type, CUBLAS_OP_N, p->m, p->n, p->c_leading, p->c_stride, p->batch_count)))
        goto out;
    cublasLtSimcudaCaller(p->symbol);
    status = cublasLtMatmul(
        handle, operation, p->alpha, p->a, a, p->b, b, p->beta, p->c, c, p->c, c, NULL, NULL, 0, handle->stream);
out:
    cublasLtMatrixLayoutDestroy(a);
    cublasLtMatrixLayoutDestroy(b);
    cublasLtMatrixLayoutDestroy(c);
    cublasLtMatmulDescDestroy(operation);
    return status;
}

/* The two functions of each plain type. */
#define PLAIN_GEMM(NAME, STRIDED_NAME, TYPE)                                                                           \
    CUBLAS_API cublas_status NAME(struct blas_handle *handle, int a_operation, int b_operation, int m, int n, int k,   \
        const void *alpha, const void *a, int lda, const void *b, int ldb, const void *beta, void *c, int ldc);        \
    cublas_status NAME(struct blas_handle *handle, int a_operation, int b_operation, int m, int n, int k,              \
        const void *alpha, const void *a, int lda, const void *b, int ldb, const void *beta, void *c, int ldc)         \
    {                                                                                                                  \
        struct product product = {#NAME, a_operation, b_operation, m, n, k, alpha, beta, a, b, c, TYPE, TYPE, TYPE,    \
            lda, ldb, ldc, 0, 0, 0, 1};                                                                                \
        return launch_directly(handle, &product);                                                                      \
    }                                                                                                                  \
    CUBLAS_API cublas_status STRIDED_NAME(struct blas_handle *handle, int a_operation, int b_operation, int m, int n,  \
        int k, const void *alpha, const void *a, int lda, long long a_stride, const void *b, int ldb,                  \
        long long b_stride, const void *beta, void *c, int ldc, long long c_stride, int batch_count);                  \
    cublas_status STRIDED_NAME(struct blas_handle *handle, int a_operation, int b_operation, int m, int n, int k,      \
        const void *alpha, const void *a, int lda, long long a_stride, const void *b, int ldb, long long b_stride,     \
        const void *beta, void *c, int ldc, long long c_stride, int batch_count)                                       \
    {                                                                                                                  \
        struct product product = {#STRIDED_NAME, a_operation, b_operation, m, n, k, alpha, beta, a, b, c, TYPE, TYPE,  \
            TYPE, lda, ldb, ldc, a_stride, b_stride, c_stride, batch_count};                                           \
        return launch_directly(handle, &product);                                                                      \
    }

PLAIN_GEMM(cublasSgemm_v2, cublasSgemmStridedBatched, CUDA_R_32F)
PLAIN_GEMM(cublasDgemm_v2, cublasDgemmStridedBatched, CUDA_R_64F)

CUBLAS_API cublas_status cublasSgemmEx(struct blas_handle *handle, int a_operation, int b_operation, int m, int n,
    int k, const float *alpha, const void *a, int a_type, int lda, const void *b, int b_type, int ldb,
    const float *beta, void *c, int c_type, int ldc);
CUBLAS_API cublas_status cublasGemmEx(struct blas_handle *handle, int a_operation, int b_operation, int m, int n, int k,
    const void *alpha, const void *a, int a_type, int lda, const void *b, int b_type, int ldb, const void *beta,
    void *c, int c_type, int ldc, int compute_type, int algorithm);
CUBLAS_API cublas_status cublasGemmStridedBatchedEx(struct blas_handle *handle, int a_operation, int b_operation, int m,
    int n, int k, const void *alpha, const void *a, int a_type, int lda, long long a_stride, const void *b, int b_type,
    int ldb, long long b_stride, const void *beta, void *c, int c_type, int ldc, long long c_stride, int batch_count,
    int compute_type, int algorithm);

cublas_status cublasSgemmEx(struct blas_handle *handle, int a_operation, int b_operation, int m, int n, int k,
    const float *alpha, const void *a, int a_type, int lda, const void *b, int b_type, int ldb, const float *beta,
    void *c, int c_type, int ldc)
{
    struct product product = {__func__, a_operation, b_operation, m, n, k, alpha, beta, a, b, c, a_type, b_type, c_type,
        lda, ldb, ldc, 0, 0, 0, 1};
    return launch_through_lt(handle, &product, CUBLAS_COMPUTE_32F);
}

cublas_status cublasGemmEx(struct blas_handle *handle, int a_operation, int b_operation, int m, int n, int k,
    const void *alpha, const void *a, int a_type, int lda, const void *b, int b_type, int ldb, const void *beta,
    void *c, int c_type, int ldc, int compute_type, int algorithm)
{
    (void)algorithm;
    struct product product = {__func__, a_operation, b_operation, m, n, k, alpha, beta, a, b, c, a_type, b_type, c_type,
        lda, ldb, ldc, 0, 0, 0, 1};
    return launch_through_lt(handle, &product, compute_type);
}

cublas_status cublasGemmStridedBatchedEx(struct blas_handle *handle, int a_operation, int b_operation, int m, int n,
    int k, const void *alpha, const void *a, int a_type, int lda, long long a_stride, const void *b, int b_type,
    int ldb, long long b_stride, const void *beta, void *c, int c_type, int ldc, long long c_stride, int batch_count,
    int compute_type, int algorithm)
{
    (void)algorithm;
    struct product product = {__func__, a_operation, b_operation, m, n, k, alpha, beta, a, b, c, a_type, b_type, c_type,
        lda, ldb, ldc, a_stride, b_stride, c_stride, batch_count};
    return launch_through_lt(handle, &product, compute_type);
}
