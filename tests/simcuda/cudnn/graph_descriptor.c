/* graph_descriptor.c: the backend's descriptors keep attributes; see graph_descriptor.h. */
#include "graph_descriptor.h"

#include <stdlib.h>
#include <string.h>

#define DESCRIPTOR_MAGIC 0x646e6e64u

static const struct rule {
    int descriptor, name, type;
    int64_t least, most;
    bool wanted;
} rules[] = {
#define ATTRIBUTE(descriptor, name, type, least, most, wanted)                                                         \
    {CUDNN_BACKEND_##descriptor##_DESCRIPTOR, CUDNN_ATTR_##name, CUDNN_TYPE_##type, least, most, wanted},
#include "graph_attributes.def"
#undef ATTRIBUTE
};
#define RULE_COUNT (sizeof rules / sizeof *rules)

static size_t element_bytes(int type)
{
    static const unsigned char bytes[CUDNN_TYPE_COUNT] = {[CUDNN_TYPE_HANDLE] = sizeof(void *),
        [CUDNN_TYPE_BOOLEAN] = sizeof(bool),
        [CUDNN_TYPE_INT64] = sizeof(int64_t),
        [CUDNN_TYPE_DOUBLE] = sizeof(double),
        [CUDNN_TYPE_VOID_PTR] = sizeof(void *),
        [CUDNN_TYPE_BACKEND_DESCRIPTOR] = sizeof(void *)};
    return bytes[type] != 0 ? bytes[type] : sizeof(int); /* enumerations, and float */
}

static const struct rule *rule_of(int descriptor, int name)
{
    for (size_t i = 0; i < RULE_COUNT; i++)
        if (rules[i].descriptor == descriptor && rules[i].name == name)
            return &rules[i];
    return NULL;
}

struct dnn_descriptor *dnn_descriptor_of(cudnnBackendDescriptor_t descriptor)
{
    struct dnn_descriptor *found = descriptor;
    return found != NULL && found->magic == DESCRIPTOR_MAGIC ? found : NULL;
}

const struct dnn_attribute *dnn_attribute_of(const struct dnn_descriptor *descriptor, int name)
{
    for (int i = 0; i < descriptor->attribute_count; i++)
        if (descriptor->attributes[i].name == name)
            return &descriptor->attributes[i];
    return NULL;
}

const int64_t *dnn_numbers_of(const struct dnn_descriptor *descriptor, int name)
{
    return dnn_attribute_of(descriptor, name)->elements;
}

struct dnn_descriptor *dnn_part_of(const struct dnn_descriptor *descriptor, int name, int type)
{
    const struct dnn_attribute *attribute = dnn_attribute_of(descriptor, name);
    struct dnn_descriptor *part =
        attribute ? dnn_descriptor_of(*(cudnnBackendDescriptor_t *)attribute->elements) : NULL;
    return part != NULL && part->finalized && part->type == type ? part : NULL;
}

cudnnStatus_t cudnnBackendCreateDescriptor(int type, cudnnBackendDescriptor_t *descriptor)
{
    struct dnn_descriptor *created;
    bool known = false;

    if (descriptor == NULL)
        return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
    for (size_t i = 0; i < RULE_COUNT; i++)
        known = known || rules[i].descriptor == type;
    if (!known)
        return dnn_refuse(CUDNN_STATUS_NOT_SUPPORTED, __func__, "descriptors of type %d are not simulated", type);
    created = calloc(1, sizeof *created);
    if (created == NULL)
        return CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED;
    created->magic = DESCRIPTOR_MAGIC;
    created->type = type;
    *descriptor = created;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendDestroyDescriptor(cudnnBackendDescriptor_t handle)
{
    struct dnn_descriptor *descriptor = dnn_descriptor_of(handle);

    if (descriptor == NULL)
        return CUDNN_STATUS_BAD_PARAM;
    for (int i = 0; i < descriptor->attribute_count; i++)
        free(descriptor->attributes[i].elements);
    descriptor->magic = 0;
    free(descriptor);
    return CUDNN_STATUS_SUCCESS;
}

/* alpha and beta may be double where the operation computes in double. */
static bool is_type(const struct rule *rule, int type)
{
    return type == rule->type || (rule->type == CUDNN_TYPE_FLOAT && type == CUDNN_TYPE_DOUBLE);
}

cudnnStatus_t cudnnBackendSetAttribute(
    cudnnBackendDescriptor_t handle, int name, int type, int64_t count, const void *elements)
{
    struct dnn_descriptor *descriptor = dnn_descriptor_of(handle);
    struct dnn_attribute *attribute;
    const struct rule *rule;
    void *copy;

    if (descriptor == NULL || (elements == NULL && count > 0))
        return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
    if (descriptor->finalized)
        return dnn_refuse(CUDNN_STATUS_BAD_PARAM, __func__, "the descriptor is finalized already");
    rule = rule_of(descriptor->type, name);
    if (rule == NULL)
        return dnn_refuse(CUDNN_STATUS_NOT_SUPPORTED, __func__,
            "attribute %d of a descriptor of type %d is not simulated", name, descriptor->type);
    if (!is_type(rule, type))
        return CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE;
    if (count < rule->least || count > rule->most)
        return CUDNN_STATUS_BAD_PARAM_OUT_OF_BOUND;
    attribute = (struct dnn_attribute *)dnn_attribute_of(descriptor, name);
    copy = malloc((size_t)count * element_bytes(type) + 1);
    if (copy == NULL)
        return CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED;
    memcpy(copy, elements, (size_t)count * element_bytes(type));
    if (attribute != NULL)
        free(attribute->elements);
    else
        attribute = &descriptor->attributes[descriptor->attribute_count++];
    *attribute = (struct dnn_attribute){name, type, count, copy};
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendFinalize(cudnnBackendDescriptor_t handle)
{
    struct dnn_descriptor *descriptor = dnn_descriptor_of(handle);
    cudnnStatus_t status;

    if (descriptor == NULL)
        return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
    if (descriptor->finalized)
        return CUDNN_STATUS_SUCCESS;
    for (size_t i = 0; i < RULE_COUNT; i++)
        if (rules[i].descriptor == descriptor->type && rules[i].wanted &&
            dnn_attribute_of(descriptor, rules[i].name) == NULL)
            return dnn_refuse(CUDNN_STATUS_BAD_PARAM, __func__, "a descriptor of type %d lacks attribute %d",
                descriptor->type, rules[i].name);
    status = dnn_finalize(descriptor);
    descriptor->finalized = status == CUDNN_STATUS_SUCCESS;
    return status;
}

/* --- what can be asked -------------------------------------------------------------------------------------------- */

/* Makes the program's own, created descriptor one that holds this one's program. */
static cudnnStatus_t answer_descriptor(
    const struct dnn_descriptor *from, int type, int64_t room, int64_t *count, void *elements)
{
    struct dnn_descriptor *to;

    *count = 1;
    if (room < 1)
        return CUDNN_STATUS_SUCCESS;
    to = elements != NULL ? dnn_descriptor_of(*(cudnnBackendDescriptor_t *)elements) : NULL;
    if (to == NULL || to->type != type)
        return CUDNN_STATUS_BAD_PARAM_DESCRIPTOR_TYPE;
    to->program = from->program;
    to->finalized = true;
    return CUDNN_STATUS_SUCCESS;
}

static cudnnStatus_t answer_number(int64_t number, int64_t room, int64_t *count, void *elements)
{
    *count = 1;
    if (room < 1)
        return CUDNN_STATUS_SUCCESS;
    if (elements == NULL)
        return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
    *(int64_t *)elements = number;
    return CUDNN_STATUS_SUCCESS;
}

cudnnStatus_t cudnnBackendGetAttribute(
    cudnnBackendDescriptor_t handle, int name, int type, int64_t room, int64_t *count, void *elements)
{
    const struct dnn_descriptor *descriptor = dnn_descriptor_of(handle);
    const struct dnn_attribute *attribute;
    int64_t ignored;

    if (descriptor == NULL)
        return CUDNN_STATUS_BAD_PARAM_NULL_POINTER;
    if (!descriptor->finalized)
        return CUDNN_STATUS_BAD_PARAM_NOT_FINALIZED;
    if (count == NULL)
        count = &ignored;
    switch (name) {
    case CUDNN_ATTR_ENGINEHEUR_RESULTS:
        return answer_descriptor(descriptor, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, room, count, elements);
    case CUDNN_ATTR_ENGINECFG_ENGINE:
        return answer_descriptor(descriptor, CUDNN_BACKEND_ENGINE_DESCRIPTOR, room, count, elements);
    case CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG:
        return answer_descriptor(descriptor, CUDNN_BACKEND_ENGINECFG_DESCRIPTOR, room, count, elements);
    case CUDNN_ATTR_ENGINE_GLOBAL_INDEX:
        return answer_number(0, room, count, elements);
    case CUDNN_ATTR_OPERATIONGRAPH_ENGINE_GLOBAL_COUNT:
        return answer_number(1, room, count, elements);
    case CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE:
        return answer_number((int64_t)dnn_program_workspace_bytes(&descriptor->program), room, count, elements);
    case CUDNN_ATTR_ENGINECFG_KNOB_CHOICES: /* the one engine has no knobs */
    case CUDNN_ATTR_ENGINE_KNOB_INFO:
    case CUDNN_ATTR_ENGINE_NUMERICAL_NOTE:
    case CUDNN_ATTR_ENGINE_BEHAVIOR_NOTE:
        *count = 0;
        return CUDNN_STATUS_SUCCESS;
    }
    attribute = dnn_attribute_of(descriptor, name);
    if (attribute == NULL)
        return CUDNN_STATUS_NOT_SUPPORTED;
    if (attribute->type != type)
        return CUDNN_STATUS_BAD_PARAM_ATTRIBUTE_TYPE;
    *count = attribute->count;
    if (room < attribute->count)
        return room == 0 ? CUDNN_STATUS_SUCCESS : CUDNN_STATUS_BAD_PARAM_SIZE_INSUFFICIENT;
    memcpy(elements, attribute->elements, (size_t)attribute->count * element_bytes(type));
    return CUDNN_STATUS_SUCCESS;
}
