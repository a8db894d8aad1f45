/* guest_ranges.c: see guest_ranges.h. */
#include "guest_ranges.h"

#include <pthread.h>
#include <stdlib.h>

#include "locks.h"

struct reservation {
    CUdeviceptr address;
    size_t bytes;
    struct vs_range *range; /* NULL: nothing virtual was mapped yet */
    struct reservation *next;
};

pthread_mutex_t vs_reservations_lock = PTHREAD_MUTEX_INITIALIZER;
static struct reservation *reservations;

/* Where there is no memory for it, what is mapped there stays the driver's alone. */
void vs_guest_reserved(CUdeviceptr address, size_t bytes)
{
    struct reservation *reservation = calloc(1, sizeof *reservation);
    if (!reservation)
        return;
    *reservation = (struct reservation){.address = address, .bytes = bytes};
    pthread_mutex_lock(&vs_reservations_lock);
    reservation->next = reservations;
    reservations = reservation;
    pthread_mutex_unlock(&vs_reservations_lock);
}

/* With vs_reservations_lock held. The whole pages of it. */
static struct vs_range *make_range(const struct vs_compute *compute, const struct reservation *reservation)
{
    CUdeviceptr begin = (reservation->address + VS_PAGE_BYTES - 1) / VS_PAGE_BYTES * VS_PAGE_BYTES;
    CUdeviceptr end = (reservation->address + reservation->bytes) / VS_PAGE_BYTES * VS_PAGE_BYTES;
    return begin < end ? vs_pages_add(begin, end - begin, VS_RANGE_GUEST, compute) : NULL;
}

struct vs_range *vs_guest_range(const struct vs_compute *compute, CUdeviceptr address, size_t bytes)
{
    struct vs_range *range = vs_range_of(address);
    if (bytes == 0 || bytes % VS_PAGE_BYTES || address % VS_PAGE_BYTES)
        return NULL;
    if (!range) {
        pthread_mutex_lock(&vs_reservations_lock);
        struct reservation *at = reservations;
        while (at && address - at->address >= at->bytes)
            at = at->next;
        if (at && !at->range)
            at->range = make_range(compute, at);
        range = at ? at->range : NULL;
        pthread_mutex_unlock(&vs_reservations_lock);
    }
    if (!range || range->kind != VS_RANGE_GUEST || range->compute != compute || address < range->base ||
        bytes > range->base + range->bytes - address)
        return NULL;
    return range;
}

static bool is_empty(struct vs_range *range)
{
    struct vs_home home;
    return vs_pages_run(range->base, range->bytes, &home) == range->bytes && home.kind == VS_HOME_NONE;
}

bool vs_guest_unreserve(CUdeviceptr address, size_t bytes)
{
    struct reservation *found = NULL;
    pthread_mutex_lock(&vs_reservations_lock);
    for (struct reservation **place = &reservations; *place && !found; place = &(*place)->next)
        if ((*place)->address == address && (*place)->bytes == bytes &&
            (!(*place)->range || (is_empty((*place)->range) && vs_pages_remove((*place)->range)))) {
            found = *place;
            *place = found->next;
            break;
        }
    pthread_mutex_unlock(&vs_reservations_lock);
    free(found);
    return found != NULL;
}
