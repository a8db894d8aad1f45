/* blaslt_test.c: cuBLASLt's descriptors, heuristic and product, called as PyTorch's addmm calls them (bias epilogue, an
 * algorithm asked for with the alignments of the tensors at hand), seen by a driver that records.
 */
#include "../cublaslt.h"
#include "recording_driver.h"

#include <criterion/criterion.h>

cublas_status cublasLtCreate(struct blas_handle **);
cublas_status cublasLtDestroy(struct blas_handle *);
cublas_status cublasLtMatmulPreferenceDestroy(struct lt_object *);
cublas_status cublasLtMatmulDescGetAttribute(const struct lt_object *, int, void *, size_t, size_t *);
cublas_status cublasLtMatmulPreferenceSetAttribute(struct lt_object *, int, const void *, size_t);

#define AT(x) ((void *)(uintptr_t)(x))
#define SET(FUNCTION, OBJECT, ATTRIBUTE, TYPE, VALUE)                                                                  \
    cr_assert_eq(FUNCTION(OBJECT, ATTRIBUTE, &(TYPE){VALUE}, sizeof(TYPE)), CUBLAS_STATUS_SUCCESS, #ATTRIBUTE)

static const float one = 1, zero = 0;
static struct blas_handle *handle;
static struct lt_object *operation, *a, *b, *c, *preference;
static struct cublaslt_heuristic_result result;
static int returned;

/* y = W x + bias for fp16: W is 64 x 32, stored 32 x 64 and transposed, x 32 x 8. */
static void start(void)
{
    recording = (struct recording){.has_context = true};
    cr_assert_eq(cublasLtCreate(&handle), CUBLAS_STATUS_SUCCESS);
    cublasLtMatmulDescCreate(&operation, CUBLAS_COMPUTE_32F, CUDA_R_32F);
    SET(cublasLtMatmulDescSetAttribute, operation, CUBLASLT_MATMUL_DESC_TRANSA, int32_t, CUBLAS_OP_T);
    SET(cublasLtMatmulDescSetAttribute, operation, CUBLASLT_MATMUL_DESC_EPILOGUE, uint32_t, CUBLASLT_EPILOGUE_BIAS);
    SET(cublasLtMatmulDescSetAttribute, operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, void *, AT(0x7000));
    cublasLtMatrixLayoutCreate(&a, CUDA_R_16F, 32, 64, 32);
    cublasLtMatrixLayoutCreate(&b, CUDA_R_16F, 32, 8, 40);
    cublasLtMatrixLayoutCreate(&c, CUDA_R_16F, 64, 8, 64);
    cublasLtMatmulPreferenceCreate(&preference);
}

static void stop(void)
{
    cublasLtMatmulDescDestroy(operation);
    cublasLtMatrixLayoutDestroy(a);
    cublasLtMatrixLayoutDestroy(b);
    cublasLtMatrixLayoutDestroy(c);
    cublasLtMatmulPreferenceDestroy(preference);
    cublasLtDestroy(handle);
}

static cublas_status ask(void)
{
    return cublasLtMatmulAlgoGetHeuristic(handle, operation, a, b, c, c, preference, 1, &result, &returned);
}

static cublas_status multiply(uintptr_t a_address, const struct cublaslt_algorithm *algorithm)
{
    return cublasLtMatmul(handle, operation, &one, AT(a_address), a, AT(0x2000), b, &zero, AT(0x3000), c, AT(0x3000), c,
        algorithm, NULL, 0, AT(0x55));
}

Test(lt, a_linear_layer_reaches_the_driver_with_its_bias, .init = start, .fini = stop)
{
    cr_assert_eq(ask(), CUBLAS_STATUS_SUCCESS);
    cr_assert_eq(returned, 1);
    cr_assert_eq(result.state, CUBLAS_STATUS_SUCCESS);
    cr_assert_eq(multiply(0x1000, &result.algorithm), CUBLAS_STATUS_SUCCESS);
    const struct simcuda_gemm *gemm = &recording.gemm;
    cr_assert_str_eq(gemm->symbol, "cublasLtMatmul");
    cr_assert_eq(gemm->a.address, 0x1000);
    cr_assert(gemm->a.transposed && !gemm->b.transposed);
    cr_assert(gemm->a.rows == 32 && gemm->a.columns == 64 && gemm->a.leading_dimension == 32);
    cr_assert(gemm->b.rows == 32 && gemm->b.columns == 8 && gemm->b.leading_dimension == 40);
    cr_assert(gemm->d.rows == 64 && gemm->d.columns == 8);
    cr_assert_eq(gemm->d.type, SIMCUDA_F16);
    cr_assert_eq(gemm->bias, 0x7000);
    cr_assert_eq(gemm->bias_type, SIMCUDA_F16, "D's, where none is named");
    cr_assert_eq((int)gemm->activation, SIMCUDA_EPILOGUE_NONE);
    cr_assert_eq(gemm->batch_count, 1);
    cr_assert_eq(recording.stream, AT(0x55));
}

Test(lt, epilogues_choose_bias_and_activation, .init = start, .fini = stop)
{
    static const struct {
        uint32_t epilogue;
        bool bias;
        int activation;
    } cases[] = {{1, false, SIMCUDA_EPILOGUE_NONE}, {2, false, SIMCUDA_EPILOGUE_RELU}, {4, true, SIMCUDA_EPILOGUE_NONE},
        {6, true, SIMCUDA_EPILOGUE_RELU}, {32, false, SIMCUDA_EPILOGUE_GELU}, {36, true, SIMCUDA_EPILOGUE_GELU}};
    SET(cublasLtMatmulDescSetAttribute, operation, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, int32_t, CUDA_R_32F);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        SET(cublasLtMatmulDescSetAttribute, operation, CUBLASLT_MATMUL_DESC_EPILOGUE, uint32_t, cases[i].epilogue);
        cr_assert_eq(multiply(0x1000, NULL), CUBLAS_STATUS_SUCCESS, "epilogue %u", cases[i].epilogue);
        cr_assert_eq(recording.gemm.bias != 0, cases[i].bias, "epilogue %u", cases[i].epilogue);
        cr_assert_eq((int)recording.gemm.activation, cases[i].activation, "epilogue %u", cases[i].epilogue);
    }
    cr_assert_eq(recording.gemm.bias_type, SIMCUDA_F32, "the one that is named");
}

Test(lt, an_algorithm_refuses_less_alignment_than_it_was_asked_for, .init = start, .fini = stop)
{
    SET(cublasLtMatmulPreferenceSetAttribute, preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, uint32_t, 16);
    cr_assert_eq(ask(), CUBLAS_STATUS_SUCCESS);
    cr_assert_eq(multiply(0x1010, &result.algorithm), CUBLAS_STATUS_SUCCESS);
    cr_assert_eq(multiply(0x1008, &result.algorithm), CUBLAS_STATUS_INVALID_VALUE);
    cr_assert_eq(multiply(0x1008, NULL), CUBLAS_STATUS_SUCCESS, "without an algorithm one is chosen for the address");

    cublasLtMatmulPreferenceDestroy(preference);
    cublasLtMatmulPreferenceCreate(&preference);
    cr_assert_eq(ask(), CUBLAS_STATUS_SUCCESS);
    cr_assert_eq(multiply(0x1080, &result.algorithm), CUBLAS_STATUS_INVALID_VALUE, "256 bytes is the default");

    result.algorithm.data[0] = 0;
    cr_assert_eq(multiply(0x1000, &result.algorithm), CUBLAS_STATUS_INVALID_VALUE, "not one of ours");
}

Test(lt, what_is_not_simulated_has_no_algorithm, .init = start, .fini = stop)
{
    SET(cublasLtMatmulDescSetAttribute, operation, CUBLASLT_MATMUL_DESC_A_SCALE_POINTER, void *, AT(0x9000));
    cr_assert_eq(ask(), CUBLAS_STATUS_NOT_SUPPORTED);
    cr_assert_eq(returned, 0);
    cr_assert_eq(multiply(0x1000, NULL), CUBLAS_STATUS_NOT_SUPPORTED);
    SET(cublasLtMatmulDescSetAttribute, operation, CUBLASLT_MATMUL_DESC_A_SCALE_POINTER, void *, NULL);
    cr_assert_eq(ask(), CUBLAS_STATUS_SUCCESS);

    SET(cublasLtMatrixLayoutSetAttribute, b, CUBLASLT_MATRIX_LAYOUT_ORDER, int32_t, 1);
    cr_assert_eq(ask(), CUBLAS_STATUS_NOT_SUPPORTED, "row order");
    SET(cublasLtMatrixLayoutSetAttribute, b, CUBLASLT_MATRIX_LAYOUT_ORDER, int32_t, 0);
    SET(cublasLtMatmulDescSetAttribute, operation, CUBLASLT_MATMUL_DESC_EPILOGUE, uint32_t, 164);
    cr_assert_eq(ask(), CUBLAS_STATUS_NOT_SUPPORTED, "GELU_AUX_BIAS");
    cr_assert_eq(recording.launches, 0);
}

Test(lt, shapes_must_fit, .init = start, .fini = stop)
{
    SET(cublasLtMatrixLayoutSetAttribute, b, CUBLASLT_MATRIX_LAYOUT_ROWS, uint64_t, 31);
    cr_assert_eq(multiply(0x1000, NULL), CUBLAS_STATUS_INVALID_VALUE, "k differs");
    SET(cublasLtMatrixLayoutSetAttribute, b, CUBLASLT_MATRIX_LAYOUT_ROWS, uint64_t, 32);
    SET(cublasLtMatrixLayoutSetAttribute, c, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, int32_t, 2);
    cr_assert_eq(multiply(0x1000, NULL), CUBLAS_STATUS_INVALID_VALUE, "batch counts differ");
    SET(cublasLtMatrixLayoutSetAttribute, a, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, int32_t, 2);
    SET(cublasLtMatrixLayoutSetAttribute, b, CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, int32_t, 2);
    SET(cublasLtMatrixLayoutSetAttribute, c, CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, int64_t, 512);
    cr_assert_eq(multiply(0x1000, NULL), CUBLAS_STATUS_SUCCESS);
    cr_assert_eq(recording.gemm.batch_count, 2);
    cr_assert_eq(recording.gemm.d.batch_stride, 512);
    cr_assert_eq(recording.gemm.a.batch_stride, 0);
}

Test(lt, attributes_have_a_width_and_can_be_read_back, .init = start, .fini = stop)
{
    int64_t wide = 5;
    int32_t value = 0;
    size_t written = 0;
    cr_assert_eq(cublasLtMatmulDescSetAttribute(operation, CUBLASLT_MATMUL_DESC_SM_COUNT_TARGET, &wide, sizeof wide),
        CUBLAS_STATUS_INVALID_VALUE);
    SET(cublasLtMatmulDescSetAttribute, operation, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, int32_t, -1);
    cr_assert_eq(
        cublasLtMatmulDescGetAttribute(operation, CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, &value, sizeof value, &written),
        CUBLAS_STATUS_SUCCESS);
    cr_assert_eq(value, -1);
    cr_assert_eq(written, sizeof value);
    cr_assert_eq(cublasLtMatmulDescGetAttribute(operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, NULL, 0, &written),
        CUBLAS_STATUS_SUCCESS);
    cr_assert_eq(written, 8);
    cr_assert_eq(cublasLtMatmulDescSetAttribute(a, CUBLASLT_MATMUL_DESC_TRANSA, &value, sizeof value),
        CUBLAS_STATUS_INVALID_VALUE, "a layout is no operation descriptor");
}
