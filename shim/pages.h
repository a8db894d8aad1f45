/* pages.h: ranges of addresses whose memory is the library's to choose, and where the bytes of each page of them are.
 *
 * A range of ours is made once and stays: an address, once ours, is ours for as long as the process runs. One that the
 * program reserved goes when the program frees it; its record stays, for those who have just found it. Reading takes no
 * lock: the ranges stand in a table, and another one takes its place when a range comes or goes. The one that was
 * replaced is written anew at the next change; who still reads it sees that by its generation, and reads the other.
 * Within a range the page's record is an index away. What a reader is told of a page's home may be out of date at once,
 * unless nobody can move it meanwhile (gate.h).
 *
 * Here is only what is known. Whoever assigns addresses: address_space.h; whoever puts memory behind them: extents.h.
 */
#ifndef VS_PAGES_H
#define VS_PAGES_H

#include <cuda.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "compute.h"
#include "home.h"

/* What device and host memory is mapped in (cuMemGetAllocationGranularity says 2 MiB on every device so far; a device
 * that says more is refused by the backing). */
#define VS_PAGE_BYTES ((size_t)2 << 20)

enum vs_range_kind {
    VS_RANGE_ARENA,  /* reserved by us from the driver: memory of any location may be mapped there */
    VS_RANGE_PINNED, /* reserved by us from the host's system: only page-locked host memory can lie there */
    VS_RANGE_GUEST,  /* reserved from the driver by the program */
    VS_RANGE_KINDS,
};

/* vs_home_code of each page; 0: nothing lies there. */
typedef _Atomic(uint16_t) vs_page_home;

struct vs_extent;

struct vs_range {
    CUdeviceptr base; /* a multiple of the page; as the next three, never changed */
    size_t bytes;
    const struct vs_compute *compute;
    enum vs_range_kind kind;
    vs_page_home *homes;        /* by page */
    struct vs_extent **extents; /* by page: extents.c's, under vs_pages_lock */
    unsigned char *taken;       /* by page: address_space.c's, under vs_addresses_lock */
    unsigned char *in_graph;    /* by page: extents.c's, under vs_pages_lock */
    void **owners;              /* by page: arena.c's, under vs_arena_lock */
    struct vs_range *next_gone; /* pages.c's, under vs_ranges_lock */
};

/* --- Is it ours? Lock-free; async-signal-safe ----------------------------------------------------------------------
 */

/* From the first range's begin to the last one's end, of all that there ever were: it only grows. */
struct vs_range_hull {
    CUdeviceptr base;
    size_t bytes;
};
extern const struct vs_range_hull *_Atomic vs_range_hull;

struct vs_range_entry {
    _Atomic(CUdeviceptr) base;
    struct vs_range *_Atomic range; /* never freed: may be read while the table is written anew */
};

struct vs_range_table {
    _Atomic(uint64_t) generation; /* odd while it is written */
    size_t room;                  /* never changed */
    _Atomic(size_t) count;
    struct vs_range_entry entries[]; /* by address; without any, the first says nothing */
};

extern struct vs_range_table *_Atomic vs_range_table;

/* Whether `address` may lie in a range: false is certain. */
static inline bool vs_pages_may_own(CUdeviceptr address)
{
    const struct vs_range_hull *hull = atomic_load_explicit(&vs_range_hull, memory_order_acquire);
    return address - hull->base < hull->bytes;
}

/* The last of the table's entries that begins at or before `address`, or the first. */
static inline const struct vs_range_entry *vs_range_entry_of(
    const struct vs_range_table *table, size_t count, CUdeviceptr address)
{
    const struct vs_range_entry *entry = table->entries; /* one of `count` from here on */
    for (size_t half; count > 1; count -= half) {
        half = count / 2;
        entry += address >= atomic_load_explicit(&entry[half].base, memory_order_relaxed) ? half : 0;
    }
    return entry;
}

/* The range that `address` lies in, or NULL. */
static inline struct vs_range *vs_range_of(CUdeviceptr address)
{
    struct vs_range *range;
    const struct vs_range_table *table;
    uint64_t generation;
    if (!vs_pages_may_own(address))
        return NULL;
    do {
        table = atomic_load_explicit(&vs_range_table, memory_order_acquire);
        generation = atomic_load_explicit(&table->generation, memory_order_acquire) & ~(uint64_t)1;
        size_t count = atomic_load_explicit(&table->count, memory_order_relaxed);
        const struct vs_range_entry *entry = vs_range_entry_of(table, count, address);
        range = atomic_load_explicit(&entry->range, memory_order_relaxed);
        if (address - range->base >= range->bytes)
            range = NULL;
        atomic_thread_fence(memory_order_acquire);
    } while (__builtin_expect(generation != atomic_load_explicit(&table->generation, memory_order_relaxed), 0));
    return range;
}

/* The first range that ends behind `address`, or NULL: to go through all of them, as `range->base + range->bytes` goes
 * on. Ranges come and go meanwhile. */
struct vs_range *vs_range_from(CUdeviceptr address);

static inline size_t vs_page_of(const struct vs_range *range, CUdeviceptr address)
{
    return (address - range->base) / VS_PAGE_BYTES;
}

/* Where the page's bytes are: VS_HOME_NONE where nothing is mapped. */
static inline struct vs_home vs_page_home_of(const struct vs_range *range, size_t page)
{
    return vs_home_of_code(atomic_load_explicit(&range->homes[page], memory_order_acquire));
}

/* How many of the `bytes` (> 0) from `address` on lie at one home, and at which: VS_HOME_NONE for foreign memory, and
 * for pages of ours with nothing behind them. Never 0; a caller that loops over a copy meets each home in turn. */
size_t vs_pages_run(CUdeviceptr address, size_t bytes, struct vs_home *home);

/* --- Making and marking ----------------------------------------------------------------------------------------------
 */

/* The range is to be known from here on: whole pages, apart from all that are known. NULL without memory. Any thread;
 * waits for no device. */
struct vs_range *vs_pages_add(
    CUdeviceptr base, size_t bytes, enum vs_range_kind kind, const struct vs_compute *compute);

/* The range is known no longer: nothing lies behind its pages, and nobody changes them. False without memory: it is
 * known as before. Any thread. */
bool vs_pages_remove(struct vs_range *range);

/* What lies behind these whole pages of the range has changed. By whoever changed it. */
void vs_pages_mark(struct vs_range *range, CUdeviceptr address, size_t bytes, struct vs_home home);

#endif
