/* move.c: see move.h. */
#include "move.h"

#include <stdatomic.h>
#include <time.h>

#include "access.h"
#include "capture.h"
#include "contexts.h"
#include "drain.h"
#include "driver.h"
#include "gate.h"
#include "hook.h"
#include "log.h"
#include "move_plan.h"
#include "span_claims.h"
#include "stats.h"

#define RESTORING_TRIES 8

uint64_t vs_move_limit_ns = 10000000000u;

/* While the plan runs: on the compute device's context. */
struct workshop {
    CUdeviceptr scratch; /* addresses for the second mappings */
    size_t scratch_bytes;
    CUstream stream;
};

/* --- New memory, before anybody is kept waiting ------------------------------------------------------------------- */

static CUresult give_memory(const struct vs_move_plan *plan, struct vs_move_piece *piece)
{
    struct vs_extent *extent = piece->extent;
    bool full = false;
    extent->backing = vs_backing_proved(plan->compute, extent->home, NULL, &full);
    if (!extent->backing || extent->backing->range != VS_RANGE_ARENA)
        return full ? CUDA_ERROR_OUT_OF_MEMORY : CUDA_ERROR_NOT_SUPPORTED;
    CUresult result = vs_extent_create(extent);
    piece->has_memory = result == CUDA_SUCCESS;
    if (result == CUDA_SUCCESS)
        result = extent->backing->map(plan->compute, extent->home, piece->scratch, extent->bytes, extent->handle);
    piece->has_scratch = result == CUDA_SUCCESS;
    return result;
}

static CUresult prepare(struct vs_move_plan *plan, struct workshop *workshop)
{
    const struct vs_driver *driver = vs_driver();
    CUresult result = driver->cuMemAddressReserve(&workshop->scratch, plan->bytes, VS_PAGE_BYTES, 0, 0);
    if (result != CUDA_SUCCESS)
        return result;
    workshop->scratch_bytes = plan->bytes;
    result = driver->cuStreamCreate(&workshop->stream, CU_STREAM_NON_BLOCKING);
    if (result != CUDA_SUCCESS)
        workshop->stream = NULL;
    CUdeviceptr next = workshop->scratch;
    for (size_t i = 0; i < plan->piece_count && result == CUDA_SUCCESS; i++) {
        plan->pieces[i].scratch = next;
        next += plan->pieces[i].extent->bytes;
        result = give_memory(plan, &plan->pieces[i]);
    }
    return result;
}

/* Takes the second mappings away; and the new memory, unless it is in place. */
static void clear_away(struct vs_move_plan *plan, struct workshop *workshop, bool installed)
{
    const struct vs_driver *driver = vs_driver();
    for (size_t i = 0; i < plan->piece_count; i++) {
        struct vs_move_piece *piece = &plan->pieces[i];
        const struct vs_extent *extent = piece->extent;
        if (piece->has_scratch && extent->backing->unmap(piece->scratch, extent->bytes) != CUDA_SUCCESS)
            extent->backing->unmap(piece->scratch, extent->bytes); /* else the memory is lost: it is tried again */
        if (piece->has_memory && !installed)
            vs_extent_release(extent);
    }
    for (size_t i = 0; i < plan->old_count && installed; i++)
        vs_extent_release(plan->olds[i]);
    if (workshop->stream)
        driver->cuStreamDestroy(workshop->stream);
    if (workshop->scratch_bytes && driver->cuMemAddressFree(workshop->scratch, workshop->scratch_bytes) != CUDA_SUCCESS)
        driver->cuMemAddressFree(workshop->scratch, workshop->scratch_bytes);
}

/* --- With the gate closed ----------------------------------------------------------------------------------------- */

/* Adds the contexts in which work for this device may be queued. One that is not there has none. */
static size_t add_device(int ordinal, CUcontext list[VS_CONTEXTS_MAX], size_t count, bool *all)
{
    const struct vs_compute *device = vs_compute_has_primary(ordinal) ? vs_compute_device(ordinal) : NULL;
    if (device && count < VS_CONTEXTS_MAX)
        list[count++] = device->context;
    else if (vs_compute_has_primary(ordinal))
        *all = false;
    return vs_contexts_of(ordinal, list, count, all);
}

/* The devices with access to what moves, beside the compute device: bit N for ordinal N. */
static uint64_t others_with_access(const struct vs_move_plan *plan)
{
    uint64_t devices = vs_access_peers(plan->compute->ordinal);
    for (size_t i = 0; i < plan->old_count; i++)
        if (plan->olds[i]->mapping)
            devices |= plan->olds[i]->mapping->readable;
    return devices & ~((uint64_t)1 << plan->compute->ordinal);
}

/* Waits for what is queued on every device with access. */
static CUresult drain(const struct vs_move_plan *plan)
{
    CUcontext contexts[VS_CONTEXTS_MAX];
    uint64_t peers = others_with_access(plan);
    bool all = true;
    size_t count = add_device(plan->compute->ordinal, contexts, 0, &all);
    for (int peer = 0; peers; peer++, peers >>= 1)
        if (peers & 1)
            count = add_device(peer, contexts, count, &all);
    return all ? vs_drain(contexts, count, vs_move_limit_ns) : CUDA_ERROR_NOT_READY;
}

/* From one home to one home in each call. */
static CUresult copy_target(
    const struct vs_move_plan *plan, const struct vs_move_target *target, const struct workshop *workshop)
{
    CUresult result = CUDA_SUCCESS;
    const struct vs_move_piece *piece = &plan->pieces[target->first];
    if (target->old_count == 1) {
        for (const struct vs_move_piece *end = piece + target->piece_count; piece < end && result == CUDA_SUCCESS;
             piece++)
            result = vs_driver()->cuMemcpyAsync(
                piece->scratch, piece->extent->address, piece->extent->bytes, workshop->stream);
        return result;
    }
    for (size_t i = 0; i < target->old_count && result == CUDA_SUCCESS; i++) {
        const struct vs_extent *old = plan->olds[target->first_old + i];
        CUdeviceptr to = piece->scratch + (old->address - piece->extent->address);
        result = vs_driver()->cuMemcpyAsync(to, old->address, old->bytes, workshop->stream);
    }
    return result;
}

static CUresult copy(const struct vs_move_plan *plan, const struct workshop *workshop)
{
    CUresult result = CUDA_SUCCESS;
    for (size_t i = 0; i < plan->target_count && result == CUDA_SUCCESS; i++)
        result = copy_target(plan, &plan->targets[i], workshop);
    /* Also where a copy failed: others run. Who cannot wait must not take the memory away under them: tried again. */
    CUresult waited = CUDA_ERROR_NOT_READY;
    for (int tries = 0; tries < RESTORING_TRIES && waited != CUDA_SUCCESS; tries++)
        waited = vs_driver()->cuStreamSynchronize(workshop->stream);
    return result == CUDA_SUCCESS ? waited : result;
}

static CUresult replace_mapping(struct vs_move_plan *plan, struct vs_move_target *target)
{
    CUresult result = CUDA_SUCCESS;
    while (target->taken_away < target->old_count && result == CUDA_SUCCESS) {
        const struct vs_extent *old = plan->olds[target->first_old + target->taken_away];
        result = old->backing->unmap(old->address, old->bytes);
        target->taken_away += result == CUDA_SUCCESS;
    }
    for (size_t i = target->first; i < target->first + target->piece_count && result == CUDA_SUCCESS; i++) {
        result = vs_extent_map(plan->pieces[i].extent);
        plan->pieces[i].in_place = result == CUDA_SUCCESS;
    }
    return result;
}

static CUresult take_new_away(struct vs_move_plan *plan, const struct vs_move_target *target)
{
    CUresult result = CUDA_SUCCESS;
    for (size_t i = target->first; i < target->first + target->piece_count; i++) {
        struct vs_move_piece *piece = &plan->pieces[i];
        if (!piece->in_place)
            continue;
        CUresult unmapped = piece->extent->backing->unmap(piece->extent->address, piece->extent->bytes);
        piece->in_place = unmapped != CUDA_SUCCESS;
        result = result == CUDA_SUCCESS ? unmapped : result;
    }
    return result;
}

/* Back to the old memory, whose bytes nobody has changed. The driver may not be ready for it at once. */
static void restore(struct vs_move_plan *plan, struct vs_move_target *target)
{
    CUresult result = CUDA_ERROR_UNKNOWN;
    for (int tries = 0; tries < RESTORING_TRIES && target->taken_away > 0; tries++) {
        if (tries > 0)
            vs_driver()->cuCtxSynchronize();
        result = take_new_away(plan, target);
        while (result == CUDA_SUCCESS && target->taken_away > 0) {
            result = vs_extent_map(plan->olds[target->first_old + target->taken_away - 1]);
            target->taken_away -= result == CUDA_SUCCESS;
        }
    }
    for (; target->taken_away > 0; target->taken_away--) {
        const struct vs_extent *old = plan->olds[target->first_old + target->taken_away - 1];
        vs_log(VS_LOG_ERROR, "move",
            "%zu bytes at %#llx were to move, and the driver gives them back neither at the new place nor at the old "
            "one (%s): what uses them fails from here on; restart the program",
            old->bytes, (unsigned long long)old->address, vs_driver_error(result));
    }
}

static CUresult switch_all(struct vs_move_plan *plan)
{
    CUresult result = CUDA_SUCCESS;
    size_t done = 0;
    while (done < plan->target_count && result == CUDA_SUCCESS)
        result = replace_mapping(plan, &plan->targets[done++]);
    if (result != CUDA_SUCCESS) {
        while (done-- > 0)
            restore(plan, &plan->targets[done]);
        return result;
    }
    for (size_t i = 0; i < plan->target_count; i++) {
        const struct vs_move_target *target = &plan->targets[i];
        vs_extents_replace(
            plan->olds + target->first_old, target->old_count, plan->extents + target->first, target->piece_count);
        for (size_t j = target->first; j < target->first + target->piece_count && !plan->extents[j]->mapping; j++)
            vs_stats_moved(plan->olds[target->first_old]->home, plan->extents[j]->home, plan->extents[j]->bytes);
    }
    return CUDA_SUCCESS;
}

static CUresult may_move(const struct vs_move_plan *plan)
{
    if (vs_capture_open())
        return CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED;
    for (size_t i = 0; i < plan->old_count; i++)
        if (vs_extents_is_fixed(plan->olds[i]))
            return CUDA_ERROR_NOT_PERMITTED;
    return CUDA_SUCCESS;
}

static CUresult move_while_closed(struct vs_move_plan *plan, const struct workshop *workshop)
{
    CUresult result = may_move(plan); /* once more: nobody captures or makes a graph from here on */
    if (result == CUDA_SUCCESS)
        result = drain(plan);
    if (result == CUDA_SUCCESS)
        result = copy(plan, workshop);
    return result == CUDA_SUCCESS ? switch_all(plan) : result;
}

/* --- All of it ---------------------------------------------------------------------------------------------------- */

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

/* Launches were held up for nothing: once, since the next move may meet the same. */
static void tell_in_vain(const char *cause, double waited_ms)
{
    static atomic_bool told;
    enum vs_log_level level = atomic_exchange(&told, true) ? VS_LOG_DEBUG : VS_LOG_WARN;
    vs_log(level, "move",
        "launches waited %.1f s for pages that were to move, since %s; the pages stay where they are, and moves are "
        "given up as long as that lasts: a stream's work must not wait for what another thread launches later",
        waited_ms / 1e3, cause);
}

static void tell_never(void)
{
    static atomic_bool told;
    if (!atomic_exchange(&told, true))
        vs_log(VS_LOG_WARN, "move",
            "memory was lacking for the record of a thread that launches work: pages stay where they are until the "
            "process ends; restart the program with more memory to let them move");
}

static CUresult switch_while_closed(struct vs_move_plan *plan, const struct workshop *workshop)
{
    double begun_ms = now_ms();
    if (!vs_gate_close(vs_move_limit_ns ? vs_move_limit_ns : UINT64_MAX / 2)) {
        if (vs_gate_can_close())
            tell_in_vain("a call that launches work did not return", now_ms() - begun_ms);
        else
            tell_never();
        return CUDA_ERROR_NOT_READY;
    }
    CUresult result = move_while_closed(plan, workshop);
    vs_gate_open();
    double waited_ms = now_ms() - begun_ms;
    if (vs_drain_is_out())
        tell_in_vain("work that was queued before did not end", waited_ms);
    if (result == CUDA_SUCCESS)
        vs_log(VS_LOG_DEBUG, "move", "%zu pieces, %zu bytes, have moved; launches waited for %.2f ms",
            plan->piece_count, plan->bytes, waited_ms);
    return result;
}

static CUresult run(struct vs_move_plan *plan)
{
    struct workshop workshop = {0};
    struct vs_driver_scope scope;
    CUresult result = may_move(plan);
    if (result == CUDA_SUCCESS && vs_drain_is_out()) /* the work that the last move could not wait for still runs */
        result = CUDA_ERROR_NOT_READY;
    if (result == CUDA_SUCCESS)
        result = vs_driver_enter(&scope, plan->compute->context);
    if (result != CUDA_SUCCESS)
        return result;
    result = prepare(plan, &workshop);
    if (result == CUDA_SUCCESS)
        result = switch_while_closed(plan, &workshop);
    clear_away(plan, &workshop, result == CUDA_SUCCESS);
    vs_driver_leave(&scope);
    return result;
}

CUresult vs_rehome(const struct vs_move *moves, size_t count)
{
    struct vs_move_plan plan;
    bool inside = vs_gate_is_inside();
    if (inside) /* whoever moves at the same time must not wait for this thread, which may wait for that one's claim */
        vs_gate_leave();
    vs_depth++;
    vs_extents_begin_move();
    CUresult result = vs_move_plan_make(&plan, moves, count);
    if (result == CUDA_SUCCESS && plan.target_count > 0)
        result = run(&plan);
    vs_move_plan_end(&plan, result == CUDA_SUCCESS);
    vs_extents_end_move();
    vs_span_settle_left();
    vs_depth--;
    if (inside)
        vs_gate_enter();
    return result;
}
