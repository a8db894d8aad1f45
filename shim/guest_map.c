/* guest_map.c: see guest_map.h. */
#include "guest_map.h"

#include <pthread.h>
#include <stdlib.h>

#include "access.h"
#include "driver.h"
#include "guest_claim.h"
#include "guest_home.h"
#include "guest_ranges.h"
#include "hook.h"
#include "locks.h"
#include "log.h"

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

/* A mapping that is under way: of each part, or of as many as are mapped. */
struct progress {
    struct vs_guest *guest;
    struct vs_range *range;           /* NULL: the addresses are not known here */
    struct vs_guest_mapping *mapping; /* NULL then */
    struct vs_extent **extents;       /* as many as there are parts */
    size_t count, bytes;
};

/* What stays mapped is lost to the program until it ends. */
static void unmap_again(CUdeviceptr address, size_t bytes)
{
    CUresult result = vs_backing_vmm.unmap(address, bytes);
    if (result != CUDA_SUCCESS)
        vs_log(VS_LOG_WARN, "memory",
            "%zu MiB of the program's addresses cannot be used any more: what could not be mapped there in full could "
            "not be taken away, either: %s",
            bytes >> 20, vs_driver_error(result));
}

/* The CPU copies where both sides are the host's (access.h), whatever the program says of the devices. */
static CUresult map_part(const struct vs_libcuda *real, const struct vs_guest *guest, const struct vs_guest_part *part,
    CUdeviceptr address, size_t bytes, size_t offset, unsigned long long flags)
{
    CUmemAccessDesc access[VS_ACCESS_MAX];
    CUresult result = real->cuMemMap(address, bytes, offset, part->handle, flags);
    size_t count = vs_access_list_asked(guest->compute, part->home, 0, 0, access);
    if (result != CUDA_SUCCESS || count == 0)
        return result;
    result = vs_access_give(address, bytes, access, count);
    if (result != CUDA_SUCCESS)
        unmap_again(address, bytes);
    return result;
}

/* Each part behind its addresses. Sizes and offsets that are wrong go to the driver as they are, for its error. */
static CUresult map_parts(const struct vs_libcuda *real, struct progress *progress, CUdeviceptr address, size_t bytes,
    size_t offset, unsigned long long flags)
{
    const struct vs_guest *guest = progress->guest;
    CUresult result = CUDA_SUCCESS;
    do {
        const struct vs_guest_part *part = &guest->parts[progress->count];
        size_t rest = bytes - progress->bytes;
        size_t size = progress->count + 1 == guest->part_count || rest <= part->bytes ? rest : part->bytes;
        struct vs_extent *extent = calloc(1, sizeof *extent);
        if (!extent)
            return CUDA_ERROR_OUT_OF_MEMORY;
        *extent = (struct vs_extent){.range = progress->range,
            .address = address + progress->bytes,
            .bytes = size,
            .handle = part->handle,
            .home = part->home,
            .backing = &vs_backing_vmm,
            .mapping = progress->mapping};
        result = map_part(real, guest, part, extent->address, size, offset, flags);
        if (result == CUDA_SUCCESS) {
            progress->extents[progress->count++] = extent;
            progress->bytes += size;
        } else {
            free(extent);
        }
    } while (result == CUDA_SUCCESS && progress->bytes < bytes);
    return result;
}

static void free_progress(struct progress *progress)
{
    for (size_t i = 0; i < progress->count; i++)
        free(progress->extents[i]);
    free(progress->extents);
    free(progress->mapping);
}

static void take_back(struct progress *progress, CUdeviceptr address)
{
    for (size_t i = 0; i < progress->count; i++) {
        unmap_again(address, progress->extents[i]->bytes);
        address += progress->extents[i]->bytes;
    }
    keep_no_longer(progress->guest);
}

/* From here on what is mapped is known. */
static void install(struct progress *progress)
{
    struct vs_guest *guest = progress->guest;
    struct vs_guest_mapping *mapping = progress->mapping;
    guest->movable = NULL;
    if (!mapping) {
        guest->stays = true; /* and nobody will tell when it is mapped there no more */
        return;
    }
    mapping->stays = guest->stays || guest->mapping_count > 0 || mapping->bytes != guest->bytes;
    guest->mapping_count++;
    if (!mapping->stays)
        guest->movable = mapping;
    for (size_t i = 0; i < progress->count; i++)
        vs_extents_install(progress->extents[i]);
    progress->mapping = NULL;
    progress->count = 0;
}

static CUresult map_guest(const struct vs_libcuda *real, struct vs_guest *guest, CUdeviceptr address, size_t bytes,
    size_t offset, unsigned long long flags)
{
    struct progress progress = {.guest = guest, .range = vs_guest_range(guest->compute, address, bytes)};
    if (!keep_in_place(guest))
        return CUDA_ERROR_OUT_OF_MEMORY;
    progress.extents = calloc(guest->part_count, sizeof(struct vs_extent *));
    if (progress.range && (progress.mapping = calloc(1, sizeof *progress.mapping)))
        *progress.mapping = (struct vs_guest_mapping){
            .address = address, .bytes = bytes, .properties = &guest->properties, .guest = guest};
    CUresult result = CUDA_ERROR_OUT_OF_MEMORY;
    if (progress.extents && (!progress.range || progress.mapping))
        result = map_parts(real, &progress, address, bytes, offset, flags);
    if (result == CUDA_SUCCESS)
        install(&progress);
    else
        take_back(&progress, address);
    free_progress(&progress);
    return result;
}

CUresult vs_guest_map(const struct vs_libcuda *real, CUdeviceptr address, size_t bytes, size_t offset,
    CUmemGenericAllocationHandle number, unsigned long long flags)
{
    vs_guest_call_home(number);
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
        if (vs_guest_is_cut(&claim, address, bytes))
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
