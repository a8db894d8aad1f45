/* address.c: arenas of addresses; see address.h. */
#include "address.h"
#include "extents.h"
#include "rules.h"

#include <sys/mman.h>

#define ARENA_BYTES ((size_t)256 << 30)
#define ARENA_COUNT 64

static struct {
    CUdeviceptr start;
    size_t bytes;
    struct sim_extents free;
} arenas[ARENA_COUNT];
static int arena_count;

/* Reserves one more arena of at least `bytes`; smaller ones where the system limits address space. */
static bool grow(size_t bytes)
{
    size_t wanted = bytes > ARENA_BYTES ? bytes : ARENA_BYTES;
    void *start = MAP_FAILED;
    CUdeviceptr aligned;

    if (arena_count == ARENA_COUNT)
        return false;
    for (; wanted >= bytes && start == MAP_FAILED; wanted /= 2) {
        start = mmap(NULL, wanted + SIM_PAGE_BYTES, SIM_RULE(device_memory_hidden) ? PROT_NONE : PROT_READ,
            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (start != MAP_FAILED)
            break;
    }
    if (start == MAP_FAILED)
        return false;
    /* Nothing is ever there that a core file could show. */
    madvise(start, wanted + SIM_PAGE_BYTES, MADV_DONTDUMP);
    aligned = ((CUdeviceptr)start + SIM_PAGE_BYTES - 1) & ~(CUdeviceptr)(SIM_PAGE_BYTES - 1);
    arenas[arena_count].start = aligned;
    arenas[arena_count].bytes = wanted;
    if (!sim_extents_give(&arenas[arena_count].free, aligned, wanted))
        return false;
    arena_count++;
    return true;
}

CUdeviceptr sim_address_take(size_t bytes, size_t alignment, CUdeviceptr hint)
{
    uint64_t start;

    if (bytes == 0 || bytes > (size_t)1 << 46)
        return 0;
    if (hint != 0 && hint % alignment == 0)
        for (int i = 0; i < arena_count; i++)
            if (sim_extents_take_at(&arenas[i].free, hint, bytes))
                return hint;
    for (int tries = 0; tries < 2; tries++) {
        for (int i = 0; i < arena_count; i++)
            if (sim_extents_take(&arenas[i].free, bytes, alignment, &start))
                return start;
        if (!grow(bytes + alignment))
            return 0;
    }
    return 0;
}

void sim_address_give(CUdeviceptr address, size_t bytes)
{
    for (int i = 0; i < arena_count; i++)
        if (address >= arenas[i].start && address - arenas[i].start < arenas[i].bytes)
            (void)sim_extents_give(&arenas[i].free, address, bytes);
}

bool sim_address_is_ours(CUdeviceptr address)
{
    for (int i = 0; i < arena_count; i++)
        if (address >= arenas[i].start && address - arenas[i].start < arenas[i].bytes)
            return true;
    return false;
}
