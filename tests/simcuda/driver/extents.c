/* extents.c: a sorted array of free extents; see extents.h. */
#include "extents.h"

#include <stdlib.h>
#include <string.h>

/* Index of the first free extent that ends behind `start`. */
static size_t position_of(const struct sim_extents *extents, uint64_t start)
{
    size_t low = 0, high = extents->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (extents->free[middle].start + extents->free[middle].bytes <= start)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool insert(struct sim_extents *extents, size_t index, uint64_t start, uint64_t bytes)
{
    if (extents->count == extents->capacity) {
        size_t capacity = extents->capacity ? extents->capacity * 2 : 8;
        struct sim_extent *grown = realloc(extents->free, capacity * sizeof *grown);
        if (grown == NULL)
            return false;
        extents->free = grown;
        extents->capacity = capacity;
    }
    memmove(&extents->free[index + 1], &extents->free[index], (extents->count - index) * sizeof *extents->free);
    extents->free[index] = (struct sim_extent){start, bytes};
    extents->count++;
    return true;
}

static void remove_at(struct sim_extents *extents, size_t index)
{
    extents->count--;
    memmove(&extents->free[index], &extents->free[index + 1], (extents->count - index) * sizeof *extents->free);
}

/* Cuts [start, start + bytes) out of free extent `index`. */
static bool cut(struct sim_extents *extents, size_t index, uint64_t start, uint64_t bytes)
{
    struct sim_extent whole = extents->free[index];
    uint64_t end = start + bytes, whole_end = whole.start + whole.bytes;

    if (start > whole.start && end < whole_end) {
        if (!insert(extents, index + 1, end, whole_end - end))
            return false;
        extents->free[index].bytes = start - whole.start;
    } else if (start > whole.start) {
        extents->free[index].bytes = start - whole.start;
    } else if (end < whole_end) {
        extents->free[index] = (struct sim_extent){end, whole_end - end};
    } else {
        remove_at(extents, index);
    }
    return true;
}

bool sim_extents_take(struct sim_extents *extents, uint64_t bytes, uint64_t alignment, uint64_t *start)
{
    for (size_t i = 0; i < extents->count; i++) {
        uint64_t from = (extents->free[i].start + alignment - 1) & ~(alignment - 1);
        uint64_t skipped = from - extents->free[i].start;
        if (skipped <= extents->free[i].bytes && extents->free[i].bytes - skipped >= bytes) {
            *start = from;
            return cut(extents, i, from, bytes);
        }
    }
    return false;
}

bool sim_extents_take_at(struct sim_extents *extents, uint64_t start, uint64_t bytes)
{
    size_t index = position_of(extents, start);
    if (index == extents->count || extents->free[index].start > start ||
        extents->free[index].start + extents->free[index].bytes - start < bytes)
        return false;
    return cut(extents, index, start, bytes);
}

bool sim_extents_give(struct sim_extents *extents, uint64_t start, uint64_t bytes)
{
    size_t index = position_of(extents, start);
    bool joins_before = index > 0 && extents->free[index - 1].start + extents->free[index - 1].bytes == start;
    bool joins_after = index < extents->count && start + bytes == extents->free[index].start;

    if (joins_before && joins_after) {
        extents->free[index - 1].bytes += bytes + extents->free[index].bytes;
        remove_at(extents, index);
    } else if (joins_before) {
        extents->free[index - 1].bytes += bytes;
    } else if (joins_after) {
        extents->free[index].start = start;
        extents->free[index].bytes += bytes;
    } else {
        return insert(extents, index, start, bytes);
    }
    return true;
}

void sim_extents_destroy(struct sim_extents *extents)
{
    free(extents->free);
    *extents = (struct sim_extents){0};
}
