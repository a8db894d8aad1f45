/* packed.c: see packed.h. Where a parameter lies follows from the sizes and alignments of those before it: of types
 * that a kernel's name spells out, or as a layout of kernels.def tells. */
#include "packed.h"
#include "rules.h"

#include <stdlib.h>

#define MAX_ALIGNMENT ((size_t)16) /* of any type in device code (programming guide, "Built-in Vector Types") */

CUresult sim_packed_read(void *const *extra, struct sim_packed *packed)
{
    const size_t *bytes = NULL;

    *packed = (struct sim_packed){0};
    for (; *extra != CU_LAUNCH_PARAM_END; extra += 2) {
        if (*extra == CU_LAUNCH_PARAM_BUFFER_POINTER)
            packed->buffer = extra[1];
        else if (*extra == CU_LAUNCH_PARAM_BUFFER_SIZE)
            bytes = extra[1];
        else if (SIM_RULE(launch_packed_list))
            return CUDA_ERROR_INVALID_VALUE;
        else
            break;
    }
    packed->bytes = bytes != NULL ? *bytes : 0;
    if (packed->bytes != 0 && packed->buffer == NULL && SIM_RULE(launch_packed_list))
        return CUDA_ERROR_INVALID_VALUE;
    if (packed->bytes == 0)
        packed->buffer = NULL; /* without a size the buffer has no effect (cuda.h, CU_LAUNCH_PARAM_BUFFER_POINTER) */
    return CUDA_SUCCESS;
}

bool sim_packed_is_complete(const struct sim_packed *packed, const struct sim_signature *signature)
{
    return signature == NULL || packed->bytes >= signature->packed_bytes;
}

/* What `bytes` without a pointer are aligned to at most; a structure of smaller parts is less. */
static size_t most_aligned(size_t bytes)
{
    size_t alignment = 1;
    while (alignment < MAX_ALIGNMENT && bytes % (2 * alignment) == 0)
        alignment *= 2;
    return alignment;
}

static bool holds_pointer(const struct sim_layout *layout, unsigned parameter)
{
    uint32_t start = layout->offsets[parameter], end = start + layout->sizes[parameter];
    for (unsigned i = 0; i < layout->pointer_count; i++)
        if (layout->pointers[i].offset >= start && layout->pointers[i].offset < end)
            return true;
    return false;
}

/* False where a parameter could lie in more than one place. */
static bool place_by_layout(const struct sim_packed *packed, const struct sim_layout *layout, void **places)
{
    size_t offset = 0;

    for (unsigned i = 0; i < layout->parameter_count; i++) {
        size_t alignment = most_aligned(layout->sizes[i]);
        if (holds_pointer(layout, i))
            offset = (offset + sizeof(CUdeviceptr) - 1) & ~(sizeof(CUdeviceptr) - 1);
        else if (offset % alignment != 0)
            return false;
        if (offset + layout->sizes[i] > packed->bytes)
            return false;
        places[i] = (void *)(uintptr_t)(packed->buffer + offset);
        offset += layout->sizes[i];
    }
    return true;
}

static void place_by_signature(const struct sim_packed *packed, const struct sim_signature *signature, void **places)
{
    for (size_t i = 0; i < signature->count; i++) {
        const struct sim_parameter *parameter = &signature->parameters[i];
        if (parameter->offset != SIM_UNPLACED &&
            parameter->offset + parameter->pointers * sizeof(CUdeviceptr) <= packed->bytes)
            places[parameter->index] = (void *)(uintptr_t)(packed->buffer + parameter->offset);
    }
}

void **sim_packed_unpack(
    const struct sim_packed *packed, const struct sim_signature *signature, const struct sim_layout *layout, bool *all)
{
    size_t count = signature != NULL ? signature->parameter_count : 0;
    void **places;

    if (layout != NULL && layout->parameter_count > count)
        count = layout->parameter_count;
    places = calloc(count + 1, sizeof *places);
    *all = places != NULL && layout != NULL && place_by_layout(packed, layout, places);
    if (places != NULL && !*all && signature != NULL) {
        for (size_t i = 0; i < count; i++)
            places[i] = NULL;
        place_by_signature(packed, signature, places);
    }
    return places;
}
