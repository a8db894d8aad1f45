/* pages.c: see pages.h. */
#include "pages.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "locks.h"

static const struct vs_range_hull no_hull;
const struct vs_range_hull *_Atomic vs_range_hull = &no_hull;
/* A table without ranges has an entry of this one all the same. */
static struct vs_range empty_range;
static struct {
    struct vs_range_table table;
    struct vs_range_entry entry;
} no_ranges = {.entry = {.range = &empty_range}};
struct vs_range_table *_Atomic vs_range_table = &no_ranges.table;
pthread_mutex_t vs_ranges_lock = PTHREAD_MUTEX_INITIALIZER;
static struct vs_range_table *spare; /* under vs_ranges_lock; NULL: none yet */

/* With vs_ranges_lock held. Of a table that is replaced by a larger one, the memory stays for those who read it: all of
 * them are no more than the largest. */
static struct vs_range_table *table_for(size_t count)
{
    if (!spare || spare->room < count) {
        size_t room = 16;
        while (room < count)
            room *= 2;
        struct vs_range_table *larger = calloc(1, sizeof *larger + room * sizeof *larger->entries);
        if (!larger)
            return NULL;
        larger->room = room;
        for (size_t i = 0; i < room; i++)
            larger->entries[i].range = &empty_range;
        spare = larger;
    }
    return spare;
}

/* With vs_ranges_lock held. Who reads only knows a range when its hull covers it. */
static bool widen(const struct vs_range *range)
{
    const struct vs_range_hull *old = atomic_load(&vs_range_hull);
    CUdeviceptr base = old->bytes > 0 && old->base < range->base ? old->base : range->base;
    CUdeviceptr last = range->base + (range->bytes - 1), old_last = old->base + (old->bytes - 1);
    last = old->bytes > 0 && old_last > last ? old_last : last;
    if (old->bytes > 0 && base == old->base && last == old_last)
        return true;
    struct vs_range_hull *hull = malloc(sizeof *hull);
    if (!hull)
        return false;
    *hull = (struct vs_range_hull){base, last - base + 1};
    atomic_store_explicit(&vs_range_hull, hull, memory_order_release);
    return true;
}

static void put(struct vs_range_table *table, size_t at, struct vs_range *range)
{
    atomic_store_explicit(&table->entries[at].base, range->base, memory_order_relaxed);
    atomic_store_explicit(&table->entries[at].range, range, memory_order_relaxed);
}

/* With vs_ranges_lock held. The table with one range more, or without one. */
static bool publish(struct vs_range *added, const struct vs_range *removed)
{
    struct vs_range_table *old = atomic_load(&vs_range_table), *table = table_for(old->count + 1);
    size_t count = 0;
    if (!table || (added && !widen(added)))
        return false;
    atomic_fetch_add_explicit(&table->generation, 1, memory_order_relaxed);
    atomic_thread_fence(memory_order_release);
    for (size_t i = 0; i < old->count; i++) {
        struct vs_range *range = old->entries[i].range;
        if (added && added->base < range->base) {
            put(table, count++, added);
            added = NULL;
        }
        if (range != removed)
            put(table, count++, range);
    }
    if (added)
        put(table, count++, added);
    if (count == 0)
        put(table, 0, &empty_range);
    atomic_store_explicit(&table->count, count, memory_order_relaxed);
    atomic_fetch_add_explicit(&table->generation, 1, memory_order_release);
    atomic_store_explicit(&vs_range_table, table, memory_order_release);
    spare = old == &no_ranges.table ? NULL : old;
    return true;
}

/* What a range knows of each page, in one piece. Large and mostly never touched: the system gives these zeros for
 * nothing, and takes them back when the range goes, while the addresses stay for those who still read them. */
static size_t records_bytes(const struct vs_range *range)
{
    return range->bytes / VS_PAGE_BYTES *
           (sizeof *range->owners + sizeof *range->extents + sizeof *range->homes + sizeof *range->taken +
               sizeof *range->in_graph);
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
    range->in_graph = range->taken + pages;
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

struct vs_range *vs_range_from(CUdeviceptr address)
{
    const struct vs_range_table *table;
    struct vs_range *range;
    uint64_t generation;
    do {
        table = atomic_load_explicit(&vs_range_table, memory_order_acquire);
        generation = atomic_load_explicit(&table->generation, memory_order_acquire);
        const struct vs_range_entry *end = table->entries + atomic_load_explicit(&table->count, memory_order_relaxed);
        const struct vs_range_entry *entry = vs_range_entry_of(table, (size_t)(end - table->entries), address);
        range = atomic_load_explicit(&entry->range, memory_order_relaxed);
        if (entry < end && range->base <= address && address - range->base >= range->bytes)
            entry++;
        range = entry < end ? atomic_load_explicit(&entry->range, memory_order_relaxed) : NULL;
        atomic_thread_fence(memory_order_acquire);
    } while (generation % 2 || generation != atomic_load_explicit(&table->generation, memory_order_relaxed));
    return range;
}

/* Foreign memory up to the next range. */
static size_t foreign_run(CUdeviceptr address, size_t bytes)
{
    const struct vs_range *range = vs_range_from(address);
    return range && range->base > address && range->base - address < bytes ? range->base - address : bytes;
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
