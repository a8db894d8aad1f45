/* control.c: lets tests do by hand what the library will do by itself. A part of the test build only
 * (libvramspan_control.so), which has the library's own objects beside it. */
#include "control.h"

#include <stdlib.h>

#include "../../../shim/extents.h"
#include "../../../shim/move.h"

#define EXPORT __attribute__((visibility("default")))

static struct vs_home home_of(const struct vs_range *range, int location)
{
    if (location < 0)
        return (struct vs_home){VS_HOME_HOST, 0};
    bool local = range && range->compute->ordinal == location;
    return (struct vs_home){local ? VS_HOME_LOCAL : VS_HOME_PEER, location};
}

EXPORT int vs_control_rehome_all(const struct vs_control_move *moves, size_t count)
{
    struct vs_move *real = calloc(count + 1, sizeof *real);
    if (!real)
        return CUDA_ERROR_OUT_OF_MEMORY;
    for (size_t i = 0; i < count; i++) {
        CUdeviceptr address = (CUdeviceptr)moves[i].address;
        real[i] = (struct vs_move){address, moves[i].bytes, home_of(vs_range_of(address), moves[i].location)};
    }
    CUresult result = vs_rehome(real, count);
    free(real);
    return (int)result;
}

EXPORT int vs_control_rehome(void *address, size_t bytes, int location)
{
    const struct vs_control_move move = {address, bytes, location};
    return vs_control_rehome_all(&move, 1);
}

/* The piece that covers `page`; 0 bytes: none does. */
static struct vs_move piece_at(struct vs_range *range, size_t page, int location)
{
    struct vs_move move = {.home = home_of(range, location)};
    struct vs_extent *extent = vs_extents_claim(range, page);
    if (extent) {
        move.address = extent->address;
        move.bytes = extent->bytes;
        vs_extents_unclaim(extent);
    }
    return move;
}

EXPORT size_t vs_control_send_guests(int location, size_t *refused)
{
    const struct vs_range_table *table = atomic_load(&vs_range_table);
    size_t sent = 0;
    *refused = 0;
    for (size_t i = 0; i < table->count; i++) {
        struct vs_range *range = table->entries[i].range;
        size_t end = range->kind == VS_RANGE_GUEST ? range->bytes / VS_PAGE_BYTES : 0;
        for (size_t page = 0, next; page < end; page = next) {
            struct vs_move move = piece_at(range, page, location);
            next = move.bytes ? vs_page_of(range, move.address + move.bytes) : page + 1;
            if (!move.bytes)
                continue;
            bool went = vs_rehome(&move, 1) == CUDA_SUCCESS;
            sent += went;
            *refused += !went;
        }
    }
    return sent;
}

EXPORT size_t vs_control_extent(void *address, void **base)
{
    struct vs_range *range = vs_range_of((CUdeviceptr)address);
    struct vs_extent *extent = range ? vs_extents_claim(range, vs_page_of(range, (CUdeviceptr)address)) : NULL;
    if (!extent)
        return 0;
    size_t bytes = extent->bytes;
    *base = (void *)extent->address;
    vs_extents_unclaim(extent);
    return bytes;
}

EXPORT size_t vs_control_extents(size_t *bytes)
{
    size_t count;
    vs_extents_count(&count, bytes);
    return count;
}

EXPORT int vs_control_home(void *address)
{
    struct vs_range *range = vs_range_of((CUdeviceptr)address);
    struct vs_home home = {VS_HOME_NONE, 0};
    if (range)
        home = vs_page_home_of(range, vs_page_of(range, (CUdeviceptr)address));
    return home.kind == VS_HOME_NONE ? -2 : home.kind == VS_HOME_HOST ? -1 : home.device;
}

EXPORT void vs_control_set_limit(uint64_t ns)
{
    vs_move_limit_ns = ns;
}
