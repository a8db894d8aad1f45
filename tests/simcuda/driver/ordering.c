/* ordering.c: the clocks of ordering.h: vector clocks over the streams that allocate from pools, copied on write. */
#include "ordering.h"
#include "rules.h"

#include <stdlib.h>
#include <string.h>

struct sim_clock {
    unsigned references;
    size_t count;
    uint64_t known[]; /* by slot; slot 0 is nobody's */
};

bool sim_ordering_on;
static struct sim_clock *host; /* what the host knows */
static uint64_t tick;          /* counts executed operations */

/* A slot is free again when its stream is gone and the host knows of all that it did: who comes later is behind it. */
static struct {
    bool taken;
    uint64_t last; /* the last operation of its stream when that went; 0 before */
} * slots;
static size_t slot_count, slot_capacity;

static uint64_t known_to(const struct sim_clock *clock, size_t slot)
{
    return clock != NULL && slot < clock->count ? clock->known[slot] : 0;
}

static struct sim_clock *hold(struct sim_clock *clock)
{
    if (clock != NULL)
        clock->references++;
    return clock;
}

void sim_clock_drop(struct sim_clock *clock)
{
    if (clock != NULL && --clock->references == 0)
        free(clock);
}

/* Makes *clock one that nobody else sees, with at least `count` slots. False without memory: then less is known than
 * could be, which at worst refuses a program that is right. */
static bool make_own(struct sim_clock **clock, size_t count)
{
    const struct sim_clock *old = *clock;
    struct sim_clock *copy;

    if (old != NULL && old->references == 1 && old->count >= count)
        return true;
    count = old != NULL && old->count > count ? old->count : count;
    copy = calloc(1, sizeof *copy + count * sizeof copy->known[0]);
    if (copy == NULL)
        return false;
    copy->references = 1;
    copy->count = count;
    if (old != NULL)
        memcpy(copy->known, old->known, old->count * sizeof old->known[0]);
    sim_clock_drop(*clock);
    *clock = copy;
    return true;
}

static void know(struct sim_clock **clock, size_t slot, uint64_t sequence)
{
    if (slot != 0 && known_to(*clock, slot) < sequence && make_own(clock, slot + 1))
        (*clock)->known[slot] = sequence;
}

static void merge(struct sim_clock **clock, const struct sim_clock *other)
{
    if (other == NULL || other == *clock)
        return;
    for (size_t slot = 1; slot < other->count; slot++)
        know(clock, slot, other->known[slot]);
}

/* All that the stream knows, and what it did itself. */
static void merge_stream(struct sim_clock **clock, const struct CUstream_st *stream)
{
    merge(clock, stream->clock);
    know(clock, stream->slot, stream->last_executed);
}

unsigned sim_ordering_slot(CUstream stream)
{
    size_t slot = 1;

    sim_ordering_on = true;
    if (stream->slot != 0)
        return stream->slot;
    while (slot < slot_count && (slots[slot].taken || known_to(host, slot) < slots[slot].last))
        slot++;
    if (slot >= slot_capacity) {
        size_t more = slot_capacity ? slot_capacity * 2 : 16;
        void *grown = realloc(slots, more * sizeof *slots);
        if (grown == NULL)
            return 0;
        slots = grown;
        slot_capacity = more;
    }
    if (slot >= slot_count)
        slot_count = slot + 1;
    slots[slot].taken = true;
    slots[slot].last = 0;
    return stream->slot = (unsigned)slot;
}

void sim_ordering_submit(CUstream stream, struct sim_op *op)
{
    if (stream->host_clock == host)
        return; /* it travelled with an earlier operation */
    sim_clock_drop(stream->host_clock);
    stream->host_clock = hold(host);
    op->host_clock = hold(host);
}

/* The legacy default stream is behind what the blocking streams did, those that were destroyed meanwhile included. */
static void merge_blocking_streams(CUstream legacy)
{
    for (CUstream other = legacy->context->streams; other != NULL; other = other->next_in_context)
        if (other != legacy && !(other->flags & CU_STREAM_NON_BLOCKING) && other->executed_tick > legacy->merged_tick)
            merge_stream(&legacy->clock, other);
    for (CUstream other = sim_active_streams(); other != NULL; other = other->next_active)
        if (other->destroyed && other->context == legacy->context && !(other->flags & CU_STREAM_NON_BLOCKING) &&
            other->executed_tick > legacy->merged_tick)
            merge_stream(&legacy->clock, other);
}

void sim_ordering_begin(CUstream stream, const struct sim_op *op)
{
    CUcontext context = stream->context;

    if (!sim_ordering_on)
        return;
    merge(&stream->clock, op->host_clock);
    /* ... and they behind what it did. */
    if (stream->is_legacy) {
        merge_blocking_streams(stream);
    } else if (!(stream->flags & CU_STREAM_NON_BLOCKING) && context->legacy_stream != NULL &&
               context->legacy_stream->executed_tick > stream->merged_tick) {
        merge_stream(&stream->clock, context->legacy_stream);
    }
    stream->merged_tick = tick++;
    stream->executed_tick = tick;
    stream->last_executed = op->sequence;
}

void sim_ordering_record(CUstream stream, struct sim_point *point)
{
    if (!sim_ordering_on)
        return;
    point->slot = stream->slot;
    point->clock = hold(stream->clock);
}

void sim_ordering_wait(CUstream stream, const struct sim_point *point)
{
    merge(&stream->clock, point->clock);
    know(&stream->clock, point->slot, point->sequence);
}

void sim_ordering_host_saw_stream(CUstream stream)
{
    if (sim_ordering_on)
        merge_stream(&host, stream);
}

void sim_ordering_host_saw_context(CUcontext context)
{
    if (!sim_ordering_on)
        return;
    merge(&host, context->departed);
    for (CUstream stream = context->streams; stream != NULL; stream = stream->next_in_context)
        merge_stream(&host, stream);
}

void sim_ordering_host_saw_point(const struct sim_point *point)
{
    merge(&host, point->clock);
    know(&host, point->slot, point->sequence);
}

bool sim_ordering_is_behind(CUstream stream, unsigned slot, uint64_t sequence)
{
    return stream == NULL || slot == 0 || stream->slot == slot || known_to(stream->clock, slot) >= sequence;
}

void sim_ordering_forget(CUstream stream)
{
    CUcontext context = stream->context;

    if (sim_ordering_on) {
        merge_stream(&context->departed, stream);
        if (!(stream->flags & CU_STREAM_NON_BLOCKING) && context->legacy_stream != NULL && !stream->is_legacy)
            merge_stream(&context->legacy_stream->clock, stream);
    }
    if (stream->slot != 0) {
        slots[stream->slot].taken = false;
        slots[stream->slot].last = stream->last_executed;
    }
    sim_clock_drop(stream->clock);
    sim_clock_drop(stream->host_clock);
}
