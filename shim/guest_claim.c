/* guest_claim.c: see guest_claim.h. */
#include "guest_claim.h"

#include <stdlib.h>

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

bool vs_guest_is_cut(const struct vs_guest_claim *claim, CUdeviceptr address, size_t bytes)
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
    struct vs_guest_part *parts = count > 0 ? calloc(count, sizeof *parts) : NULL;
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
