/* release.c: frees of all kinds, whatever the memory came from. */
#include <stdio.h>

#include "operations.h"
#include "order.h"
#include "report.h"
#include "shadow.h"

cudaError_t cudaFreeAsync_ptsz(void *pointer, cudaStream_t stream);

#define WAYS(NAME)                                                                                                     \
    NAME(cudaFree, false, cudaFree(pointer))                                                                           \
    NAME(cuMemFree, false, cuMemFree((CUdeviceptr)pointer))                                                            \
    NAME(cudaFreeAsync, true, cudaFreeAsync(pointer, stream))                                                          \
    NAME(cudaFreeAsync_ptsz, true, cudaFreeAsync_ptsz(pointer, stream))                                                \
    NAME(cuMemFreeAsync, true, cuMemFreeAsync((CUdeviceptr)pointer, stream))

#define DEFINE(how, in_order, call)                                                                                    \
    static int by_##how(void *pointer, cudaStream_t stream)                                                            \
    {                                                                                                                  \
        (void)stream;                                                                                                  \
        return (int)(call);                                                                                            \
    }
WAYS(DEFINE)

#define ENTRY(how, in_order, call) {#how, in_order, by_##how},
static const struct way {
    const char *name;
    bool in_order;
    int (*call)(void *pointer, cudaStream_t stream);
} ways[] = {WAYS(ENTRY)};
#define WAY_COUNT (sizeof ways / sizeof *ways)

/* cudaFree waits for the work that uses the memory, unless that is a pool's (CUDA Runtime API, cudaFree); it speaks of
 * the device that has it. */
static void prepare_plain_free(struct worker *worker, struct allocation *allocation)
{
    if (allocation->slot != DONE &&
        (allocation->in_order || chance(worker, 30) || worker->slots[allocation->slot].device != allocation->device))
        wait_for(worker, allocation->slot);
    use_device(worker, allocation->device);
}

static void free_it(struct worker *worker, struct allocation *allocation)
{
    const struct way *way = &ways[below(worker, WAY_COUNT)];
    cudaStream_t stream = NULL;
    int slot = DONE;
    if (way->in_order) {
        slot = any_slot(worker, allocation->device);
        if (way->call == by_cudaFreeAsync_ptsz)
            while (worker->slots[slot].kind == SLOT_LEGACY) /* 0 is the per-thread stream there */
                slot = any_slot(worker, allocation->device);
        stream = order_in(worker, allocation, slot);
    } else {
        prepare_plain_free(worker, allocation);
    }
    note(worker, allocation, "%s in stream %d", way->name, slot);
    forget(worker, allocation);
    TRY_NAMED(worker, way->name, way->call(allocation->address, stream));
    drop(worker, allocation);
}

void release(struct worker *worker, struct allocation *allocation)
{
    if (chance(worker, allocation->bytes <= WINDOW_BYTES ? 60 : 30))
        check_whole(worker, allocation);
    free_it(worker, allocation);
}

void do_release(struct worker *worker)
{
    struct allocation *allocation = any_free_to_go(worker);
    if (allocation)
        release(worker, allocation);
}

/* Of one load, weights of one size: half of them are freed in the order of one stream, behind work that is queued
 * there, and the other half is allocated in another stream's. So both halves have the homes that the plan gives in
 * turn, and what is given out while the first stream's work is under way is found by that work. */
void do_take_elsewhere(struct worker *worker)
{
    enum { HALF = 4 };
    struct allocation *first[HALF], *second[HALF];
    size_t bytes = open_for_one_size(worker), count = 0;
    int slot = independent_slot(worker, 0), other = independent_slot(worker, 0);
    if (bytes == 0 || slot < 0 || other < 0 || slot == other)
        return;
    while (count < HALF && (first[count] = allocate_in_order(worker, bytes, slot)))
        count++;
    for (size_t i = 0; i < count; i++) {
        order_in(worker, first[i], slot);
        note(worker, first[i], "filled and freed in stream %d, for stream %d", slot, other);
        for (int times = 0; times < 3; times++)
            launch_fill(worker, first[i]->address, 0xD1, bytes, 0, stream_of(worker, slot));
    }
    for (size_t i = 0; i < count; i++) {
        cudaStream_t stream = stream_of(worker, slot);
        forget(worker, first[i]);
        TRY(worker, cudaFreeAsync(first[i]->address, stream));
        drop(worker, first[i]);
    }
    size_t taken = 0;
    while (taken < count && (second[taken] = allocate_in_order(worker, bytes, other)))
        taken++;
    for (size_t i = 0; i < taken; i++)
        wait_for_allocation(worker, second[i]);
    wait_for(worker, slot); /* the old work, over the new bytes if they are where it works */
    for (size_t i = 0; i < taken; i++)
        check_whole(worker, second[i]);
}

/* Frees what work is queued for, and takes so many bytes again at once: perhaps those, in another stream. Who gives
 * them out too early shows: the old work changes the new bytes, or finds none. */
void do_take_again(struct worker *worker)
{
    struct allocation *allocation = any_free_to_go(worker);
    for (int tries = 0; tries < 6 && allocation && (allocation->bytes < 64 * KIB || allocation->device != 0); tries++)
        allocation = any_free_to_go(worker); /* a weight, if there is one */
    if (!allocation)
        return;
    size_t bytes = allocation->bytes;
    int device = allocation->device;
    if (chance(worker, 70))
        do_open_model(worker);
    for (uint64_t i = 1 + below(worker, 3); i > 0; i--)
        fill_some(worker, allocation);
    copy_out_of(worker, allocation, true);
    free_it(worker, allocation);
    struct allocation *next = allocate(worker, bytes, device);
    if (next && chance(worker, 50))
        check_whole(worker, next);
}
