/* guest_access.c: who may use what the program has mapped, and what is asked about it; see guest_map.h. */
#include <pthread.h>

#include "access.h"
#include "devices.h"
#include "driver.h"
#include "guest_claim.h"
#include "guest_map.h"
#include "hook.h"
#include "locks.h"
#include "move.h"

bool vs_guest_touches(CUdeviceptr address, size_t bytes)
{
    const struct vs_range *range = vs_range_from(address);
    while (range && range->base < address + bytes && range->kind != VS_RANGE_GUEST)
        range = vs_range_from(range->base + range->bytes);
    return range && range->base < address + bytes;
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
    if (vs_guest_is_cut(claim, address, bytes) || (claim->count > 0 && names_the_cpu(descriptors, count)))
        return CUDA_ERROR_INVALID_VALUE;
    CUresult result = real->cuMemSetAccess(address, bytes, descriptors, count);
    for (size_t i = 0; i < claim->count && result == CUDA_SUCCESS; i++)
        for (size_t d = 0; d < count; d++)
            note(claim->extents[i]->mapping, &descriptors[d]);
    return result;
}

/* Whether each of the devices is there and has a way to this one's memory. */
static bool all_reach(const struct vs_compute *compute, const CUmemAccessDesc *descriptors, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int device = descriptors[i].location.id, can = 0;
        if (device != compute->ordinal &&
            (vs_devices_hides(device) ||
                vs_driver()->cuDeviceCanAccessPeer(&can, device, compute->device) != CUDA_SUCCESS || !can))
            return false;
    }
    return true;
}

/* Those that are away come home. False: none is away, one cannot come, or the devices could not reach it there. */
static bool call_home(CUdeviceptr address, size_t bytes, const CUmemAccessDesc *descriptors, size_t count)
{
    bool all = true, any = false;
    for (CUdeviceptr at = address, end = address + bytes; at < end;) {
        struct vs_home home;
        const struct vs_range *range = vs_range_of(at);
        size_t run = vs_pages_run(at, end - at, &home);
        if (range && range->kind == VS_RANGE_GUEST && (home.kind == VS_HOME_PEER || home.kind == VS_HOME_HOST)) {
            if (!all_reach(range->compute, descriptors, count))
                return false;
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
        if (tries > 0 && (result != CUDA_ERROR_INVALID_DEVICE || !call_home(address, bytes, descriptors, count)))
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
