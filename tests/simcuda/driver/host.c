/* host.c: pinned and registered host memory. Both are charged to the machine's host memory. */
#include "address.h"
#include "api.h"
#include "context.h"
#include "knowledge.h"
#include "program_memory.h"
#include "range.h"
#include "rules.h"
#include "schedule.h"
#include "trace.h"

#include <unistd.h>

static CUresult allocate(void **pointer, size_t bytes, unsigned flags)
{
    struct sim_block block;
    struct sim_range *range = NULL;
    CUdeviceptr start;
    CUresult result = sim_physical_take(SIM_HOST, bytes, &block);

    if (result != CUDA_SUCCESS)
        return result;
    start = sim_address_take(block.bytes, SIM_PAGE_BYTES, 0);
    if (start != 0 && sim_physical_expose(&block, start, true))
        range = sim_range_add(start, bytes, SIM_PINNED);
    if (range == NULL) {
        if (start != 0) {
            sim_physical_hide(start, block.bytes);
            sim_address_give(start, block.bytes);
        }
        sim_physical_give(&block);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    range->block = block;
    range->alias = sim_physical_alias(&block);
    range->location = SIM_HOST;
    range->context = sim_current();
    /* With unified addressing memory is portable and mapped without being asked (CUDA Driver API, "Unified
     * Addressing"). */
    range->host_flags = flags | CU_MEMHOSTALLOC_DEVICEMAP;
    *pointer = (void *)start;
    sim_trace_memory("alloc", start, bytes, SIM_HOST, NULL);
    return CUDA_SUCCESS;
}

CUresult sim_cuMemHostAlloc(void **pointer, size_t bytes, unsigned flags)
{
    const unsigned known = CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP | CU_MEMHOSTALLOC_WRITECOMBINED;
    if (pointer == NULL || bytes == 0 || (flags & ~known) != 0)
        return CUDA_ERROR_INVALID_VALUE;
    return allocate(pointer, bytes, flags);
}

CUresult sim_cuMemAllocHost_v2(void **pointer, size_t bytes)
{
    return sim_cuMemHostAlloc(pointer, bytes, 0);
}

/* Gives pinned memory back, or lets go of registered memory. */
static void release(struct sim_range *range)
{
    CUdeviceptr start = range->start;
    struct sim_block block = range->block;

    sim_trace_memory(range->kind == SIM_PINNED ? "free" : "unregister", start, range->bytes, SIM_HOST, NULL);
    sim_knowledge_set((uintptr_t)range->alias, range->bytes, SIM_UNKNOWN);
    if (range->kind == SIM_REGISTERED)
        sim_physical_refund(SIM_HOST, range->charged_bytes);
    sim_range_remove(range);
    if (block.bytes > 0) {
        sim_physical_hide(start, block.bytes);
        sim_physical_give(&block);
        sim_address_give(start, block.bytes);
    }
}

void sim_host_memory_of_context_free(CUcontext context)
{
    struct sim_range *range = sim_range_from(0);

    while (range != NULL) {
        struct sim_range *after = sim_range_after(range);
        if ((range->kind == SIM_PINNED || range->kind == SIM_REGISTERED) && range->context == context)
            release(range);
        range = after;
    }
}

CUresult sim_cuMemFreeHost(void *pointer)
{
    struct sim_range *range = sim_range_find((CUdeviceptr)pointer);

    if (range == NULL)
        return SIM_REFUSE(free_live, CUDA_ERROR_INVALID_VALUE);
    if (range->kind != SIM_PINNED)
        return SIM_REFUSE(free_own_kind, CUDA_ERROR_INVALID_VALUE);
    if (range->start != (CUdeviceptr)pointer)
        return SIM_REFUSE(free_base, CUDA_ERROR_INVALID_VALUE);
    sim_drain_all();
    range = sim_range_find((CUdeviceptr)pointer); /* host functions ran meanwhile */
    if (range == NULL || range->kind != SIM_PINNED)
        return CUDA_ERROR_INVALID_VALUE;
    release(range);
    return sim_current()->sticky;
}

/* Nothing can be pinned that is not there. What only the device's own page tables protect must be writable, unless the
 * program says that it will be read only (cuda.h, CU_MEMHOSTREGISTER_READ_ONLY). */
static CUresult may_be_pinned(CUdeviceptr start, size_t bytes, unsigned flags)
{
    struct sim_permissions may = sim_program_permissions(start, bytes);

    if (!may.read)
        return SIM_REFUSE(register_mapped, CUDA_ERROR_INVALID_VALUE);
    if (!may.write && !(flags & CU_MEMHOSTREGISTER_READ_ONLY))
        return SIM_REFUSE(register_read_only, CUDA_ERROR_INVALID_VALUE);
    return CUDA_SUCCESS;
}

CUresult sim_cuMemHostRegister_v2(void *pointer, size_t bytes, unsigned flags)
{
    const unsigned known = CU_MEMHOSTREGISTER_PORTABLE | CU_MEMHOSTREGISTER_DEVICEMAP | CU_MEMHOSTREGISTER_IOMEMORY |
                           CU_MEMHOSTREGISTER_READ_ONLY;
    CUdeviceptr start = (CUdeviceptr)pointer;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t pinned = ((start + bytes + page - 1) & ~(page - 1)) - (start & ~(page - 1)), charged;
    const struct sim_range *next;
    struct sim_range *range;
    CUresult result;

    if (pointer == NULL || (flags & ~known) != 0 || start + bytes < start)
        return CUDA_ERROR_INVALID_VALUE;
    if (bytes == 0)
        return SIM_REFUSE(register_some_bytes, CUDA_ERROR_INVALID_VALUE);
    if (flags & CU_MEMHOSTREGISTER_IOMEMORY)
        return CUDA_ERROR_NOT_SUPPORTED;
    next = sim_range_from(start);
    if (next != NULL && next->start < start + bytes)
        return next->kind == SIM_REGISTERED || next->kind == SIM_PINNED
                   ? SIM_REFUSE(register_once, CUDA_ERROR_HOST_MEMORY_ALREADY_REGISTERED)
                   : CUDA_ERROR_INVALID_VALUE;
    if (sim_address_is_ours(start) || pinned < bytes)
        return CUDA_ERROR_INVALID_VALUE;
    charged = SIM_RULE(host_budget_shared) ? pinned : 0;
    result = sim_physical_charge(SIM_HOST, charged);
    if (result == CUDA_SUCCESS && (result = may_be_pinned(start, bytes, flags)) != CUDA_SUCCESS)
        sim_physical_refund(SIM_HOST, charged);
    if (result != CUDA_SUCCESS)
        return result;
    range = sim_range_add(start, bytes, SIM_REGISTERED);
    if (range == NULL) {
        sim_physical_refund(SIM_HOST, charged);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    range->alias = pointer;
    range->location = SIM_HOST;
    range->context = sim_current();
    range->host_flags = flags | CU_MEMHOSTREGISTER_DEVICEMAP;
    range->charged_bytes = charged;
    sim_trace_memory("register", start, bytes, SIM_HOST, NULL);
    return CUDA_SUCCESS;
}

CUresult sim_cuMemHostUnregister(void *pointer)
{
    struct sim_range *range = sim_range_find((CUdeviceptr)pointer);

    if (range == NULL || range->kind != SIM_REGISTERED)
        return SIM_REFUSE(unregister_registered, CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED);
    if (range->start != (CUdeviceptr)pointer)
        return SIM_REFUSE(unregister_base, CUDA_ERROR_INVALID_VALUE);
    sim_drain_all();
    range = sim_range_find((CUdeviceptr)pointer);
    if (range == NULL || range->kind != SIM_REGISTERED)
        return CUDA_ERROR_HOST_MEMORY_NOT_REGISTERED;
    release(range);
    return sim_current()->sticky;
}

CUresult sim_cuMemHostGetDevicePointer_v2(CUdeviceptr *address, void *pointer, unsigned flags)
{
    const struct sim_range *range = sim_range_find((CUdeviceptr)pointer);

    if (address == NULL || flags != 0)
        return CUDA_ERROR_INVALID_VALUE;
    if (range == NULL || (range->kind != SIM_PINNED && range->kind != SIM_REGISTERED))
        return SIM_REFUSE(host_pointer_known, CUDA_ERROR_INVALID_VALUE);
    *address = (CUdeviceptr)pointer;
    return CUDA_SUCCESS;
}

CUresult sim_cuMemHostGetFlags(unsigned *flags, void *pointer)
{
    const struct sim_range *range = sim_range_find((CUdeviceptr)pointer);

    if (flags == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    if (range == NULL || range->kind != SIM_PINNED)
        return SIM_REFUSE(host_flags_known, CUDA_ERROR_INVALID_VALUE);
    *flags = range->host_flags;
    return CUDA_SUCCESS;
}
