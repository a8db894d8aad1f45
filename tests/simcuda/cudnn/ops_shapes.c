/* ops_shapes.c: descriptors of tensors and filters, in libcudnn_ops; see shapes.h. */
#include "shapes.h"

#include <stdlib.h>

/* Packed strides: the last dimension fastest, or (NHWC) the second. */
static cudnnStatus_t pack(struct dnn_tensor *shape, int format)
{
    int64_t stride = 1;
    int count = shape->dimension_count;

    if (format != CUDNN_TENSOR_NCHW && format != CUDNN_TENSOR_NHWC)
        return CUDNN_STATUS_NOT_SUPPORTED;
    if (format == CUDNN_TENSOR_NHWC) {
        shape->strides[1] = 1;
        stride = shape->dimensions[1];
    }
    for (int i = count - 1; i >= 0; i--) {
        if (format == CUDNN_TENSOR_NHWC && i == 1)
            continue;
        shape->strides[i] = stride;
        stride *= shape->dimensions[i];
    }
    return CUDNN_STATUS_SUCCESS;
}

/* A shape with these dimensions, without strides. */
static cudnnStatus_t start_shape(struct dnn_tensor *shape, int data_type, int count, const int *dimensions)
{
    if (dimensions == NULL)
        return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
    if (count < 3 || count > CUDNN_DIM_MAX)
        return CUDNN_STATUS_BAD_PARAM;
    *shape = (struct dnn_tensor){.dimension_count = count};
    if (!dnn_type(data_type, &shape->type))
        return dnn_refuse(CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE, "libcudnn_ops",
            "tensors of data type %d are not simulated", data_type);
    for (int i = 0; i < count; i++) {
        if (dimensions[i] < 1)
            return CUDNN_STATUS_BAD_PARAM;
        shape->dimensions[i] = dimensions[i];
    }
    return CUDNN_STATUS_SUCCESS;
}

/* Tells at most `room` of the dimensions (and strides). */
static void tell_shape(const struct dnn_tensor *shape, int room, int *count, int *dimensions, int *strides)
{
    if (count != NULL)
        *count = shape->dimension_count;
    for (int i = 0; i < room && i < shape->dimension_count; i++) {
        if (dimensions != NULL)
            dimensions[i] = (int)shape->dimensions[i];
        if (strides != NULL)
            strides[i] = (int)shape->strides[i];
    }
}

/* --- tensors ------------------------------------------------------------------------------------------------------ */

cudnnStatus_t cudnnCreateTensorDescriptor(cudnnTensorDescriptor_t *tensor)
{
    if (tensor == NULL)
        return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
    *tensor = calloc(1, sizeof **tensor);
    return *tensor != NULL ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED;
}

cudnnStatus_t cudnnDestroyTensorDescriptor(cudnnTensorDescriptor_t tensor)
{
    free(tensor);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnSetTensorNdDescriptor(
    cudnnTensorDescriptor_t tensor, int type, int count, const int *dimensions, const int *strides)
{
    cudnnStatus_t status;

    if (tensor == NULL || strides == NULL)
        return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
    status = start_shape(&tensor->shape, type, count, dimensions);
    if (status != CUDNN_STATUS_SUCCESS)
        return status;
    tensor->data_type = type;
    for (int i = 0; i < count; i++) {
        if (strides[i] < 0)
            return CUDNN_STATUS_BAD_PARAM;
        tensor->shape.strides[i] = strides[i];
    }
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnSetTensor4dDescriptor(
    cudnnTensorDescriptor_t tensor, int format, int type, int n, int c, int h, int w)
{
    cudnnStatus_t status;

    if (tensor == NULL)
        return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
    status = start_shape(&tensor->shape, type, 4, (const int[]){n, c, h, w});
    if (status != CUDNN_STATUS_SUCCESS)
        return status;
    tensor->data_type = type;
    return pack(&tensor->shape, format);
}

cudnnStatus_t cudnnGetTensorNdDescriptor(
    cudnnTensorDescriptor_t tensor, int room, int *type, int *count, int *dimensions, int *strides)
{
    if (tensor == NULL)
        return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
    if (type != NULL)
        *type = tensor->data_type;
    tell_shape(&tensor->shape, room, count, dimensions, strides);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnGetTensorSizeInBytes(cudnnTensorDescriptor_t tensor, size_t *bytes)
{
    if (tensor == NULL || bytes == NULL)
        return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
    *bytes = tensor->shape.dimension_count > 0 ? dnn_extent_bytes(&tensor->shape) : 0;
    return CUDNN_STATUS_SUCCESS;
}

/* --- filters ------------------------------------------------------------------------------------------------------ */

cudnnStatus_t cudnnCreateFilterDescriptor(cudnnFilterDescriptor_t *filter)
{
    if (filter == NULL)
        return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
    *filter = calloc(1, sizeof **filter);
    return *filter != NULL ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED;
}

cudnnStatus_t cudnnDestroyFilterDescriptor(cudnnFilterDescriptor_t filter)
{
    free(filter);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnSetFilterNdDescriptor(
    cudnnFilterDescriptor_t filter, int type, int format, int count, const int *dimensions)
{
    cudnnStatus_t status;

    if (filter == NULL)
        return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
    status = start_shape(&filter->shape, type, count, dimensions);
    if (status != CUDNN_STATUS_SUCCESS)
        return status;
    filter->data_type = type;
    filter->format = format;
    return pack(&filter->shape, format);
}

cudnnStatus_t cudnnSetFilter4dDescriptor(
    cudnnFilterDescriptor_t filter, int type, int format, int k, int c, int h, int w)
{
    return cudnnSetFilterNdDescriptor(filter, type, format, 4, (const int[]){k, c, h, w});
}

cudnnStatus_t cudnnGetFilterNdDescriptor(
    cudnnFilterDescriptor_t filter, int room, int *type, int *format, int *count, int *dimensions)
{
    if (filter == NULL)
        return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
    if (type != NULL)
        *type = filter->data_type;
    if (format != NULL)
        *format = filter->format;
    tell_shape(&filter->shape, room, count, dimensions, NULL);
    return CUDNN_STATUS_SUCCESS;
}
