/* cudnn_on_simcuda.h: what the tests of cuDNN on the whole simulated CUDA begin with: a machine of two devices without
 * peer access, a handle on the first one, memory, and the backend's descriptors in one line each. Each Criterion test
 * is a process of its own. */
#ifndef CUDNN_ON_SIMCUDA_H
#define CUDNN_ON_SIMCUDA_H

#include "../../simcuda.h"
#include "../cudnn_api.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#define GIVES(expected, call)                                                                                          \
    do {                                                                                                               \
        int answer = (int)(call); /* of cuDNN or of the driver */                                                      \
        cr_assert_eq(answer, (int)(expected), "%s gave %d, not %d", #call, answer, (int)(expected));                   \
    } while (0)
#define OK(call) GIVES(0, call)

static cudnnHandle_t handle __attribute__((unused));
static CUcontext contexts[2] __attribute__((unused));
static CUdeviceptr workspace __attribute__((unused));

static inline void start(const char *order)
{
    setenv("SIMCUDA_MACHINE", "2x24gb-no-peer", 1);
    setenv("SIMCUDA_ORDER", order, 1);
    unsetenv("CUDA_VISIBLE_DEVICES");
    OK(cuInit(0));
    for (int device = 1; device >= 0; device--) {
        OK(cuDevicePrimaryCtxRetain(&contexts[device], device));
        OK(cuCtxSetCurrent(contexts[device]));
    }
    OK(cudnnCreate(&handle));
    OK(cuMemAlloc(&workspace, 4096));
}

static inline CUdeviceptr upload(const float *values, size_t count)
{
    CUdeviceptr address;
    OK(cuMemAlloc(&address, count * sizeof *values));
    OK(cuMemcpyHtoD(address, values, count * sizeof *values));
    return address;
}

/* Compares without waiting for queued work. */
static inline void holds(CUdeviceptr address, const float *wanted, size_t count)
{
    float got[64];

    cr_assert_leq(count, 64);
    cr_assert(simcudaPeek((void *)address, got, count * sizeof *got));
    for (size_t i = 0; i < count; i++)
        cr_assert_eq(got[i], wanted[i], "element %zu is %g, not %g", i, got[i], wanted[i]);
}

/* --- the backend -----------------------------------------------------------------------------------------------------
 */

static inline cudnnBackendDescriptor_t create(int type)
{
    cudnnBackendDescriptor_t descriptor = NULL;
    OK(cudnnBackendCreateDescriptor(type, &descriptor));
    return descriptor;
}

static inline void set(cudnnBackendDescriptor_t descriptor, int name, int type, int64_t count, const void *elements)
{
    OK(cudnnBackendSetAttribute(descriptor, name, type, count, elements));
}

static inline void set_int(cudnnBackendDescriptor_t descriptor, int name, int type, int value)
{
    set(descriptor, name, type, 1, &value);
}

static inline void set_number(cudnnBackendDescriptor_t descriptor, int name, int64_t value)
{
    set(descriptor, name, CUDNN_TYPE_INT64, 1, &value);
}

static inline void set_part(cudnnBackendDescriptor_t descriptor, int name, cudnnBackendDescriptor_t part)
{
    set(descriptor, name, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &part);
}

static inline cudnnBackendDescriptor_t finalized(cudnnBackendDescriptor_t descriptor)
{
    OK(cudnnBackendFinalize(descriptor));
    return descriptor;
}

/* A packed tensor, the last dimension fastest; not finalized yet. */
static inline cudnnBackendDescriptor_t new_tensor(int64_t uid, int data_type, int count, const int64_t *dimensions)
{
    cudnnBackendDescriptor_t tensor = create(CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    int64_t strides[CUDNN_DIM_MAX], stride = 1;

    for (int i = count - 1; i >= 0; stride *= dimensions[i], i--)
        strides[i] = stride;
    set_number(tensor, CUDNN_ATTR_TENSOR_UNIQUE_ID, uid);
    set_number(tensor, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT, 16);
    set_int(tensor, CUDNN_ATTR_TENSOR_DATA_TYPE, CUDNN_TYPE_DATA_TYPE, data_type);
    set(tensor, CUDNN_ATTR_TENSOR_DIMENSIONS, CUDNN_TYPE_INT64, count, dimensions);
    set(tensor, CUDNN_ATTR_TENSOR_STRIDES, CUDNN_TYPE_INT64, count, strides);
    return tensor;
}

#define TENSOR(uid, ...)                                                                                               \
    new_tensor(                                                                                                        \
        uid, CUDNN_DATA_FLOAT, sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t), (const int64_t[]){__VA_ARGS__})

/* A 2-dimensional cross-correlation with the same padding on all sides. */
static inline cudnnBackendDescriptor_t convolution_of(
    cudnnBackendDescriptor_t x, cudnnBackendDescriptor_t w, cudnnBackendDescriptor_t y, int64_t padding, int64_t stride)
{
    cudnnBackendDescriptor_t shape = create(CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR);
    cudnnBackendDescriptor_t operation = create(CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR);
    const int64_t paddings[] = {padding, padding}, strides[] = {stride, stride}, ones[] = {1, 1};

    set_int(shape, CUDNN_ATTR_CONVOLUTION_COMP_TYPE, CUDNN_TYPE_DATA_TYPE, CUDNN_DATA_FLOAT);
    set_int(shape, CUDNN_ATTR_CONVOLUTION_CONV_MODE, CUDNN_TYPE_CONVOLUTION_MODE, CUDNN_CROSS_CORRELATION);
    set_number(shape, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS, 2);
    set(shape, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_TYPE_INT64, 2, paddings);
    set(shape, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS, CUDNN_TYPE_INT64, 2, paddings);
    set(shape, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES, CUDNN_TYPE_INT64, 2, strides);
    set(shape, CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_TYPE_INT64, 2, ones);
    set_part(operation, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC, finalized(shape));
    set_part(operation, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X, x);
    set_part(operation, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W, w);
    set_part(operation, CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y, y);
    return finalized(operation);
}

static inline cudnnBackendDescriptor_t graph_of(int64_t count, const cudnnBackendDescriptor_t *operations)
{
    cudnnBackendDescriptor_t graph = create(CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
    set(graph, CUDNN_ATTR_OPERATIONGRAPH_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle);
    set(graph, CUDNN_ATTR_OPERATIONGRAPH_OPS, CUDNN_TYPE_BACKEND_DESCRIPTOR, count, operations);
    return graph;
}

/* A plan from the configuration that the heuristics name first, as PyTorch makes it. */
static inline cudnnBackendDescriptor_t plan_of(cudnnBackendDescriptor_t graph)
{
    cudnnBackendDescriptor_t heuristics = create(CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR);
    cudnnBackendDescriptor_t configuration = create(CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
    cudnnBackendDescriptor_t plan = create(CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR);
    int64_t count = 0;

    set_part(heuristics, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, graph);
    set_int(heuristics, CUDNN_ATTR_ENGINEHEUR_MODE, CUDNN_TYPE_HEUR_MODE, CUDNN_HEUR_MODE_A);
    OK(cudnnBackendFinalize(heuristics));
    OK(cudnnBackendGetAttribute(
        heuristics, CUDNN_ATTR_ENGINEHEUR_RESULTS, CUDNN_TYPE_BACKEND_DESCRIPTOR, 1, &count, &configuration));
    cr_assert_eq(count, 1);
    set(plan, CUDNN_ATTR_EXECUTION_PLAN_HANDLE, CUDNN_TYPE_HANDLE, 1, &handle);
    set_part(plan, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, configuration);
    return finalized(plan);
}

static inline cudnnBackendDescriptor_t new_pack(int64_t count, const int64_t *uids, const CUdeviceptr *pointers)
{
    cudnnBackendDescriptor_t pack = create(CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR);
    set(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS, CUDNN_TYPE_INT64, count, uids);
    set(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS, CUDNN_TYPE_VOID_PTR, count, pointers);
    set(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE, CUDNN_TYPE_VOID_PTR, 1, &workspace);
    return pack;
}

#endif
