/* driver.c: what cuBLAS and cuBLASLt need of the driver (driver.h). */
#include "driver.h"
#include "rules.h"

#include <stdlib.h>

#define HANDLE_MAGIC 0x73696d62u
#define LIBRARY_KERNEL_BYTES                                                                                           \
    ((size_t)64 << 20) /* charged once per library and device: the order of the real ones' size */

static cublas_status status_of(CUresult result)
{
    switch (result) {
    case CUDA_SUCCESS:
        return CUBLAS_STATUS_SUCCESS;
    case CUDA_ERROR_OUT_OF_MEMORY:
        return CUBLAS_STATUS_ALLOC_FAILED;
    case CUDA_ERROR_INVALID_VALUE:
        return CUBLAS_STATUS_INVALID_VALUE;
    case CUDA_ERROR_NOT_INITIALIZED:
    case CUDA_ERROR_DEINITIALIZED:
    case CUDA_ERROR_NO_DEVICE:
        return CUBLAS_STATUS_NOT_INITIALIZED;
    default:
        return CUBLAS_STATUS_EXECUTION_FAILED;
    }
}

/* Each library finds the driver itself: a handle may come from the other one. */
static cublas_status need_driver(const char *who)
{
    if (!simcuda_library_driver())
        return blas_refuse_with(CUBLAS_STATUS_NOT_INITIALIZED, who, "%s", simcuda_library_driver_error());
    return CUBLAS_STATUS_SUCCESS;
}

cublas_status blas_handle_create(const char *library, struct blas_handle **handle)
{
    CUdevice device;
    CUresult result;

    if (!handle)
        return CUBLAS_STATUS_INVALID_VALUE;
    cublas_status status = need_driver(library);
    if (status)
        return status;
    if ((result = simcuda_library_enter_context()) || (result = simcuda_library_driver()->context_device(&device)) ||
        (result = simcuda_library_driver()->internals->charge_library(library, LIBRARY_KERNEL_BYTES)))
        return status_of(result);
    struct blas_handle *created = calloc(1, sizeof *created);
    if (!created)
        return CUBLAS_STATUS_ALLOC_FAILED;
    created->magic = HANDLE_MAGIC;
    created->device = device;
    *handle = created;
    return CUBLAS_STATUS_SUCCESS;
}

cublas_status blas_handle_destroy(struct blas_handle *handle)
{
    if (!handle || handle->magic != HANDLE_MAGIC)
        return CUBLAS_STATUS_NOT_INITIALIZED;
    handle->magic = 0;
    free(handle);
    return CUBLAS_STATUS_SUCCESS;
}

cublas_status blas_handle_check(const struct blas_handle *handle, const char *symbol)
{
    CUdevice device;
    if (!handle || handle->magic != HANDLE_MAGIC)
        return blas_refuse_with(
            CUBLAS_STATUS_NOT_INITIALIZED, symbol, "called with a handle that was not created here");
    cublas_status status = need_driver(symbol);
    if (status)
        return status;
    CUresult result = simcuda_library_driver()->context_device(&device);
    if (result)
        return status_of(result);
    if (device != handle->device && SIM_RULE(blas_handle_device))
        return blas_refuse_with(CUBLAS_STATUS_EXECUTION_FAILED, symbol,
            "the handle was created on device %d, but device %d is current: create one handle per device",
            handle->device, device);
    return CUBLAS_STATUS_SUCCESS;
}

cublas_status blas_launch(CUstream stream, const struct simcuda_gemm *gemm)
{
    if (gemm->d.rows == 0 || gemm->d.columns == 0 || gemm->batch_count == 0)
        return CUBLAS_STATUS_SUCCESS;
    return status_of(simcuda_library_driver()->internals->launch_gemm(stream, gemm));
}

bool blas_type(int cuda_data_type, enum simcuda_type *type)
{
    static const struct {
        int cuda;
        enum simcuda_type type;
    } types[] = {
        {CUDA_R_16F, SIMCUDA_F16}, {CUDA_R_16BF, SIMCUDA_BF16}, {CUDA_R_32F, SIMCUDA_F32}, {CUDA_R_64F, SIMCUDA_F64}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].cuda == cuda_data_type) {
            *type = types[i].type;
            return true;
        }
    return false;
}

cublas_status blas_refuse_with(cublas_status status, const char *symbol, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    simcuda_library_say_once(symbol, format, arguments);
    va_end(arguments);
    return status;
}

cublas_status blas_refuse(const char *symbol, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    simcuda_library_say_once(symbol, format, arguments);
    va_end(arguments);
    return CUBLAS_STATUS_NOT_SUPPORTED;
}
