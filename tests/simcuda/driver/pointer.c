/* pointer.c: cuPointerGetAttribute and its kin. */
#include "api.h"
#include "pool.h"
#include "range.h"
#include "rules.h"
#include "vmm.h"

#include <string.h>

/* The value of each attribute as the type that cuda.h gives for it, and its size. */
struct answer {
    size_t bytes;
    union {
        int i;
        unsigned u;
        unsigned long long ull;
        void *pointer;
        size_t size;
        bool boolean;
    } value;
};

static bool is_host_memory(const struct sim_range *range)
{
    return range->location == SIM_HOST;
}

static bool cpu_reaches(const struct sim_range *range)
{
    return range->kind == SIM_PINNED || range->kind == SIM_REGISTERED ||
           (range->kind == SIM_MAPPING && (range->readable & SIM_ACCESS_CPU));
}

static unsigned access_flags(const struct sim_range *range)
{
    uint32_t bit = (uint32_t)1 << (sim_current() ? sim_current()->device : 0);

    if (range->kind != SIM_MAPPING && range->kind != SIM_POOL_BLOCK)
        return CU_POINTER_ATTRIBUTE_ACCESS_FLAG_READWRITE;
    if (range->writable & bit)
        return CU_POINTER_ATTRIBUTE_ACCESS_FLAG_READWRITE;
    return range->readable & bit ? CU_POINTER_ATTRIBUTE_ACCESS_FLAG_READ : CU_POINTER_ATTRIBUTE_ACCESS_FLAG_NONE;
}

/* `range` is NULL for addresses that CUDA does not know. CUDA_ERROR_INVALID_VALUE where there is no answer. */
static CUresult answer(
    struct answer *out, CUpointer_attribute attribute, const struct sim_range *range, CUdeviceptr address)
{
    struct sim_reservation *reservation = sim_reservation_find(address);

    memset(out, 0, sizeof *out);
    switch (attribute) {
    case CU_POINTER_ATTRIBUTE_IS_MANAGED:
    case CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE:
    case CU_POINTER_ATTRIBUTE_IS_GPU_DIRECT_RDMA_CAPABLE:
    case CU_POINTER_ATTRIBUTE_IS_HW_DECOMPRESS_CAPABLE:
        out->bytes = sizeof(bool);
        out->value.boolean = attribute == CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE && range != NULL &&
                             range->kind == SIM_ALLOCATION;
        return range != NULL ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    case CU_POINTER_ATTRIBUTE_MAPPED:
        out->bytes = sizeof(bool);
        out->value.boolean = range != NULL;
        return range != NULL || reservation != NULL ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    case CU_POINTER_ATTRIBUTE_RANGE_START_ADDR:
        out->bytes = sizeof(void *);
        if (reservation != NULL)
            out->value.ull = reservation->start; /* of mapped memory: the reservation */
        else if (range != NULL)
            out->value.ull = range->start;
        return range != NULL || reservation != NULL ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    case CU_POINTER_ATTRIBUTE_RANGE_SIZE:
        out->bytes = sizeof(size_t);
        if (reservation != NULL)
            out->value.size = reservation->bytes;
        else if (range != NULL)
            out->value.size = range->bytes;
        return range != NULL || reservation != NULL ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    default:
        break;
    }
    if (range == NULL)
        return SIM_REFUSE(pointer_known, CUDA_ERROR_INVALID_VALUE);
    switch (attribute) {
    case CU_POINTER_ATTRIBUTE_CONTEXT:
        out->bytes = sizeof(CUcontext);
        out->value.pointer = range->context;
        if (range->kind == SIM_MAPPING && !SIM_RULE(mapping_without_context))
            out->value.pointer = sim_current();
        return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_MEMORY_TYPE:
        out->bytes = sizeof(unsigned);
        out->value.u = is_host_memory(range) ? CU_MEMORYTYPE_HOST : CU_MEMORYTYPE_DEVICE;
        return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_DEVICE_POINTER:
        out->bytes = sizeof(CUdeviceptr);
        out->value.ull = address;
        return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_HOST_POINTER:
        out->bytes = sizeof(void *);
        out->value.ull = cpu_reaches(range) ? address : 0;
        return cpu_reaches(range) ? CUDA_SUCCESS : CUDA_ERROR_INVALID_VALUE;
    case CU_POINTER_ATTRIBUTE_SYNC_MEMOPS:
        out->bytes = sizeof(unsigned);
        return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_BUFFER_ID:
    case CU_POINTER_ATTRIBUTE_MEMORY_BLOCK_ID:
        out->bytes = sizeof(unsigned long long);
        out->value.ull = range->kind == SIM_MAPPING && attribute == CU_POINTER_ATTRIBUTE_MEMORY_BLOCK_ID
                             ? sim_handle_id(range->owner)
                             : range->buffer_id;
        return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL:
        out->bytes = sizeof(int);
        out->value.i = is_host_memory(range) ? (range->context ? range->context->device : 0) : range->location;
        return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES:
        out->bytes = sizeof(unsigned long long);
        out->value.ull = range->kind == SIM_MAPPING ? sim_handle_types(range->owner) : 0;
        return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_ACCESS_FLAGS:
        out->bytes = sizeof(unsigned);
        out->value.u = access_flags(range);
        return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_MEMPOOL_HANDLE:
        out->bytes = sizeof(CUmemoryPool);
        out->value.pointer = range->kind == SIM_POOL_BLOCK ? sim_pool_of_block(range) : NULL;
        return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_MAPPING_SIZE:
        out->bytes = sizeof(size_t);
        out->value.size = range->bytes;
        return CUDA_SUCCESS;
    case CU_POINTER_ATTRIBUTE_MAPPING_BASE_ADDR:
        out->bytes = sizeof(void *);
        out->value.ull = range->start;
        return CUDA_SUCCESS;
    default:
        return CUDA_ERROR_INVALID_VALUE;
    }
}

CUresult sim_cuPointerGetAttribute(void *data, CUpointer_attribute attribute, CUdeviceptr address)
{
    struct answer out;
    CUresult result;

    if (data == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    result = answer(&out, attribute, sim_range_find(address), address);
    if (result == CUDA_SUCCESS)
        memcpy(data, &out.value, out.bytes);
    return result;
}

/* Unlike the call for one attribute this one answers with zeros for an address that CUDA does not know (cuda.h). */
CUresult sim_cuPointerGetAttributes(unsigned count, CUpointer_attribute *attributes, void **data, CUdeviceptr address)
{
    const struct sim_range *range = sim_range_find(address);

    if (attributes == NULL || data == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    for (unsigned i = 0; i < count; i++) {
        struct answer out;
        if (attributes[i] < CU_POINTER_ATTRIBUTE_CONTEXT ||
            attributes[i] > CU_POINTER_ATTRIBUTE_IS_HW_DECOMPRESS_CAPABLE || data[i] == NULL)
            return CUDA_ERROR_INVALID_VALUE;
        if (answer(&out, attributes[i], range, address) != CUDA_SUCCESS) {
            static const struct sim_range nothing = {.location = 0};
            size_t bytes;
            answer(&out, attributes[i], &nothing, address); /* for the size alone */
            bytes = out.bytes;
            memset(&out, 0, sizeof out);
            out.bytes = bytes;
            if (attributes[i] == CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL)
                out.value.i = -2; /* "CU_DEVICE_INVALID" */
        }
        memcpy(data[i], &out.value, out.bytes);
    }
    return CUDA_SUCCESS;
}

CUresult sim_cuPointerSetAttribute(const void *value, CUpointer_attribute attribute, CUdeviceptr address)
{
    const struct sim_range *range = sim_range_find(address);

    if (value == NULL || attribute != CU_POINTER_ATTRIBUTE_SYNC_MEMOPS || range == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    /* Refused for mapped memory: "operation not supported" was seen there by UCX. */
    return range->kind == SIM_ALLOCATION ? CUDA_SUCCESS : SIM_REFUSE(sync_memops, CUDA_ERROR_NOT_SUPPORTED);
}
