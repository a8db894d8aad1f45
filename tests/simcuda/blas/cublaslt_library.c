/* cublaslt_library.c: cuBLASLt's handle and version. */
#include "driver.h"
#include "version.h"

#include <stddef.h>

CUBLAS_API cublas_status cublasLtCreate(struct blas_handle **handle);
CUBLAS_API cublas_status cublasLtDestroy(struct blas_handle *handle);
CUBLAS_API size_t cublasLtGetVersion(void);
CUBLAS_API size_t cublasLtGetCudartVersion(void);
CUBLAS_API cublas_status cublasLtGetProperty(int property, int *value);
CUBLAS_API const char *cublasLtGetStatusName(cublas_status status);
CUBLAS_API const char *cublasLtGetStatusString(cublas_status status);

cublas_status cublasLtCreate(struct blas_handle **handle)
{
    return blas_handle_create("libcublasLt", handle);
}

cublas_status cublasLtDestroy(struct blas_handle *handle)
{
    return blas_handle_destroy(handle);
}

size_t cublasLtGetVersion(void)
{
    return BLAS_VERSION;
}

size_t cublasLtGetCudartVersion(void)
{
    return BLAS_CUDART_VERSION;
}

cublas_status cublasLtGetProperty(int property, int *value)
{
    return blas_property(property, value);
}

const char *cublasLtGetStatusName(cublas_status status)
{
    return blas_status_name(status);
}

const char *cublasLtGetStatusString(cublas_status status)
{
    return blas_status_name(status);
}
