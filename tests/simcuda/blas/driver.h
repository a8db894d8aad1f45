/* driver.h: what the simulated cuBLAS and cuBLASLt have in common: handles, launches, refusals. */
#ifndef SIMCUDA_BLAS_DRIVER_H
#define SIMCUDA_BLAS_DRIVER_H

#include "../library/library.h"
#include "cublas_types.h"

/* A cublasHandle_t and a cublasLtHandle_t are interchangeable (cuBLASLt documentation, cublasLtHandle_t); PyTorch
 * relies on it. So both are this. */
struct blas_handle {
    uint32_t magic;
    CUdevice device; /* on which it was created: the only one that it may be used on */
    CUstream stream;
    int pointer_mode, math_mode, atomics_mode, sm_count_target;
};

/* Creates a handle on the current context's device (on device 0's primary context where there is none, as a runtime
 * call would) and charges the library's kernels to the device, once per `library`. `*handle` is freed by
 * blas_handle_destroy. Errors: NOT_INITIALIZED without a driver or device, ALLOC_FAILED without room. */
cublas_status blas_handle_create(const char *library, struct blas_handle **handle);
cublas_status blas_handle_destroy(struct blas_handle *handle);

/* Whether `handle` is one and belongs to the current device; SUCCESS or the error to return. Says what is wrong. */
cublas_status blas_handle_check(const struct blas_handle *handle, const char *symbol);

/* Queues a GEMM. The shape has been checked. An empty result is a success that launches nothing. */
cublas_status blas_launch(CUstream stream, const struct simcuda_gemm *gemm);

/* A cudaDataType in the simulation's terms; false for one that is not simulated. */
bool blas_type(int cuda_data_type, enum simcuda_type *type);

/* Says "simcuda: SYMBOL: REASON" on stderr, each message once in a process, and returns NOT_SUPPORTED (or `status`). */
cublas_status blas_refuse(const char *symbol, const char *format, ...) __attribute__((format(printf, 2, 3)));
cublas_status blas_refuse_with(cublas_status status, const char *symbol, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
