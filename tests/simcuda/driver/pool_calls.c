/* pool_calls.c: stream-ordered allocation and the calls about pools; the memory itself is in pool.c. */
#include "alloc.h"
#include "api.h"
#include "graph_memory.h"
#include "objects.h"
#include "ordering.h"
#include "pool.h"
#include "rules.h"
#include "stream.h"
#include "trace.h"

/* The moment in a stream when an allocation begins or ends. The range is found again by address and id: it may be gone.
 */
struct block_op {
    struct sim_op op;
    CUdeviceptr address;
    uint64_t buffer_id;
};

static struct sim_range *range_of(const struct sim_op *op)
{
    const struct block_op *block = (const struct block_op *)op;
    struct sim_range *range = sim_range_find(block->address);
    return range != NULL && range->buffer_id == block->buffer_id ? range : NULL;
}

static void execute_begin(struct sim_op *op)
{
    struct sim_range *range = range_of(op);
    if (range == NULL)
        return;
    range->pending = false;
    range->begin_slot = sim_ordering_slot(op->stream);
    range->begin_sequence = op->sequence;
}

static void execute_end(struct sim_op *op)
{
    struct sim_range *range = range_of(op);

    if (range == NULL)
        return;
    if (range->kind == SIM_POOL_BLOCK && SIM_RULE(pool_free_behind_allocation) &&
        (range->pending || !sim_ordering_is_behind(op->stream, range->begin_slot, range->begin_sequence)))
        sim_raise(op->context, CUDA_ERROR_ILLEGAL_ADDRESS,
            "illegal address: memory at %#llx is freed in a stream that nothing puts behind its allocation",
            range->start);
    sim_trace_memory("free", range->start, range->bytes, range->location, NULL);
    if (range->kind == SIM_POOL_BLOCK)
        sim_pool_block_free(range, op);
    else
        sim_deallocate(range);
}

static const struct sim_op_class begin_class = {.name = "alloc", .execute = execute_begin, .runs_after_error = true};
static const struct sim_op_class end_class = {.name = "free", .execute = execute_end, .runs_after_error = true};

static CUresult submit(CUstream stream, const struct sim_op_class *class, const struct sim_range *range)
{
    struct block_op *op = sim_op_new(class, sizeof *op);
    if (op == NULL)
        return CUDA_ERROR_OUT_OF_MEMORY;
    op->address = range->start;
    op->buffer_id = range->buffer_id;
    return sim_submit(stream, &op->op);
}

static CUresult allocate(CUdeviceptr *address, size_t bytes, CUmemoryPool pool, CUstream stream)
{
    struct sim_range *range;
    CUresult result;

    if (bytes == 0) {
        *address = 0;
        return CUDA_SUCCESS;
    }
    if (stream->capture != NULL)
        return sim_graph_memory_allocate(address, bytes, stream);
    range = sim_pool_take(pool, stream, bytes, &result);
    if (range == NULL)
        return result;
    *address = range->start;
    sim_trace_memory("alloc", range->start, bytes, range->location, NULL);
    sim_ordering_slot(stream); /* clocks must run when the allocation does */
    return submit(stream, &begin_class, range);
}

CUresult sim_cuMemAllocAsync(CUdeviceptr *address, size_t bytes, CUstream handle)
{
    CUstream stream;
    CUresult result = address == NULL ? CUDA_ERROR_INVALID_VALUE : sim_stream_for_work(handle, &stream);
    if (result != CUDA_SUCCESS)
        return result;
    int device = SIM_RULE(pool_of_stream) ? stream->context->device : sim_current()->device;
    return allocate(address, bytes, sim.devices[device].current_pool, stream);
}

CUresult sim_cuMemAllocFromPoolAsync(CUdeviceptr *address, size_t bytes, CUmemoryPool pool, CUstream handle)
{
    CUstream stream;
    CUresult result = address == NULL ? CUDA_ERROR_INVALID_VALUE : sim_stream_for_work(handle, &stream);
    if (result != CUDA_SUCCESS)
        return result;
    if (!sim_object_is(pool, SIM_OBJECT_POOL))
        return CUDA_ERROR_INVALID_VALUE;
    return allocate(address, bytes, pool, stream);
}

CUresult sim_cuMemFreeAsync(CUdeviceptr address, CUstream handle)
{
    struct sim_range *range = sim_range_find(address);
    CUstream stream;
    CUresult result = sim_stream_for_work(handle, &stream);

    if (result != CUDA_SUCCESS)
        return result;
    if (address == 0)
        return CUDA_SUCCESS;
    if ((range == NULL || range->freeing) && !SIM_RULE(pool_free_live))
        return CUDA_SUCCESS;
    if (range == NULL || range->start != address || range->freeing || range->of_module ||
        (range->kind != SIM_POOL_BLOCK && range->kind != SIM_ALLOCATION))
        return CUDA_ERROR_INVALID_VALUE;
    if (stream->capture != NULL)
        return sim_graph_memory_free(range, stream);
    if (range->graph_memory != NULL && range->pending)
        return CUDA_ERROR_INVALID_VALUE;
    sim_graph_memory_note_free(range);
    range->freeing = true;
    return submit(stream, &end_class, range);
}

/* --- pools -------------------------------------------------------------------------------------------------------- */

CUresult sim_cuMemPoolCreate(CUmemoryPool *pool, const CUmemPoolProps *properties)
{
    if (pool == NULL || properties == NULL || properties->allocType != CU_MEM_ALLOCATION_TYPE_PINNED)
        return CUDA_ERROR_INVALID_VALUE;
    if (properties->location.type != CU_MEM_LOCATION_TYPE_DEVICE)
        return CUDA_ERROR_NOT_SUPPORTED; /* as HOST_MEMORY_POOLS_SUPPORTED and HOST_NUMA_MEMORY_POOLS_SUPPORTED say */
    if (!sim_is_device(properties->location.id))
        return CUDA_ERROR_INVALID_DEVICE;
    if (properties->handleTypes != CU_MEM_HANDLE_TYPE_NONE)
        return CUDA_ERROR_NOT_SUPPORTED; /* as MEMPOOL_SUPPORTED_HANDLE_TYPES says */
    *pool = sim_pool_new(properties->location.id);
    return *pool != NULL ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult sim_cuMemPoolDestroy(CUmemoryPool pool)
{
    if (!sim_object_is(pool, SIM_OBJECT_POOL) || pool == sim.devices[pool->device].default_pool)
        return CUDA_ERROR_INVALID_VALUE;
    if (sim.devices[pool->device].current_pool == pool)
        sim.devices[pool->device].current_pool = sim.devices[pool->device].default_pool;
    sim_pool_destroy(pool);
    return CUDA_SUCCESS;
}

CUresult sim_cuDeviceGetDefaultMemPool(CUmemoryPool *pool, CUdevice device)
{
    if (!sim_is_device(device))
        return CUDA_ERROR_INVALID_DEVICE;
    if (pool == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    *pool = sim.devices[device].default_pool;
    return CUDA_SUCCESS;
}

CUresult sim_cuDeviceGetMemPool(CUmemoryPool *pool, CUdevice device)
{
    if (!sim_is_device(device))
        return CUDA_ERROR_INVALID_DEVICE;
    if (pool == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    *pool = sim.devices[device].current_pool;
    return CUDA_SUCCESS;
}

CUresult sim_cuDeviceSetMemPool(CUdevice device, CUmemoryPool pool)
{
    if (!sim_is_device(device))
        return CUDA_ERROR_INVALID_DEVICE;
    if (!sim_object_is(pool, SIM_OBJECT_POOL) || pool->device != device)
        return CUDA_ERROR_INVALID_VALUE;
    sim.devices[device].current_pool = pool;
    return CUDA_SUCCESS;
}

/* The forms by location, new in CUDA 13. Only pinned memory of devices has pools here. */
static CUresult device_of(const CUmemLocation *location, CUmemAllocationType type, CUdevice *device)
{
    if (location == NULL || type == CU_MEM_ALLOCATION_TYPE_INVALID)
        return CUDA_ERROR_INVALID_VALUE;
    if (location->type != CU_MEM_LOCATION_TYPE_DEVICE || type != CU_MEM_ALLOCATION_TYPE_PINNED)
        return CUDA_ERROR_NOT_SUPPORTED;
    *device = location->id;
    return CUDA_SUCCESS;
}

CUresult sim_cuMemGetDefaultMemPool(CUmemoryPool *pool, CUmemLocation *location, CUmemAllocationType type)
{
    CUdevice device;
    CUresult result = device_of(location, type, &device);
    return result == CUDA_SUCCESS ? sim_cuDeviceGetDefaultMemPool(pool, device) : result;
}

CUresult sim_cuMemGetMemPool(CUmemoryPool *pool, CUmemLocation *location, CUmemAllocationType type)
{
    CUdevice device;
    CUresult result = device_of(location, type, &device);
    return result == CUDA_SUCCESS ? sim_cuDeviceGetMemPool(pool, device) : result;
}

CUresult sim_cuMemSetMemPool(CUmemLocation *location, CUmemAllocationType type, CUmemoryPool pool)
{
    CUdevice device;
    CUresult result = device_of(location, type, &device);
    return result == CUDA_SUCCESS ? sim_cuDeviceSetMemPool(device, pool) : result;
}

CUresult sim_cuMemPoolTrimTo(CUmemoryPool pool, size_t keep)
{
    if (!sim_object_is(pool, SIM_OBJECT_POOL))
        return CUDA_ERROR_INVALID_VALUE;
    sim_pool_trim(pool, keep);
    return CUDA_SUCCESS;
}

/* The 64-bit attributes; NULL for the others. */
static uint64_t *counter_of(CUmemoryPool pool, CUmemPool_attribute attribute)
{
    switch (attribute) {
    case CU_MEMPOOL_ATTR_RELEASE_THRESHOLD:
        return &pool->release_threshold;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT:
        return &pool->reserved;
    case CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH:
        return &pool->reserved_high;
    case CU_MEMPOOL_ATTR_USED_MEM_CURRENT:
        return &pool->used;
    case CU_MEMPOOL_ATTR_USED_MEM_HIGH:
        return &pool->used_high;
    default:
        return NULL;
    }
}

/* The reuse flags are attributes 1 to 3. */
static int *flag_of(CUmemoryPool pool, CUmemPool_attribute attribute)
{
    return attribute >= CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES &&
                   attribute <= CU_MEMPOOL_ATTR_REUSE_ALLOW_INTERNAL_DEPENDENCIES
               ? &pool->reuse[attribute - CU_MEMPOOL_ATTR_REUSE_FOLLOW_EVENT_DEPENDENCIES]
               : NULL;
}

CUresult sim_cuMemPoolGetAttribute(CUmemoryPool pool, CUmemPool_attribute attribute, void *value)
{
    if (value == NULL || !sim_object_is(pool, SIM_OBJECT_POOL))
        return CUDA_ERROR_INVALID_VALUE;
    if (flag_of(pool, attribute) != NULL)
        *(int *)value = *flag_of(pool, attribute);
    else if (counter_of(pool, attribute) != NULL)
        *(cuuint64_t *)value = *counter_of(pool, attribute);
    else
        return CUDA_ERROR_INVALID_VALUE;
    return CUDA_SUCCESS;
}

CUresult sim_cuMemPoolSetAttribute(CUmemoryPool pool, CUmemPool_attribute attribute, void *value)
{
    if (value == NULL || !sim_object_is(pool, SIM_OBJECT_POOL))
        return CUDA_ERROR_INVALID_VALUE;
    if (flag_of(pool, attribute) != NULL) {
        *flag_of(pool, attribute) = *(int *)value != 0;
    } else if (attribute == CU_MEMPOOL_ATTR_RELEASE_THRESHOLD) {
        pool->release_threshold = *(cuuint64_t *)value;
    } else if (attribute == CU_MEMPOOL_ATTR_RESERVED_MEM_HIGH || attribute == CU_MEMPOOL_ATTR_USED_MEM_HIGH) {
        if (*(cuuint64_t *)value != 0 && SIM_RULE(pool_high_reset))
            return CUDA_ERROR_INVALID_VALUE; /* a high watermark can only be reset */
        *counter_of(pool, attribute) = attribute == CU_MEMPOOL_ATTR_USED_MEM_HIGH ? pool->used : pool->reserved;
    } else {
        return CUDA_ERROR_INVALID_VALUE;
    }
    return CUDA_SUCCESS;
}

/* Whether the pool's memory can be given to, or taken from, a device. */
static CUresult judge_access(CUmemoryPool pool, const CUmemAccessDesc *descriptor)
{
    const int device = descriptor->location.id;
    const CUmemAccess_flags flags = descriptor->flags;

    if (descriptor->location.type != CU_MEM_LOCATION_TYPE_DEVICE ||
        (flags != CU_MEM_ACCESS_FLAGS_PROT_NONE && flags != CU_MEM_ACCESS_FLAGS_PROT_READWRITE))
        return CUDA_ERROR_INVALID_VALUE;
    if (!sim_is_device(device))
        return CUDA_ERROR_INVALID_DEVICE;
    if (device == pool->device && flags != CU_MEM_ACCESS_FLAGS_PROT_READWRITE && SIM_RULE(pool_owner_access))
        return CUDA_ERROR_INVALID_DEVICE;
    if (device != pool->device && !sim.machine.peer_access[device][pool->device] && SIM_RULE(pool_access_needs_peers))
        return CUDA_ERROR_INVALID_DEVICE;
    return CUDA_SUCCESS;
}

static void give_access(CUmemoryPool pool, const CUmemAccessDesc *descriptor)
{
    const uint32_t bit = (uint32_t)1 << descriptor->location.id;

    pool->readable = descriptor->flags == CU_MEM_ACCESS_FLAGS_PROT_NONE ? pool->readable & ~bit : pool->readable | bit;
    pool->writable = pool->readable;
    for (struct sim_range *range = sim_range_from(0); range != NULL; range = sim_range_after(range)) {
        if (range->kind == SIM_POOL_BLOCK && sim_pool_of_block(range) == pool) {
            range->readable = pool->readable;
            range->writable = pool->writable;
        }
    }
}

/* All descriptors are judged before the first one acts. */
CUresult sim_cuMemPoolSetAccess(CUmemoryPool pool, const CUmemAccessDesc *descriptors, size_t count)
{
    if (!sim_object_is(pool, SIM_OBJECT_POOL) || (descriptors == NULL && count > 0))
        return CUDA_ERROR_INVALID_VALUE;
    for (size_t i = 0; i < count; i++) {
        CUresult result = judge_access(pool, &descriptors[i]);
        if (result != CUDA_SUCCESS)
            return result;
        if (!SIM_RULE(pool_access_as_a_whole))
            give_access(pool, &descriptors[i]);
    }
    for (size_t i = 0; i < count; i++)
        give_access(pool, &descriptors[i]);
    return CUDA_SUCCESS;
}

CUresult sim_cuMemPoolGetAccess(CUmemAccess_flags *flags, CUmemoryPool pool, CUmemLocation *location)
{
    if (flags == NULL || location == NULL || !sim_object_is(pool, SIM_OBJECT_POOL) ||
        location->type != CU_MEM_LOCATION_TYPE_DEVICE || !sim_is_device(location->id))
        return CUDA_ERROR_INVALID_VALUE;
    *flags = pool->writable >> location->id & 1 ? CU_MEM_ACCESS_FLAGS_PROT_READWRITE : CU_MEM_ACCESS_FLAGS_PROT_NONE;
    return CUDA_SUCCESS;
}
