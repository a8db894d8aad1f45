/* range.c: a sorted array of live ranges; see range.h. Look-ups are a binary search; the last hit is tried first. */
#include "range.h"

#include <stdlib.h>
#include <string.h>

static struct sim_range **ranges;
static size_t count, capacity;

/* Index of the first range that ends behind `address`. */
static size_t position_of(CUdeviceptr address)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (ranges[middle]->start + ranges[middle]->bytes <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct sim_range *sim_range_add(CUdeviceptr start, size_t bytes, enum sim_range_kind kind)
{
    struct sim_range *range = calloc(1, sizeof *range);
    size_t index;

    if (range == NULL)
        return NULL;
    if (count == capacity) {
        size_t more = capacity ? capacity * 2 : 256;
        struct sim_range **grown = realloc(ranges, more * sizeof(struct sim_range *));
        if (grown == NULL) {
            free(range);
            return NULL;
        }
        ranges = grown;
        capacity = more;
    }
    index = position_of(start);
    memmove(&ranges[index + 1], &ranges[index], (count - index) * sizeof *ranges);
    ranges[index] = range;
    count++;
    range->start = start;
    range->bytes = bytes;
    range->kind = kind;
    range->buffer_id = ++sim.next_id;
    return range;
}

void sim_range_remove(struct sim_range *range)
{
    size_t index = position_of(range->start);
    count--;
    memmove(&ranges[index], &ranges[index + 1], (count - index) * sizeof *ranges);
    free(range);
}

struct sim_range *sim_range_from(CUdeviceptr address)
{
    size_t index = position_of(address);
    return index < count ? ranges[index] : NULL;
}

struct sim_range *sim_range_find(CUdeviceptr address)
{
    struct sim_range *range = sim_range_from(address);
    return range != NULL && range->start <= address ? range : NULL;
}

struct sim_range *sim_range_after(const struct sim_range *range)
{
    size_t index = position_of(range->start) + 1;
    return index < count ? ranges[index] : NULL;
}

size_t sim_range_count(void)
{
    return count;
}

bool sim_range_covers(CUdeviceptr address, size_t bytes)
{
    size_t index = position_of(address);

    if (index == count || ranges[index]->start > address || address + bytes < address)
        return false;
    while (ranges[index]->start + ranges[index]->bytes < address + bytes) {
        if (index + 1 == count || ranges[index]->kind != SIM_MAPPING || ranges[index + 1]->kind != SIM_MAPPING ||
            ranges[index + 1]->start != ranges[index]->start + ranges[index]->bytes)
            return false;
        index++;
    }
    return true;
}
