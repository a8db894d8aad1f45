/* check_blaslt.c: matrix products of cuBLASLt: algorithms and what their descriptors point to. */
#include "blas.h"

#include <stdlib.h>
#include <string.h>

enum { SIDE = 16, ELEMENTS = SIDE * SIDE };

/* D = A B for square matrices of floats. */
struct product {
    cublasLtHandle_t handle;
    cublasLtMatmulDesc_t operation;
    cublasLtMatrixLayout_t layout;
    char *a;
    float *b, *d;
};

/* A is twice the unit matrix, `offset` bytes behind a multiple of 256; B counts up. */
static struct product new_product(size_t offset)
{
    float diagonal[ELEMENTS] = {0}, counting[ELEMENTS];
    struct product product;
    use_device(0);
    BLAS_OK(cublasLtCreate, &product.handle);
    BLAS_OK(cublasLtMatmulDescCreate, &product.operation, CUBLAS_COMPUTE_32F, CUDA_R_32F);
    BLAS_OK(cublasLtMatrixLayoutCreate, &product.layout, CUDA_R_32F, SIDE, SIDE, SIDE);
    for (int i = 0; i < ELEMENTS; i++) {
        diagonal[i] = i % (SIDE + 1) == 0 ? 2 : 0;
        counting[i] = (float)i;
    }
    OK(cudaMalloc((void **)&product.a, sizeof diagonal + 512));
    product.a += offset;
    OK(cudaMemcpy(product.a, diagonal, sizeof diagonal, cudaMemcpyHostToDevice));
    product.b = device_floats(counting, ELEMENTS);
    OK(cudaMalloc((void **)&product.d, sizeof counting));
    return product;
}

/* An algorithm for operands of which A is aligned to `alignment` bytes; 0 leaves the preference as it is made. */
static cublasLtMatmulAlgo_t algorithm_for(const struct product *product, uint32_t alignment)
{
    cublasLtMatmulPreference_t preference;
    cublasLtMatmulHeuristicResult_t found;
    int count = 0;
    BLAS_OK(cublasLtMatmulPreferenceCreate, &preference);
    if (alignment)
        BLAS_OK(cublasLtMatmulPreferenceSetAttribute, preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES,
            &alignment, sizeof alignment);
    BLAS_OK(cublasLtMatmulAlgoGetHeuristic, product->handle, product->operation, product->layout, product->layout,
        product->layout, product->layout, preference, 1, &found, &count);
    EXPECT(count == 1);
    return found.algo;
}

static int multiply(const struct product *product, const cublasLtMatmulAlgo_t *algorithm)
{
    const float one = 1, zero = 0;
    return BLAS(cublasLtMatmul)(product->handle, product->operation, &one, product->a, product->layout, product->b,
        product->layout, &zero, product->d, product->layout, product->d, product->layout, algorithm, NULL, 0, NULL);
}

static void expect_doubled(const struct product *product, float more)
{
    float expected[ELEMENTS];
    for (int i = 0; i < ELEMENTS; i++)
        expected[i] = 2 * (float)i + more;
    expect_floats(product->d, expected, ELEMENTS);
}

CHECK(lt_alignment_asked, "[doc: cublasLtMatmulPreferenceAttributes_t]",
    "an algorithm that was asked for operands of little alignment takes them")
{
    struct product product = new_product(16);
    cublasLtMatmulAlgo_t algorithm = algorithm_for(&product, 16);
    EXPECT(multiply(&product, &algorithm) == CUBLAS_STATUS_SUCCESS);
    expect_doubled(&product, 0);
}

CHECK(lt_alignment_kept, "[doc: cublasLtMatmulPreferenceAttributes_t]",
    "an algorithm that was asked for aligned operands takes aligned ones")
{
    struct product product = new_product(256);
    cublasLtMatmulAlgo_t algorithm = algorithm_for(&product, 0);
    EXPECT(multiply(&product, &algorithm) == CUBLAS_STATUS_SUCCESS);
    expect_doubled(&product, 0);
}

CHECK(lt_alignment_less, "[doc: cublasLtMatmulPreferenceAttributes_t, undefined]",
    "an algorithm refuses an operand with less alignment than it was asked for", "blas_algorithm_alignment")
{
    need_simulator();
    struct product product = new_product(16);
    cublasLtMatmulAlgo_t algorithm = algorithm_for(&product, 0); /* 256 bytes for all of them */
    FAILS_SOMEHOW(multiply(&product, &algorithm));
    algorithm = algorithm_for(&product, 128);
    FAILS_SOMEHOW(multiply(&product, &algorithm));
}

static void set_bias(const struct product *product, const float *bias)
{
    const int epilogue = CUBLASLT_EPILOGUE_BIAS;
    BLAS_OK(
        cublasLtMatmulDescSetAttribute, product->operation, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue);
    BLAS_OK(cublasLtMatmulDescSetAttribute, product->operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &bias, sizeof bias);
}

CHECK(lt_bias, "[doc: cublasLtMatmulDescAttributes_t]", "the bias is read from the device address in the descriptor")
{
    float values[SIDE];
    struct product product = new_product(0);
    for (int i = 0; i < SIDE; i++)
        values[i] = 5;
    set_bias(&product, device_floats(values, SIDE));
    cublasLtMatmulAlgo_t algorithm = algorithm_for(&product, 0);
    EXPECT(multiply(&product, &algorithm) == CUBLAS_STATUS_SUCCESS);
    expect_doubled(&product, 5);
}

CHECK(lt_bias_freed, "[assumed]", "a bias in freed memory breaks the context", "illegal_address")
{
    float *bias;
    struct product product = new_product(0);
    OK(cudaMalloc((void **)&bias, 64 * MIB));
    OK(cudaMemset(bias, 0, 64 * MIB));
    OK(cudaDeviceSynchronize());
    set_bias(&product, bias);
    cublasLtMatmulAlgo_t algorithm = algorithm_for(&product, 0);
    OK(cudaFree(bias));
    EXPECT(multiply(&product, &algorithm) == CUBLAS_STATUS_SUCCESS);
    FAILS(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
}

CHECK(lt_device_scalars, "[doc: cublasLtMatmulDescAttributes_t]", "alpha and beta may lie on the device")
{
    const float scalars[] = {1, 0};
    const int mode = CUBLAS_POINTER_MODE_DEVICE; /* CUBLASLT_POINTER_MODE_DEVICE is the same */
    struct product product = new_product(0);
    const float *memory = device_floats(scalars, 2);
    BLAS_OK(cublasLtMatmulDescSetAttribute, product.operation, CUBLASLT_MATMUL_DESC_POINTER_MODE, &mode, sizeof mode);
    cublasLtMatmulAlgo_t algorithm = algorithm_for(&product, 0);
    BLAS_OK(cublasLtMatmul, product.handle, product.operation, memory, product.a, product.layout, product.b,
        product.layout, memory + 1, product.d, product.layout, product.d, product.layout, &algorithm, NULL, 0, NULL);
    expect_doubled(&product, 0);
}
