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
 * read, and weights with little computation for their size.
 */
#include "plan_internal.h"

#include <stdlib.h>
#include <string.h>

typedef unsigned __int128 wide;

enum kind { EMBEDDING, RARE, COMMON, KINDS };

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
};

/* The donor for a tensor that ends at `position` on the axis; 0 where none has room. */
static size_t choose_donor(const struct spread *spread, uint64_t position, uint64_t bytes)
{
    size_t chosen = 0;
    bool chosen_in_time = false;
    for (size_t d = 1; d < spread->planner->plan->device_count; d++) {
        uint64_t goal = spread->goal_bytes[d], got = spread->got_bytes[d];
        if (!goal || !vs_planner_has_room(spread->planner, d, bytes))
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

static void spread_kind(struct vs_planner *planner, const uint8_t *kinds, enum kind kind)
{
    static const enum vs_plan_reason reasons[] = {
        [EMBEDDING] = VS_REASON_EMBEDDING, [RARE] = VS_REASON_RARE, [COMMON] = VS_REASON_SHARE};
    struct spread spread = {.planner = planner};
    for (size_t k = 0; k < planner->free_count; k++) {
        uint64_t bytes = planner->tensors[planner->free[k]].bytes;
        if (kinds[k] != kind)
            continue;
        spread.axis_bytes += bytes;
        spread.largest_bytes = bytes > spread.largest_bytes ? bytes : spread.largest_bytes;
    }
    set_goals(&spread);
    uint64_t position = 0;
    for (size_t k = 0; k < planner->free_count; k++) {
        size_t i = planner->free[k], device = 0;
        uint64_t bytes = planner->tensors[i].bytes;
        if (kinds[k] != kind)
            continue;
        position += bytes;
        if (is_to_leave(&spread, position, bytes) || (spread.off_bytes && !vs_planner_has_room(planner, 0, bytes)))
            device = choose_donor(&spread, position, bytes);
        vs_planner_place(planner, i, device, device ? reasons[kind] : VS_REASON_SHARE);
        spread.got_bytes[device] += bytes;
        spread.gone_bytes += device ? bytes : 0;
    }
    /* Where not all of the kind was to leave, what is left of the shares is less than a tensor, and not for others. */
    bool used_up = spread.off_bytes < spread.axis_bytes;
    for (size_t d = 1; d < planner->plan->device_count; d++) {
        uint64_t *share_bytes = &planner->devices[d].share_bytes;
        *share_bytes -= used_up || spread.got_bytes[d] > *share_bytes ? *share_bytes : spread.got_bytes[d];
    }
}

int vs_planner_spread(struct vs_planner *planner)
{
    size_t module_count = planner->table ? planner->table->module_count : 0;
    uint8_t *kinds = calloc(planner->free_count + 1, sizeof *kinds);
    bool *rare = calloc(module_count + 1, sizeof *rare);
    int result = -1;
    if (!kinds || !rare) {
        vs_diag_out_of_memory(planner->diags);
        goto done;
    }
    if (planner->table && measure_rarity(planner, rare))
        goto done;
    for (size_t k = 0; k < planner->free_count; k++)
        kinds[k] = (uint8_t)kind_of(planner, planner->free[k], rare);
    for (int kind = 0; kind < KINDS; kind++)
        spread_kind(planner, kinds, (enum kind)kind);
    result = 0;
done:
    free(kinds);
    free(rare);
    return result;
}
