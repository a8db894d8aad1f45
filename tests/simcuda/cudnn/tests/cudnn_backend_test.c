/* cudnn_backend_test.c: the backend's descriptors, plans and variant packs. */
#include "cudnn_on_simcuda.h"

#include <stdio.h>
#include <unistd.h>

static void start_early(void)
{
    start("early");
}

static void start_late(void)
{
    start("late");
}

TestSuite(cudnn_backend, .init = start_early);
TestSuite(cudnn_backend_late, .init = start_late);

enum { X = 11, W = 22, Y = 33 };

/* 1 2 3
 * 4 5 6    and a filter of 2 x 2: four sums of the picture's corners, each tap weighed. */
static const float picture[] = {1, 2, 3, 4, 5, 6, 7, 8, 9};
static const float ones[] = {1, 1, 1, 1}, corner[] = {0, 0, 0, 10};
static const float sums[] = {12, 16, 24, 28};    /* 1+2+4+5, 2+3+5+6, 4+5+7+8, 5+6+8+9 */
static const float corners[] = {50, 60, 80, 90}; /* ten times the lower right one */

static cudnnBackendDescriptor_t plan;

/* A picture of 3 x 3, a filter of 2 x 2, a result of 2 x 2. */
static void make_plan(void)
{
    cudnnBackendDescriptor_t x = finalized(TENSOR(X, 1, 1, 3, 3)), w = finalized(TENSOR(W, 1, 1, 2, 2)),
                             y = finalized(TENSOR(Y, 1, 1, 2, 2));
    cudnnBackendDescriptor_t operation = convolution_of(x, w, y, 0, 1);
    cudnnBackendDescriptor_t graph = finalized(graph_of(1, &operation));

    plan = plan_of(graph);
    /* All that it was made from may go. */
    OK(cudnnBackendDestroyDescriptor(graph));
    OK(cudnnBackendDestroyDescriptor(operation));
    OK(cudnnBackendDestroyDescriptor(x));
    OK(cudnnBackendDestroyDescriptor(w));
    OK(cudnnBackendDestroyDescriptor(y));
}

static cudnnBackendDescriptor_t pack_of(CUdeviceptr x, CUdeviceptr w, CUdeviceptr y)
{
    return finalized(new_pack(3, (const int64_t[]){Y, W, X}, (const CUdeviceptr[]){y, w, x}));
}

static CUdeviceptr memory(size_t bytes)
{
    CUdeviceptr address;
    OK(cuMemAlloc(&address, bytes));
    return address;
}

Test(cudnn_backend, attributes_are_kept_and_told)
{
    cudnnBackendDescriptor_t tensor = TENSOR(7, 2, 3, 4);
    int64_t dimensions[3] = {0}, strides[3] = {0}, uid = 0, count = 0;

    set_number(tensor, CUDNN_ATTR_TENSOR_UNIQUE_ID, 8); /* the last one counts */
    GIVES(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED,
        cudnnBackendGetAttribute(tensor, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &count, &uid));
    OK(cudnnBackendFinalize(tensor));
    OK(cudnnBackendGetAttribute(tensor, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &count, &uid));
    cr_assert(uid == 8 && count == 1);
    OK(cudnnBackendGetAttribute(tensor, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 0, &count, NULL));
    cr_assert_eq(count, 3);
    GIVES(CUDNN_STATUS_BAD_PARAM_SIZE_INSUFFICIENT,
        cudnnBackendGetAttribute(tensor, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 2, &count, dimensions));
    OK(cudnnBackendGetAttribute(tensor, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 3, &count, dimensions));
    OK(cudnnBackendGetAttribute(tensor, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 3, &count, strides));
    cr_assert(dimensions[0] == 2 && dimensions[1] == 3 && dimensions[2] == 4);
    cr_assert(strides[0] == 12 && strides[1] == 4 && strides[2] == 1);
    GIVES(CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE,
        cudnnBackendGetAttribute(tensor, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_VOID_PTR, 1, &count, &uid));
    GIVES(CUDNN_STATUS_BAD_PARAM,
        cudnnBackendSetAttribute(tensor, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_INT64, 1, &uid));
}

Test(cudnn_backend, mistakes_are_told_apart)
{
    cudnnBackendDescriptor_t tensor = TENSOR(7, 2, 3, 4), empty = create(CUDNN_BACKEND_TENSOR_DESCRIPTOR), none;
    const int64_t dimensions[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};

    GIVES(CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE,
        cudnnBackendSetAttribute(tensor, CUDNN_ATTR_TENSOR_UNIQUE_ID, CUDNN_TYPE_FLOAT, 1, dimensions));
    GIVES(CUDNN_STATUS_BAD_PARAM_OUT_OF_BOUND,
        cudnnBackendSetAttribute(tensor, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, 9, dimensions));
    GIVES(CUDNN_STATUS_NOT_SUPPORTED,
        cudnnBackendSetAttribute(tensor, CUDNN_ATTR_MATMUL_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, 1, dimensions));
    GIVES(CUDNN_STATUS_BAD_PARAM, cudnnBackendFinalize(empty));
    set(tensor, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, 2, dimensions);
    GIVES(CUDNN_STATUS_BAD_PARAM, cudnnBackendFinalize(tensor));
    GIVES(
        CUDNN_STATUS_NOT_SUPPORTED, cudnnBackendCreateDescriptor(CUDNN_BACKEND_OPERATION_REDUCTION_DESCRIPTOR, &none));
    GIVES(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, cudnnBackendFinalize(NULL));
}

Test(cudnn_backend, shapes_must_fit)
{
    cudnnBackendDescriptor_t x = finalized(TENSOR(X, 1, 1, 3, 3)), w = finalized(TENSOR(W, 1, 1, 2, 2)),
                             y = finalized(TENSOR(Y, 1, 1, 3, 3));
    cudnnBackendDescriptor_t operation = convolution_of(x, w, y, 0, 1);

    GIVES(CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH, cudnnBackendFinalize(graph_of(1, &operation)));
}

Test(cudnn_backend, a_pack_executed_again_reads_what_its_memory_holds_then)
{
    CUdeviceptr x = upload(picture, 9), w = upload(ones, 4), y = memory(16);
    cudnnBackendDescriptor_t pack;

    make_plan();
    pack = pack_of(x, w, y);
    OK(cudnnBackendExecute(handle, plan, pack));
    holds(y, sums, 4);
    OK(cuMemcpyHtoD(w, corner, sizeof corner));
    OK(cudnnBackendExecute(handle, plan, pack));
    holds(y, corners, 4);
}

Test(cudnn_backend, a_plan_takes_pointers_from_each_pack)
{
    CUdeviceptr x = upload(picture, 9), w = upload(ones, 4), copy = upload(corner, 4), y = memory(16);

    make_plan();
    OK(cudnnBackendExecute(handle, plan, pack_of(x, w, y)));
    holds(y, sums, 4);
    OK(cudnnBackendExecute(handle, plan, pack_of(x, copy, y)));
    holds(y, corners, 4);
}

Test(cudnn_backend_late, execution_keeps_the_order_of_its_stream)
{
    CUdeviceptr x = upload(picture, 9), w = upload(ones, 4), y = memory(16);
    static const float zeros[4];
    cudnnBackendDescriptor_t pack;
    CUstream stream;
    float *pinned;

    make_plan();
    pack = pack_of(x, w, y);
    OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    OK(cudnnSetStream(handle, stream));
    OK(cuMemHostAlloc((void **)&pinned, sizeof corner, 0));
    memcpy(pinned, corner, sizeof corner);
    OK(cuMemsetD8(y, 0, 16));
    OK(cuCtxSynchronize());
    OK(cudnnBackendExecute(handle, plan, pack));
    OK(cuMemcpyHtoDAsync(w, (void *)pinned, sizeof corner, stream));
    holds(y, zeros, 4); /* queued */
    OK(cuStreamSynchronize(stream));
    holds(y, sums, 4); /* read before the copy that came after it */
    OK(cudnnBackendExecute(handle, plan, pack));
    OK(cuStreamSynchronize(stream));
    holds(y, corners, 4);
}

Test(cudnn_backend_late, a_missing_wait_between_streams_shows)
{
    CUdeviceptr x = upload(picture, 9), w = upload(ones, 4), y = memory(16);
    CUstream copying, computing;
    float *pinned;

    make_plan();
    OK(cuStreamCreate(&copying, CU_STREAM_NON_BLOCKING));
    OK(cuStreamCreate(&computing, CU_STREAM_NON_BLOCKING));
    OK(cuMemHostAlloc((void **)&pinned, sizeof corner, 0));
    memcpy(pinned, corner, sizeof corner);
    OK(cuCtxSynchronize());
    OK(cuMemcpyHtoDAsync(w, (void *)pinned, sizeof corner, copying));
    OK(cudnnSetStream(handle, computing));
    OK(cudnnBackendExecute(handle, plan, pack_of(x, w, y)));
    OK(cuStreamSynchronize(computing));
    holds(y, sums, 4); /* the copy has not run */
}

/* Executes with these pointers; what waiting for it gives, twice: the error stays. */
static void is_illegal(CUdeviceptr x, CUdeviceptr w, CUdeviceptr y)
{
    OK(cudnnBackendExecute(handle, plan, pack_of(x, w, y)));
    GIVES(CUDA_ERROR_ILLEGAL_ADDRESS, cuCtxSynchronize());
    GIVES(CUDNN_STATUS_EXECUTION_FAILED_CUDA_DRIVER, cudnnBackendExecute(handle, plan, pack_of(x, w, y)));
}

Test(cudnn_backend_late, freed_weights_are_a_sticky_error)
{
    CUdeviceptr x = upload(picture, 9), w = upload(ones, 4), y = memory(16);

    make_plan();
    OK(cuMemFree(w));
    is_illegal(x, w, y);
}

Test(cudnn_backend_late, memory_of_another_device_is_out_of_reach)
{
    CUdeviceptr x = upload(picture, 9), w, y = memory(16);

    make_plan();
    OK(cuCtxSetCurrent(contexts[1]));
    w = upload(ones, 4);
    OK(cuCtxSetCurrent(contexts[0]));
    is_illegal(x, w, y);
}

Test(cudnn_backend_late, all_of_an_operand_must_be_there)
{
    CUdeviceptr x = memory(2 << 20), w = upload(ones, 4), y = memory(16);

    make_plan();
    is_illegal(x + (2 << 20) - 32, w, y); /* 36 bytes are read */
}

Test(cudnn_backend_late, a_freed_workspace_is_a_sticky_error)
{
    CUdeviceptr x = upload(picture, 9), w = upload(ones, 4), y = memory(16);

    make_plan();
    OK(cuMemFree(workspace));
    is_illegal(x, w, y);
}

Test(cudnn_backend, a_plan_says_what_workspace_it_wants)
{
    CUdeviceptr none = 0;
    int64_t bytes = 0, count = 0;
    cudnnBackendDescriptor_t pack;

    make_plan();
    OK(cudnnBackendGetAttribute(plan, CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE, CUDNN_TYPE_INT64, 1, &count, &bytes));
    cr_assert_eq(bytes, 4096);
    pack =
        new_pack(3, (const int64_t[]){X, W, Y}, (const CUdeviceptr[]){upload(picture, 9), upload(ones, 4), memory(16)});
    set(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &none);
    GIVES(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, cudnnBackendExecute(handle, plan, finalized(pack)));
}

Test(cudnn_backend, a_pack_must_name_each_tensor_once_and_aligned)
{
    CUdeviceptr x = upload(picture, 9), w = upload(ones, 4), y = memory(16);

    make_plan();
    GIVES(CUDNN_STATUS_BAD_PARAM, cudnnBackendExecute(handle, plan,
                                      finalized(new_pack(2, (const int64_t[]){X, Y}, (const CUdeviceptr[]){x, y}))));
    GIVES(CUDNN_STATUS_BAD_PARAM_DUPLICATED_ENTRIES,
        cudnnBackendFinalize(new_pack(3, (const int64_t[]){X, Y, X}, (const CUdeviceptr[]){x, y, x})));
    GIVES(CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER, cudnnBackendExecute(handle, plan, pack_of(x, w + 4, y)));
    GIVES(CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED,
        cudnnBackendExecute(handle, plan, new_pack(3, (const int64_t[]){X, W, Y}, (const CUdeviceptr[]){x, w, y})));
    GIVES(CUDNN_STATUS_BAD_PARAM_NULL_POINTER, cudnnBackendExecute(handle, plan, pack_of(x, 0, y)));
    GIVES(CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE, cudnnBackendExecute(handle, plan, plan));
    OK(cuCtxSynchronize());
}

Test(cudnn_backend, a_captured_execution_reads_its_old_addresses)
{
    CUdeviceptr x = upload(picture, 9), w = upload(ones, 4), y = memory(16);
    cudnnBackendDescriptor_t pack;
    CUgraphExec executable;
    CUstream stream;
    CUgraph graph;

    make_plan();
    pack = pack_of(x, w, y);
    OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    OK(cudnnSetStream(handle, stream));
    OK(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_THREAD_LOCAL));
    OK(cudnnBackendExecute(handle, plan, pack));
    OK(cuStreamEndCapture(stream, &graph));
    OK(cuGraphInstantiate(&executable, graph, 0));
    OK(cudnnBackendDestroyDescriptor(pack));
    OK(cudnnBackendDestroyDescriptor(plan));
    OK(cuMemcpyHtoD(w, corner, sizeof corner));
    OK(cuGraphLaunch(executable, stream));
    OK(cuStreamSynchronize(stream));
    holds(y, corners, 4);
    OK(cuMemFree(w));
    OK(cuGraphLaunch(executable, stream));
    GIVES(CUDA_ERROR_ILLEGAL_ADDRESS, cuStreamSynchronize(stream));
}

Test(cudnn_backend, nothing_is_computed_from_unknown_bytes)
{
    CUdeviceptr x = upload(picture, 9), w = memory(16), y = upload(ones, 4); /* w was never written */

    make_plan();
    OK(cudnnBackendExecute(handle, plan, pack_of(x, w, y)));
    OK(cuCtxSynchronize());
    holds(y, ones, 4);
}

Test(cudnn_without_arithmetic, pointers_are_judged_all_the_same)
{
    CUdeviceptr x, w, y;

    setenv("SIMCUDA_COMPUTE", "none", 1);
    start("early");
    x = upload(picture, 9);
    w = upload(ones, 4);
    y = upload(ones, 4);
    make_plan();
    OK(cudnnBackendExecute(handle, plan, pack_of(x, w, y)));
    OK(cuCtxSynchronize());
    holds(y, ones, 4);
    OK(cuMemFree(w));
    is_illegal(x, w, y);
}

/* Four sums of four products: 32 operations. Read are 36 bytes of the picture and 16 of the filter, written 16 of the
 * result and the workspace. */
Test(cudnn_traced, an_execution_tells_what_it_asks_of_the_machine)
{
    char path[] = "/tmp/simcuda-cudnn-XXXXXX", line[4096];
    const char *found = NULL;
    FILE *file;

    close(mkstemp(path));
    setenv("SIMCUDA_TRACE", path, 1);
    start("early");
    make_plan();
    OK(cudnnBackendExecute(handle, plan, pack_of(upload(picture, 9), upload(ones, 4), memory(16))));
    OK(cuCtxSynchronize());
    file = fopen(path, "re");
    cr_assert_not_null(file);
    while (found == NULL && fgets(line, sizeof line, file) != NULL)
        found = strstr(line, "cudnnBackendExecute") != NULL ? strstr(line, "\"flops\"") : NULL;
    fclose(file);
    unlink(path);
    cr_assert_not_null(found);
    cr_assert_str_eq(found, "\"flops\":32,\"legs\":[{\"from\":\"cuda:0\",\"to\":\"cuda:0\",\"link\":\"memory\","
                            "\"bytes\":4164}]}\n");
}
