/* order.c: see order.h. */
#include "order.h"

#include <stdlib.h>

#include "graph.h"
#include "pinned.h"
#include "report.h"
#include "shadow.h"
#include "world.h"

enum { CREATED_HERE = 4, CREATED_ELSEWHERE = 2 }; /* streams a worker, on the first device and on another one */

/* --- Streams ------------------------------------------------------------------------------------------------------ */

void use_device(struct worker *worker, int device)
{
    if (worker->device == device)
        return;
    TRY(worker, cudaSetDevice(device));
    worker->device = device;
}

static void create_stream(struct worker *worker, struct slot *slot)
{
    int least = 0, greatest = 0;
    use_device(worker, slot->device);
    slot->blocking = chance(worker, 40);
    unsigned flags = slot->blocking ? cudaStreamDefault : cudaStreamNonBlocking;
    switch (below(worker, 3)) {
    case 0:
        TRY(worker, cuStreamCreate(&slot->stream, flags));
        break;
    case 1:
        TRY(worker, cudaDeviceGetStreamPriorityRange(&least, &greatest));
        TRY(worker, cudaStreamCreateWithPriority(&slot->stream, flags, greatest));
        break;
    default:
        TRY(worker, cudaStreamCreateWithFlags(&slot->stream, flags));
    }
}

static void open_slot(struct worker *worker, int number, enum slot_kind kind, int device)
{
    struct slot *slot = &worker->slots[number];
    *slot = (struct slot){.kind = kind, .device = device, .blocking = true};
    if (kind == SLOT_CREATED)
        create_stream(worker, slot);
    else
        slot->stream = kind == SLOT_PER_THREAD ? cudaStreamPerThread : NULL;
}

void open_streams(struct worker *worker)
{
    int number = 0;
    for (int device = 0; device < device_count; device++) {
        use_device(worker, device);
        for (int i = 0; i < EVENTS_MAX; i++)
            TRY(worker, cudaEventCreateWithFlags(&worker->events[device][i], i % 2 ? cudaEventDisableTiming : 0));
        open_slot(worker, number++, SLOT_LEGACY, device);
        open_slot(worker, number++, SLOT_PER_THREAD, device);
        for (int i = 0; i < (device == 0 ? CREATED_HERE : CREATED_ELSEWHERE); i++)
            open_slot(worker, number++, SLOT_CREATED, device);
    }
}

void close_streams(struct worker *worker)
{
    for (int i = 0; i < SLOTS_MAX; i++) {
        struct slot *slot = &worker->slots[i];
        if (slot->kind == SLOT_NONE)
            continue;
        wait_for(worker, i);
        if (slot->kind == SLOT_CREATED)
            TRY(worker, cudaStreamDestroy(slot->stream));
        slot->kind = SLOT_NONE;
    }
    for (int device = 0; device < device_count; device++)
        for (int i = 0; i < EVENTS_MAX; i++)
            TRY(worker, cudaEventDestroy(worker->events[device][i]));
}

static int any_slot_that(struct worker *worker, int device, bool created, bool independent)
{
    for (;;) {
        int number = (int)below(worker, SLOTS_MAX);
        const struct slot *slot = &worker->slots[number];
        if (slot->kind != SLOT_NONE && slot->device == device && (!created || slot->kind == SLOT_CREATED) &&
            !(independent && slot->blocking))
            return number;
        if (independent && below(worker, 32) == 0)
            return DONE;
    }
}

int any_slot(struct worker *worker, int device)
{
    return any_slot_that(worker, device, false, false);
}

int independent_slot(struct worker *worker, int device)
{
    return any_slot_that(worker, device, true, true);
}

int legacy_slot(const struct worker *worker, int device)
{
    int number = 0;
    while (worker->slots[number].kind != SLOT_LEGACY || worker->slots[number].device != device)
        number++;
    return number;
}

cudaStream_t stream_of(struct worker *worker, int slot)
{
    use_device(worker, worker->slots[slot].device);
    return worker->slots[slot].stream;
}

/* --- Order -------------------------------------------------------------------------------------------------------- */

static void record(struct worker *worker, cudaEvent_t event, int slot)
{
    cudaStream_t stream = stream_of(worker, slot);
    switch (below(worker, 3)) {
    case 0:
        TRY(worker, cuEventRecord(event, stream));
        break;
    case 1:
        TRY(worker, cudaEventRecordWithFlags(event, stream, cudaEventRecordDefault));
        break;
    default:
        TRY(worker, cudaEventRecord(event, stream));
    }
}

/* An event that was perhaps recorded before: waits keep its older meaning. */
static void put_behind(struct worker *worker, int from, int to)
{
    cudaEvent_t event = worker->events[worker->slots[from].device][worker->next_event++ % EVENTS_MAX];
    record(worker, event, from);
    cudaStream_t stream = stream_of(worker, to);
    if (chance(worker, 50))
        TRY(worker, cudaStreamWaitEvent(stream, event, 0));
    else
        TRY(worker, cuStreamWaitEvent(stream, event, 0));
}

/* What is queued next is behind: the legacy default stream waits for blocking streams, and they for it (CUDA, stream
 * synchronization behavior). */
static bool is_implied(const struct slot *from, const struct slot *to)
{
    return from->device == to->device && from->blocking && to->blocking &&
           (from->kind == SLOT_LEGACY) != (to->kind == SLOT_LEGACY);
}

cudaStream_t order_in(struct worker *worker, struct allocation *allocation, int slot)
{
    int before = allocation->slot;
    if (before != DONE && before != slot &&
        !(is_implied(&worker->slots[before], &worker->slots[slot]) && chance(worker, 70)))
        put_behind(worker, before, slot);
    allocation->slot = slot;
    return stream_of(worker, slot);
}

static void settle(struct worker *worker, int slot)
{
    for (size_t i = 0; i < worker->owned_count; i++)
        if (worker->owned[i]->slot == slot)
            worker->owned[i]->slot = DONE;
    settle_buffers(worker, slot);
}

static void wait_by_query(struct worker *worker, cudaStream_t stream)
{
    cudaError_t state;
    while ((state = cudaStreamQuery(stream)) == cudaErrorNotReady)
        if (cudaGetLastError() != cudaErrorNotReady)
            fail(worker, NULL, "cudaStreamQuery said \"not ready\", which was not the last error");
    if (state != cudaSuccess) /* a fault, perhaps */
        TRY(worker, cudaStreamSynchronize(stream));
    if (state != cudaSuccess)
        cudaGetLastError();
}

void wait_for(struct worker *worker, int slot)
{
    cudaStream_t stream = stream_of(worker, slot);
    cudaEvent_t event = worker->events[worker->slots[slot].device][worker->next_event++ % EVENTS_MAX];
    switch (below(worker, 6)) {
    case 0:
        record(worker, event, slot);
        TRY(worker, cudaEventSynchronize(event));
        break;
    case 1:
        TRY(worker, cuStreamSynchronize(stream));
        break;
    case 2:
        wait_by_query(worker, stream);
        break;
    default:
        TRY(worker, cudaStreamSynchronize(stream));
    }
    settle(worker, slot);
}

void wait_for_allocation(struct worker *worker, struct allocation *allocation)
{
    if (allocation->slot != DONE)
        wait_for(worker, allocation->slot);
}

cudaEvent_t event_behind(struct worker *worker, struct allocation *allocation)
{
    cudaEvent_t event;
    if (allocation->slot == DONE)
        return NULL;
    use_device(worker, worker->slots[allocation->slot].device);
    TRY(worker, cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    record(worker, event, allocation->slot);
    return event;
}

/* --- Operations --------------------------------------------------------------------------------------------------- */

void do_wait(struct worker *worker)
{
    wait_for(worker, any_slot(worker, (int)below(worker, (uint64_t)device_count)));
}

void do_change_stream(struct worker *worker)
{
    struct allocation *allocation = any_owned(worker, -1);
    if (!allocation || allocation->slot == DONE)
        return;
    int slot = any_slot(worker, allocation->device);
    if (slot != allocation->slot)
        put_behind(worker, allocation->slot, slot); /* no work follows that default streams would order */
    allocation->slot = slot;
}

void do_wait_for_device(struct worker *worker)
{
    int device = (int)below(worker, (uint64_t)device_count);
    if (!begin_device_wait())
        return;
    use_device(worker, device);
    if (chance(worker, 50))
        TRY(worker, cudaDeviceSynchronize());
    else
        TRY(worker, cuCtxSynchronize());
    end_device_wait();
    for (int i = 0; i < SLOTS_MAX; i++)
        if (worker->slots[i].kind != SLOT_NONE && worker->slots[i].device == device)
            settle(worker, i);
}

/* Its work is done all the same; a new one may well get its handle. */
void do_replace_stream(struct worker *worker)
{
    int device = (int)below(worker, (uint64_t)device_count), gone = any_slot_that(worker, device, true, false);
    int heir = any_slot(worker, device);
    struct slot *slot = &worker->slots[gone];
    if (gone == heir)
        wait_for(worker, gone);
    else
        put_behind(worker, gone, heir);
    for (size_t i = 0; i < worker->owned_count; i++)
        if (worker->owned[i]->slot == gone)
            worker->owned[i]->slot = heir;
    move_buffers(worker, gone, heir);
    move_graphs(worker, gone, heir);
    use_device(worker, device);
    if (chance(worker, 50))
        TRY(worker, cudaStreamDestroy(slot->stream));
    else
        TRY(worker, cuStreamDestroy(slot->stream));
    create_stream(worker, slot);
}

/* --- Captures and waits for devices ------------------------------------------------------------------------------- */

static atomic_int exclusion; /* > 0: so many waits; < 0: so many captures */

static bool enter(int step)
{
    int now = atomic_load(&exclusion);
    do
        if (step > 0 ? now < 0 : now > 0)
            return false;
    while (!atomic_compare_exchange_weak(&exclusion, &now, now + step));
    return true;
}

bool begin_device_wait(void)
{
    return enter(1);
}

void end_device_wait(void)
{
    atomic_fetch_sub(&exclusion, 1);
}

bool begin_capture(void)
{
    return enter(-1);
}

void end_capture(void)
{
    atomic_fetch_add(&exclusion, 1);
}
