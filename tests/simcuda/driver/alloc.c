/* alloc.c: cuMemAlloc and cuMemFree.
 *
 * Allocations of up to half a page share 2 MiB blocks ("slabs") of their context, as the real driver's do; larger ones
 * get pages of their own. */
#include "alloc.h"
#include "address.h"
#include "adversary.h"
#include "api.h"
#include "bar1.h"
#include "context.h"
#include "extents.h"
#include "graph_memory.h"
#include "knowledge.h"
#include "pool.h"
#include "rules.h"
#include "schedule.h"
#include "trace.h"
#include "vmm.h"

#include <stdlib.h>

#define ALIGNMENT  ((size_t)512)
#define SLAB_LIMIT (SIM_PAGE_BYTES / 2)

struct slab {
    CUcontext context;
    CUdeviceptr start;
    struct sim_block block;
    struct sim_extents free;
    size_t live;
    struct slab *next;
};
static struct slab *slabs;

static size_t round_up(size_t bytes, size_t unit)
{
    return (bytes + unit - 1) / unit * unit;
}

/* A page of device memory with an address. */
static CUresult new_slab(CUcontext context, struct slab **out)
{
    struct slab *slab = calloc(1, sizeof *slab);
    CUresult result =
        slab == NULL ? CUDA_ERROR_OUT_OF_MEMORY : sim_physical_take(context->device, SIM_PAGE_BYTES, &slab->block);
    if (result != CUDA_SUCCESS)
        goto fail;
    slab->start = sim_address_take(SIM_PAGE_BYTES, SIM_PAGE_BYTES, 0);
    if (slab->start == 0 || !sim_extents_give(&slab->free, slab->start, SIM_PAGE_BYTES)) {
        sim_physical_give(&slab->block);
        result = CUDA_ERROR_OUT_OF_MEMORY;
        goto fail;
    }
    slab->context = context;
    slab->next = slabs;
    slabs = slab;
    *out = slab;
    return CUDA_SUCCESS;
fail:
    free(slab);
    return result;
}

static void free_slab(struct slab *slab)
{
    struct slab **link = &slabs;
    while (*link != slab)
        link = &(*link)->next;
    *link = slab->next;
    sim_physical_give(&slab->block);
    sim_address_give(slab->start, SIM_PAGE_BYTES);
    sim_extents_destroy(&slab->free);
    free(slab);
}

static struct sim_range *allocate_small(CUcontext context, size_t bytes, CUresult *result)
{
    struct sim_range *range;
    struct slab *slab = slabs;
    uint64_t start = 0;

    while (slab != NULL &&
           (slab->context != context || !sim_extents_take(&slab->free, round_up(bytes, ALIGNMENT), ALIGNMENT, &start)))
        slab = slab->next;
    if (slab == NULL) {
        *result = new_slab(context, &slab);
        if (*result != CUDA_SUCCESS)
            return NULL;
        sim_extents_take(&slab->free, round_up(bytes, ALIGNMENT), ALIGNMENT, &start);
    }
    range = sim_range_add(start, bytes, SIM_ALLOCATION);
    if (range == NULL) {
        sim_extents_give(&slab->free, start, round_up(bytes, ALIGNMENT));
        *result = CUDA_ERROR_OUT_OF_MEMORY;
        return NULL;
    }
    slab->live++;
    range->owner = slab;
    range->alias = sim_physical_alias(&slab->block) + (start - slab->start);
    return range;
}

static struct sim_range *allocate_large(CUcontext context, size_t bytes, CUresult *result)
{
    struct sim_block block;
    struct sim_range *range;
    CUdeviceptr start;

    *result = sim_physical_take(context->device, bytes, &block);
    if (*result != CUDA_SUCCESS)
        return NULL;
    start = sim_address_take(block.bytes, SIM_PAGE_BYTES, 0);
    range = start != 0 ? sim_range_add(start, bytes, SIM_ALLOCATION) : NULL;
    if (range == NULL) {
        if (start != 0)
            sim_address_give(start, block.bytes);
        sim_physical_give(&block);
        *result = CUDA_ERROR_OUT_OF_MEMORY;
        return NULL;
    }
    range->block = block;
    range->alias = sim_physical_alias(&block);
    return range;
}

struct sim_range *sim_allocate(CUcontext context, size_t bytes, CUresult *result)
{
    struct sim_range *range;

    *result = CUDA_SUCCESS;
    range = bytes <= SLAB_LIMIT ? allocate_small(context, bytes, result) : allocate_large(context, bytes, result);
    if (range != NULL) {
        range->context = context;
        range->location = context->device;
    }
    return range;
}

void sim_deallocate(struct sim_range *range)
{
    struct slab *slab = range->owner;
    CUdeviceptr start = range->start;
    size_t bytes = range->bytes;
    struct sim_block block = range->block;

    if (range->graph_memory != NULL) {
        sim_graph_memory_release(range);
        return;
    }
    sim_knowledge_set((uintptr_t)range->alias, bytes, SIM_UNKNOWN);
    if (slab != NULL)
        sim_physical_clear(range->location, range->alias, bytes); /* the page lives on */
    sim_range_remove(range);
    if (slab != NULL) {
        sim_extents_give(&slab->free, start, round_up(bytes, ALIGNMENT));
        if (--slab->live == 0)
            free_slab(slab);
    } else {
        sim_physical_give(&block);
        sim_address_give(start, block.bytes);
    }
}

void sim_allocations_of_context_free(CUcontext context)
{
    struct sim_range *range = sim_range_from(0);
    while (range != NULL) {
        struct sim_range *after = sim_range_after(range);
        if (range->kind == SIM_ALLOCATION && range->context == context)
            sim_deallocate(range);
        range = after;
    }
}

CUresult sim_cuMemAlloc_v2(CUdeviceptr *address, size_t bytes)
{
    struct sim_range *range;
    CUresult result;

    if (address == NULL || (bytes == 0 && SIM_RULE(alloc_zero_bytes)))
        return CUDA_ERROR_INVALID_VALUE;
    sim_exports_settle();
    range = sim_allocate(sim_current(), bytes > 0 ? bytes : 1, &result);
    if (range == NULL)
        return result;
    if (sim_bar1_is_exceeded(range->location)) { /* by peer access that is enabled */
        sim_deallocate(range);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    *address = range->start;
    sim_trace_memory("alloc", range->start, bytes, sim_current()->device, NULL);
    return CUDA_SUCCESS;
}

CUresult sim_cuMemAllocPitch_v2(CUdeviceptr *address, size_t *pitch, size_t width, size_t height, unsigned element)
{
    CUresult result;

    if (pitch == NULL || width == 0 || height == 0 || (element != 4 && element != 8 && element != 16))
        return CUDA_ERROR_INVALID_VALUE;
    if (width > (size_t)1 << 40 || height > ((size_t)1 << 46) / round_up(width, ALIGNMENT))
        return CUDA_ERROR_OUT_OF_MEMORY;
    result = sim_cuMemAlloc_v2(address, round_up(width, ALIGNMENT) * height);
    if (result == CUDA_SUCCESS)
        *pitch = round_up(width, ALIGNMENT);
    return result;
}

CUresult sim_cuMemFree_v2(CUdeviceptr address)
{
    struct sim_range *range;

    if (address == 0)
        return CUDA_SUCCESS;
    range = sim_range_find(address);
    if (range == NULL || range->freeing || range->of_module || (range->graph_memory != NULL && range->pending))
        return SIM_REFUSE(free_live, CUDA_ERROR_INVALID_VALUE);
    if (range->kind == SIM_MAPPING)
        return SIM_REFUSE(free_mapping, CUDA_ERROR_INVALID_VALUE);
    if (range->kind != SIM_ALLOCATION && range->kind != SIM_POOL_BLOCK)
        return SIM_REFUSE(free_own_kind, CUDA_ERROR_INVALID_VALUE);
    if (range->start != address)
        return SIM_REFUSE(free_base, CUDA_ERROR_INVALID_VALUE);
    if (range->kind == SIM_POOL_BLOCK) {
        if (!SIM_RULE(pool_free_waits_for_nothing)) {
            sim_drain_all();
            range = sim_range_find(address);
            if (range == NULL || range->start != address)
                return CUDA_ERROR_INVALID_VALUE;
        }
        /* For pool memory this call waits for nothing (cuda.h, cuMemFreeAsync): what is pending will fault. */
        sim_trace_memory("free", address, range->bytes, range->location, NULL);
        sim_pool_block_free(range, NULL);
        return CUDA_SUCCESS;
    }
    /* cuda.h leaves open whether this call synchronises. Real drivers wait at least for the work that uses the memory,
     * and some for all work. */
    if (SIM_RULE(free_waits)) {
        if (sim_adversary_choice(true, false))
            sim_drain_all();
        else
            sim_drain_uses(address, range->bytes);
    }
    range = sim_range_find(address); /* host functions ran meanwhile */
    if (range == NULL || range->start != address)
        return CUDA_ERROR_INVALID_VALUE;
    sim_trace_memory("free", address, range->bytes, range->location, NULL);
    sim_deallocate(range);
    return sim_current()->sticky;
}

CUresult sim_cuMemGetAddressRange_v2(CUdeviceptr *base, size_t *bytes, CUdeviceptr address)
{
    const struct sim_range *range = sim_range_find(address);

    if (range == NULL || range->kind == SIM_REGISTERED)
        return CUDA_ERROR_NOT_FOUND;
    if (base != NULL)
        *base = range->start;
    if (bytes != NULL)
        *bytes = range->bytes;
    return CUDA_SUCCESS;
}
