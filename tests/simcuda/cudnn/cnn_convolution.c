/* cnn_convolution.c: convolutions of cuDNN's older interface, in libcudnn_cnn. */
#include "shapes.h"

#include <stdlib.h>

struct cudnnConvolutionStruct {
    int spatial_count, mode, data_type, group_count, math_type;
    int64_t padding[DNN_SPATIAL], stride[DNN_SPATIAL], dilation[DNN_SPATIAL];
};

cudnnStatus_t cudnnCreateConvolutionDescriptor(cudnnConvolutionDescriptor_t *convolution)
{
    if (convolution == NULL)
        return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
    *convolution = calloc(1, sizeof **convolution);
    if (*convolution == NULL)
        return CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED;
    (*convolution)->group_count = 1;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnDestroyConvolutionDescriptor(cudnnConvolutionDescriptor_t convolution)
{
    free(convolution);
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnSetConvolutionNdDescriptor(cudnnConvolutionDescriptor_t convolution, int count, const int *paddings,
    const int *strides, const int *dilations, int mode, int type)
{
    if (convolution == NULL || paddings == NULL || strides == NULL || dilations == NULL)
        return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
    if (count < 1 || (mode != CUDNN_CONVOLUTION && mode != CUDNN_CROSS_CORRELATION))
        return CUDNN_STATUS_BAD_PARAM;
    if (count > DNN_SPATIAL)
        return CUDNN_STATUS_NOT_SUPPORTED;
    for (int i = 0; i < count; i++) {
        if (paddings[i] < 0 || strides[i] < 1 || dilations[i] < 1)
            return CUDNN_STATUS_BAD_PARAM;
        convolution->padding[i] = paddings[i];
        convolution->stride[i] = strides[i];
        convolution->dilation[i] = dilations[i];
    }
    convolution->spatial_count = count;
    convolution->mode = mode;
    convolution->data_type = type;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnSetConvolution2dDescriptor(cudnnConvolutionDescriptor_t convolution, int pad_h, int pad_w,
    int stride_h, int stride_w, int dilation_h, int dilation_w, int mode, int type)
{
    return cudnnSetConvolutionNdDescriptor(convolution, 2, (const int[]){pad_h, pad_w},
        (const int[]){stride_h, stride_w}, (const int[]){dilation_h, dilation_w}, mode, type);
}

/* Settings that are kept and told. */
#define SETTING(SET, GET, FIELD)                                                                                       \
    cudnnStatus_t SET(cudnnConvolutionDescriptor_t convolution, int value)                                             \
    {                                                                                                                  \
        if (convolution == NULL)                                                                                       \
            return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;                                                                \
        convolution->FIELD = value;                                                                                    \
        return CUDNN_STATUS_SUCCESS;                                                                                   \
    }                                                                                                                  \
    cudnnStatus_t GET(cudnnConvolutionDescriptor_t convolution, int *value)                                            \
    {                                                                                                                  \
        if (convolution == NULL || value == NULL)                                                                      \
            return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;                                                                \
        *value = convolution->FIELD;                                                                                   \
        return CUDNN_STATUS_SUCCESS;                                                                                   \
    }

SETTING(cudnnSetConvolutionGroupCount, cudnnGetConvolutionGroupCount, group_count)
SETTING(cudnnSetConvolutionMathType, cudnnGetConvolutionMathType, math_type)

/* The program of one convolution: tensors x, w, y. */
static cudnnStatus_t make_program(struct dnn_program *program, cudnnTensorDescriptor_t x, cudnnFilterDescriptor_t w,
    cudnnConvolutionDescriptor_t convolution, cudnnTensorDescriptor_t y)
{
    struct dnn_operation *operation = &program->operations[0];

    if (x == NULL || w == NULL || convolution == NULL || y == NULL)
        return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
    *program = (struct dnn_program){.tensor_count = 3, .operation_count = 1, .tensors = {x->shape, w->shape, y->shape}};
    *operation = (struct dnn_operation){.kind = DNN_CONVOLUTION,
        .x = 0,
        .w = 1,
        .y = 2,
        .x_scale = 1,
        .scale = 1,
        .mode = convolution->mode,
        .spatial_count = convolution->spatial_count};
    for (int i = 0; i < convolution->spatial_count; i++) {
        operation->pre_padding[i] = operation->post_padding[i] = convolution->padding[i];
        operation->stride[i] = convolution->stride[i];
        operation->dilation[i] = convolution->dilation[i];
    }
    if (convolution->spatial_count == 0 || x->shape.dimension_count == 0 || w->shape.dimension_count == 0 ||
        w->shape.dimensions[1] * convolution->group_count != x->shape.dimensions[1])
        return CUDNN_STATUS_BAD_PARAM;
    return dnn_program_check(program, "cudnnConvolutionForward");
}

cudnnStatus_t cudnnGetConvolutionForwardWorkspaceSize(cudnnHandle_t handle, cudnnTensorDescriptor_t x,
    cudnnFilterDescriptor_t w, cudnnConvolutionDescriptor_t convolution, cudnnTensorDescriptor_t y, int algorithm,
    size_t *bytes)
{
    cudnnStatus_t status = dnn_handle_check(handle, __func__);
    struct dnn_program program;

    if (status == CUDNN_STATUS_SUCCESS)
        status = make_program(&program, x, w, convolution, y);
    if (status == CUDNN_STATUS_SUCCESS && bytes == NULL)
        status = CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
    if (status == CUDNN_STATUS_SUCCESS && (algorithm < 0 || algorithm >= CUDNN_CONVOLUTION_FWD_ALGO_COUNT))
        status = CUDNN_STATUS_BAD_PARAM;
    if (status == CUDNN_STATUS_SUCCESS)
        *bytes = dnn_program_workspace_bytes(&program);
    return status;
}

cudnnStatus_t cudnnGetConvolutionForwardAlgorithm_v7(cudnnHandle_t handle, cudnnTensorDescriptor_t x,
    cudnnFilterDescriptor_t w, cudnnConvolutionDescriptor_t convolution, cudnnTensorDescriptor_t y, int room,
    int *count, cudnnConvolutionFwdAlgoPerf_t *results)
{
    size_t bytes;
    cudnnStatus_t status = cudnnGetConvolutionForwardWorkspaceSize(
        handle, x, w, convolution, y, CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM, &bytes);

    if (status != CUDNN_STATUS_SUCCESS)
        return status;
    if (count == NULL || results == NULL || room < 1)
        return CUDNN_STATUS_BAD_PARAM;
    *count = 1;
    results[0] = (cudnnConvolutionFwdAlgoPerf_t){.algo = CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM,
        .status = CUDNN_STATUS_SUCCESS,
        .time = -1,
        .memory = bytes,
        .determinism = CUDNN_DETERMINISTIC,
        .mathType = convolution->math_type};
    return CUDNN_STATUS_SUCCESS;
}

/* alpha and beta are double where y is, else float. */
static double scalar(const void *value, const struct dnn_tensor *y)
{
    return y->type == SIMCUDA_F64 ? *(const double *)value : *(const float *)value;
}

cudnnStatus_t cudnnConvolutionForward(cudnnHandle_t handle, const void *alpha, cudnnTensorDescriptor_t x_shape,
    const void *x, cudnnFilterDescriptor_t w_shape, const void *w, cudnnConvolutionDescriptor_t convolution,
    int algorithm, void *workspace, size_t workspace_bytes, const void *beta, cudnnTensorDescriptor_t y_shape, void *y)
{
    cudnnStatus_t status = dnn_handle_check(handle, __func__);
    void *pointers[DNN_TENSORS] = {(void *)x, (void *)w, y};
    struct dnn_program program;

    if (status == CUDNN_STATUS_SUCCESS)
        status = make_program(&program, x_shape, w_shape, convolution, y_shape);
    if (status != CUDNN_STATUS_SUCCESS)
        return status;
    if (alpha == NULL || beta == NULL)
        return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
    if (algorithm < 0 || algorithm >= CUDNN_CONVOLUTION_FWD_ALGO_COUNT)
        return CUDNN_STATUS_BAD_PARAM;
    program.operations[0].scale = scalar(alpha, &y_shape->shape);
    program.operations[0].beta = scalar(beta, &y_shape->shape);
    return dnn_program_launch(handle, "cudnnConvolutionForward", &program, pointers, workspace, workspace_bytes);
}
