/* graph_finalize.c: descriptors become a program when they are finalized; see graph_descriptor.h. */
#include "graph_descriptor.h"

#include <string.h>

static cudnnStatus_t finalize_tensor(struct dnn_descriptor *descriptor)
{
    const struct dnn_attribute *dimensions = dnn_attribute_of(descriptor, CUDNN_ATTR_TENSOR_DIMENSIONS);
    const struct dnn_attribute *strides = dnn_attribute_of(descriptor, CUDNN_ATTR_TENSOR_STRIDES);
    int data_type = *(int *)dnn_attribute_of(descriptor, CUDNN_ATTR_TENSOR_DATA_TYPE)->elements;
    int64_t alignment = *dnn_numbers_of(descriptor, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT);
    enum simcuda_type type;

    if (!dnn_type(data_type, &type))
        return dnn_refuse(CUDNN_STATUS_NOT_SUPPORTED_DATA_TYPE, "cudnnBackendFinalize",
            "tensors of data type %d are not simulated", data_type);
    if (dimensions->count != strides->count || alignment < 1 || (alignment & (alignment - 1)) != 0)
        return CUDNN_STATUS_BAD_PARAM;
    for (int64_t i = 0; i < dimensions->count; i++)
        if (((const int64_t *)dimensions->elements)[i] < 1 || ((const int64_t *)strides->elements)[i] < 0)
            return CUDNN_STATUS_BAD_PARAM;
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t finalize_convolution(struct dnn_descriptor *descriptor)
{
    static const int arrays[] = {CUDNN_ATTR_CONVOLUTION_DILATIONS, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES,
        CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS};
    int64_t spatial_count = *dnn_numbers_of(descriptor, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS);

    for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++)
        if (dnn_attribute_of(descriptor, arrays[i])->count != spatial_count)
            return CUDNN_STATUS_BAD_PARAM;
    return CUDNN_STATUS_SUCCESS;
}

/* --- operations become those of a program ------------------------------------------------------------------------- */

static bool flag_of(const struct dnn_descriptor *descriptor, int name)
{
    const struct dnn_attribute *attribute = dnn_attribute_of(descriptor, name);
    return attribute != NULL && *(bool *)attribute->elements;
}

static double scale_of(const struct dnn_descriptor *descriptor, int name, double otherwise)
{
    const struct dnn_attribute *attribute = dnn_attribute_of(descriptor, name);
    if (attribute == NULL)
        return otherwise;
    return attribute->type == CUDNN_TYPE_DOUBLE ? *(double *)attribute->elements : *(float *)attribute->elements;
}

/* The tensor's number in the program, added where it is new; -1 where there is no such tensor, or no room. */
static int add_tensor(struct dnn_program *program, const struct dnn_descriptor *operation, int name)
{
    const struct dnn_descriptor *part = dnn_part_of(operation, name, CUDNN_BACKEND_TENSOR_DESCRIPTOR);
    const struct dnn_attribute *dimensions;
    struct dnn_tensor *tensor;
    int64_t uid;

    if (part == NULL)
        return -1;
    uid = *dnn_numbers_of(part, CUDNN_ATTR_TENSOR_UNIQUE_ID);
    for (int i = 0; i < program->tensor_count; i++)
        if (program->tensors[i].uid == uid)
            return i;
    if (program->tensor_count == DNN_TENSORS)
        return -1;
    tensor = &program->tensors[program->tensor_count];
    dimensions = dnn_attribute_of(part, CUDNN_ATTR_TENSOR_DIMENSIONS);
    *tensor = (struct dnn_tensor){.uid = uid,
        .dimension_count = (int)dimensions->count,
        .alignment_bytes = *dnn_numbers_of(part, CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT),
        .is_virtual = flag_of(part, CUDNN_ATTR_TENSOR_IS_VIRTUAL),
        .by_value = flag_of(part, CUDNN_ATTR_TENSOR_IS_BY_VALUE)};
    dnn_type(*(int *)dnn_attribute_of(part, CUDNN_ATTR_TENSOR_DATA_TYPE)->elements, &tensor->type);
    memcpy(tensor->dimensions, dimensions->elements, (size_t)dimensions->count * sizeof *tensor->dimensions);
    memcpy(tensor->strides, dnn_numbers_of(part, CUDNN_ATTR_TENSOR_STRIDES),
        (size_t)dimensions->count * sizeof *tensor->strides);
    return program->tensor_count++;
}

static void add_convolution(const struct dnn_descriptor *part, struct dnn_operation *operation)
{
    size_t bytes;

    operation->mode = *(int *)dnn_attribute_of(part, CUDNN_ATTR_CONVOLUTION_CONV_MODE)->elements;
    operation->spatial_count = (int)*dnn_numbers_of(part, CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS);
    bytes = (size_t)operation->spatial_count * sizeof(int64_t);
    memcpy(operation->dilation, dnn_numbers_of(part, CUDNN_ATTR_CONVOLUTION_DILATIONS), bytes);
    memcpy(operation->stride, dnn_numbers_of(part, CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES), bytes);
    memcpy(operation->pre_padding, dnn_numbers_of(part, CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS), bytes);
    memcpy(operation->post_padding, dnn_numbers_of(part, CUDNN_ATTR_CONVOLUTION_POST_PADDINGS), bytes);
}

static void add_pointwise(const struct dnn_descriptor *part, struct dnn_operation *operation)
{
    operation->mode = *(int *)dnn_attribute_of(part, CUDNN_ATTR_POINTWISE_MODE)->elements;
}

/* How an operation's descriptor names its parts; 0: it has no such attribute. */
static const struct form {
    int descriptor, part_name, part_type, x, w, y, x_scale, scale, beta;
    enum dnn_kind kind;
    bool w_wanted;
    void (*add)(const struct dnn_descriptor *part, struct dnn_operation *operation);
} forms[] = {
    {.descriptor = CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR,
        .part_name = CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC,
        .part_type = CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR,
        .x = CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X,
        .w = CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W,
        .y = CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y,
        .scale = CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA,
        .beta = CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA,
        .kind = DNN_CONVOLUTION,
        .w_wanted = true,
        .add = add_convolution},
    {.descriptor = CUDNN_BACKEND_OPERATION_MATMUL_DESCRIPTOR,
        .part_name = CUDNN_ATTR_OPERATION_MATMUL_DESC,
        .part_type = CUDNN_BACKEND_MATMUL_DESCRIPTOR,
        .x = CUDNN_ATTR_OPERATION_MATMUL_ADESC,
        .w = CUDNN_ATTR_OPERATION_MATMUL_BDESC,
        .y = CUDNN_ATTR_OPERATION_MATMUL_CDESC,
        .kind = DNN_MATMUL,
        .w_wanted = true},
    {.descriptor = CUDNN_BACKEND_OPERATION_POINTWISE_DESCRIPTOR,
        .part_name = CUDNN_ATTR_OPERATION_POINTWISE_PW_DESCRIPTOR,
        .part_type = CUDNN_BACKEND_POINTWISE_DESCRIPTOR,
        .x = CUDNN_ATTR_OPERATION_POINTWISE_XDESC,
        .w = CUDNN_ATTR_OPERATION_POINTWISE_BDESC,
        .y = CUDNN_ATTR_OPERATION_POINTWISE_YDESC,
        .x_scale = CUDNN_ATTR_OPERATION_POINTWISE_ALPHA1,
        .scale = CUDNN_ATTR_OPERATION_POINTWISE_ALPHA2,
        .kind = DNN_POINTWISE,
        .add = add_pointwise},
};

static cudnnStatus_t add_operation(struct dnn_program *program, const struct dnn_descriptor *descriptor)
{
    struct dnn_operation *operation = &program->operations[program->operation_count];
    const struct dnn_descriptor *part;
    const struct form *form = NULL;

    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (descriptor != NULL && forms[i].descriptor == descriptor->type)
            form = &forms[i];
    if (form == NULL)
        return CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE;
    if (!descriptor->finalized || (part = dnn_part_of(descriptor, form->part_name, form->part_type)) == NULL)
        return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
    *operation = (struct dnn_operation){.kind = form->kind,
        .x_scale = scale_of(descriptor, form->x_scale, 1),
        .scale = scale_of(descriptor, form->scale, 1),
        .beta = scale_of(descriptor, form->beta, 0)};
    operation->x = add_tensor(program, descriptor, form->x);
    operation->w = add_tensor(program, descriptor, form->w);
    operation->y = add_tensor(program, descriptor, form->y);
    if (operation->x < 0 || operation->y < 0 || (operation->w < 0 && form->w_wanted))
        return CUDNN_STATUS_BAD_PARAM;
    if (form->add != NULL)
        form->add(part, operation);
    program->operation_count++;
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t finalize_graph(struct dnn_descriptor *descriptor)
{
    const struct dnn_attribute *operations = dnn_attribute_of(descriptor, CUDNN_ATTR_OPERATIONGRAPH_OPS);

    descriptor->program = (struct dnn_program){0};
    for (int64_t i = 0; i < operations->count; i++) {
        cudnnBackendDescriptor_t operation = ((cudnnBackendDescriptor_t *)operations->elements)[i];
        cudnnStatus_t status = add_operation(&descriptor->program, dnn_descriptor_of(operation));
        if (status != CUDNN_STATUS_SUCCESS)
            return status;
    }
    return dnn_program_check(&descriptor->program, "cudnnBackendFinalize");
}

/* --- what is made from a graph takes its program over ------------------------------------------------------------- */

static cudnnStatus_t take_program(struct dnn_descriptor *descriptor, int name, int type)
{
    const struct dnn_descriptor *from = dnn_part_of(descriptor, name, type);

    if (from == NULL)
        return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
    descriptor->program = from->program;
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t finalize_heuristics(struct dnn_descriptor *descriptor)
{
    return take_program(descriptor, CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
}

/* There is one engine. */
static cudnnStatus_t finalize_engine(struct dnn_descriptor *descriptor)
{
    if (*dnn_numbers_of(descriptor, CUDNN_ATTR_ENGINE_GLOBAL_INDEX) != 0)
        return CUDNN_STATUS_NOT_SUPPORTED;
    return take_program(descriptor, CUDNN_ATTR_ENGINE_OPERATION_GRAPH, CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR);
}

static cudnnStatus_t finalize_configuration(struct dnn_descriptor *descriptor)
{
    return take_program(descriptor, CUDNN_ATTR_ENGINECFG_ENGINE, CUDNN_BACKEND_ENGINE_DESCRIPTOR);
}

static cudnnStatus_t finalize_plan(struct dnn_descriptor *descriptor)
{
    return take_program(descriptor, CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR);
}

static cudnnStatus_t finalize_pack(struct dnn_descriptor *descriptor)
{
    const struct dnn_attribute *uids = dnn_attribute_of(descriptor, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);
    const int64_t *uid = uids->elements;

    if (uids->count != dnn_attribute_of(descriptor, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS)->count)
        return CUDNN_STATUS_BAD_PARAM;
    for (int64_t i = 0; i < uids->count; i++)
        for (int64_t j = 0; j < i; j++)
            if (uid[i] == uid[j])
                return CUDNN_STATUS_BAD_PARAM_DUPLICATED_ENTRIES;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t dnn_finalize(struct dnn_descriptor *descriptor)
{
    static const struct {
        int type;
        cudnnStatus_t (*finalize)(struct dnn_descriptor *);
    } finalizers[] = {
        {CUDNN_BACKEND_TENSOR_DESCRIPTOR, finalize_tensor},
        {CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR, finalize_convolution},
        {CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR, finalize_graph},
        {CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR, finalize_heuristics},
        {CUDNN_BACKEND_ENGINE_DESCRIPTOR, finalize_engine},
        {CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, finalize_configuration},
        {CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR, finalize_plan},
        {CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR, finalize_pack},
    };
    for (size_t i = 0; i < sizeof finalizers / sizeof *finalizers; i++)
        if (finalizers[i].type == descriptor->type)
            return finalizers[i].finalize(descriptor);
    return CUDNN_STATUS_SUCCESS;
}
