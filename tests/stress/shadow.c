/* shadow.c: see shadow.h. */
#include "shadow.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#include "../simcuda/simcuda.h"
#include "order.h"
#include "report.h"

#define PAGE_BYTES (2 * MIB)

/* --- Live allocations --------------------------------------------------------------------------------------------- */

#define LIVE_MAX 8192

static pthread_mutex_t live_lock = PTHREAD_MUTEX_INITIALIZER;
static struct live {
    char *address;
    size_t bytes;
    uint64_t number;
} live[LIVE_MAX];
static size_t live_count;
static uint64_t last_number;

size_t live_allocations(void)
{
    pthread_mutex_lock(&live_lock);
    size_t count = live_count;
    pthread_mutex_unlock(&live_lock);
    return count;
}

bool any_live(struct worker *worker, char **address, size_t *bytes)
{
    pthread_mutex_lock(&live_lock);
    bool any = live_count > 0;
    if (any) {
        const struct live *chosen = &live[below(worker, live_count)];
        *address = chosen->address;
        *bytes = chosen->bytes;
    }
    pthread_mutex_unlock(&live_lock);
    return any;
}

/* False where it overlaps one, which becomes *other. */
static bool add_live(struct allocation *allocation, struct live *other)
{
    pthread_mutex_lock(&live_lock);
    bool good = live_count < LIVE_MAX;
    for (size_t i = 0; i < live_count && good; i++) {
        good = allocation->address + allocation->bytes <= live[i].address ||
               live[i].address + live[i].bytes <= allocation->address;
        *other = live[i];
    }
    allocation->number = ++last_number;
    if (good)
        live[live_count++] = (struct live){allocation->address, allocation->bytes, allocation->number};
    pthread_mutex_unlock(&live_lock);
    return good;
}

static void remove_live(const struct allocation *allocation)
{
    pthread_mutex_lock(&live_lock);
    for (size_t i = 0; i < live_count; i++)
        if (live[i].number == allocation->number) {
            live[i] = live[--live_count];
            break;
        }
    pthread_mutex_unlock(&live_lock);
}

struct allocation *adopt(struct worker *worker, void *address, size_t bytes, int device, bool in_order, int slot)
{
    struct allocation *allocation = calloc(1, sizeof *allocation);
    struct live other = {0};
    if (!allocation || !(allocation->shadow = malloc(bytes)))
        fail(worker, NULL, "the test itself is out of memory");
    allocation->address = address;
    allocation->bytes = bytes;
    allocation->device = device;
    allocation->in_order = in_order;
    allocation->slot = slot;
    atomic_store(&allocation->references, 1);
    if (!add_live(allocation, &other))
        fail(worker, allocation, "%zu bytes at %p overlap live allocation %llu: %zu bytes at %p", bytes, address,
            (unsigned long long)other.number, other.bytes, (void *)other.address);
    take_over(worker, allocation);
    return allocation;
}

void forget(struct worker *worker, struct allocation *allocation)
{
    remove_live(allocation);
    hand_out(worker, allocation);
}

void drop(struct worker *worker, struct allocation *allocation)
{
    if (worker->subject == allocation)
        worker->subject = NULL;
    if (atomic_fetch_sub(&allocation->references, 1) != 1)
        return;
    free(allocation->shadow);
    free(allocation);
}

void take_over(struct worker *worker, struct allocation *allocation)
{
    if (worker->owned_count == OWNED_MAX)
        fail(worker, allocation, "the test's own table is full");
    worker->owned[worker->owned_count++] = allocation;
    worker->owned_bytes += allocation->bytes;
}

void hand_out(struct worker *worker, struct allocation *allocation)
{
    size_t i = 0;
    while (worker->owned[i] != allocation)
        i++;
    worker->owned[i] = worker->owned[--worker->owned_count];
    worker->owned_bytes -= allocation->bytes;
}

struct allocation *any_owned(struct worker *worker, int device)
{
    for (int tries = 0; tries < 8 && worker->owned_count > 0; tries++) {
        struct allocation *allocation = worker->owned[below(worker, worker->owned_count)];
        if (device < 0 || allocation->device == device)
            return allocation;
    }
    return NULL;
}

struct allocation *any_free_to_go(struct worker *worker)
{
    struct allocation *allocation = any_owned(worker, -1);
    return allocation && allocation->graphs == 0 ? allocation : NULL;
}

/* --- Regions ------------------------------------------------------------------------------------------------------ */

size_t region_extent(const struct region *region)
{
    return ((region->depth - 1) * region->rows + region->height - 1) * region->pitch + region->width;
}

/* Where `extent` bytes begin: at a random place, at the end, or across a border of pages. */
static size_t random_offset(struct worker *worker, const struct allocation *allocation, size_t extent, size_t alignment)
{
    size_t last = allocation->bytes - extent, offset = below(worker, last + 1);
    if (chance(worker, 20))
        offset = last;
    else if (chance(worker, 10))
        offset = 0;
    else if (chance(worker, 50) && allocation->bytes > PAGE_BYTES) {
        size_t page =
            ((uintptr_t)allocation->address / PAGE_BYTES + 1 + below(worker, allocation->bytes / PAGE_BYTES)) *
                PAGE_BYTES -
            (uintptr_t)allocation->address;
        size_t before = below(worker, extent + 1);
        if (page >= before && page - before <= last)
            offset = page - before;
    }
    return offset / alignment * alignment;
}

static size_t random_bytes(struct worker *worker, size_t most)
{
    static const size_t limits[] = {64, 256, 256, 4 * KIB, 4 * KIB, WINDOW_BYTES};
    size_t limit = limits[below(worker, sizeof limits / sizeof *limits)];
    return 1 + below(worker, limit < most ? limit : most);
}

struct region flat_region(struct worker *worker, const struct allocation *allocation, size_t most, size_t alignment)
{
    most = most < allocation->bytes ? most : allocation->bytes;
    size_t bytes = random_bytes(worker, most) / alignment * alignment;
    bytes = bytes ? bytes : alignment;
    return (struct region){random_offset(worker, allocation, bytes, alignment), bytes, 1, 1, bytes, 1};
}

bool place_region(struct worker *worker, const struct allocation *allocation, struct region *shape, size_t alignment)
{
    shape->pitch = shape->width;
    shape->rows = shape->height;
    if (shape->height > 1 || shape->depth > 1)
        shape->pitch += below(worker, shape->width + 64) / alignment * alignment;
    if (shape->depth > 1)
        shape->rows += below(worker, 3);
    if (region_extent(shape) > allocation->bytes)
        *shape = (struct region){0, shape->width, shape->height, shape->depth, shape->width, shape->height};
    if (region_extent(shape) > allocation->bytes)
        return false;
    shape->offset = random_offset(worker, allocation, region_extent(shape), alignment);
    return true;
}

static size_t row_at(const struct region *region, size_t slice, size_t row)
{
    return region->offset + (slice * region->rows + row) * region->pitch;
}

void write_shadow(struct allocation *allocation, const struct region *region, const unsigned char *host,
    const struct region *host_region)
{
    for (size_t slice = 0; slice < region->depth; slice++)
        for (size_t row = 0; row < region->height; row++)
            memcpy(
                allocation->shadow + row_at(region, slice, row), host + row_at(host_region, slice, row), region->width);
}

void read_shadow(const struct allocation *allocation, const struct region *region, unsigned char *host,
    const struct region *host_region)
{
    for (size_t slice = 0; slice < region->depth; slice++)
        for (size_t row = 0; row < region->height; row++)
            memcpy(
                host + row_at(host_region, slice, row), allocation->shadow + row_at(region, slice, row), region->width);
}

/* --- All bytes ---------------------------------------------------------------------------------------------------- */

/* By the program's own copies, a window after the other. */
static void check_by_copies(struct worker *worker, const struct allocation *allocation)
{
    for (size_t offset = 0; offset < allocation->bytes; offset += WINDOW_BYTES) {
        size_t bytes = allocation->bytes - offset < WINDOW_BYTES ? allocation->bytes - offset : WINDOW_BYTES;
        TRY(worker, cudaMemcpy(worker->scratch, allocation->address + offset, bytes, cudaMemcpyDeviceToHost));
        expect_bytes(worker, allocation, offset, worker->scratch, allocation->shadow + offset, bytes, worker->operation,
            "cudaMemcpy");
    }
}

/* By the simulator's account, which tells what the device holds, whatever a copy brings. */
static void check_by_account(struct worker *worker, const struct allocation *allocation)
{
    if (simcudaHash(allocation->address, allocation->bytes) == XXH3_64bits(allocation->shadow, allocation->bytes))
        return;
    unsigned char *found = malloc(allocation->bytes);
    if (!found || !simcudaPeek(allocation->address, found, allocation->bytes))
        fail(worker, allocation, "not all of its bytes are mapped");
    expect_bytes(worker, allocation, 0, found, allocation->shadow, allocation->bytes, worker->operation, "simcudaPeek");
    free(found);
}

void check_whole(struct worker *worker, struct allocation *allocation)
{
    wait_for_allocation(worker, allocation);
    use_device(worker, allocation->device);
    if (allocation->bytes <= WINDOW_BYTES ? chance(worker, 50) : chance(worker, 10))
        check_by_copies(worker, allocation);
    check_by_account(worker, allocation);
}

void do_check_whole(struct worker *worker)
{
    struct allocation *allocation = any_owned(worker, -1);
    if (allocation)
        check_whole(worker, allocation);
}

/* --- From worker to worker ---------------------------------------------------------------------------------------- */

#define GIFTS_MAX 64

static struct inbox {
    pthread_mutex_t lock;
    struct gift {
        struct allocation *allocation;
        cudaEvent_t event; /* behind the work so far; NULL: there is none */
    } gifts[GIFTS_MAX];
    size_t count;
} inboxes[64] = {[0 ... 63] = {.lock = PTHREAD_MUTEX_INITIALIZER}};

/* To the next worker, so that what is given goes round. */
void do_give(struct worker *worker)
{
    struct inbox *inbox = &inboxes[(worker->number + 1) % settings.threads];
    struct allocation *allocation = any_free_to_go(worker);
    if (!allocation || settings.threads == 1)
        return;
    struct gift gift = {allocation, event_behind(worker, allocation)};
    note(worker, allocation, "is given to another thread");
    worker->subject = NULL;
    hand_out(worker, allocation);
    pthread_mutex_lock(&inbox->lock);
    bool fits = inbox->count < GIFTS_MAX;
    if (fits)
        inbox->gifts[inbox->count++] = gift;
    pthread_mutex_unlock(&inbox->lock);
    if (fits)
        return;
    take_over(worker, allocation);
    if (gift.event)
        TRY(worker, cudaEventDestroy(gift.event));
}

static bool take_gift(struct worker *worker, struct gift *gift)
{
    struct inbox *inbox = &inboxes[worker->number];
    pthread_mutex_lock(&inbox->lock);
    bool any = inbox->count > 0 && worker->owned_count < OWNED_MAX;
    if (any)
        *gift = inbox->gifts[--inbox->count];
    pthread_mutex_unlock(&inbox->lock);
    return any;
}

void receive(struct worker *worker)
{
    struct gift gift;
    while (take_gift(worker, &gift)) {
        take_over(worker, gift.allocation);
        gift.allocation->slot = DONE;
        note(worker, gift.allocation, "is taken%s", gift.event ? " behind an event" : "");
        if (!gift.event)
            continue;
        gift.allocation->slot = any_slot(worker, gift.allocation->device);
        cudaStream_t stream = stream_of(worker, gift.allocation->slot);
        TRY(worker, cudaStreamWaitEvent(stream, gift.event, 0));
        TRY(worker, cudaEventDestroy(gift.event));
    }
}
