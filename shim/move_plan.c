/* move_plan.c: see move_plan.h. */
#include "move_plan.h"

#include <stdlib.h>
#include <string.h>

static int by_address(const void *a, const void *b)
{
    const struct vs_move *first = a, *second = b;
    return first->address < second->address ? -1 : first->address > second->address;
}

/* Whole pages of one compute device's, in ranges where memory can be mapped, and none twice. */
static CUresult check(const struct vs_move *sorted, size_t count, const struct vs_compute **compute)
{
    *compute = NULL;
    for (size_t i = 0; i < count; i++) {
        const struct vs_move *move = &sorted[i];
        const struct vs_range *range = vs_range_of(move->address);
        if (!range || move->bytes == 0 || move->bytes % VS_PAGE_BYTES ||
            (move->address - range->base) % VS_PAGE_BYTES || move->bytes > range->base + range->bytes - move->address)
            return CUDA_ERROR_INVALID_VALUE;
        if (range->kind == VS_RANGE_PINNED || move->home.kind == VS_HOME_NONE)
            return CUDA_ERROR_NOT_SUPPORTED;
        if ((*compute && range->compute != *compute) ||
            (i > 0 && sorted[i - 1].address + sorted[i - 1].bytes > move->address))
            return CUDA_ERROR_INVALID_VALUE;
        *compute = range->compute;
    }
    return CUDA_SUCCESS;
}

/* Where the page at `address` shall be, and up to where that holds. */
static struct vs_home wanted(
    const struct vs_move *sorted, size_t count, const struct vs_extent *extent, CUdeviceptr address, CUdeviceptr *until)
{
    for (size_t i = 0; i < count; i++) {
        CUdeviceptr end = sorted[i].address + sorted[i].bytes;
        if (address >= end)
            continue;
        if (address < sorted[i].address) {
            *until = sorted[i].address;
            return extent->home;
        }
        *until = end;
        return sorted[i].home;
    }
    *until = extent->address + extent->bytes;
    return extent->home;
}

static bool add_piece(
    struct vs_move_plan *plan, const struct vs_extent *old, CUdeviceptr address, CUdeviceptr end, struct vs_home home)
{
    struct vs_move_piece *grown = realloc(plan->pieces, (plan->piece_count + 1) * sizeof *grown);
    struct vs_extent **extents = realloc(plan->extents, (plan->piece_count + 1) * sizeof *extents);
    struct vs_extent *extent = calloc(1, sizeof *extent);
    if (grown)
        plan->pieces = grown;
    if (extents)
        plan->extents = extents;
    if (!grown || !extents || !extent) {
        free(extent);
        return false;
    }
    *extent = (struct vs_extent){.range = old->range,
        .address = address,
        .bytes = end - address,
        .home = home,
        .mapping = old->mapping,
        .claimed = true};
    plan->extents[plan->piece_count] = extent;
    plan->pieces[plan->piece_count++] = (struct vs_move_piece){.extent = extent};
    plan->bytes += extent->bytes;
    return true;
}

static void drop_pieces(struct vs_move_plan *plan, size_t first)
{
    while (plan->piece_count > first) {
        struct vs_extent *extent = plan->pieces[--plan->piece_count].extent;
        plan->bytes -= extent->bytes;
        free(extent);
    }
}

static bool add_old(struct vs_move_plan *plan, struct vs_extent *old)
{
    struct vs_extent **grown = realloc(plan->olds, (plan->old_count + 1) * sizeof(struct vs_extent *));
    if (!grown) {
        vs_extents_unclaim(old);
        return false;
    }
    plan->olds = grown;
    plan->olds[plan->old_count++] = old;
    return true;
}

static bool add_target(struct vs_move_plan *plan, size_t first_old, size_t first)
{
    struct vs_move_target *grown = realloc(plan->targets, (plan->target_count + 1) * sizeof *grown);
    if (!grown)
        return false;
    plan->targets = grown;
    plan->targets[plan->target_count++] = (struct vs_move_target){.first_old = first_old,
        .old_count = plan->old_count - first_old,
        .first = first,
        .piece_count = plan->piece_count - first};
    return true;
}

/* The last of the old extents, in pieces. It is let go where nothing of it moves. */
static bool plan_pieces(struct vs_move_plan *plan, const struct vs_move *sorted, size_t count)
{
    struct vs_extent *old = plan->olds[plan->old_count - 1];
    CUdeviceptr end = old->address + old->bytes, until;
    size_t first = plan->piece_count;
    for (CUdeviceptr at = old->address; at < end; at = until) {
        struct vs_home home = wanted(sorted, count, old, at, &until);
        until = until < end ? until : end;
        struct vs_extent *last = plan->piece_count > first ? plan->pieces[plan->piece_count - 1].extent : NULL;
        if (last && vs_home_equal(last->home, home)) {
            last->bytes += until - at;
            plan->bytes += until - at;
        } else if (!add_piece(plan, old, at, until, home)) {
            return false;
        }
    }
    if (plan->piece_count == first + 1 && vs_home_equal(plan->pieces[first].extent->home, old->home)) {
        drop_pieces(plan, first);
        plan->old_count--;
        vs_extents_unclaim(old);
        return true;
    }
    return add_target(plan, plan->old_count - 1, first);
}

/* Whether this extent begins a mapping of the program's that is several, and that shall be at one home altogether. */
static bool comes_together(
    const struct vs_move *sorted, size_t count, const struct vs_extent *extent, struct vs_home *home)
{
    const struct vs_guest_mapping *mapping = extent->mapping;
    if (!mapping || extent->address != mapping->address || extent->bytes == mapping->bytes)
        return false;
    CUdeviceptr end = mapping->address + mapping->bytes, until = mapping->address;
    *home = (struct vs_home){VS_HOME_NONE, 0};
    for (size_t i = 0; i < count && until < end; i++) {
        if (sorted[i].address + sorted[i].bytes <= until)
            continue;
        if (sorted[i].address > until || (home->kind != VS_HOME_NONE && !vs_home_equal(*home, sorted[i].home)))
            return false;
        *home = sorted[i].home;
        until = sorted[i].address + sorted[i].bytes;
    }
    return until >= end;
}

/* The last of the old extents and the rest of its mapping, as one piece. */
static bool plan_together(struct vs_move_plan *plan, struct vs_home home)
{
    struct vs_extent *old = plan->olds[plan->old_count - 1];
    const struct vs_guest_mapping *mapping = old->mapping;
    CUdeviceptr end = mapping->address + mapping->bytes;
    size_t first_old = plan->old_count - 1, first = plan->piece_count;
    for (CUdeviceptr at = old->address + old->bytes; at < end;) {
        struct vs_extent *next = vs_extents_claim(old->range, vs_page_of(old->range, at));
        if (!next || !add_old(plan, next))
            return false;
        at = next->address + next->bytes;
    }
    return add_piece(plan, old, mapping->address, end, home) && add_target(plan, first_old, first);
}

static CUresult claim(struct vs_move_plan *plan, const struct vs_move *sorted, size_t count)
{
    CUdeviceptr claimed_to = 0; /* extents are met in the order of addresses, each once */
    for (size_t i = 0; i < count; i++) {
        CUdeviceptr end = sorted[i].address + sorted[i].bytes;
        for (CUdeviceptr at = sorted[i].address; at < end;) {
            if (at < claimed_to) {
                at = claimed_to;
                continue;
            }
            struct vs_range *range = vs_range_of(at);
            struct vs_extent *extent = range ? vs_extents_claim(range, vs_page_of(range, at)) : NULL;
            struct vs_home home;
            if (!extent)
                return CUDA_ERROR_INVALID_VALUE;
            if (!add_old(plan, extent))
                return CUDA_ERROR_OUT_OF_MEMORY;
            bool together = comes_together(sorted, count, extent, &home);
            claimed_to = together ? extent->mapping->address + extent->mapping->bytes : extent->address + extent->bytes;
            if (!(together ? plan_together(plan, home) : plan_pieces(plan, sorted, count)))
                return CUDA_ERROR_OUT_OF_MEMORY;
        }
    }
    return CUDA_SUCCESS;
}

CUresult vs_move_plan_make(struct vs_move_plan *plan, const struct vs_move *moves, size_t count)
{
    *plan = (struct vs_move_plan){0};
    if (count == 0)
        return CUDA_SUCCESS;
    struct vs_move *sorted = malloc(count * sizeof *sorted);
    if (!sorted)
        return CUDA_ERROR_OUT_OF_MEMORY;
    memcpy(sorted, moves, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, by_address);
    CUresult result = check(sorted, count, &plan->compute);
    if (result == CUDA_SUCCESS)
        result = claim(plan, sorted, count);
    if (result != CUDA_SUCCESS)
        vs_move_plan_end(plan, false);
    free(sorted);
    return result;
}

void vs_move_plan_end(struct vs_move_plan *plan, bool installed)
{
    for (size_t i = 0; i < plan->old_count; i++) {
        if (installed)
            free(plan->olds[i]);
        else
            vs_extents_unclaim(plan->olds[i]);
    }
    for (size_t i = 0; i < plan->piece_count; i++) {
        if (installed)
            vs_extents_unclaim(plan->pieces[i].extent);
        else
            free(plan->pieces[i].extent);
    }
    free(plan->olds);
    free(plan->targets);
    free(plan->pieces);
    free(plan->extents);
    *plan = (struct vs_move_plan){0};
}
