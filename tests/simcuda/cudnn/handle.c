/* handle.c: see handle.h. */
#include "handle.h"

cudnnStatus_t dnn_status_of(CUresult result)
{
    switch (result) {
    case CUDA_SUCCESS:
        return CUDNN_STATUS_SUCCESS;
    case CUDA_ERROR_OUT_OF_MEMORY:
        return CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED;
    case CUDA_ERROR_INVALID_VALUE:
        return CUDNN_STATUS_BAD_PARAM;
    case CUDA_ERROR_NOT_INITIALIZED:
    case CUDA_ERROR_DEINITIALIZED:
    case CUDA_ERROR_NO_DEVICE:
        return CUDNN_STATUS_NOT_INITIALIZED;
    default:
        return CUDNN_STATUS_EXECUTION_FAILED_CUDA_DRIVER;
    }
}

cudnnStatus_t dnn_refuse(cudnnStatus_t status, const char *symbol, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    simcuda_library_say_once(symbol, format, arguments);
    va_end(arguments);
    return status;
}

cudnnStatus_t dnn_need_driver(const char *symbol)
{
    if (simcuda_library_driver() == NULL)
        return dnn_refuse(CUDNN_STATUS_NOT_INITIALIZED, symbol, "%s", simcuda_library_driver_error());
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t dnn_handle_check(cudnnHandle_t handle, const char *symbol)
{
    cudnnStatus_t status;
    CUresult result;
    CUdevice device;

    if (handle == NULL)
        return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
    if (handle->magic != DNN_HANDLE_MAGIC)
        return dnn_refuse(CUDNN_STATUS_BAD_PARAM, symbol, "called with a handle that was not created here");
    status = dnn_need_driver(symbol);
    if (status != CUDNN_STATUS_SUCCESS)
        return status;
    result = simcuda_library_driver()->context_device(&device);
    if (result != CUDA_SUCCESS)
        return dnn_status_of(result);
    if (device != handle->device)
        return dnn_refuse(CUDNN_STATUS_EXECUTION_FAILED, symbol,
            "the handle was created on device %d, but device %d is current: create one handle per device",
            handle->device, device);
    return CUDNN_STATUS_SUCCESS;
}
