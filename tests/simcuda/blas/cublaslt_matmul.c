/* cublaslt_matmul.c: cublasLtMatmul and its heuristic.
 *
 * There is one algorithm. It remembers the alignments that the preference asked for, and refuses pointers with less:
 * what a caller does wrong who asks with one set of addresses and runs with another.
 */
#include "cublaslt.h"
#include "cublaslt_objects.h"
#include "driver.h"
#include "rules.h"

#include "../driver/gemm_types.h"

#define ALGORITHM_MAGIC 0x73696d6c74616c67u

enum { A, B, C, D, MATRICES };
static const char *const matrix_names[MATRICES] = {"A", "B", "C", "D"};

/* Which types go together (cuBLASLt documentation, cublasLtMatmul(), table of supported data types, rows of equal A and
 * B types). Sums are always kept in float, or double for fp64: compute types 16F and TF32 get at least the accuracy
 * that they ask for. */
static const struct {
    int compute[6];
    int scale, input, result;
} combinations[] = {
#define FLOAT_SUMS                                                                                                     \
    {                                                                                                                  \
        CUBLAS_COMPUTE_32F, CUBLAS_COMPUTE_32F_PEDANTIC, CUBLAS_COMPUTE_32F_FAST_16F, CUBLAS_COMPUTE_32F_FAST_16BF,    \
            CUBLAS_COMPUTE_32F_FAST_TF32                                                                               \
    }
#define HALF_SUMS                                                                                                      \
    {                                                                                                                  \
        CUBLAS_COMPUTE_16F, CUBLAS_COMPUTE_16F_PEDANTIC                                                                \
    }
#define DOUBLE_SUMS                                                                                                    \
    {                                                                                                                  \
        CUBLAS_COMPUTE_64F, CUBLAS_COMPUTE_64F_PEDANTIC                                                                \
    }
    {FLOAT_SUMS, CUDA_R_32F, CUDA_R_16F, CUDA_R_16F},
    {FLOAT_SUMS, CUDA_R_32F, CUDA_R_16F, CUDA_R_32F},
    {FLOAT_SUMS, CUDA_R_32F, CUDA_R_16BF, CUDA_R_16BF},
    {FLOAT_SUMS, CUDA_R_32F, CUDA_R_16BF, CUDA_R_32F},
    {FLOAT_SUMS, CUDA_R_32F, CUDA_R_32F, CUDA_R_32F},
    {HALF_SUMS, CUDA_R_16F, CUDA_R_16F, CUDA_R_16F},
    {DOUBLE_SUMS, CUDA_R_64F, CUDA_R_64F, CUDA_R_64F},
};

static const struct {
    int epilogue;
    bool bias;
    int activation;
} epilogues[] = {
    {CUBLASLT_EPILOGUE_DEFAULT, false, SIMCUDA_EPILOGUE_NONE},
    {CUBLASLT_EPILOGUE_RELU, false, SIMCUDA_EPILOGUE_RELU},
    {CUBLASLT_EPILOGUE_GELU, false, SIMCUDA_EPILOGUE_GELU},
    {CUBLASLT_EPILOGUE_BIAS, true, SIMCUDA_EPILOGUE_NONE},
    {CUBLASLT_EPILOGUE_RELU_BIAS, true, SIMCUDA_EPILOGUE_RELU},
    {CUBLASLT_EPILOGUE_GELU_BIAS, true, SIMCUDA_EPILOGUE_GELU},
};

#define COUNT(array) (sizeof(array) / sizeof *(array))

static _Thread_local const char *caller;

void cublasLtSimcudaCaller(const char *symbol)
{
    caller = symbol;
}

static bool combination_supported(int64_t compute, int64_t scale, int64_t a, int64_t b, int64_t c, int64_t d)
{
    for (size_t i = 0; i < COUNT(combinations); i++) {
        if (scale != combinations[i].scale || a != combinations[i].input || b != combinations[i].input ||
            c != combinations[i].result || d != combinations[i].result)
            continue;
        for (size_t j = 0; j < COUNT(combinations[i].compute); j++)
            if (compute != 0 && compute == combinations[i].compute[j])
                return true;
    }
    return false;
}

/* Fills types, scalars' type and epilogue of `gemm`; NOT_SUPPORTED, with a line, for what is not simulated. */
static cublas_status translate_operation(
    const struct lt_object *operation, const struct lt_object *const layouts[MATRICES], struct simcuda_gemm *gemm)
{
    int64_t compute = lt_get(operation, CUBLASLT_MATMUL_DESC_COMPUTE_TYPE);
    int64_t scale = lt_get(operation, CUBLASLT_MATMUL_DESC_SCALE_TYPE);
    int64_t types[MATRICES], bias_type = lt_get(operation, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE);
    struct simcuda_matrix *matrices[MATRICES] = {&gemm->a, &gemm->b, &gemm->c, &gemm->d};
    const char *unsimulated = lt_unsimulated(operation);
    size_t epilogue = 0;

    for (int i = 0; i < MATRICES; i++) {
        types[i] = lt_get(layouts[i], CUBLASLT_MATRIX_LAYOUT_TYPE);
        unsimulated = unsimulated ? unsimulated : lt_unsimulated(layouts[i]);
    }
    if (unsimulated)
        return blas_refuse(gemm->symbol, "%s is set to a value that is not simulated", unsimulated);
    if (!combination_supported(compute, scale, types[A], types[B], types[C], types[D]))
        return blas_refuse(gemm->symbol,
            "compute type %d with scale type %d and data types %d, %d, %d, %d (A, B, C, D) is not simulated",
            (int)compute, (int)scale, (int)types[A], (int)types[B], (int)types[C], (int)types[D]);
    for (int i = 0; i < MATRICES; i++)
        blas_type((int)types[i], &matrices[i]->type);
    blas_type((int)scale, &gemm->scalar_type);

    int64_t pointer_mode = lt_get(operation, CUBLASLT_MATMUL_DESC_POINTER_MODE);
    if (pointer_mode != CUBLAS_POINTER_MODE_HOST && pointer_mode != CUBLAS_POINTER_MODE_DEVICE)
        return blas_refuse(gemm->symbol, "pointer mode %d is not simulated", (int)pointer_mode);
    gemm->scalars_on_device = pointer_mode == CUBLAS_POINTER_MODE_DEVICE;

    while (
        epilogue < COUNT(epilogues) && epilogues[epilogue].epilogue != lt_get(operation, CUBLASLT_MATMUL_DESC_EPILOGUE))
        epilogue++;
    if (epilogue == COUNT(epilogues))
        return blas_refuse(
            gemm->symbol, "epilogue %d is not simulated", (int)lt_get(operation, CUBLASLT_MATMUL_DESC_EPILOGUE));
    gemm->activation = epilogues[epilogue].activation;
    if (epilogues[epilogue].bias) {
        gemm->bias = (CUdeviceptr)lt_get(operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER);
        if (!blas_type((int)(bias_type < 0 ? types[D] : bias_type), &gemm->bias_type))
            return blas_refuse(gemm->symbol, "bias of data type %d is not simulated", (int)bias_type);
    }
    return CUBLAS_STATUS_SUCCESS;
}

/* Fills shapes of `gemm`; INVALID_VALUE, with a line, where they do not fit. */
static cublas_status translate_shapes(
    const struct lt_object *operation, const struct lt_object *const layouts[MATRICES], struct simcuda_gemm *gemm)
{
    struct simcuda_matrix *matrices[MATRICES] = {&gemm->a, &gemm->b, &gemm->c, &gemm->d};

    gemm->batch_count = lt_get(layouts[D], CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT);
    for (int i = 0; i < MATRICES; i++) {
        struct simcuda_matrix *matrix = matrices[i];
        matrix->rows = lt_get(layouts[i], CUBLASLT_MATRIX_LAYOUT_ROWS);
        matrix->columns = lt_get(layouts[i], CUBLASLT_MATRIX_LAYOUT_COLS);
        matrix->leading_dimension = lt_get(layouts[i], CUBLASLT_MATRIX_LAYOUT_LD);
        matrix->batch_stride = lt_get(layouts[i], CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET);
        if (matrix->rows < 0 || matrix->columns < 0 || matrix->leading_dimension < matrix->rows ||
            matrix->batch_stride < 0)
            return blas_refuse_with(CUBLAS_STATUS_INVALID_VALUE, gemm->symbol,
                "matrix %s has %lld rows, %lld columns, leading dimension %lld, batch stride %lld", matrix_names[i],
                (long long)matrix->rows, (long long)matrix->columns, (long long)matrix->leading_dimension,
                (long long)matrix->batch_stride);
        if (lt_get(layouts[i], CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT) != gemm->batch_count || gemm->batch_count < 0)
            return blas_refuse_with(CUBLAS_STATUS_INVALID_VALUE, gemm->symbol, "matrix %s has batch count %lld, D %lld",
                matrix_names[i], (long long)lt_get(layouts[i], CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT),
                (long long)gemm->batch_count);
    }
    gemm->a.transposed = lt_get(operation, CUBLASLT_MATMUL_DESC_TRANSA) != CUBLAS_OP_N;
    gemm->b.transposed = lt_get(operation, CUBLASLT_MATMUL_DESC_TRANSB) != CUBLAS_OP_N;

    int64_t m = gemm->a.transposed ? gemm->a.columns : gemm->a.rows;
    int64_t k = gemm->a.transposed ? gemm->a.rows : gemm->a.columns;
    int64_t k_of_b = gemm->b.transposed ? gemm->b.columns : gemm->b.rows;
    int64_t n = gemm->b.transposed ? gemm->b.rows : gemm->b.columns;
    if (k != k_of_b || m != gemm->d.rows || n != gemm->d.columns || m != gemm->c.rows || n != gemm->c.columns)
        return blas_refuse_with(CUBLAS_STATUS_INVALID_VALUE, gemm->symbol,
            "shapes do not fit: op(A) %lld x %lld, op(B) %lld x %lld, C %lld x %lld, D %lld x %lld", (long long)m,
            (long long)k, (long long)k_of_b, (long long)n, (long long)gemm->c.rows, (long long)gemm->c.columns,
            (long long)gemm->d.rows, (long long)gemm->d.columns);
    return CUBLAS_STATUS_SUCCESS;
}

static cublas_status translate(const struct blas_handle *handle, const struct lt_object *operation,
    const struct lt_object *const layouts[MATRICES], struct simcuda_gemm *gemm)
{
    cublas_status status = blas_handle_check(handle, gemm->symbol);
    if (status)
        return status;
    if (!lt_is(operation, &lt_operations))
        return blas_refuse_with(CUBLAS_STATUS_INVALID_VALUE, gemm->symbol, "the operation descriptor is none");
    for (int i = 0; i < MATRICES; i++)
        if (!lt_is(layouts[i], &lt_layouts))
            return blas_refuse_with(
                CUBLAS_STATUS_INVALID_VALUE, gemm->symbol, "the layout of %s is none", matrix_names[i]);
    if ((status = translate_operation(operation, layouts, gemm)))
        return status;
    return translate_shapes(operation, layouts, gemm);
}

cublas_status cublasLtMatmulAlgoGetHeuristic(struct blas_handle *handle, const struct lt_object *operation,
    const struct lt_object *a_layout, const struct lt_object *b_layout, const struct lt_object *c_layout,
    const struct lt_object *d_layout, const struct lt_object *preference, int requested,
    struct cublaslt_heuristic_result results[], int *returned)
{
    const struct lt_object *layouts[MATRICES] = {a_layout, b_layout, c_layout, d_layout};
    struct simcuda_gemm gemm = {.symbol = __func__};

    if (!returned || !results || requested < 1)
        return CUBLAS_STATUS_INVALID_VALUE;
    *returned = 0;
    if (!lt_is(preference, &lt_preferences))
        return blas_refuse_with(CUBLAS_STATUS_INVALID_VALUE, __func__, "the preference is none");
    cublas_status status = translate(handle, operation, layouts, &gemm);
    if (status)
        return status;

    results[0] = (struct cublaslt_heuristic_result){.state = CUBLAS_STATUS_SUCCESS, .waves_count = 1};
    results[0].algorithm.data[0] = ALGORITHM_MAGIC;
    for (int i = 0; i < MATRICES; i++)
        results[0].algorithm.data[1 + i] = (uint64_t)lt_get(preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES + i);
    *returned = 1;
    return CUBLAS_STATUS_SUCCESS;
}

static cublas_status check_algorithm(
    const struct cublaslt_algorithm *algorithm, const void *const pointers[MATRICES], const char *symbol)
{
    if (!algorithm)
        return CUBLAS_STATUS_SUCCESS;
    if (algorithm->data[0] != ALGORITHM_MAGIC)
        return blas_refuse_with(
            CUBLAS_STATUS_INVALID_VALUE, symbol, "the algorithm does not come from cublasLtMatmulAlgoGetHeuristic");
    for (int i = 0; i < MATRICES; i++) {
        uint64_t alignment = algorithm->data[1 + i];
        if (alignment > 1 && (uint64_t)(uintptr_t)pointers[i] % alignment != 0 && SIM_RULE(blas_algorithm_alignment))
            return blas_refuse_with(CUBLAS_STATUS_INVALID_VALUE, symbol,
                "matrix %s at %p is less aligned than the %llu bytes that the algorithm was asked for", matrix_names[i],
                pointers[i], (unsigned long long)alignment);
    }
    return CUBLAS_STATUS_SUCCESS;
}

cublas_status cublasLtMatmul(struct blas_handle *handle, const struct lt_object *operation, const void *alpha,
    const void *a, const struct lt_object *a_layout, const void *b, const struct lt_object *b_layout, const void *beta,
    const void *c, const struct lt_object *c_layout, void *d, const struct lt_object *d_layout,
    const struct cublaslt_algorithm *algorithm, void *workspace, size_t workspace_bytes, CUstream stream)
{
    const struct lt_object *layouts[MATRICES] = {a_layout, b_layout, c_layout, d_layout};
    const void *pointers[MATRICES] = {a, b, c, d};
    struct simcuda_gemm gemm = {.symbol = caller ? caller : __func__};
    (void)workspace;
    (void)workspace_bytes;

    caller = NULL;
    cublas_status status = translate(handle, operation, layouts, &gemm);
    if (status || (status = check_algorithm(algorithm, pointers, gemm.symbol)))
        return status;
    if (!alpha || !beta || !a || !b || !d)
        return blas_refuse_with(CUBLAS_STATUS_INVALID_VALUE, gemm.symbol, "a pointer is NULL");
    int64_t epilogue = lt_get(operation, CUBLASLT_MATMUL_DESC_EPILOGUE);
    if ((epilogue & CUBLASLT_EPILOGUE_BIAS) && !gemm.bias)
        return blas_refuse_with(CUBLAS_STATUS_INVALID_VALUE, gemm.symbol, "the epilogue has a bias, but no pointer");

    gemm.a.address = (CUdeviceptr)a;
    gemm.b.address = (CUdeviceptr)b;
    gemm.c.address = (CUdeviceptr)c;
    gemm.d.address = (CUdeviceptr)d;
    if (gemm.scalars_on_device) {
        gemm.alpha_address = (CUdeviceptr)alpha;
        gemm.beta_address = (CUdeviceptr)beta;
    } else {
        sim_load_doubles(gemm.scalar_type, alpha, &gemm.alpha, 1);
        sim_load_doubles(gemm.scalar_type, beta, &gemm.beta, 1);
    }
    if (!c && (gemm.scalars_on_device || gemm.beta != 0))
        return blas_refuse_with(CUBLAS_STATUS_INVALID_VALUE, gemm.symbol, "C is NULL, but beta is not 0");
    return blas_launch(stream, &gemm);
}
