/* graph_execute.c: cudnnBackendExecute. Pointers are taken from the variant pack at each call: plans and packs may be
 * kept and executed again. */
#include "graph_descriptor.h"

/* The pointer that the pack gives for a tensor; false where it names no such tensor. */
static bool find_pointer(const struct dnn_descriptor *pack, int64_t uid, void **pointer)
{
    const struct dnn_attribute *uids = dnn_attribute_of(pack, CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS);

    for (int64_t i = 0; i < uids->count; i++) {
        if (((const int64_t *)uids->elements)[i] != uid)
            continue;
        *pointer = ((void **)dnn_attribute_of(pack, CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS)->elements)[i];
        return true;
    }
    return false;
}

cudnnStatus_t cudnnBackendExecute(
    cudnnHandle_t handle, cudnnBackendDescriptor_t plan_handle, cudnnBackendDescriptor_t pack_handle)
{
    cudnnStatus_t status = dnn_handle_check(handle, __func__);
    const struct dnn_descriptor *plan = dnn_descriptor_of(plan_handle), *pack = dnn_descriptor_of(pack_handle);
    const struct dnn_attribute *workspace;
    void *pointers[DNN_TENSORS] = {NULL};

    if (status != CUDNN_STATUS_SUCCESS)
        return status;
    if (plan == NULL || pack == NULL)
        return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
    if (plan->type != CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR || pack->type != CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR)
        return CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE;
    if (!plan->finalized || !pack->finalized)
        return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
    for (int i = 0; i < plan->program.tensor_count; i++) {
        const struct dnn_tensor *tensor = &plan->program.tensors[i];
        if (!tensor->is_virtual && !find_pointer(pack, tensor->uid, &pointers[i]))
            return dnn_refuse(CUDNN_STATUS_BAD_PARAM, __func__, "the variant pack has no pointer for tensor %lld",
                (long long)tensor->uid);
    }
    workspace = dnn_attribute_of(pack, CUDNN_ATTR_VARIANT_PACK_WORKSPACE);
    /* The size of the workspace is not told to cuDNN: it is as large as the plan asked for. */
    return dnn_program_launch(handle, "cudnnBackendExecute", &plan->program, pointers,
        workspace != NULL ? *(void **)workspace->elements : NULL, dnn_program_workspace_bytes(&plan->program));
}
