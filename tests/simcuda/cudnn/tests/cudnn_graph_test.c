/* cudnn_graph_test.c: what plans compute, beyond one plain convolution: several operations, layouts, types. Expected
 * numbers are worked out in comments. */
#include "cudnn_on_simcuda.h"

static void start_early(void)
{
    start("early");
}

TestSuite(cudnn_graph, .init = start_early);

enum { X = 1, W, Y, BIAS, SUM, CONVOLVED, SCALE };

static cudnnBackendDescriptor_t as_virtual(cudnnBackendDescriptor_t tensor)
{
    const bool yes = true;
    set(tensor, CUDNN_ATTR_TENSOR_IS_VIRTUAL, CUDNN_TYPE_BOOLEAN, 1, &yes);
    return finalized(tensor);
}

static cudnnBackendDescriptor_t pointwise_of(
    int mode, cudnnBackendDescriptor_t x, cudnnBackendDescriptor_t b, cudnnBackendDescriptor_t y)
{
    cudnnBackendDescriptor_t shape = create(CUDNN_BACKEND_POINTWISE_DESCRIPTOR);
    cudnnBackendDescriptor_t operation = create(CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR);

    set_int(shape, CUDNN_ATTR_POINTWISE_MODE, CUDNN_TYPE_POINTWISE_MODE, mode);
    set_int(shape, CUDNN_ATTR_POINTWISE_MATH_PREC, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
    set_part(operation, CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR, finalized(shape));
    set_part(operation, CUDNN_ATTR_OPERATION_POINTWISE_XDESC, x);
    if (b != NULL)
        set_part(operation, CUDNN_ATTR_OPERATION_POINTWISE_BDESC, b);
    set_part(operation, CUDNN_ATTR_OPERATION_POINTWISE_YDESC, y);
    return finalized(operation);
}

static void execute(int64_t operation_count, const cudnnBackendDescriptor_t *operations, int64_t count,
    const int64_t *uids, const CUdeviceptr *pointers)
{
    cudnnBackendDescriptor_t plan = plan_of(finalized(graph_of(operation_count, operations)));
    OK(cudnnBackendExecute(handle, plan, finalized(new_pack(count, uids, pointers))));
    OK(cuCtxSynchronize());
}

/* Two pictures of two channels in two groups, two kernels of one channel: 1 x 1 filters scale the channels by 2 and -3.
 * Then one bias for each channel, then relu: what was negative is 0. */
Test(cudnn_graph, a_convolution_with_bias_and_relu_is_one_plan)
{
    static const float x[] = {1, -2, 3, 4, /* second picture */ 5, 6, -7, 8}, w[] = {2, -3}, bias[] = {10, -1};
    static const float wanted[] = {12, 6, 0, 0, 20, 22, 20, 0}; /* 2*1+10, 2*-2+10, -3*3-1, -3*4-1; ..., -3*-7-1, .. */
    CUdeviceptr y = upload(x, 8);
    cudnnBackendDescriptor_t sum = as_virtual(TENSOR(SUM, 2, 2, 1, 2)),
                             convolved = as_virtual(TENSOR(CONVOLVED, 2, 2, 1, 2));
    const cudnnBackendDescriptor_t operations[] = {
        convolution_of(finalized(TENSOR(X, 2, 2, 1, 2)), finalized(TENSOR(W, 2, 1, 1, 1)), convolved, 0, 1),
        pointwise_of(CUDNN_POINTWISE_ADD, convolved, finalized(TENSOR(BIAS, 1, 2, 1, 1)), sum),
        pointwise_of(CUDNN_POINTWISE_RELU_FWD, sum, NULL, finalized(TENSOR(Y, 2, 2, 1, 2))),
    };

    execute(3, operations, 4, (const int64_t[]){X, W, BIAS, Y},
        (const CUdeviceptr[]){upload(x, 8), upload(w, 2), upload(bias, 2), y});
    holds(y, wanted, 8);
}

/* 1 2 3      A filter of 3 x 3 ones, a border of zeros, every second place: the sums of the four corners' neighbours:
 * 4 5 6      1+2+4+5, 2+3+5+6, 4+5+7+8, 5+6+8+9. The pixels of the second channel follow those of the first one, all
 * 7 8 9      zeros. */
Test(cudnn_graph, padding_stride_and_the_layout_of_channels_last_are_respected)
{
    static const float x[18] = {1, 0, 2, 0, 3, 0, 4, 0, 5, 0, 6, 0, 7, 0, 8, 0, 9, 0};
    static const float w[18] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, wanted[] = {12, 16, 24, 28};
    CUdeviceptr y = upload(w, 4);
    cudnnBackendDescriptor_t picture = TENSOR(X, 1, 2, 3, 3);
    cudnnBackendDescriptor_t operation;

    set(picture, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 4, (const int64_t[]){18, 1, 6, 2});
    operation =
        convolution_of(finalized(picture), finalized(TENSOR(W, 1, 2, 3, 3)), finalized(TENSOR(Y, 1, 1, 2, 2)), 1, 2);
    execute(1, &operation, 3, (const int64_t[]){X, W, Y}, (const CUdeviceptr[]){upload(x, 18), upload(w, 18), y});
    holds(y, wanted, 4);
}

/* Results are rounded to the type of the tensor: 2049 is no fp16 number, its neighbours are 2048 and 2050. */
Test(cudnn_graph, fp16_tensors_are_rounded_when_they_are_stored)
{
    static const uint16_t x[] = {0x6800 /* 2048 */, 0x3c00 /* 1 */}, w[] = {0x3c00, 0x3c00};
    const int64_t shape[] = {1, 1, 1, 2}, one[] = {1, 1, 1, 1};
    uint16_t got = 0;
    CUdeviceptr addresses[3];
    cudnnBackendDescriptor_t operation = convolution_of(finalized(new_tensor(X, CUDNN_DATA_HALF, 4, shape)),
        finalized(new_tensor(W, CUDNN_DATA_HALF, 4, shape)), finalized(new_tensor(Y, CUDNN_DATA_HALF, 4, one)), 0, 1);

    for (int i = 0; i < 3; i++)
        OK(cuMemAlloc(&addresses[i], 16));
    OK(cuMemcpyHtoD(addresses[0], x, sizeof x));
    OK(cuMemcpyHtoD(addresses[1], w, sizeof w));
    execute(1, &operation, 3, (const int64_t[]){X, W, Y}, addresses);
    cr_assert(simcudaPeek((void *)addresses[2], &got, sizeof got));
    cr_assert_eq(got, 0x6800, "%#x", got); /* to the even one */
}

/* Two products; the right matrix serves both.  1 2   5 6   19 22      0 1   5 6    7  8
 *                                              3 4 x 7 8 = 43 50      1 0 x 7 8 =  5  6 */
Test(cudnn_graph, matrices_are_multiplied_and_a_batch_of_one_serves_all)
{
    static const float a[] = {1, 2, 3, 4, 0, 1, 1, 0}, b[] = {5, 6, 7, 8}, wanted[] = {19, 22, 43, 50, 7, 8, 5, 6};
    cudnnBackendDescriptor_t shape = create(CUDNN_BACKEND_MATMUL_DESCRIPTOR);
    cudnnBackendDescriptor_t operation = create(CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR);
    CUdeviceptr y = upload(a, 8);

    set_int(shape, CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
    set_part(operation, CUDNN_ATTR_OPERATION_MATMUL_DESC, finalized(shape));
    set_part(operation, CUDNN_ATTR_OPERATION_MATMUL_ADESC, finalized(TENSOR(X, 2, 2, 2)));
    set_part(operation, CUDNN_ATTR_OPERATION_MATMUL_BDESC, finalized(TENSOR(W, 1, 2, 2)));
    set_part(operation, CUDNN_ATTR_OPERATION_MATMUL_CDESC, finalized(TENSOR(Y, 2, 2, 2)));
    OK(cudnnBackendFinalize(operation));
    execute(1, &operation, 3, (const int64_t[]){X, W, Y}, (const CUdeviceptr[]){upload(a, 8), upload(b, 4), y});
    holds(y, wanted, 8);
}

/* A value in the pack itself: the pointer is the program's own, and is read at the call. */
Test(cudnn_graph, a_tensor_by_value_is_read_from_the_program)
{
    static const float x[] = {1, 2, 3, 4}, wanted[] = {3, 6, 9, 12};
    cudnnBackendDescriptor_t scale = TENSOR(SCALE, 1, 1), operation, plan;
    CUdeviceptr y = upload(x, 4);
    const bool yes = true;
    float three = 3;

    set(scale, CUDNN_ATTR_TENSOR_IS_BY_VALUE, CUDNN_TYPE_BOOLEAN, 1, &yes);
    operation =
        pointwise_of(CUDNN_POINTWISE_MUL, finalized(TENSOR(X, 1, 4)), finalized(scale), finalized(TENSOR(Y, 1, 4)));
    plan = plan_of(finalized(graph_of(1, &operation)));
    OK(cudnnBackendExecute(handle, plan,
        finalized(
            new_pack(3, (const int64_t[]){X, SCALE, Y}, (const CUdeviceptr[]){upload(x, 4), (CUdeviceptr)&three, y}))));
    three = 100;
    OK(cuCtxSynchronize());
    holds(y, wanted, 4);
}

Test(cudnn_graph, an_element_wise_operation_without_arithmetic_is_refused)
{
    cudnnBackendDescriptor_t operation =
        pointwise_of(7 /* MOD */, finalized(TENSOR(X, 1, 4)), finalized(TENSOR(W, 1, 4)), finalized(TENSOR(Y, 1, 4)));
    GIVES(CUDNN_STATUS_NOT_SUPPORTED, cudnnBackendFinalize(graph_of(1, &operation)));
}

/* The gaps of a tensor keep their bytes. */
Test(cudnn_graph, what_lies_between_the_elements_stays)
{
    static const float x[] = {1, 2}, before[] = {7, 7, 7, 7}, wanted[] = {-1, 7, -2, 7};
    cudnnBackendDescriptor_t y = TENSOR(Y, 1, 2), operation;
    CUdeviceptr target = upload(before, 4);

    set(y, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 2, (const int64_t[]){4, 2});
    operation = pointwise_of(CUDNN_POINTWISE_NEG, finalized(TENSOR(X, 1, 2)), NULL, finalized(y));
    execute(1, &operation, 2, (const int64_t[]){X, Y}, (const CUdeviceptr[]){upload(x, 2), target});
    holds(target, wanted, 4);
}
