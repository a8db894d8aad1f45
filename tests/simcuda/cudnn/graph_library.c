/* graph_library.c: cuDNN's handle, version and errors, in libcudnn_graph. */
#include "cudnn_api.h"
#include "handle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CUDART_VERSION 13000
/* Charged once per device: the order of the real one's size. */
#define KERNEL_BYTES ((size_t)128 << 20)

/* The version that PyTorch 2.11 pins, or what SIMCUDA_CUDNN_VERSION says: PyTorch wants no older one than it was built
 * with. */
size_t cudnnGetVersion(void)
{
    const char *text = getenv("SIMCUDA_CUDNN_VERSION");
    long version = text != NULL ? strtol(text, NULL, 10) : 0;
    return version >= 90000 && version < 100000 ? (size_t)version : 91900;
}

size_t cudnnGetMaxDeviceVersion(void)
{
    return cudnnGetVersion();
}

size_t cudnnGetCudartVersion(void)
{
    return CUDART_VERSION;
}

cudnnStatus_t cudnnGetProperty(int property, int *value)
{
    int version = (int)cudnnGetVersion();
    const int parts[] = {version / 10000, version / 100 % 100, version % 100}; /* libraryPropertyType */

    if (value == NULL)
        return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
    if (property < 0 || property >= (int)(sizeof parts / sizeof *parts))
        return CUDNN_STATUS_BAD_PARAM;
    *value = parts[property];
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnGraphVersionCheck(void)
{
    return CUDNN_STATUS_SUCCESS;
}

#define STATUS(name)                                                                                                   \
    {                                                                                                                  \
        name, #name                                                                                                    \
    }
const char *cudnnGetErrorString(cudnnStatus_t status)
{
    static const struct {
        cudnnStatus_t status;
        const char *name;
    } names[] = {
        STATUS(CUDNN_STATUS_SUCCESS),
        STATUS(CUDNN_STATUS_NOT_INITIALIZED),
        STATUS(CUDNN_STATUS_SUBLIBRARY_LOADING_FAILED),
        STATUS(CUDNN_STATUS_BAD_PARAM),
        STATUS(CUDNN_STATUS_BAD_PARAM_NULL_POINTER),
        STATUS(CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER),
        STATUS(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED),
        STATUS(CUDNN_STATUS_BAD_PARAM_OUT_OF_BOUND),
        STATUS(CUDNN_STATUS_BAD_PARAM_SIZE_INSUFFICIENT),
        STATUS(CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH),
        STATUS(CUDNN_STATUS_BAD_PARAM_DUPLICATED_ENTRIES),
        STATUS(CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE),
        STATUS(CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE),
        STATUS(CUDNN_STATUS_NOT_SUPPORTED),
        STATUS(CUDNN_STATUS_NOT_SUPPORTED_GRAPH_PATTERN),
        STATUS(CUDNN_STATUS_NOT_SUPPORTED_SHAPE),
        STATUS(CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE),
        STATUS(CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED),
        STATUS(CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED),
        STATUS(CUDNN_STATUS_EXECUTION_FAILED),
        STATUS(CUDNN_STATUS_EXECUTION_FAILED_CUDA_DRIVER),
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].status == status)
            return names[i].name;
    return "CUDNN_UNKNOWN_STATUS";
}

/* What was wrong was said on stderr, where it cannot be missed. */
void cudnnGetLastErrorString(char *message, size_t bytes)
{
    if (message != NULL && bytes > 0)
        snprintf(message, bytes, "simulated cuDNN: see the lines on stderr that begin with \"simcuda: \"");
}

cudnnStatus_t cudnnCreate(cudnnHandle_t *handle)
{
    cudnnStatus_t status;
    CUdevice device;
    CUresult result;

    if (handle == NULL)
        return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
    status = dnn_need_driver(__func__);
    if (status != CUDNN_STATUS_SUCCESS)
        return status;
    if ((result = simcuda_library_enter_context()) != CUDA_SUCCESS ||
        (result = simcuda_library_driver()->context_device(&device)) != CUDA_SUCCESS ||
        (result = simcuda_library_driver()->internals->charge_library("libcudnn", KERNEL_BYTES)) != CUDA_SUCCESS)
        return dnn_status_of(result);
    *handle = calloc(1, sizeof **handle);
    if (*handle == NULL)
        return CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED;
    (*handle)->magic = DNN_HANDLE_MAGIC;
    (*handle)->device = device;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnDestroy(cudnnHandle_t handle)
{
    if (handle == NULL || handle->magic != DNN_HANDLE_MAGIC)
        return CUDNN_STATUS_BAD_PARAM;
    handle->magic = 0;
    free(handle);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, CUstream stream)
{
    cudnnStatus_t status = dnn_handle_check(handle, __func__);

    if (status == CUDNN_STATUS_SUCCESS)
        handle->stream = stream;
    return status;
}

cudnnStatus_t cudnnGetStream(cudnnHandle_t handle, CUstream *stream)
{
    cudnnStatus_t status = dnn_handle_check(handle, __func__);

    if (status == CUDNN_STATUS_SUCCESS && stream == NULL)
        return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
    if (status == CUDNN_STATUS_SUCCESS)
        *stream = handle->stream;
    return status;
}
