/* cudnn_api.h: the functions of cuDNN that are simulated, as its headers declare them (enumerations as int). */
#ifndef SIMCUDA_CUDNN_API_H
#define SIMCUDA_CUDNN_API_H

#include "cudnn_types.h"

/* libcudnn_graph */
CUDNN_API size_t cudnnGetVersion(void);
CUDNN_API size_t cudnnGetMaxDeviceVersion(void);
CUDNN_API size_t cudnnGetCudartVersion(void);
CUDNN_API cudnnStatus_t cudnnGetProperty(int property, int *value);
CUDNN_API cudnnStatus_t cudnnGraphVersionCheck(void);
CUDNN_API const char *cudnnGetErrorString(cudnnStatus_t status);
CUDNN_API void cudnnGetLastErrorString(char *message, size_t bytes);
CUDNN_API cudnnStatus_t cudnnCreate(cudnnHandle_t *handle);
CUDNN_API cudnnStatus_t cudnnDestroy(cudnnHandle_t handle);
CUDNN_API cudnnStatus_t cudnnSetStream(cudnnHandle_t handle, CUstream stream);
CUDNN_API cudnnStatus_t cudnnGetStream(cudnnHandle_t handle, CUstream *stream);
CUDNN_API cudnnStatus_t cudnnBackendCreateDescriptor(int type, cudnnBackendDescriptor_t *descriptor);
CUDNN_API cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t descriptor);
CUDNN_API cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t descriptor);
CUDNN_API cudnnStatus_t cudnnBackendSetAttribute(
    cudnnBackendDescriptor_t descriptor, int name, int type, int64_t count, const void *elements);
CUDNN_API cudnnStatus_t cudnnBackendGetAttribute(
    cudnnBackendDescriptor_t descriptor, int name, int type, int64_t room, int64_t *count, void *elements);
CUDNN_API cudnnStatus_t cudnnBackendExecute(
    cudnnHandle_t handle, cudnnBackendDescriptor_t plan, cudnnBackendDescriptor_t pack);

/* libcudnn_ops */
CUDNN_API cudnnStatus_t cudnnCreateTensorDescriptor(cudnnTensorDescriptor_t *tensor);
CUDNN_API cudnnStatus_t cudnnDestroyTensorDescriptor(cudnnTensorDescriptor_t tensor);
CUDNN_API cudnnStatus_t cudnnSetTensor4dDescriptor(
    cudnnTensorDescriptor_t tensor, int format, int type, int n, int c, int h, int w);
CUDNN_API cudnnStatus_t cudnnSetTensorNdDescriptor(
    cudnnTensorDescriptor_t tensor, int type, int count, const int *dimensions, const int *strides);
CUDNN_API cudnnStatus_t cudnnGetTensorNdDescriptor(
    cudnnTensorDescriptor_t tensor, int room, int *type, int *count, int *dimensions, int *strides);
CUDNN_API cudnnStatus_t cudnnGetTensorSizeInBytes(cudnnTensorDescriptor_t tensor, size_t *bytes);
CUDNN_API cudnnStatus_t cudnnCreateFilterDescriptor(cudnnFilterDescriptor_t *filter);
CUDNN_API cudnnStatus_t cudnnDestroyFilterDescriptor(cudnnFilterDescriptor_t filter);
CUDNN_API cudnnStatus_t cudnnSetFilter4dDescriptor(
    cudnnFilterDescriptor_t filter, int type, int format, int k, int c, int h, int w);
CUDNN_API cudnnStatus_t cudnnSetFilterNdDescriptor(
    cudnnFilterDescriptor_t filter, int type, int format, int count, const int *dimensions);
CUDNN_API cudnnStatus_t cudnnGetFilterNdDescriptor(
    cudnnFilterDescriptor_t filter, int room, int *type, int *format, int *count, int *dimensions);

/* libcudnn_cnn */
CUDNN_API cudnnStatus_t cudnnCreateConvolutionDescriptor(cudnnConvolutionDescriptor_t *convolution);
CUDNN_API cudnnStatus_t cudnnDestroyConvolutionDescriptor(cudnnConvolutionDescriptor_t convolution);
CUDNN_API cudnnStatus_t cudnnSetConvolution2dDescriptor(cudnnConvolutionDescriptor_t convolution, int pad_h, int pad_w,
    int stride_h, int stride_w, int dilation_h, int dilation_w, int mode, int type);
CUDNN_API cudnnStatus_t cudnnSetConvolutionNdDescriptor(cudnnConvolutionDescriptor_t convolution, int count,
    const int *paddings, const int *strides, const int *dilations, int mode, int type);
CUDNN_API cudnnStatus_t cudnnSetConvolutionGroupCount(cudnnConvolutionDescriptor_t convolution, int count);
CUDNN_API cudnnStatus_t cudnnGetConvolutionGroupCount(cudnnConvolutionDescriptor_t convolution, int *count);
CUDNN_API cudnnStatus_t cudnnSetConvolutionMathType(cudnnConvolutionDescriptor_t convolution, int type);
CUDNN_API cudnnStatus_t cudnnGetConvolutionMathType(cudnnConvolutionDescriptor_t convolution, int *type);
CUDNN_API cudnnStatus_t cudnnGetConvolutionForwardAlgorithm_v7(cudnnHandle_t handle, cudnnTensorDescriptor_t x,
    cudnnFilterDescriptor_t w, cudnnConvolutionDescriptor_t convolution, cudnnTensorDescriptor_t y, int room,
    int *count, cudnnConvolutionFwdAlgoPerf_t *results);
CUDNN_API cudnnStatus_t cudnnGetConvolutionForwardWorkspaceSize(cudnnHandle_t handle, cudnnTensorDescriptor_t x,
    cudnnFilterDescriptor_t w, cudnnConvolutionDescriptor_t convolution, cudnnTensorDescriptor_t y, int algorithm,
    size_t *bytes);
CUDNN_API cudnnStatus_t cudnnConvolutionForward(cudnnHandle_t handle, const void *alpha,
    cudnnTensorDescriptor_t x_shape, const void *x, cudnnFilterDescriptor_t w_shape, const void *w,
    cudnnConvolutionDescriptor_t convolution, int algorithm, void *workspace, size_t workspace_bytes, const void *beta,
    cudnnTensorDescriptor_t y_shape, void *y);

#endif
