/* world.c: see world.h. */
#include "world.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../simcuda/simcuda.h"
#include "operations.h"
#include "order.h"
#include "pinned.h"
#include "report.h"
#include "shadow.h"

int device_count;

/* --- Workers ------------------------------------------------------------------------------------------------------ */

uint64_t below(struct worker *worker, uint64_t limit) /* splitmix64 */
{
    uint64_t mixed = worker->random += 0x9E3779B97F4A7C15u;
    mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9u;
    mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBu;
    return (mixed ^ (mixed >> 31)) % limit;
}

bool chance(struct worker *worker, unsigned share)
{
    return below(worker, 100) < share;
}

void open_worker(struct worker *worker, unsigned number)
{
    *worker = (struct worker){.number = number, .random = settings.seed * 1000 + number, .device = -1};
    use_device(worker, 0);
    open_streams(worker);
    use_device(worker, 0);
    open_buffers(worker);
}

void empty_worker(struct worker *worker)
{
    worker->doing = "end";
    receive(worker);
    drop_graphs(worker);
    for (size_t i = 0; i < worker->owned_count; i++)
        check_whole(worker, worker->owned[i]);
    while (worker->owned_count > 0)
        release(worker, worker->owned[worker->owned_count - 1]);
}

void close_worker(struct worker *worker)
{
    close_streams(worker);
    use_device(worker, 0);
    close_buffers(worker);
}

/* --- The account -------------------------------------------------------------------------------------------------- */

enum { PLACES = 4 }; /* the host, and so many devices */

struct account {
    size_t bytes[PLACES], allocations, descriptors, threads;
};
static struct account beginning;

static size_t entries(const char *folder)
{
    size_t count = 0;
    DIR *directory = opendir(folder);
    while (directory && readdir(directory))
        count++;
    if (directory)
        closedir(directory);
    return count;
}

static void flush(struct worker *worker)
{
    for (int device = 0; device < device_count; device++) {
        cudaMemPool_t pool;
        use_device(worker, device);
        TRY(worker, cudaDeviceSynchronize());
        TRY(worker, cudaDeviceGraphMemTrim(device));
        TRY(worker, cudaDeviceGetDefaultMemPool(&pool, device));
        TRY(worker, cudaMemPoolTrimTo(pool, 0));
    }
}

static struct account take_account(void)
{
    struct account account = {.allocations = simcudaLiveAllocations(),
        .descriptors = entries("/proc/self/fd"),
        .threads = entries("/proc/self/task")};
    for (int place = 0; place < PLACES; place++)
        account.bytes[place] = simcudaBytesUsed(place - 1);
    return account;
}

static bool more(const char *what, size_t now, size_t then)
{
    if (now <= then)
        return false;
    fprintf(stderr, "stress: %s: %zu at the beginning, %zu at the end\n", what, then, now);
    return true;
}

static bool has_more(const struct account *now, const struct account *then)
{
    static const char *const names[PLACES] = {
        "bytes in the host", "bytes on cuda:0", "bytes on cuda:1", "bytes on cuda:2"};
    bool any = more("live allocations", now->allocations, then->allocations);
    for (int place = 0; place < PLACES; place++)
        any |= more(names[place], now->bytes[place], then->bytes[place]);
    any |= more("descriptors", now->descriptors, then->descriptors);
    return more("threads", now->threads, then->threads) || any;
}

/* A thread may take a moment to be gone from /proc. */
static bool settles(struct worker *worker, const struct account *then)
{
    for (int tries = 0; tries < 50; tries++) {
        struct account now = take_account();
        if (now.threads <= then->threads || tries == 49)
            return !has_more(&now, then);
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        flush(worker);
    }
    return false;
}

/* --- Begin and end ------------------------------------------------------------------------------------------------ */

/* The weights of each model once, and some work: what is made at first use is made. */
static void warm_up(struct worker *worker)
{
    open_worker(worker, 0);
    for (int model = 0; model < 8; model++) {
        do_open_model(worker);
        for (int i = 0; i < 60; i++)
            do_allocate(worker);
        for (int i = 0; i < 60; i++)
            do_kernel(worker);
        for (int i = 0; i < 10; i++)
            do_rehome(worker);
        do_make_graph(worker);
        do_launch_graph(worker);
        empty_worker(worker);
    }
    close_worker(worker);
    flush(worker);
}

void open_world(struct worker *worker)
{
    uint64_t keep = UINT64_MAX; /* as PyTorch sets it */
    make_models();
    worker->device = -1;
    TRY(worker, cudaGetDeviceCount(&device_count));
    device_count = device_count < DEVICES_MAX ? device_count : DEVICES_MAX;
    for (int device = 0; device < device_count; device++) {
        cudaMemPool_t pool;
        use_device(worker, device);
        TRY(worker, cudaFree(NULL));
        TRY(worker, cudaDeviceGetDefaultMemPool(&pool, device));
        TRY(worker, cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &keep));
        open_kernels(device);
    }
    warm_up(worker);
    beginning = take_account();
    if (beginning.bytes[0] > 0)
        fail(worker, NULL, "after a flush %zu bytes are left in the host", beginning.bytes[0]);
}

void close_world(struct worker *worker)
{
    worker->doing = "end";
    flush(worker);
    if (live_allocations() > 0 || !settles(worker, &beginning))
        fail(worker, NULL, "not all is given back after a flush");
    for (int device = device_count; device-- > 0;) {
        use_device(worker, device);
        TRY(worker, cudaDeviceReset());
    }
    if (simcudaLiveAllocations() > 0 || simcudaBytesUsed(SIMCUDA_LOCATION_HOST) > 0)
        fail(worker, NULL, "when the devices were reset %zu allocations are left, and %zu bytes in the host",
            simcudaLiveAllocations(), simcudaBytesUsed(SIMCUDA_LOCATION_HOST));
}
