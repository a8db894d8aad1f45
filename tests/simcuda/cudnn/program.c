/* program.c: shapes, and the launch; see program.h. */
#include "program.h"

#include "../driver/gemm_types.h"

#include <string.h>

bool dnn_type(int cudnn_type, enum simcuda_type *type)
{
    static const struct {
        int cudnn;
        enum simcuda_type type;
    } types[] = {{CUDNN_DATA_FLOAT, SIMCUDA_F32}, {CUDNN_DATA_DOUBLE, SIMCUDA_F64}, {CUDNN_DATA_HALF, SIMCUDA_F16},
        {CUDNN_DATA_BFLOAT16, SIMCUDA_BF16}};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].cudnn == cudnn_type) {
            *type = types[i].type;
            return true;
        }
    return false;
}

size_t dnn_element_count(const struct dnn_tensor *tensor)
{
    size_t count = 1;
    for (int i = 0; i < tensor->dimension_count; i++)
        count *= (size_t)tensor->dimensions[i];
    return count;
}

size_t dnn_extent_bytes(const struct dnn_tensor *tensor)
{
    int64_t last = 0;
    for (int i = 0; i < tensor->dimension_count; i++)
        last += (tensor->dimensions[i] - 1) * tensor->strides[i];
    return (size_t)(last + 1) * sim_type_bytes(tensor->type);
}

/* --- shapes ------------------------------------------------------------------------------------------------------- */

static bool convolution_fits(const struct dnn_operation *operation, const struct dnn_tensor *tensors)
{
    const int64_t *x = tensors[operation->x].dimensions, *w = tensors[operation->w].dimensions,
                  *y = tensors[operation->y].dimensions;
    int count = operation->spatial_count + 2;

    if (tensors[operation->x].dimension_count != count || tensors[operation->w].dimension_count != count ||
        tensors[operation->y].dimension_count != count || x[0] != y[0] || w[0] != y[1] || x[1] % w[1] != 0 ||
        w[0] % (x[1] / w[1]) != 0)
        return false;
    for (int i = 0; i < operation->spatial_count; i++) {
        int64_t room = x[i + 2] + operation->pre_padding[i] + operation->post_padding[i] -
                       operation->dilation[i] * (w[i + 2] - 1) - 1;
        if (operation->stride[i] < 1 || operation->dilation[i] < 1 || room < 0 ||
            y[i + 2] != room / operation->stride[i] + 1)
            return false;
    }
    return true;
}

/* Dimension by dimension as the result's, or 1. */
static bool is_broadcast(const struct dnn_tensor *from, const struct dnn_tensor *to, int count)
{
    for (int i = 0; i < count; i++)
        if (from->dimensions[i] != to->dimensions[i] && from->dimensions[i] != 1)
            return false;
    return from->dimension_count == to->dimension_count;
}

static bool matmul_fits(const struct dnn_operation *operation, const struct dnn_tensor *tensors)
{
    const struct dnn_tensor *a = &tensors[operation->x], *b = &tensors[operation->w], *c = &tensors[operation->y];
    int batch_count = c->dimension_count - 2;

    return batch_count >= 0 && is_broadcast(a, c, batch_count) && is_broadcast(b, c, batch_count) &&
           a->dimensions[batch_count] == c->dimensions[batch_count] &&
           b->dimensions[batch_count + 1] == c->dimensions[batch_count + 1] &&
           a->dimensions[batch_count + 1] == b->dimensions[batch_count];
}

static bool pointwise_fits(const struct dnn_operation *operation, const struct dnn_tensor *tensors)
{
    const struct dnn_tensor *y = &tensors[operation->y];
    return is_broadcast(&tensors[operation->x], y, y->dimension_count) &&
           (operation->w < 0 || is_broadcast(&tensors[operation->w], y, y->dimension_count));
}

cudnnStatus_t dnn_program_check(const struct dnn_program *program, const char *symbol)
{
    static bool (*const fits[])(const struct dnn_operation *, const struct dnn_tensor *) = {
        [DNN_CONVOLUTION] = convolution_fits, [DNN_MATMUL] = matmul_fits, [DNN_POINTWISE] = pointwise_fits};

    for (int i = 0; i < program->operation_count; i++) {
        const struct dnn_operation *operation = &program->operations[i];
        if (operation->kind == DNN_POINTWISE && !dnn_pointwise_is_known(operation->mode, operation->w < 0 ? 1 : 2))
            return dnn_refuse(CUDNN_STATUS_NOT_SUPPORTED, symbol,
                "the element-wise operation %d with %d operands is "
                "not simulated",
                operation->mode, operation->w < 0 ? 1 : 2);
        if (!fits[operation->kind](operation, program->tensors))
            return CUDNN_STATUS_BAD_PARAM_SHAPE_MISMATCH;
    }
    return CUDNN_STATUS_SUCCESS;
}

size_t dnn_program_workspace_bytes(const struct dnn_program *program)
{
    for (int i = 0; i < program->operation_count; i++)
        if (program->operations[i].kind == DNN_CONVOLUTION)
            return DNN_WORKSPACE_BYTES;
    return 0;
}

/* --- the launch --------------------------------------------------------------------------------------------------- */

/* What the program does with a tensor's memory. */
static unsigned use_of(const struct dnn_program *program, int tensor)
{
    const struct dnn_tensor *shape = &program->tensors[tensor];
    unsigned use = 0;

    for (int i = 0; i < program->operation_count; i++) {
        const struct dnn_operation *operation = &program->operations[i];
        if (!(use & SIMCUDA_WRITES) &&
            (operation->x == tensor || operation->w == tensor || (operation->y == tensor && operation->beta != 0)))
            use |= SIMCUDA_READS;
        if (operation->y == tensor)
            use |= SIMCUDA_WRITES;
    }
    if (dnn_extent_bytes(shape) == dnn_element_count(shape) * sim_type_bytes(shape->type))
        use |= SIMCUDA_DENSE;
    return use;
}

/* A multiplication and an addition for each element of the sums; one operation for each element otherwise. */
static uint64_t flops_of(const struct dnn_program *program)
{
    uint64_t flops = 0;

    for (int i = 0; i < program->operation_count; i++) {
        const struct dnn_operation *operation = &program->operations[i];
        const struct dnn_tensor *x = &program->tensors[operation->x];
        const struct dnn_tensor *w = operation->w >= 0 ? &program->tensors[operation->w] : NULL;
        uint64_t each = 1;
        if (operation->kind == DNN_CONVOLUTION)
            each = 2 * dnn_element_count(w) / (uint64_t)w->dimensions[0];
        else if (operation->kind == DNN_MATMUL)
            each = 2 * (uint64_t)x->dimensions[x->dimension_count - 1];
        flops += each * dnn_element_count(&program->tensors[operation->y]);
    }
    return flops;
}

cudnnStatus_t dnn_program_launch(cudnnHandle_t handle, const char *symbol, const struct dnn_program *program,
    void *const pointers[DNN_TENSORS], void *workspace, size_t workspace_bytes)
{
    struct dnn_program copy = *program;
    struct simcuda_operand operands[DNN_TENSORS + 1];
    struct simcuda_kernel kernel = {.symbol = symbol,
        .operands = operands,
        .flops = flops_of(program),
        .arguments = &copy,
        .argument_bytes = sizeof copy,
        .compute = dnn_program_compute};

    for (int i = 0; i < program->tensor_count; i++) {
        struct dnn_tensor *tensor = &copy.tensors[i];
        if (tensor->is_virtual)
            continue;
        if (pointers[i] == NULL)
            return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
        if (tensor->by_value) {
            sim_load_doubles(tensor->type, pointers[i], &tensor->value, 1);
            continue;
        }
        if (tensor->alignment_bytes > 0 && (uintptr_t)pointers[i] % (uintptr_t)tensor->alignment_bytes != 0)
            return CUDNN_STATUS_BAD_PARAM_MISALIGNED_POINTER;
        operands[kernel.operand_count++] = (struct simcuda_operand){
            .address = (CUdeviceptr)pointers[i], .bytes = dnn_extent_bytes(tensor), .use = use_of(program, i)};
    }
    if (dnn_program_workspace_bytes(program) > 0) {
        if (workspace == NULL)
            return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
        if (workspace_bytes < dnn_program_workspace_bytes(program))
            return CUDNN_STATUS_BAD_PARAM_SIZE_INSUFFICIENT;
        operands[kernel.operand_count++] = (struct simcuda_operand){
            .address = (CUdeviceptr)workspace, .bytes = dnn_program_workspace_bytes(program), .use = SIMCUDA_SCRATCH};
    }
    return dnn_status_of(simcuda_library_driver()->internals->launch_kernel(handle->stream, &kernel));
}
