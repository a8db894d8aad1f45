/* program.h: a graph of operations as plain values: what a finalized graph, an engine, a plan hold, and what a launch
 * takes along. Both cuDNN's backend and its older interface make one.
 *
 * Computed are convolutions forward, matrix products and a few element-wise operations, in double precision, rounded
 * where a tensor is stored. */
#ifndef SIMCUDA_CUDNN_PROGRAM_H
#define SIMCUDA_CUDNN_PROGRAM_H

#include "handle.h"

enum { DNN_TENSORS = 16, DNN_OPERATIONS = 8, DNN_SPATIAL = 3 };
/* What a convolution wants as workspace: enough to be judged. */
#define DNN_WORKSPACE_BYTES 4096

struct dnn_tensor {
    int64_t uid;
    enum simcuda_type type;
    int dimension_count;
    int64_t dimensions[CUDNN_DIM_MAX], strides[CUDNN_DIM_MAX]; /* strides in elements */
    int64_t alignment_bytes;
    bool is_virtual; /* between two operations: has no memory of the program */
    bool by_value;   /* one value, read from the program at the call */
    double value;
};

enum dnn_kind { DNN_CONVOLUTION, DNN_MATMUL, DNN_POINTWISE };

struct dnn_operation {
    enum dnn_kind kind;
    int x, w, y;           /* tensors; w: the weights, the right matrix, or the second operand (-1: none) */
    double x_scale, scale; /* scale: of the result of a convolution, or of the second operand */
    double beta;           /* of the old y */
    int mode;              /* cudnnConvolutionMode_t or cudnnPointwiseMode_t */
    int spatial_count;
    int64_t pre_padding[DNN_SPATIAL], post_padding[DNN_SPATIAL], stride[DNN_SPATIAL], dilation[DNN_SPATIAL];
};

struct dnn_program {
    int tensor_count, operation_count;
    struct dnn_tensor tensors[DNN_TENSORS];
    struct dnn_operation operations[DNN_OPERATIONS];
};

/* A cudnnDataType_t in the simulation's terms; false for one that is not simulated. */
bool dnn_type(int cudnn_type, enum simcuda_type *type);
size_t dnn_element_count(const struct dnn_tensor *tensor);
/* From the first to the last element. */
size_t dnn_extent_bytes(const struct dnn_tensor *tensor);

/* Whether shapes fit together; SUCCESS, SHAPE_MISMATCH, or NOT_SUPPORTED (said once as `symbol`). */
cudnnStatus_t dnn_program_check(const struct dnn_program *program, const char *symbol);
size_t dnn_program_workspace_bytes(const struct dnn_program *program);

/* Queues the program on the handle's stream as one kernel. `pointers` has one for each tensor that is not virtual.
 * `symbol` is a literal. */
cudnnStatus_t dnn_program_launch(cudnnHandle_t handle, const char *symbol, const struct dnn_program *program,
    void *const pointers[DNN_TENSORS], void *workspace, size_t workspace_bytes);

/* Computes a program; as struct simcuda_kernel's `compute`. In program_compute.c. */
bool dnn_program_compute(const void *program, void *const *buffers);
/* Whether there is arithmetic for this cudnnPointwiseMode_t, with that number of operands. */
bool dnn_pointwise_is_known(int mode, int operands);

#endif
