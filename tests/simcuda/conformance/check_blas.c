/* check_blas.c: matrix products of cuBLAS: handles, alignment, memory. */
#include "blas.h"

#include <stdlib.h>
#include <string.h>

static const float one = 1, zero = 0;

CHECK(blas_product, "[doc: cublasSgemm]", "a product of small whole numbers is exact")
{
    const float a[] = {1, 2, 3, 4}, b[] = {5, 6, 7, 8}, product[] = {23, 34, 31, 46};
    float *c;
    use_device(0);
    cublasHandle_t handle = blas_handle();
    OK(cudaMalloc((void **)&c, sizeof product));
    BLAS_OK(cublasSgemm_v2, handle, CUBLAS_OP_N, CUBLAS_OP_N, 2, 2, 2, &one, device_floats(a, 4), 2,
        device_floats(b, 4), 2, &zero, c, 2);
    expect_floats(c, product, 4);
}

CHECK(blas_transposed, "[doc: cublasSgemm]",
    "products of small whole numbers are exact whatever is transposed, and wherever the operands lie")
{
    enum { M = 3, N = 5, K = 7, BEHIND = 4 /* floats: 16 bytes behind a multiple of 256 */ };
    float a[BEHIND + M * K] = {0}, b[BEHIND + K * N] = {0}, product[M * N], *c;
    use_device(0);
    cublasHandle_t handle = blas_handle();
    OK(cudaMalloc((void **)&c, sizeof product));
    for (int transposed = 0; transposed < 4; transposed++) {
        const bool a_is = transposed & 1, b_is = transposed & 2;
        memset(product, 0, sizeof product);
        for (int i = 0; i < M; i++)
            for (int k = 0; k < K; k++)
                a[BEHIND + (a_is ? i * K + k : k * M + i)] = (float)(i + 2 * k + 1);
        for (int j = 0; j < N; j++)
            for (int k = 0; k < K; k++)
                b[BEHIND + (b_is ? k * N + j : j * K + k)] = (float)(3 * j - k);
        for (int i = 0; i < M * N; i++)
            for (int k = 0; k < K; k++)
                product[i] += (float)(i % M + 2 * k + 1) * (float)(3 * (i / M) - k);
        BLAS_OK(cublasSgemm_v2, handle, a_is ? CUBLAS_OP_T : CUBLAS_OP_N, b_is ? CUBLAS_OP_T : CUBLAS_OP_N, M, N, K,
            &one, device_floats(a, BEHIND + M * K) + BEHIND, a_is ? K : M, device_floats(b, BEHIND + K * N) + BEHIND,
            b_is ? N : K, &zero, c, M);
        expect_floats(c, product, M * N);
    }
}

CHECK(blas_handle_device, "[doc: cublasCreate, undefined]", "a handle is used on the device that it was created on",
    "blas_handle_device")
{
    const float a[] = {1};
    need_simulator();
    need_devices(2);
    use_device(0);
    cublasHandle_t handle = blas_handle();
    use_device(1);
    float *memory = device_floats(a, 1);
    FAILS_SOMEHOW(
        BLAS(cublasSgemm_v2)(handle, CUBLAS_OP_N, CUBLAS_OP_N, 1, 1, 1, &one, memory, 1, memory, 1, &zero, memory, 1));
}

CHECK(blas_freed_operand, "[assumed]", "a product over freed memory breaks the context", "illegal_address")
{
    float *a, *c;
    use_device(0);
    cublasHandle_t handle = blas_handle();
    OK(cudaMalloc((void **)&a, 64 * MIB));
    OK(cudaMalloc((void **)&c, 64 * MIB));
    OK(cudaMemset(a, 0, 64 * MIB));
    OK(cudaDeviceSynchronize());
    OK(cudaFree(a));
    BLAS_OK(cublasSgemm_v2, handle, CUBLAS_OP_N, CUBLAS_OP_N, 64, 64, 64, &one, a, 64, c, 64, &zero, c + 64 * 64, 64);
    FAILS(cudaDeviceSynchronize(), cudaErrorIllegalAddress);
}

/* A product of fractions whose sums depend on their order, with A `offset` bytes behind a multiple of 256. */
enum { SIDE = 16, DEPTH = 1000 };

static void multiply_at(cublasHandle_t handle, size_t offset, float result[SIDE * SIDE])
{
    static float fractions[SIDE * DEPTH];
    char *a;
    float *c;
    for (size_t i = 0; i < SIDE * DEPTH; i++)
        fractions[i] = 1.0f / (float)(1 + i % 977) - 0.001f * (float)(i % 13);
    OK(cudaMalloc((void **)&a, sizeof fractions + 1024));
    OK(cudaMemcpy(a + offset, fractions, sizeof fractions, cudaMemcpyHostToDevice));
    OK(cudaMalloc((void **)&c, SIDE * SIDE * sizeof *c));
    BLAS_OK(cublasSgemm_v2, handle, CUBLAS_OP_N, CUBLAS_OP_N, SIDE, SIDE, DEPTH, &one, (float *)(void *)(a + offset),
        SIDE, device_floats(fractions, SIDE * DEPTH), DEPTH, &zero, c, SIDE);
    OK(cudaMemcpy(result, c, SIDE * SIDE * sizeof *c, cudaMemcpyDeviceToHost));
    OK(cudaFree(c));
}

CHECK(blas_same_alignment, "[doc: cuBLAS, results reproducibility]",
    "the same product at addresses that are the same modulo 256 has the same bits")
{
    float first[SIDE * SIDE], second[SIDE * SIDE];
    use_device(0);
    cublasHandle_t handle = blas_handle();
    for (size_t offset = 0; offset < 256; offset += 112) {
        multiply_at(handle, offset, first);
        multiply_at(handle, offset + 512, second);
        EXPECT(!memcmp(first, second, sizeof first));
    }
}

CHECK(blas_other_alignment, "[observed: cuBLAS chooses kernels by alignment; doc: \"may\"]",
    "the same product at addresses that differ modulo 256 has other last bits, and no others", "blas_alignment")
{
    float aligned[SIDE * SIDE], shifted[SIDE * SIDE];
    need_simulator();
    use_device(0);
    cublasHandle_t handle = blas_handle();
    multiply_at(handle, 0, aligned);
    for (size_t offset = 16; offset < 256; offset *= 2) {
        multiply_at(handle, offset, shifted);
        EXPECT(memcmp(aligned, shifted, sizeof aligned));
        for (size_t i = 0; i < SIDE * SIDE; i++)
            EXPECT(aligned[i] - shifted[i] < 1e-3f && shifted[i] - aligned[i] < 1e-3f);
    }
}
