/* cudnn_convolution_test.c: convolutions of the older interface. */
#include "cudnn_on_simcuda.h"

static cudnnTensorDescriptor_t x_shape, y_shape;
static cudnnFilterDescriptor_t w_shape;
static cudnnConvolutionDescriptor_t convolution;

/* A picture of 3 x 3, a filter of 2 x 2, a result of 2 x 2. */
static void start_convolution(const char *order)
{
    start(order);
    OK(cudnnCreateTensorDescriptor(&x_shape));
    OK(cudnnCreateTensorDescriptor(&y_shape));
    OK(cudnnCreateFilterDescriptor(&w_shape));
    OK(cudnnCreateConvolutionDescriptor(&convolution));
    OK(cudnnSetTensor4dDescriptor(x_shape, CUDNN_TENSOR_NCHW, CUDNN_DATA_FLOAT, 1, 1, 3, 3));
    OK(cudnnSetTensor4dDescriptor(y_shape, CUDNN_TENSOR_NCHW, CUDNN_DATA_FLOAT, 1, 1, 2, 2));
    OK(cudnnSetFilter4dDescriptor(w_shape, CUDNN_DATA_FLOAT, CUDNN_TENSOR_NCHW, 1, 1, 2, 2));
    OK(cudnnSetConvolution2dDescriptor(convolution, 0, 0, 1, 1, 1, 1, CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT));
}

static void start_early(void)
{
    start_convolution("early");
}

static void start_late(void)
{
    start_convolution("late");
}

TestSuite(cudnn_convolution, .init = start_early);
TestSuite(cudnn_convolution_late, .init = start_late);

static const float picture[] = {1, 2, 3, 4, 5, 6, 7, 8, 9}, first[] = {1, 0, 0, 0};

static cudnnStatus_t convolve(float alpha, CUdeviceptr x, CUdeviceptr w, float beta, CUdeviceptr y)
{
    return cudnnConvolutionForward(handle, &alpha, x_shape, (void *)x, w_shape, (void *)w, convolution,
        CUDNN_CONVOLUTION_FWD_ALGO_IMPLICIT_PRECOMP_GEMM, (void *)workspace, 4096, &beta, y_shape, (void *)y);
}

Test(cudnn_convolution, alpha_and_beta_weigh_new_and_old)
{
    static const float old[] = {100, 200, 300, 400};
    static const float wanted[] = {52, 104, 158, 210}; /* 2 * (1, 2, 4, 5) + half of the old */
    CUdeviceptr y = upload(old, 4);

    OK(convolve(2, upload(picture, 9), upload(first, 4), 0.5F, y));
    holds(y, wanted, 4);
}

Test(cudnn_convolution, with_beta_zero_the_old_result_is_not_read)
{
    static const float wanted[] = {1, 2, 4, 5};
    CUdeviceptr y;

    OK(cuMemAlloc(&y, 16)); /* unknown bytes: reading them would leave the result uncomputed */
    OK(convolve(1, upload(picture, 9), upload(first, 4), 0, y));
    holds(y, wanted, 4);
}

/* A true convolution turns the filter: the first tap meets the last pixel. */
Test(cudnn_convolution, a_convolution_is_no_cross_correlation)
{
    static const float wanted[] = {5, 6, 8, 9};
    CUdeviceptr y = upload(picture, 4);

    OK(cudnnSetConvolution2dDescriptor(convolution, 0, 0, 1, 1, 1, 1, CUDNN_CONVOLUTION, CUDNN_DATA_FLOAT));
    OK(convolve(1, upload(picture, 9), upload(first, 4), 0, y));
    holds(y, wanted, 4);
}

/* One dimension more, or less, is the same arithmetic: taps 2 apart. */
Test(cudnn_convolution, one_spatial_dimension_with_dilation)
{
    static const float w[] = {1, 10}, wanted[] = {31, 42, 53}; /* 1 + 10*3, 2 + 10*4, 3 + 10*5 */
    CUdeviceptr y = upload(picture, 3);

    OK(cudnnSetTensorNdDescriptor(x_shape, CUDNN_DATA_FLOAT, 3, (const int[]){1, 1, 5}, (const int[]){5, 5, 1}));
    OK(cudnnSetTensorNdDescriptor(y_shape, CUDNN_DATA_FLOAT, 3, (const int[]){1, 1, 3}, (const int[]){3, 3, 1}));
    OK(cudnnSetFilterNdDescriptor(w_shape, CUDNN_DATA_FLOAT, CUDNN_TENSOR_NCHW, 3, (const int[]){1, 1, 2}));
    OK(cudnnSetConvolutionNdDescriptor(convolution, 1, (const int[]){0}, (const int[]){1}, (const int[]){2},
        CUDNN_CROSS_CORRELATION, CUDNN_DATA_FLOAT));
    OK(convolve(1, upload(picture, 5), upload(w, 2), 0, y));
    holds(y, wanted, 3);
}

Test(cudnn_convolution, descriptors_tell_what_they_were_told)
{
    int type, format, count, dimensions[4], strides[4];
    size_t bytes;

    OK(cudnnSetTensor4dDescriptor(x_shape, CUDNN_TENSOR_NHWC, CUDNN_DATA_HALF, 2, 3, 4, 5));
    OK(cudnnGetTensorNdDescriptor(x_shape, 4, &type, &count, dimensions, strides));
    cr_assert(type == CUDNN_DATA_HALF && count == 4);
    cr_assert(dimensions[0] == 2 && dimensions[1] == 3 && dimensions[2] == 4 && dimensions[3] == 5);
    cr_assert(strides[0] == 60 && strides[1] == 1 && strides[2] == 15 && strides[3] == 3);
    OK(cudnnGetTensorSizeInBytes(x_shape, &bytes));
    cr_assert_eq(bytes, 240);
    OK(cudnnGetFilterNdDescriptor(w_shape, 4, &type, &format, &count, dimensions));
    cr_assert(type == CUDNN_DATA_FLOAT && format == CUDNN_TENSOR_NCHW && count == 4 && dimensions[3] == 2);
    OK(cudnnSetConvolutionGroupCount(convolution, 2));
    OK(cudnnGetConvolutionGroupCount(convolution, &count));
    cr_assert_eq(count, 2);
}

Test(cudnn_convolution, mistakes_are_told_apart)
{
    CUdeviceptr x = upload(picture, 9), w = upload(first, 4), y = upload(picture, 4);
    cudnnConvolutionFwdAlgoPerf_t result;
    const float one = 1, zero = 0;
    int count = 0;

    OK(cudnnGetConvolutionForwardAlgorithm_v7(handle, x_shape, w_shape, convolution, y_shape, 1, &count, &result));
    cr_assert(count == 1 && result.status == CUDNN_STATUS_SUCCESS && result.memory == 4096);
    GIVES(CUDNN_STATUS_BAD_PARAM_SIZE_INSUFFICIENT,
        cudnnConvolutionForward(handle, &one, x_shape, (void *)x, w_shape, (void *)w, convolution, result.algo,
            (void *)workspace, result.memory - 1, &zero, y_shape, (void *)y));
    GIVES(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, convolve(1, x, 0, 0, y));
    OK(cudnnSetConvolutionGroupCount(convolution, 2));
    GIVES(CUDNN_STATUS_BAD_PARAM, convolve(1, x, w, 0, y));
    OK(cudnnSetConvolutionGroupCount(convolution, 1));
    OK(cudnnSetTensor4dDescriptor(y_shape, CUDNN_TENSOR_NCHW, CUDNN_DATA_FLOAT, 1, 1, 3, 3));
    GIVES(CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH, convolve(1, x, w, 0, y));
}

Test(cudnn_convolution_late, weights_freed_before_the_stream_comes_there_are_a_sticky_error)
{
    CUdeviceptr x = upload(picture, 9), w = upload(first, 4), y = upload(picture, 4);

    OK(cuMemFree(w));
    OK(convolve(1, x, w, 0, y));
    GIVES(CUDA_ERROR_ILLEGAL_ADDRESS, cuCtxSynchronize());
    GIVES(CUDNN_STATUS_EXECUTION_FAILED_CUDA_DRIVER, convolve(1, x, w, 0, y));
}

Test(cudnn_convolution_late, unmapping_weights_under_a_queued_convolution_is_an_error)
{
    CUmemAllocationProp properties = {
        .type = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0}};
    CUmemAccessDesc access = {.location = properties.location, .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    CUdeviceptr x = upload(picture, 9), y = upload(picture, 4), w;
    CUmemGenericAllocationHandle page;
    const size_t bytes = 2 << 20;

    OK(cuMemAddressReserve(&w, bytes, 0, 0, 0));
    OK(cuMemCreate(&page, bytes, &properties, 0));
    OK(cuMemMap(w, bytes, 0, page, 0));
    OK(cuMemSetAccess(w, bytes, &access, 1));
    OK(cuMemcpyHtoD(w, first, sizeof first));
    OK(cuCtxSynchronize());
    OK(convolve(1, x, w, 0, y));
    cuMemUnmap(w, bytes);
    /* New memory at the same address hides nothing; these calls may fail already. */
    cuMemMap(w, bytes, 0, page, 0);
    cuMemSetAccess(w, bytes, &access, 1);
    GIVES(CUDA_ERROR_ILLEGAL_ADDRESS, cuCtxSynchronize());
}
