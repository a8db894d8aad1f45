/* pages.c: see pages.h. */
#include "pages.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "locks.h"

static const struct vs_range_table no_ranges;
const struct vs_range_table *_Atomic vs_range_table = &no_ranges;
pthread_mutex_t vs_ranges_lock = PTHREAD_MUTEX_INITIALIZER;

/* With vs_ranges_lock held. The table with one range more, or without one. The old one stays for those who read it:
 * changes are few, and so are tables. */
static bool publish(struct vs_range *added, const struct vs_range *removed)
{
    const struct vs_range_table *old = atomic_load(&vs_range_table);
    struct vs_range_table *table = malloc(sizeof *table + (old->count + 1) * sizeof *table->entries);
    if (!table)
        return false;
    table->count = 0;
    for (size_t i = 0; i < old->count; i++) {
        if (added && added->base < old->entries[i].base) {
            table->entries[table->count++] = (struct vs_range_entry){added->base, added->bytes, added};
            added = NULL;
        }
        if (old->entries[i].range != removed)
            table->entries[table->count++] = old->entries[i];
    }
    if (added)
        table->entries[table->count++] = (struct vs_range_entry){added->base, added->bytes, added};
    const struct vs_range_entry *last = table->entries + (table->count ? table->count - 1 : 0);
    table->base = table->count ? table->entries[0].base : 0;
    table->bytes = table->count ? last->base + last->bytes - table->base : 0;
    atomic_store_explicit(&vs_range_table, table, memory_order_release);
    return true;
}

/* What a range knows of each page, in one piece. Large and mostly never touched: the system gives these zeros for
 * nothing, and takes them back when the range goes, while the addresses stay for those who still read them. */
static size_t records_bytes(const struct vs_range *range)
{
    return range->bytes / VS_PAGE_BYTES *
           (sizeof *range->owners + sizeof *range->extents + sizeof *range->homes + sizeof *range->taken);
}

static bool make_records(struct vs_range *range)
{
    size_t pages = range->bytes / VS_PAGE_BYTES;
    char *records =
        mmap(NULL, records_bytes(range), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (records == MAP_FAILED)
        return false;
    range->owners = (void **)records;
    range->extents = (struct vs_extent **)(range->owners + pages);
    range->homes = (vs_page_home *)(range->extents + pages);
    range->taken = (unsigned char *)(range->homes + pages);
    return true;
}

static struct vs_range *gone; /* under vs_ranges_lock */

/* With vs_ranges_lock held. One of the same addresses and kind that is gone: a program that reserves and frees again is
 * mostly given the same. */
static struct vs_range *find_gone(
    CUdeviceptr base, size_t bytes, enum vs_range_kind kind, const struct vs_compute *compute)
{
    struct vs_range **place = &gone;
    while (*place && ((*place)->base != base || (*place)->bytes != bytes || (*place)->kind != kind ||
                         (*place)->compute != compute))
        place = &(*place)->next_gone;
    struct vs_range *found = *place;
    if (found)
        *place = found->next_gone;
    return found;
}

struct vs_range *vs_pages_add(CUdeviceptr base, size_t bytes, enum vs_range_kind kind, const struct vs_compute *compute)
{
    pthread_mutex_lock(&vs_ranges_lock);
    struct vs_range *range = find_gone(base, bytes, kind, compute);
    if (!range && (range = calloc(1, sizeof *range))) {
        *range = (struct vs_range){.base = base, .bytes = bytes, .compute = compute, .kind = kind};
        if (!make_records(range)) {
            free(range);
            range = NULL;
        }
    }
    if (range && !publish(range, NULL)) {
        range->next_gone = gone;
        gone = range;
        range = NULL;
    }
    pthread_mutex_unlock(&vs_ranges_lock);
    return range;
}

bool vs_pages_remove(struct vs_range *range)
{
    pthread_mutex_lock(&vs_ranges_lock);
    bool removed = publish(NULL, range);
    if (removed) {
        madvise(range->owners, records_bytes(range), MADV_DONTNEED);
        range->next_gone = gone;
        gone = range;
    }
    pthread_mutex_unlock(&vs_ranges_lock);
    return removed;
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
