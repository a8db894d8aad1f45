/* pages.c: see pages.h. */
#include "pages.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "gate.h"
#include "locks.h"

static const struct vs_range_table no_ranges;
const struct vs_range_table *_Atomic vs_range_table = &no_ranges;
pthread_mutex_t vs_ranges_lock = PTHREAD_MUTEX_INITIALIZER;

/* The table with one range more. The old one stays for those who read it: ranges are few, and so are tables. */
static bool publish(struct vs_range *range)
{
    pthread_mutex_lock(&vs_ranges_lock);
    const struct vs_range_table *old = atomic_load(&vs_range_table);
    struct vs_range_table *table = malloc(sizeof *table + (old->count + 1) * sizeof *table->entries);
    if (table) {
        size_t at = 0;
        while (at < old->count && old->entries[at].base < range->base)
            at++;
        memcpy(table->entries, old->entries, at * sizeof *table->entries);
        table->entries[at] = (struct vs_range_entry){range->base, range->bytes, range};
        memcpy(table->entries + at + 1, old->entries + at, (old->count - at) * sizeof *table->entries);
        table->count = old->count + 1;
        const struct vs_range_entry *last = &table->entries[table->count - 1];
        table->base = table->entries[0].base;
        table->bytes = last->base + last->bytes - table->base;
        vs_gate_arm(); /* before anybody can be given one of its addresses */
        atomic_store_explicit(&vs_range_table, table, memory_order_release);
    }
    pthread_mutex_unlock(&vs_ranges_lock);
    return table != NULL;
}

struct vs_range *vs_pages_add(CUdeviceptr base, size_t bytes, enum vs_range_kind kind, const struct vs_compute *compute)
{
    size_t pages = bytes / VS_PAGE_BYTES;
    struct vs_range *range = calloc(1, sizeof *range);
    if (!range)
        return NULL;
    *range = (struct vs_range){.base = base, .bytes = bytes, .compute = compute, .kind = kind};
    /* Large and mostly never touched: the system gives these zeros for nothing. */
    range->homes = calloc(pages, sizeof *range->homes);
    range->extents = calloc(pages, sizeof *range->extents);
    range->taken = calloc(pages, sizeof *range->taken);
    range->owners = calloc(pages, sizeof *range->owners);
    if (range->homes && range->extents && range->taken && range->owners && publish(range))
        return range;
    free(range->homes);
    free(range->extents);
    free(range->taken);
    free(range->owners);
    free(range);
    return NULL;
}

void vs_pages_mark(struct vs_range *range, CUdeviceptr address, size_t bytes, struct vs_home home)
{
    size_t first = vs_page_of(range, address);
    uint16_t code = vs_home_code(home);
    for (size_t page = first; page < first + bytes / VS_PAGE_BYTES; page++)
        atomic_store_explicit(&range->homes[page], code, memory_order_release);
}

/* Foreign memory up to the next range. */
static size_t foreign_run(CUdeviceptr address, size_t bytes)
{
    const struct vs_range_table *table = atomic_load_explicit(&vs_range_table, memory_order_acquire);
    for (size_t i = 0; i < table->count; i++)
        if (table->entries[i].base > address)
            return table->entries[i].base - address < bytes ? table->entries[i].base - address : bytes;
    return bytes;
}

size_t vs_pages_run(CUdeviceptr address, size_t bytes, struct vs_home *home)
{
    const struct vs_range *range = vs_range_of(address);
    if (!range) {
        *home = (struct vs_home){VS_HOME_NONE, 0};
        return foreign_run(address, bytes);
    }
    size_t page = vs_page_of(range, address), pages = range->bytes / VS_PAGE_BYTES;
    uint16_t code = atomic_load_explicit(&range->homes[page], memory_order_acquire);
    size_t run = VS_PAGE_BYTES - (address - range->base) % VS_PAGE_BYTES;
    while (run < bytes && ++page < pages && atomic_load_explicit(&range->homes[page], memory_order_acquire) == code)
        run += VS_PAGE_BYTES;
    *home = vs_home_of_code(code);
    return run < bytes ? run : bytes;
}
