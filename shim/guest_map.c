/* guest_map.c: see guest_map.h. */
#include "guest_map.h"

#include <pthread.h>
#include <stdlib.h>

#include "access.h"
#include "guest_ranges.h"
#include "hook.h"
#include "locks.h"
#include "move.h"

bool vs_guest_touches(CUdeviceptr address, size_t bytes)
{
    const struct vs_range_table *table = atomic_load_explicit(&vs_range_table, memory_order_acquire);
    for (size_t i = 0; i < table->count; i++) {
        const struct vs_range_entry *entry = &table->entries[i];
        if (entry->range->kind == VS_RANGE_GUEST && entry->base < address + bytes &&
            address < entry->base + entry->bytes)
            return true;
    }
    return false;
}

/* --- Claiming ----------------------------------------------------------------------------------------------------- */

static bool add_claimed(struct vs_guest_claim *claim, size_t *room, struct vs_extent *extent)
{
    if (claim->count == *room) {
        size_t more = *room ? 2 * *room : 16;
        struct vs_extent **grown = realloc(claim->extents, more * sizeof(struct vs_extent *));
        if (!grown) {
            vs_extents_unclaim(extent);
            return false;
        }
        claim->extents = grown;
        *room = more;
    }
    claim->extents[claim->count++] = extent;
    return true;
}

static bool claim_in(struct vs_guest_claim *claim, size_t *room, struct vs_range *range, size_t page, size_t end)
{
    while (page < end) {
        struct vs_extent *extent = vs_extents_claim(range, page);
        if (extent && !add_claimed(claim, room, extent))
            return false;
        page = extent ? vs_page_of(range, extent->address) + extent->bytes / VS_PAGE_BYTES : page + 1;
    }
    return true;
}

bool vs_guest_claim(CUdeviceptr address, size_t bytes, struct vs_guest_claim *claim)
{
    const struct vs_range_table *table = atomic_load_explicit(&vs_range_table, memory_order_acquire);
    CUdeviceptr end = address + bytes;
    size_t room = 0;
    *claim = (struct vs_guest_claim){0};
    for (size_t i = 0; i < table->count; i++) {
        const struct vs_range_entry *entry = &table->entries[i];
        CUdeviceptr entry_end = entry->base + entry->bytes;
        if (entry->range->kind != VS_RANGE_GUEST || entry->base >= end || address >= entry_end)
            continue;
        CUdeviceptr from = address > entry->base ? address : entry->base, to = end < entry_end ? end : entry_end;
        if (!claim_in(
                claim, &room, entry->range, vs_page_of(entry->range, from), vs_page_of(entry->range, to - 1) + 1)) {
            vs_guest_unclaim(claim);
            return false;
        }
    }
    return true;
}

void vs_guest_unclaim(struct vs_guest_claim *claim)
{
    for (size_t i = 0; i < claim->count; i++)
        vs_extents_unclaim(claim->extents[i]);
    free(claim->extents);
    *claim = (struct vs_guest_claim){0};
}

/* Whether an end of [address, address + bytes) goes through a mapping of the program's: where that is several real
 * ones, the driver would not notice. */
static bool cuts(const struct vs_guest_claim *claim, CUdeviceptr address, size_t bytes)
{
    for (size_t i = 0; i < claim->count; i++) {
        const struct vs_guest_mapping *mapping = claim->extents[i]->mapping;
        if (mapping->address < address || mapping->address + mapping->bytes > address + bytes)
            return true;
    }
    return false;
}

bool vs_guest_take_stock(struct vs_guest_mapping *mapping, const struct vs_guest_claim *claim)
{
    struct vs_guest *guest = mapping->guest;
    size_t count = 0, next = 0;
    for (size_t i = 0; i < claim->count; i++)
        count += claim->extents[i]->mapping == mapping;
    struct vs_guest_part *parts = calloc(count, sizeof *parts);
    if (!parts)
        return false;
    for (size_t i = 0; i < claim->count; i++) {
        const struct vs_extent *extent = claim->extents[i];
        if (extent->mapping == mapping)
            parts[next++] = (struct vs_guest_part){extent->handle, extent->home, extent->bytes};
    }
    free(guest->parts);
    guest->parts = parts;
    guest->part_count = count;
    return true;
}

/* --- Mapping ------------------------------------------------------------------------------------------------------ */

/* The one mapping under which the memory could move, if there is one, must keep what it has: it is about to be mapped
 * elsewhere, too. */
static bool keep_in_place(struct vs_guest *guest)
{
    struct vs_guest_mapping *mapping = guest->movable;
    struct vs_guest_claim claim;
    if (!mapping)
        return true;
    if (!vs_guest_claim(mapping->address, mapping->bytes, &claim))
        return false;
    bool known = vs_guest_take_stock(mapping, &claim);
    mapping->stays = known;
    vs_guest_unclaim(&claim);
    return known;
}

static void keep_no_longer(struct vs_guest *guest)
{
    struct vs_guest_mapping *mapping = guest->movable;
    struct vs_guest_claim claim;
    if (!mapping || !vs_guest_claim(mapping->address, mapping->bytes, &claim))
        return;
    mapping->stays = false;
    vs_guest_unclaim(&claim);
}

/* The CPU copies where both sides are the host's (access.h), whatever the program says of the devices. */
static CUresult map_part(const struct vs_libcuda *real, const struct vs_guest *guest, const struct vs_guest_part *part,
    CUdeviceptr address, size_t bytes, size_t offset, unsigned long long flags)
{
    CUmemAccessDesc access[VS_ACCESS_MAX];
    CUresult result = real->cuMemMap(address, bytes, offset, part->handle, flags);
    size_t count = vs_access_list_asked(guest->compute, part->home, 0, 0, access);
    if (result == CUDA_SUCCESS && count > 0)
        result = vs_access_give(address, bytes, access, count);
    else
        return result;
    if (result != CUDA_SUCCESS)
        real->cuMemUnmap(address, bytes);
    return result;
}

/* Each part behind its addresses. Sizes and offsets that are wrong go to the driver as they are, for its error. */
static CUresult map_parts(const struct vs_libcuda *real, const struct vs_guest *guest, CUdeviceptr address,
    size_t bytes, size_t offset, unsigned long long flags, size_t *count)
{
    CUresult result = CUDA_SUCCESS;
    size_t done = 0;
    *count = 0;
    do {
        const struct vs_guest_part *part = &guest->parts[*count];
        bool last = *count + 1 == guest->part_count || bytes - done <= part->bytes;
        size_t size = last ? bytes - done : part->bytes;
        result = map_part(real, guest, part, address + done, size, offset, flags);
        if (result == CUDA_SUCCESS) {
            done += size;
            ++*count;
        }
    } while (result == CUDA_SUCCESS && done < bytes);
    if (result != CUDA_SUCCESS && done > 0)
        real->cuMemUnmap(address, done);
    return result;
}

static void free_extents(struct vs_extent **extents, size_t count)
{
    for (size_t i = 0; extents && i < count; i++)
        free(extents[i]);
    free(extents);
}

static struct vs_extent **new_extents(size_t count)
{
    struct vs_extent **extents = calloc(count, sizeof(struct vs_extent *));
    for (size_t i = 0; extents && i < count; i++)
        if (!(extents[i] = calloc(1, sizeof *extents[i]))) {
            free_extents(extents, i);
            return NULL;
        }
    return extents;
}

static void install(struct vs_guest_mapping *mapping, struct vs_range *range, struct vs_extent **extents, size_t count)
{
    struct vs_guest *guest = mapping->guest;
    CUdeviceptr address = mapping->address, end = address + mapping->bytes;
    for (size_t i = 0; i < count; i++) {
        const struct vs_guest_part *part = &guest->parts[i];
        size_t bytes = part->bytes < end - address ? part->bytes : end - address;
        *extents[i] = (struct vs_extent){.range = range,
            .address = address,
            .bytes = bytes,
            .handle = part->handle,
            .home = part->home,
            .backing = &vs_backing_vmm,
            .mapping = mapping};
        vs_extents_install(extents[i]);
        extents[i] = NULL;
        address += bytes;
    }
}

static CUresult map_guest(const struct vs_libcuda *real, struct vs_guest *guest, CUdeviceptr address, size_t bytes,
    size_t offset, unsigned long long flags)
{
    struct vs_range *range = vs_guest_range(guest->compute, address, bytes);
    struct vs_guest_mapping *mapping = calloc(1, sizeof *mapping);
    bool kept = mapping && keep_in_place(guest);
    size_t room = guest->part_count, count = 0;
    struct vs_extent **extents = kept ? new_extents(room) : NULL;
    CUresult result = CUDA_ERROR_OUT_OF_MEMORY;
    if (extents)
        result = map_parts(real, guest, address, bytes, offset, flags, &count);
    if (result != CUDA_SUCCESS) {
        if (kept)
            keep_no_longer(guest);
        free(mapping);
    } else if (!range) {
        guest->stays = true; /* and nobody is told when it is mapped there no more */
        guest->movable = NULL;
        free(mapping);
    } else {
        bool stays = guest->stays || guest->mapping_count > 0 || bytes != guest->bytes;
        *mapping = (struct vs_guest_mapping){
            .address = address, .bytes = bytes, .properties = &guest->properties, .stays = stays, .guest = guest};
        guest->movable = stays ? NULL : mapping;
        guest->mapping_count++;
        install(mapping, range, extents, count);
    }
    free_extents(extents, room);
    return result;
}

CUresult vs_guest_map(const struct vs_libcuda *real, CUdeviceptr address, size_t bytes, size_t offset,
    CUmemGenericAllocationHandle number, unsigned long long flags)
{
    pthread_mutex_lock(&vs_guests_lock);
    struct vs_guest *guest = vs_guest_find(number);
    CUresult result = guest ? map_guest(real, guest, address, bytes, offset, flags) : CUDA_ERROR_INVALID_VALUE;
    pthread_mutex_unlock(&vs_guests_lock);
    return result;
}

/* --- Unmapping ---------------------------------------------------------------------------------------------------- */

/* Before anything is unmapped: what lies behind movable mappings is known without them. */
static bool take_all_stock(const struct vs_guest_claim *claim)
{
    struct vs_guest_mapping *last = NULL;
    for (size_t i = 0; i < claim->count; i++) {
        struct vs_guest_mapping *mapping = claim->extents[i]->mapping;
        if (mapping != last && mapping->guest->movable == mapping && !vs_guest_take_stock(mapping, claim))
            return false;
        last = mapping;
    }
    return true;
}

static void forget(struct vs_guest_mapping *mapping)
{
    struct vs_guest *guest = mapping->guest;
    if (guest->movable == mapping)
        guest->movable = NULL;
    guest->mapping_count--;
    free(mapping);
    vs_guest_drop_if_unused(guest);
}

/* They are mapped no more. */
static void forget_all(struct vs_guest_claim *claim)
{
    for (size_t i = 0; i < claim->count; i++) {
        struct vs_extent *extent = claim->extents[i];
        struct vs_guest_mapping *mapping = extent->mapping;
        bool last = i + 1 == claim->count || claim->extents[i + 1]->mapping != mapping;
        vs_extents_uninstall(extent);
        free(extent);
        if (last)
            forget(mapping);
    }
    free(claim->extents);
}

CUresult vs_guest_unmap(const struct vs_libcuda *real, CUdeviceptr address, size_t bytes)
{
    struct vs_guest_claim claim;
    CUresult result = CUDA_ERROR_OUT_OF_MEMORY;
    pthread_mutex_lock(&vs_guests_lock);
    if (vs_guest_claim(address, bytes, &claim)) {
        if (cuts(&claim, address, bytes))
            result = CUDA_ERROR_INVALID_VALUE;
        else if (take_all_stock(&claim))
            result = real->cuMemUnmap(address, bytes);
        if (result == CUDA_SUCCESS)
            forget_all(&claim);
        else
            vs_guest_unclaim(&claim);
    }
    pthread_mutex_unlock(&vs_guests_lock);
    return result;
}

/* --- Access ------------------------------------------------------------------------------------------------------- */

static void note(struct vs_guest_mapping *mapping, const CUmemAccessDesc *descriptor)
{
    int device = descriptor->location.id;
    if (device < 0 || device >= VS_ACCESS_DEVICES)
        return;
    uint64_t bit = (uint64_t)1 << device;
    bool reads = descriptor->flags != CU_MEM_ACCESS_FLAGS_PROT_NONE;
    bool writes = descriptor->flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
    mapping->readable = reads ? mapping->readable | bit : mapping->readable & ~bit;
    mapping->writable = writes ? mapping->writable | bit : mapping->writable & ~bit;
}

/* The memory is a device's to the program, wherever it is: the CPU cannot be given access to it. */
static bool names_the_cpu(const CUmemAccessDesc *descriptors, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (descriptors[i].location.type != CU_MEM_LOCATION_TYPE_DEVICE)
            return true;
    return false;
}

static CUresult set_access(const struct vs_libcuda *real, const struct vs_guest_claim *claim, CUdeviceptr address,
    size_t bytes, const CUmemAccessDesc *descriptors, size_t count)
{
    if (cuts(claim, address, bytes) || (claim->count > 0 && names_the_cpu(descriptors, count)))
        return CUDA_ERROR_INVALID_VALUE;
    CUresult result = real->cuMemSetAccess(address, bytes, descriptors, count);
    for (size_t i = 0; i < claim->count && result == CUDA_SUCCESS; i++)
        for (size_t d = 0; d < count; d++)
            note(claim->extents[i]->mapping, &descriptors[d]);
    return result;
}

/* Those that are away come home. False: none is away, or one cannot come. */
static bool call_home(CUdeviceptr address, size_t bytes)
{
    bool all = true, any = false;
    for (CUdeviceptr at = address, end = address + bytes; at < end;) {
        struct vs_home home;
        const struct vs_range *range = vs_range_of(at);
        size_t run = vs_pages_run(at, end - at, &home);
        if (range && range->kind == VS_RANGE_GUEST && (home.kind == VS_HOME_PEER || home.kind == VS_HOME_HOST)) {
            const struct vs_move move = {at, run, {VS_HOME_LOCAL, range->compute->ordinal}};
            all = vs_rehome(&move, 1) == CUDA_SUCCESS && all;
            any = true;
        }
        at += run;
    }
    return all && any;
}

/* A device may have a way to the compute device's memory and none to where the pages are now: then they come home. */
CUresult vs_guest_set_access(
    const struct vs_libcuda *real, CUdeviceptr address, size_t bytes, const CUmemAccessDesc *descriptors, size_t count)
{
    CUresult result = CUDA_ERROR_OUT_OF_MEMORY;
    for (int tries = 0; tries < 2; tries++) {
        struct vs_guest_claim claim;
        if (tries > 0 && (result != CUDA_ERROR_INVALID_DEVICE || !call_home(address, bytes)))
            break;
        pthread_mutex_lock(&vs_guests_lock);
        if (vs_guest_claim(address, bytes, &claim)) {
            result = set_access(real, &claim, address, bytes, descriptors, count);
            vs_guest_unclaim(&claim);
        }
        pthread_mutex_unlock(&vs_guests_lock);
        if (result == CUDA_SUCCESS)
            break;
    }
    return result;
}

/* --- Asking ------------------------------------------------------------------------------------------------------- */

struct vs_guest_held vs_guest_hold(CUdeviceptr address)
{
    struct vs_range *range = vs_range_of(address);
    struct vs_extent *extent = NULL;
    if (range && range->kind == VS_RANGE_GUEST)
        extent = vs_extents_claim(range, vs_page_of(range, address));
    bool at_home = extent && extent->home.kind == VS_HOME_LOCAL && extent->bytes == extent->mapping->bytes;
    return (struct vs_guest_held){extent, at_home};
}

void vs_guest_let_go(struct vs_guest_held held)
{
    if (held.extent)
        vs_extents_unclaim(held.extent);
}

bool vs_guest_retain(CUdeviceptr address, CUmemGenericAllocationHandle *number)
{
    pthread_mutex_lock(&vs_guests_lock);
    struct vs_guest_held held = vs_guest_hold(address);
    if (held.extent) {
        held.extent->mapping->guest->references++;
        *number = held.extent->mapping->guest->number;
    }
    vs_guest_let_go(held);
    pthread_mutex_unlock(&vs_guests_lock);
    return held.extent != NULL;
}
