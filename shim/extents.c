/* extents.c: see extents.h. */
#include "extents.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "access.h"
#include "driver.h"
#include "gate.h"
#include "host_ahead.h"
#include "locks.h"

pthread_mutex_t vs_pages_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t unclaimed = PTHREAD_COND_INITIALIZER;
static size_t extent_count, extent_bytes; /* under vs_pages_lock, as the next */
static size_t bytes_of[VS_ACCESS_DEVICES];
static _Atomic(uint64_t) last_number, fixed_number;
static atomic_uint moves; /* under way */

/* --- The table ---------------------------------------------------------------------------------------------------- */

static void set_pages(struct vs_range *range, CUdeviceptr address, size_t bytes, struct vs_extent *extent)
{
    size_t first = vs_page_of(range, address);
    for (size_t page = first; page < first + bytes / VS_PAGE_BYTES; page++)
        range->extents[page] = extent;
}

/* `bytes` more of the extent's; or fewer, by their negative. */
static void count_bytes(const struct vs_extent *extent, size_t bytes)
{
    int ordinal = extent->range->compute->ordinal;
    extent_bytes += bytes;
    if (ordinal < VS_ACCESS_DEVICES)
        bytes_of[ordinal] += bytes;
}

/* With vs_pages_lock held. Whether a graph may use the addresses, which the program maps anew. */
static bool is_in_graph(const struct vs_extent *extent)
{
    const struct vs_range *range = extent->range;
    return range->kind == VS_RANGE_GUEST &&
           memchr(range->in_graph + vs_page_of(range, extent->address), 1, extent->bytes / VS_PAGE_BYTES);
}

void vs_extents_install(struct vs_extent *extent)
{
    vs_gate_arm(); /* before anybody is told of the first one */
    uint64_t number = atomic_fetch_add(&last_number, 1) + 1;
    pthread_mutex_lock(&vs_pages_lock);
    extent->number = is_in_graph(extent) ? 0 : number; /* 0: before every graph */
    set_pages(extent->range, extent->address, extent->bytes, extent);
    vs_pages_mark(extent->range, extent->address, extent->bytes, extent->home);
    count_bytes(extent, extent->bytes);
    extent_count++;
    pthread_mutex_unlock(&vs_pages_lock);
}

void vs_extents_uninstall(struct vs_extent *extent)
{
    const struct vs_home none = {VS_HOME_NONE, 0};
    pthread_mutex_lock(&vs_pages_lock);
    if (extent->range->kind == VS_RANGE_GUEST && extent->number <= atomic_load(&fixed_number))
        memset(extent->range->in_graph + vs_page_of(extent->range, extent->address), 1, extent->bytes / VS_PAGE_BYTES);
    set_pages(extent->range, extent->address, extent->bytes, NULL);
    vs_pages_mark(extent->range, extent->address, extent->bytes, none);
    count_bytes(extent, -extent->bytes);
    extent_count--;
    pthread_cond_broadcast(&unclaimed);
    pthread_mutex_unlock(&vs_pages_lock);
}

void vs_extents_replace(
    struct vs_extent *const olds[], size_t old_count, struct vs_extent *const pieces[], size_t count)
{
    pthread_mutex_lock(&vs_pages_lock);
    for (size_t i = 0; i < count; i++) {
        pieces[i]->number = olds[0]->number;
        set_pages(pieces[i]->range, pieces[i]->address, pieces[i]->bytes, pieces[i]);
        vs_pages_mark(pieces[i]->range, pieces[i]->address, pieces[i]->bytes, pieces[i]->home);
    }
    extent_count += count;
    extent_count -= old_count;
    pthread_cond_broadcast(&unclaimed);
    pthread_mutex_unlock(&vs_pages_lock);
}

void vs_extents_fix_all(void)
{
    uint64_t last = atomic_load(&last_number), fixed = atomic_load(&fixed_number);
    while (fixed < last && !atomic_compare_exchange_weak(&fixed_number, &fixed, last))
        ;
}

bool vs_extents_is_fixed(const struct vs_extent *extent)
{
    const struct vs_guest_mapping *mapping = extent->mapping;
    if (mapping && (mapping->stays || !(mapping->readable >> extent->range->compute->ordinal & 1)))
        return true;
    return extent->number <= atomic_load(&fixed_number);
}

void vs_extents_count(size_t *count, size_t *bytes)
{
    pthread_mutex_lock(&vs_pages_lock);
    *count = extent_count;
    *bytes = extent_bytes;
    pthread_mutex_unlock(&vs_pages_lock);
}

size_t vs_extents_of(int compute_ordinal)
{
    pthread_mutex_lock(&vs_pages_lock);
    size_t bytes = compute_ordinal < VS_ACCESS_DEVICES ? bytes_of[compute_ordinal] : extent_bytes;
    pthread_mutex_unlock(&vs_pages_lock);
    return bytes;
}

/* With vs_pages_lock held, which it leaves while it waits: what it found before may be gone. */
static struct vs_extent *claim_locked(struct vs_range *range, size_t page)
{
    while (range->extents[page] && range->extents[page]->claimed)
        pthread_cond_wait(&unclaimed, &vs_pages_lock);
    struct vs_extent *extent = range->extents[page];
    if (extent)
        extent->claimed = true;
    return extent;
}

struct vs_extent *vs_extents_claim(struct vs_range *range, size_t page)
{
    pthread_mutex_lock(&vs_pages_lock);
    struct vs_extent *extent = claim_locked(range, page);
    pthread_mutex_unlock(&vs_pages_lock);
    return extent;
}

void vs_extents_unclaim(struct vs_extent *extent)
{
    pthread_mutex_lock(&vs_pages_lock);
    extent->claimed = false;
    pthread_cond_broadcast(&unclaimed);
    pthread_mutex_unlock(&vs_pages_lock);
}

void vs_extents_begin_move(void)
{
    atomic_fetch_add(&moves, 1);
}

void vs_extents_end_move(void)
{
    atomic_fetch_sub(&moves, 1);
}

bool vs_extents_are_moving(void)
{
    return atomic_load(&moves) > 0;
}

/* Claims the first extent that begins within pages [*page, end), and goes on behind it. NULL: there is none. Where
 * `moving` is given, extents that are claimed while pages move are passed over, and it becomes true. */
static struct vs_extent *claim_next(struct vs_range *range, size_t *page, size_t end, bool *moving)
{
    struct vs_extent *extent = NULL;
    pthread_mutex_lock(&vs_pages_lock);
    while (!extent && *page < end) {
        struct vs_extent *here = range->extents[*page];
        bool begins = here && vs_page_of(range, here->address) == *page;
        if (begins && moving && here->claimed && vs_extents_are_moving()) {
            *moving = true;
            *page += here->bytes / VS_PAGE_BYTES;
            continue;
        }
        if (begins)
            extent = claim_locked(range, *page);
        if (!begins)
            ++*page;
        else if (extent)
            *page += extent->bytes / VS_PAGE_BYTES;
    }
    pthread_mutex_unlock(&vs_pages_lock);
    return extent;
}

/* --- One extent's memory ------------------------------------------------------------------------------------------ */

CUresult vs_extents_create_physical(const struct vs_backing *backing, const struct vs_compute *compute,
    struct vs_home home, size_t bytes, CUmemGenericAllocationHandle *handle)
{
    if (home.kind == VS_HOME_HOST)
        return vs_host_ahead_create(backing, compute, bytes, handle);
    return backing->create_physical(compute, home, bytes, handle);
}

void vs_extents_release_physical(
    const struct vs_backing *backing, struct vs_home home, size_t bytes, CUmemGenericAllocationHandle handle)
{
    if (home.kind == VS_HOME_HOST)
        vs_host_ahead_release(backing, bytes, handle);
    else
        backing->release(handle);
}

void vs_extent_release(const struct vs_extent *extent)
{
    vs_extents_release_physical(extent->backing, extent->home, extent->bytes, extent->handle);
}

CUresult vs_extent_create(struct vs_extent *extent)
{
    if (extent->mapping && extent->home.kind == VS_HOME_LOCAL)
        return vs_driver()->cuMemCreate(&extent->handle, extent->bytes, extent->mapping->properties, 0);
    return vs_extents_create_physical(
        extent->backing, extent->range->compute, extent->home, extent->bytes, &extent->handle);
}

CUresult vs_extent_map(const struct vs_extent *extent)
{
    const struct vs_compute *compute = extent->range->compute;
    const struct vs_guest_mapping *mapping = extent->mapping;
    if (!mapping)
        return extent->backing->map(compute, extent->home, extent->address, extent->bytes, extent->handle);
    CUmemAccessDesc access[VS_ACCESS_MAX];
    size_t count = vs_access_list_asked(compute, extent->home, mapping->readable, mapping->writable, access);
    CUresult result = vs_driver()->cuMemMap(extent->address, extent->bytes, 0, extent->handle, 0);
    if (result != CUDA_SUCCESS)
        return result;
    result = vs_access_give(extent->address, extent->bytes, access, count);
    if (result != CUDA_SUCCESS)
        vs_driver()->cuMemUnmap(extent->address, extent->bytes);
    return result;
}

/* --- Binding ------------------------------------------------------------------------------------------------------ */

static CUresult create_and_map(struct vs_extent *extent)
{
    struct vs_driver_scope scope;
    CUresult result = vs_driver_enter(&scope, extent->range->compute->context);
    if (result != CUDA_SUCCESS)
        return result;
    result = vs_extent_create(extent);
    if (result == CUDA_SUCCESS) {
        result = vs_extent_map(extent);
        if (result != CUDA_SUCCESS)
            vs_extent_release(extent);
    }
    vs_driver_leave(&scope);
    return result;
}

/* Unmapping needs no context: it is tried in any case. */
static CUresult destroy(struct vs_extent *extent)
{
    struct vs_driver_scope scope;
    bool entered = vs_driver_enter(&scope, extent->range->compute->context) == CUDA_SUCCESS;
    CUresult result = extent->backing->unmap(extent->address, extent->bytes);
    vs_extent_release(extent);
    if (entered)
        vs_driver_leave(&scope);
    return result;
}

static CUresult allow(const struct vs_extent *extent)
{
    struct vs_driver_scope scope;
    const struct vs_compute *compute = extent->range->compute;
    if (extent->mapping) /* the program says itself who may use it (cuMemSetAccess) */
        return CUDA_SUCCESS;
    CUresult result = vs_driver_enter(&scope, compute->context);
    if (result != CUDA_SUCCESS)
        return result;
    result = extent->backing->allow(compute, extent->home, extent->address, extent->bytes);
    vs_driver_leave(&scope);
    return result;
}

CUresult vs_extents_bind(
    struct vs_range *range, CUdeviceptr address, size_t bytes, struct vs_home home, const struct vs_backing *backing)
{
    struct vs_extent *extent = calloc(1, sizeof *extent);
    if (!extent)
        return CUDA_ERROR_OUT_OF_MEMORY;
    *extent = (struct vs_extent){
        .range = range, .address = address, .bytes = bytes, .home = home, .backing = backing, .claimed = true};
    uint64_t peers = vs_access_peers(range->compute->ordinal);
    CUresult result = create_and_map(extent);
    if (result != CUDA_SUCCESS) {
        free(extent);
        return result;
    }
    vs_extents_install(extent);
    if (peers != vs_access_peers(range->compute->ordinal))
        allow(extent); /* one more has come that may have looked here too early */
    vs_extents_unclaim(extent);
    return CUDA_SUCCESS;
}

CUresult vs_extents_unbind(struct vs_range *range, CUdeviceptr address, size_t bytes, bool *moving)
{
    size_t page = vs_page_of(range, address), end = page + bytes / VS_PAGE_BYTES;
    CUresult first = CUDA_SUCCESS;
    struct vs_extent *extent;
    while ((extent = claim_next(range, &page, end, moving))) {
        if (extent->address + extent->bytes > address + bytes) {
            vs_extents_unclaim(extent);
            break;
        }
        CUresult result = destroy(extent);
        if (first == CUDA_SUCCESS)
            first = result;
        vs_extents_uninstall(extent);
        free(extent);
    }
    return first;
}

CUresult vs_extents_allow(int compute_ordinal)
{
    CUresult first = CUDA_SUCCESS;
    struct vs_range *range = vs_range_from(0);
    for (; range; range = vs_range_from(range->base + range->bytes)) {
        size_t page = 0, end = range->bytes / VS_PAGE_BYTES;
        struct vs_extent *extent;
        while (range->compute->ordinal == compute_ordinal && (extent = claim_next(range, &page, end, NULL))) {
            CUresult result = allow(extent);
            if (first == CUDA_SUCCESS)
                first = result;
            vs_extents_unclaim(extent);
        }
    }
    return first;
}
