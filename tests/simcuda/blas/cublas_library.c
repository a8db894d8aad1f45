/* cublas_library.c: cuBLAS's handle, settings and version. */
#include "driver.h"
#include "version.h"

CUBLAS_API cublas_status cublasCreate_v2(struct blas_handle **handle);
CUBLAS_API cublas_status cublasDestroy_v2(struct blas_handle *handle);
CUBLAS_API cublas_status cublasSetStream_v2(struct blas_handle *handle, CUstream stream);
CUBLAS_API cublas_status cublasGetStream_v2(struct blas_handle *handle, CUstream *stream);
CUBLAS_API cublas_status cublasSetWorkspace_v2(struct blas_handle *handle, void *workspace, size_t bytes);
CUBLAS_API cublas_status cublasGetVersion_v2(struct blas_handle *handle, int *version);
CUBLAS_API cublas_status cublasGetProperty(int property, int *value);
CUBLAS_API size_t cublasGetCudartVersion(void);
CUBLAS_API const char *cublasGetStatusName(cublas_status status);
CUBLAS_API const char *cublasGetStatusString(cublas_status status);

cublas_status cublasCreate_v2(struct blas_handle **handle)
{
    return blas_handle_create("libcublas", handle);
}

cublas_status cublasDestroy_v2(struct blas_handle *handle)
{
    return blas_handle_destroy(handle);
}

cublas_status cublasSetStream_v2(struct blas_handle *handle, CUstream stream)
{
    cublas_status status = blas_handle_check(handle, __func__);
    if (!status)
        handle->stream = stream;
    return status;
}

cublas_status cublasGetStream_v2(struct blas_handle *handle, CUstream *stream)
{
    cublas_status status = blas_handle_check(handle, __func__);
    if (!status)
        *stream = handle->stream;
    return status;
}

/* The products need no workspace: the program's is accepted and left alone. */
cublas_status cublasSetWorkspace_v2(struct blas_handle *handle, void *workspace, size_t bytes)
{
    (void)bytes;
    if ((uintptr_t)workspace % 256 != 0)
        return blas_refuse_with(CUBLAS_STATUS_INVALID_VALUE, __func__, "a workspace must be aligned to 256 bytes");
    return blas_handle_check(handle, __func__);
}

cublas_status cublasGetVersion_v2(struct blas_handle *handle, int *version)
{
    (void)handle;
    if (!version)
        return CUBLAS_STATUS_INVALID_VALUE;
    *version = BLAS_VERSION;
    return CUBLAS_STATUS_SUCCESS;
}

cublas_status cublasGetProperty(int property, int *value)
{
    return blas_property(property, value);
}

size_t cublasGetCudartVersion(void)
{
    return BLAS_CUDART_VERSION;
}

const char *cublasGetStatusName(cublas_status status)
{
    return blas_status_name(status);
}

const char *cublasGetStatusString(cublas_status status)
{
    return blas_status_name(status);
}

/* Settings that are kept and told. Only the pointer mode changes what is done. */
#define SETTING(SET, GET, FIELD)                                                                                       \
    CUBLAS_API cublas_status SET(struct blas_handle *handle, int value);                                               \
    CUBLAS_API cublas_status SET(struct blas_handle *handle, int value)                                                \
    {                                                                                                                  \
        cublas_status status = blas_handle_check(handle, #SET);                                                        \
        if (!status)                                                                                                   \
            handle->FIELD = value;                                                                                     \
        return status;                                                                                                 \
    }                                                                                                                  \
    CUBLAS_API cublas_status GET(struct blas_handle *handle, int *value);                                              \
    CUBLAS_API cublas_status GET(struct blas_handle *handle, int *value)                                               \
    {                                                                                                                  \
        cublas_status status = blas_handle_check(handle, #GET);                                                        \
        if (!status)                                                                                                   \
            *value = handle->FIELD;                                                                                    \
        return status;                                                                                                 \
    }

SETTING(cublasSetPointerMode_v2, cublasGetPointerMode_v2, pointer_mode)
SETTING(cublasSetMathMode, cublasGetMathMode, math_mode)
SETTING(cublasSetAtomicsMode, cublasGetAtomicsMode, atomics_mode)
SETTING(cublasSetSmCountTarget, cublasGetSmCountTarget, sm_count_target)
