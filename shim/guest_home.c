/* guest_home.c: see guest_home.h. */
#include "guest_home.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "access.h"
#include "devices.h"
#include "driver.h"
#include "guest_claim.h"
#include "guest_map.h"
#include "locks.h"
#include "log.h"
#include "move.h"
#include "reclaim.h"

static bool is_home(const struct vs_guest *guest)
{
    return guest->part_count == 1 && guest->parts[0].home.kind == VS_HOME_LOCAL;
}

/* --- Memory that is mapped nowhere -------------------------------------------------------------------------------- */

struct bench {
    CUdeviceptr base; /* addresses for the old parts, and behind them for the new memory */
    CUmemGenericAllocationHandle handle;
    bool has_handle, has_new;
    size_t parts_mapped;
    CUstream stream;
};

static CUresult set_up(const struct vs_guest *guest, struct bench *bench)
{
    const struct vs_driver *driver = vs_driver();
    const struct vs_home home = {VS_HOME_LOCAL, guest->compute->ordinal};
    CUresult result = driver->cuMemAddressReserve(&bench->base, 2 * guest->bytes, VS_PAGE_BYTES, 0, 0);
    if (result != CUDA_SUCCESS) {
        bench->base = 0;
        return result;
    }
    result = driver->cuStreamCreate(&bench->stream, CU_STREAM_NON_BLOCKING);
    if (result != CUDA_SUCCESS) {
        bench->stream = NULL;
        return result;
    }
    result = driver->cuMemCreate(&bench->handle, guest->bytes, &guest->properties, 0);
    bench->has_handle = result == CUDA_SUCCESS;
    if (result == CUDA_SUCCESS)
        result = vs_backing_vmm.map(guest->compute, home, bench->base + guest->bytes, guest->bytes, bench->handle);
    bench->has_new = result == CUDA_SUCCESS;
    CUdeviceptr at = bench->base;
    for (size_t i = 0; i < guest->part_count && result == CUDA_SUCCESS; i++) {
        const struct vs_guest_part *part = &guest->parts[i];
        result = vs_backing_vmm.map(guest->compute, part->home, at, part->bytes, part->handle);
        bench->parts_mapped += result == CUDA_SUCCESS;
        at += part->bytes;
    }
    return result;
}

static void take_down(const struct vs_guest *guest, struct bench *bench)
{
    CUdeviceptr at = bench->base;
    for (size_t i = 0; i < bench->parts_mapped; i++) {
        vs_backing_vmm.unmap(at, guest->parts[i].bytes);
        at += guest->parts[i].bytes;
    }
    if (bench->has_new)
        vs_backing_vmm.unmap(bench->base + guest->bytes, guest->bytes);
    if (bench->stream)
        vs_driver()->cuStreamDestroy(bench->stream);
    if (bench->base)
        vs_driver()->cuMemAddressFree(bench->base, 2 * guest->bytes);
}

/* Each by itself: their homes differ. */
static CUresult copy(const struct vs_guest *guest, const struct bench *bench)
{
    CUresult result = CUDA_SUCCESS;
    CUdeviceptr at = bench->base;
    for (size_t i = 0; i < guest->part_count && result == CUDA_SUCCESS; i++) {
        result = vs_driver()->cuMemcpyAsync(at + guest->bytes, at, guest->parts[i].bytes, bench->stream);
        at += guest->parts[i].bytes;
    }
    CUresult waited = vs_driver()->cuStreamSynchronize(bench->stream);
    return result == CUDA_SUCCESS ? waited : result;
}

/* With vs_guests_lock held. Nobody can use the memory meanwhile: it is mapped nowhere. */
static CUresult gather(struct vs_guest *guest)
{
    struct vs_driver_scope scope;
    struct bench bench = {0};
    CUresult result = vs_driver_enter(&scope, guest->compute->context);
    if (result != CUDA_SUCCESS)
        return result;
    result = set_up(guest, &bench);
    if (result == CUDA_SUCCESS)
        result = copy(guest, &bench);
    take_down(guest, &bench);
    if (result == CUDA_SUCCESS) {
        for (size_t i = 0; i < guest->part_count; i++)
            vs_extents_release_physical(
                &vs_backing_vmm, guest->parts[i].home, guest->parts[i].bytes, guest->parts[i].handle);
        guest->parts[0] = (struct vs_guest_part){bench.handle, {VS_HOME_LOCAL, guest->compute->ordinal}, guest->bytes};
        guest->part_count = 1;
    } else if (bench.has_handle) {
        vs_backing_vmm.release(bench.handle);
    }
    vs_driver_leave(&scope);
    return result;
}

/* --- All of it ---------------------------------------------------------------------------------------------------- */

/* With vs_guests_lock held. Whether the memory is home and stays from here on. */
static CUresult try_to_settle(struct vs_guest *guest, struct vs_move *way_home)
{
    struct vs_guest_mapping *mapping = guest->movable;
    struct vs_guest_claim claim;
    *way_home = (struct vs_move){0};
    if (!mapping) {
        CUresult result = CUDA_SUCCESS;
        if (!is_home(guest))
            result = guest->mapping_count == 0 && !guest->stays ? gather(guest) : CUDA_ERROR_NOT_SUPPORTED;
        guest->stays = guest->stays || result == CUDA_SUCCESS;
        return result;
    }
    if (!vs_guest_claim(mapping->address, mapping->bytes, &claim))
        return CUDA_ERROR_OUT_OF_MEMORY;
    bool known = vs_guest_take_stock(mapping, &claim);
    if (known && is_home(guest)) {
        mapping->stays = guest->stays = true;
        guest->movable = NULL;
    } else {
        *way_home = (struct vs_move){mapping->address, mapping->bytes, {VS_HOME_LOCAL, guest->compute->ordinal}};
    }
    vs_guest_unclaim(&claim);
    return known ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

/* What is told where memory cannot come home, once for each cause. */
static const struct {
    CUresult cause;
    const char *remedy;
} remedies[] = {
    {CUDA_ERROR_OUT_OF_MEMORY, "free some of the device's memory, or place less on it"},
    {CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED, "share it while no graph is captured"},
    {CUDA_ERROR_NOT_READY, "share it while the device has less to do: what is queued did not end in time"},
    {CUDA_ERROR_NOT_PERMITTED, "share it before a graph uses it"},
    {CUDA_ERROR_NOT_SUPPORTED, "share it before it is mapped several times"},
    {CUDA_SUCCESS, "run the program without VRAMSPAN_POLICY"}, /* any other */
};
enum { REMEDIES = sizeof remedies / sizeof *remedies };

/* What is not home of memory that is to be shared. */
struct absence {
    struct vs_home home;
    size_t bytes;
};

static struct absence absence_of(const struct vs_guest *guest)
{
    struct absence absence = {{VS_HOME_LOCAL, guest->compute->ordinal}, 0};
    for (size_t i = 0; i < guest->part_count; i++)
        if (guest->parts[i].home.kind != VS_HOME_LOCAL) {
            absence.home = guest->parts[i].home;
            absence.bytes += guest->parts[i].bytes;
        }
    return absence;
}

/* What the program is answered: an error that its call can have (CUDA Driver API, cuMemExportToShareableHandle), or
 * that there is no memory. */
static CUresult fail(CUresult result, struct absence absence)
{
    static atomic_bool told[REMEDIES];
    size_t i = 0;
    while (i + 1 < REMEDIES && remedies[i].cause != result)
        i++;
    bool in_host = absence.home.kind == VS_HOME_HOST;
    if (!atomic_exchange(&told[i], true))
        vs_log(VS_LOG_WARN, "memory",
            "the program shares memory with another process or device, and %zu MiB of it lie in %s and cannot be "
            "brought back: %s; %s",
            absence.bytes >> 20,
            in_host ? "the host's memory" : vs_device_format(vs_devices_id(absence.home.device)).text,
            vs_driver_error(result), remedies[i].remedy);
    return result == CUDA_ERROR_OUT_OF_MEMORY || i + 1 == REMEDIES ? result : CUDA_ERROR_NOT_SUPPORTED;
}

/* The memory with this number; or, where that is 0, what is mapped at `at`, whose handle may have been released. With
 * vs_guests_lock held. */
static struct vs_guest *find(CUmemGenericAllocationHandle number, CUdeviceptr at)
{
    if (number)
        return vs_guest_find(number);
    struct vs_guest_held held = vs_guest_hold(at);
    struct vs_guest *guest = held.extent ? held.extent->mapping->guest : NULL;
    vs_guest_let_go(held);
    return guest;
}

/* It may be sent away again before it is held: then once more. A full device is asked once for what nobody uses. */
static CUresult settle(CUmemGenericAllocationHandle number, CUdeviceptr at, CUmemGenericAllocationHandle *real)
{
    CUresult result = CUDA_ERROR_NOT_READY;
    struct absence absence = {0};
    bool reclaimed = false;
    for (int tries = 0; tries < 8; tries++) {
        struct vs_move way_home = {0};
        pthread_mutex_lock(&vs_guests_lock);
        struct vs_guest *guest = find(number, at);
        const struct vs_compute *compute = guest ? guest->compute : NULL;
        if (guest) {
            result = try_to_settle(guest, &way_home);
            absence = absence_of(guest);
        }
        if (guest && result == CUDA_SUCCESS && !way_home.bytes)
            *real = guest->parts[0].handle;
        pthread_mutex_unlock(&vs_guests_lock);
        if (!guest)
            return CUDA_ERROR_INVALID_VALUE;
        if (result == CUDA_SUCCESS && !way_home.bytes)
            return result;
        if (result == CUDA_SUCCESS)
            result = vs_rehome(&way_home, 1);
        if (result == CUDA_ERROR_OUT_OF_MEMORY && !reclaimed && vs_reclaim(compute))
            reclaimed = true;
        else if (result != CUDA_SUCCESS)
            break;
    }
    return fail(result == CUDA_SUCCESS ? CUDA_ERROR_NOT_READY : result, absence);
}

void vs_guest_call_home(CUmemGenericAllocationHandle number)
{
    struct vs_move way_home = {0};
    struct vs_home home;
    pthread_mutex_lock(&vs_guests_lock);
    const struct vs_guest *guest = vs_guest_find(number);
    if (guest && guest->movable)
        way_home =
            (struct vs_move){guest->movable->address, guest->movable->bytes, {VS_HOME_LOCAL, guest->compute->ordinal}};
    pthread_mutex_unlock(&vs_guests_lock);
    if (way_home.bytes && (vs_pages_run(way_home.address, way_home.bytes, &home) < way_home.bytes ||
                              home.kind == VS_HOME_PEER || home.kind == VS_HOME_HOST))
        vs_rehome(&way_home, 1);
}

CUresult vs_guest_settle(CUmemGenericAllocationHandle number, CUmemGenericAllocationHandle *real)
{
    return settle(number, 0, real);
}

CUresult vs_guest_settle_at(CUdeviceptr address, size_t bytes)
{
    CUresult result = CUDA_SUCCESS;
    for (CUdeviceptr at = address, end = address + bytes; at < end && result == CUDA_SUCCESS;) {
        CUmemGenericAllocationHandle real;
        CUdeviceptr next = at / VS_PAGE_BYTES * VS_PAGE_BYTES + VS_PAGE_BYTES;
        struct vs_guest_held held = vs_guest_hold(at);
        if (held.extent)
            next = held.extent->mapping->address + held.extent->mapping->bytes;
        vs_guest_let_go(held);
        if (held.extent)
            result = settle(0, at, &real);
        at = next;
    }
    return result;
}
