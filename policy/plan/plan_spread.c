/*
 * The order `spread`: every device gets its bytes, and the off-device weights are as evenly spaced along the bytes in
 * the order of execution as whole tensors can be.
 *
 * One pass decides twice for each tensor. First, whether it leaves the compute device: it does if that brings the sum
 * of what has left nearer to the straight line from nothing to all that is to leave; so the sum is never further from
 * the line than half a tensor. Then, which donor gets it: of the donors that it does not bring more than one largest
 * tensor before their own line, the one that would first fall one largest tensor behind (earliest deadline first).
 *
 * Weights that gain nothing from being near go first, each kind spread among its own: tables of which few rows are
 * read, and weights with little computation for their size. They leave only where a donor's share holds them whole, so
 * that one which is larger than all shares leaves those to the others.
 */
#include "plan_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef unsigned __int128 wide;

enum kind { EMBEDDING, RARE, COMMON };

/* --- Kinds -------------------------------------------------------------------------------------------------------- */

/* Without a table: what libraries call the tables that they look tokens and positions up in. */
static bool is_embedding_by_name(const char *name)
{
    static const char *const owners[] = {"embed_tokens", "token_embedding", "position_embedding", "word_embeddings",
        "position_embeddings", "token_type_embeddings", "token_embd", "wte", "wpe", "shared"};
    const char *point = strrchr(name, '.'), *start = point;
    if (!point || strcmp(point, ".weight") != 0)
        return false;
    while (start > name && start[-1] != '.')
        start--;
    for (size_t i = 0; i < sizeof owners / sizeof *owners; i++)
        if (strlen(owners[i]) == (size_t)(point - start) && !memcmp(owners[i], start, (size_t)(point - start)))
            return true;
    return false;
}

/* Operations of one step with a module's weights: two for each element and row. Vectors count for nothing. */
static double operations(const struct vs_table_module *module)
{
    double sum = 0;
    for (size_t t = 0; t < module->tensor_count; t++) {
        double elements = 2;
        for (size_t i = 0; i < module->tensors[t].rank; i++)
            elements *= (double)module->tensors[t].shape[i];
        sum += module->tensors[t].rank > 1 ? elements : 0;
    }
    return sum * (double)module->rows;
}

/* Bytes of each module, or NULL where no table tells how much is computed. */
static int measure_rarity(const struct vs_planner *planner, bool *rare)
{
    const struct vs_module_table *table = planner->table;
    double all_bytes = 0, all_operations = 0;
    double *bytes = calloc(table->module_count + 1, sizeof *bytes);
    if (!bytes) {
        vs_diag_out_of_memory(planner->diags);
        return -1;
    }
    for (size_t i = 0; i < planner->count; i++)
        if (planner->plan->places[i].module != VS_PLAN_NO_MODULE)
            bytes[planner->plan->places[i].module] += (double)planner->tensors[i].bytes;
    for (size_t m = 0; m < table->module_count; m++) {
        if (table->modules[m].rows == VS_ROWS_UNKNOWN)
            continue;
        all_bytes += bytes[m];
        all_operations += operations(&table->modules[m]);
    }
    for (size_t m = 0; m < table->module_count; m++)
        rare[m] = table->modules[m].rows != VS_ROWS_UNKNOWN &&
                  operations(&table->modules[m]) * all_bytes < 0.01 * all_operations * bytes[m];
    free(bytes);
    return 0;
}

static enum kind kind_of(const struct vs_planner *planner, size_t tensor, const bool *rare)
{
    uint32_t module = planner->plan->places[tensor].module;
    if (!planner->table || module == VS_PLAN_NO_MODULE)
        return is_embedding_by_name(planner->tensors[tensor].name) ? EMBEDDING : COMMON;
    if (!strcmp(planner->table->modules[module].type, "Embedding"))
        return EMBEDDING;
    return rare[module] ? RARE : COMMON;
}

/* --- Spreading one kind ------------------------------------------------------------------------------------------- */

struct spread {
    struct vs_planner *planner;
    uint64_t axis_bytes;                      /* of the kind */
    uint64_t largest_bytes;                   /* of its tensors */
    uint64_t off_bytes;                       /* of them that are to leave */
    uint64_t goal_bytes[VS_PLAN_DEVICES_MAX]; /* by donor; sum up to off_bytes */
    uint64_t got_bytes[VS_PLAN_DEVICES_MAX];
    uint64_t gone_bytes; /* have left so far */
    bool whole;          /* only what a donor's share holds leaves */
};

/* The donor for a tensor that ends at `position` on the axis; 0 where none has room. */
static size_t choose_donor(const struct spread *spread, uint64_t position, uint64_t bytes)
{
    size_t chosen = 0;
    bool chosen_in_time = false;
    for (size_t d = 1; d < spread->planner->plan->device_count; d++) {
        uint64_t goal = spread->goal_bytes[d], got = spread->got_bytes[d];
        if (!goal || !vs_planner_has_room(spread->planner, d, bytes) ||
            (spread->whole && bytes > spread->planner->devices[d].share_bytes - got))
            continue;
        /* Not more than one largest tensor before its line: got + bytes <= goal * position / axis + largest. */
        bool in_time = (wide)goal * position + (wide)spread->largest_bytes * spread->axis_bytes >=
                       (wide)(got + bytes) * spread->axis_bytes;
        bool first = (wide)(got + spread->largest_bytes) * spread->goal_bytes[chosen] <
                     (wide)(spread->got_bytes[chosen] + spread->largest_bytes) * goal;
        if (!chosen || in_time > chosen_in_time || (in_time == chosen_in_time && first)) {
            chosen = d;
            chosen_in_time = in_time;
        }
    }
    return chosen;
}

/* Whether leaving brings the sum of what has left nearer to the line. */
static bool is_to_leave(const struct spread *spread, uint64_t position, uint64_t bytes)
{
    if (!spread->axis_bytes)
        return false;
    return (wide)spread->off_bytes * position * 2 >= ((wide)spread->gone_bytes * 2 + bytes) * spread->axis_bytes;
}

/* Sets how much of the kind each donor is to get: all that it may still take, if the kind is that large. */
static void set_goals(struct spread *spread)
{
    const struct vs_planner *planner = spread->planner;
    size_t count = planner->plan->device_count;
    uint64_t lent_bytes = 0, rest;
    for (size_t d = 1; d < count; d++)
        lent_bytes += planner->devices[d].share_bytes;
    spread->off_bytes = lent_bytes < spread->axis_bytes ? lent_bytes : spread->axis_bytes;
    rest = spread->off_bytes;
    for (size_t d = 1; d < count && lent_bytes; d++) {
        spread->goal_bytes[d] = (uint64_t)((wide)planner->devices[d].share_bytes * spread->off_bytes / lent_bytes);
        rest -= spread->goal_bytes[d];
    }
    for (size_t d = 1; d < count && rest; d++) { /* what the divisions have dropped, less than a byte for each */
        uint64_t more = planner->devices[d].share_bytes - spread->goal_bytes[d];
        more = more < rest ? more : rest;
        spread->goal_bytes[d] += more;
        rest -= more;
    }
}

/* Whether a tensor has its turn with this kind, which it has not where it was placed before. */
static bool is_turn_of(const struct vs_planner *planner, const uint8_t *kinds, size_t k, enum kind kind)
{
    return kinds[k] == kind && planner->plan->places[planner->free[k]].reason == VS_REASON_NONE;
}

static struct spread measure_kind(struct vs_planner *planner, const uint8_t *kinds, enum kind kind)
{
    struct spread spread = {.planner = planner, .whole = kind != COMMON};
    for (size_t k = 0; k < planner->free_count; k++) {
        uint64_t bytes = planner->tensors[planner->free[k]].bytes;
        if (!is_turn_of(planner, kinds, k, kind))
            continue;
        spread.axis_bytes += bytes;
        spread.largest_bytes = bytes > spread.largest_bytes ? bytes : spread.largest_bytes;
    }
    set_goals(&spread);
    return spread;
}

static void place(struct spread *spread, size_t tensor, size_t device, enum vs_plan_reason reason)
{
    uint64_t bytes = spread->planner->tensors[tensor].bytes;
    vs_planner_place(spread->planner, tensor, device, reason);
    spread->got_bytes[device] += bytes;
    spread->gone_bytes += device ? bytes : 0;
}

/* Takes what donors got off their shares; what one got beyond its own is taken off the others'. */
static void settle(struct spread *spread)
{
    struct vs_planner *planner = spread->planner;
    uint64_t beyond_bytes = 0;
    for (size_t d = 1; d < planner->plan->device_count; d++) {
        uint64_t *share_bytes = &planner->devices[d].share_bytes, got_bytes = spread->got_bytes[d];
        beyond_bytes += got_bytes > *share_bytes ? got_bytes - *share_bytes : 0;
        *share_bytes -= got_bytes < *share_bytes ? got_bytes : *share_bytes;
    }
    for (size_t d = planner->plan->device_count - 1; d > 0; d--) {
        uint64_t *share_bytes = &planner->devices[d].share_bytes;
        uint64_t cut_bytes = beyond_bytes < *share_bytes ? beyond_bytes : *share_bytes;
        *share_bytes -= cut_bytes;
        beyond_bytes -= cut_bytes;
    }
}

/* Weights that gain nothing from being near: as evenly as they go, then whichever a share still holds. */
static void send_first(struct vs_planner *planner, const uint8_t *kinds, enum kind kind)
{
    enum vs_plan_reason reason = kind == EMBEDDING ? VS_REASON_EMBEDDING : VS_REASON_RARE;
    struct spread spread = measure_kind(planner, kinds, kind);
    for (int sweep = 0; sweep < 2 && spread.off_bytes; sweep++) {
        uint64_t position = 0;
        for (size_t k = 0; k < planner->free_count; k++) {
            size_t i = planner->free[k], device = 0;
            uint64_t bytes = planner->tensors[i].bytes;
            if (!is_turn_of(planner, kinds, k, kind))
                continue;
            position += bytes;
            if (sweep || is_to_leave(&spread, position, bytes))
                device = choose_donor(&spread, sweep ? spread.axis_bytes : position, bytes);
            if (device)
                place(&spread, i, device, reason);
        }
    }
    settle(&spread);
}

static void spread_common(struct vs_planner *planner, const uint8_t *kinds, bool any_left)
{
    struct spread spread = measure_kind(planner, kinds, COMMON);
    uint64_t position = 0;
    if (any_left && spread.off_bytes < spread.largest_bytes) /* less than a tensor: not worth its way */
        spread.off_bytes = 0;
    for (size_t k = 0; k < planner->free_count; k++) {
        size_t i = planner->free[k], device = 0;
        uint64_t bytes = planner->tensors[i].bytes;
        if (!is_turn_of(planner, kinds, k, COMMON))
            continue;
        position += bytes;
        if (is_to_leave(&spread, position, bytes) || (spread.off_bytes && !vs_planner_has_room(planner, 0, bytes)))
            device = choose_donor(&spread, position, bytes);
        place(&spread, i, device, VS_REASON_SHARE);
    }
    settle(&spread);
}

/* Those that no share holds whole. They stay, but for those that the compute device has no room for, and, where the
 * shares are more than all others fill, those of which more than half is asked for. */
static void place_large(struct vs_planner *planner, const uint8_t *kinds, bool others_placed)
{
    for (size_t k = 0; k < planner->free_count; k++) {
        size_t i = planner->free[k], device = 0;
        uint64_t bytes = planner->tensors[i].bytes, asked_bytes = 0;
        if (planner->plan->places[i].reason != VS_REASON_NONE || kinds[k] == COMMON)
            continue;
        struct spread spread = {.planner = planner, .axis_bytes = bytes, .largest_bytes = bytes};
        for (size_t d = 1; d < planner->plan->device_count; d++) {
            spread.goal_bytes[d] = planner->devices[d].share_bytes;
            asked_bytes += planner->devices[d].share_bytes;
        }
        if ((others_placed && asked_bytes > bytes / 2) || !vs_planner_has_room(planner, 0, bytes))
            device = choose_donor(&spread, bytes, bytes);
        place(&spread, i, device,
            !device                 ? VS_REASON_TOO_LARGE
            : kinds[k] == EMBEDDING ? VS_REASON_EMBEDDING
                                    : VS_REASON_RARE);
        settle(&spread);
    }
}

/* Whole tensors make shares coarse; where they miss what was asked for by more than one of the usual, that is told. */
static void warn_of_coarse_shares(const struct vs_planner *planner, const uint8_t *kinds, uint64_t asked_bytes)
{
    uint64_t gone_bytes = 0, common_bytes = 0;
    size_t largest = 0;
    for (size_t k = 0; k < planner->free_count; k++) {
        size_t i = planner->free[k];
        uint64_t bytes = planner->tensors[i].bytes;
        gone_bytes += planner->plan->places[i].device ? bytes : 0;
        common_bytes = kinds[k] == COMMON && bytes > common_bytes ? bytes : common_bytes;
        largest = bytes > planner->tensors[planner->free[largest]].bytes ? k : largest;
    }
    uint64_t missed_bytes = gone_bytes > asked_bytes ? gone_bytes - asked_bytes : asked_bytes - gone_bytes;
    if (missed_bytes <= common_bytes)
        return;
    const struct vs_plan_tensor *tensor = &planner->tensors[planner->free[largest]];
    struct vs_place place = vs_place_of_file(&planner->source);
    place.line = planner->wish->line;
    vs_diag_add(planner->diags, VS_WARNING, place,
        "%.0f MB of weights were to leave `%s`, and %.0f MB do: a tensor cannot be divided, and the largest (`%s`) has "
        "%.0f MB",
        ldexp((double)asked_bytes, -20), vs_device_format(planner->wish->compute).text, ldexp((double)gone_bytes, -20),
        vs_quote_string(tensor->name).text, ldexp((double)tensor->bytes, -20));
    vs_diag_hint(planner->diags, "let the donors take more, or place that tensor with a line under `tensors`");
}

static uint64_t sum_of_shares(const struct vs_planner *planner)
{
    uint64_t sum = 0;
    for (size_t d = 1; d < planner->plan->device_count; d++)
        sum += planner->devices[d].share_bytes;
    return sum;
}

int vs_planner_spread(struct vs_planner *planner)
{
    size_t module_count = planner->table ? planner->table->module_count : 0;
    uint8_t *kinds = calloc(planner->free_count + 1, sizeof *kinds);
    bool *rare = calloc(module_count + 1, sizeof *rare);
    uint64_t asked_bytes = sum_of_shares(planner), left_bytes, common_bytes = 0;
    int result = -1;
    if (!kinds || !rare) {
        vs_diag_out_of_memory(planner->diags);
        goto done;
    }
    if (planner->table && measure_rarity(planner, rare))
        goto done;
    for (size_t k = 0; k < planner->free_count; k++) {
        kinds[k] = (uint8_t)kind_of(planner, planner->free[k], rare);
        common_bytes += kinds[k] == COMMON ? planner->tensors[planner->free[k]].bytes : 0;
    }
    send_first(planner, kinds, EMBEDDING);
    send_first(planner, kinds, RARE);
    left_bytes = sum_of_shares(planner);
    if (left_bytes <= common_bytes) /* they take room on the compute device that the others then do not find */
        place_large(planner, kinds, false);
    spread_common(planner, kinds, left_bytes < asked_bytes);
    place_large(planner, kinds, true);
    warn_of_coarse_shares(planner, kinds, asked_bytes);
    result = 0;
done:
    free(kinds);
    free(rare);
    return result;
}
