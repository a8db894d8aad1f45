/*
 * DisTorch2's rule, to the letter (ComfyUI-MultiGPU 2.6.3): from the last module to the first, each goes to the first
 * device, by name and `cpu` last, whose remaining share holds it. Sums are doubles, as there: they decide at the edge.
 */
#include "plan_internal.h"

#include <stdlib.h>
#include <string.h>

static const double tiny_part = 0.0001;

static int list_table_modules(struct vs_planner *planner)
{
    struct vs_plan *plan = planner->plan;
    const struct vs_module_table *table = planner->table;
    plan->modules = calloc(table->module_count + 1, sizeof *plan->modules);
    if (!plan->modules) {
        vs_diag_out_of_memory(planner->diags);
        return -1;
    }
    for (size_t m = 0; m < table->module_count; m++)
        plan->modules[m] = (struct vs_plan_module){
            .name = table->modules[m].name, .length = strlen(table->modules[m].name), .type = table->modules[m].type};
    plan->module_count = table->module_count;
    return 0;
}

static bool is_named(const char *tensor, const char *last_piece)
{
    const char *point = strrchr(tensor, '.');
    return point && !strcmp(point + 1, last_piece);
}

int vs_planner_measure_modules(struct vs_planner *planner)
{
    struct vs_plan *plan = planner->plan;
    uint64_t module_bytes = 0, weight_bytes = 0;
    if (planner->table && list_table_modules(planner))
        return -1;
    bool *has_weight = calloc(plan->module_count + 1, sizeof *has_weight);
    if (!has_weight) {
        vs_diag_out_of_memory(planner->diags);
        return -1;
    }
    for (size_t i = 0; i < planner->count; i++) {
        uint32_t m = plan->places[i].module;
        if (m == VS_PLAN_NO_MODULE)
            continue;
        plan->modules[m].bytes += planner->tensors[i].bytes;
        module_bytes += planner->tensors[i].bytes;
        has_weight[m] |= is_named(planner->tensors[i].name, "weight");
    }
    for (size_t i = 0; i < planner->count; i++) {
        uint32_t m = plan->places[i].module;
        if (m != VS_PLAN_NO_MODULE && has_weight[m] &&
            (is_named(planner->tensors[i].name, "weight") || is_named(planner->tensors[i].name, "bias")))
            weight_bytes += planner->tensors[i].bytes;
    }
    free(has_weight);
    planner->module_bytes = (double)module_bytes;
    planner->weight_bytes = (double)weight_bytes;
    return 0;
}

/* Text encoders' embeddings, by DisTorch2's words for them (`embedders` is a folder of checkpoints, not a module). */
static bool is_head(const struct vs_plan_module *module)
{
    static const char *const words[] = {"embed", "wte", "wpe"};
    for (size_t w = 0; w < sizeof words / sizeof *words; w++) {
        size_t length = strlen(words[w]);
        for (size_t i = 0; i + length <= module->length; i++)
            if (!strncasecmp(module->name + i, words[w], length) &&
                (i + length + 4 > module->length || strncasecmp(module->name + i + length, "ders", 4) != 0))
                return true;
    }
    return false;
}

struct quotas {
    double left[VS_PLAN_DEVICES_MAX];
    size_t order[VS_PLAN_DEVICES_MAX];
    size_t count;
};

static void place_module(struct vs_plan_module *module, double bytes, struct quotas *quotas)
{
    for (size_t k = 0; k < quotas->count; k++) {
        size_t device = quotas->order[k];
        if (quotas->left[device] < bytes)
            continue;
        quotas->left[device] -= bytes;
        module->device = (uint8_t)device;
        module->reason = VS_REASON_SHARE;
        return;
    }
    module->device = 0;
    module->reason = VS_REASON_ORPHAN;
}

/* Those that are not moved whatever their share. Returns the bytes of a text encoder's embeddings that no rule places:
 * what rules place was taken off the share of the device that has it. */
static double keep_modules(struct vs_planner *planner, const uint64_t *free_bytes)
{
    struct vs_plan *plan = planner->plan;
    double head_bytes = 0;
    for (size_t m = 0; m < plan->module_count; m++) {
        struct vs_plan_module *module = &plan->modules[m];
        module->reason = VS_REASON_NONE;
        if (planner->wish->text_encoder && is_head(module)) {
            module->reason = VS_REASON_HEAD;
            head_bytes += (double)free_bytes[m];
        } else if ((double)module->bytes < planner->module_bytes * tiny_part) {
            module->reason = VS_REASON_TINY;
        } else if (planner->table && !planner->table->modules[m].has_bias_attribute) {
            module->reason = VS_REASON_NO_BIAS;
        }
    }
    return head_bytes;
}

int vs_planner_distorch(struct vs_planner *planner)
{
    struct vs_plan *plan = planner->plan;
    uint64_t *free_bytes = calloc(plan->module_count + 1, sizeof *free_bytes);
    if (!free_bytes) {
        vs_diag_out_of_memory(planner->diags);
        return -1;
    }
    for (size_t k = 0; k < planner->free_count; k++) {
        uint32_t m = plan->places[planner->free[k]].module;
        if (m != VS_PLAN_NO_MODULE)
            free_bytes[m] += planner->tensors[planner->free[k]].bytes;
    }
    struct quotas quotas = {.count = plan->device_count};
    vs_planner_sort_devices(planner, quotas.order);
    double head_bytes = keep_modules(planner, free_bytes);
    for (size_t d = 0; d < plan->device_count; d++) {
        double left = planner->devices[d].asked_bytes - (double)planner->devices[d].pinned_bytes;
        if (d == 0)
            left -= head_bytes;
        quotas.left[d] = left > 0 ? left : 0;
    }
    for (size_t m = plan->module_count; m > 0; m--)
        if (plan->modules[m - 1].reason == VS_REASON_NONE)
            place_module(&plan->modules[m - 1], (double)free_bytes[m - 1], &quotas);
    free(free_bytes);
    for (size_t m = 0; m < plan->module_count; m++)
        plan->devices[plan->modules[m].device].module_count++;
    for (size_t k = 0; k < planner->free_count; k++) {
        size_t i = planner->free[k];
        uint32_t m = plan->places[i].module;
        if (m == VS_PLAN_NO_MODULE)
            vs_planner_place(planner, i, 0, VS_REASON_NO_MODULE);
        else
            vs_planner_place(planner, i, plan->modules[m].device, (enum vs_plan_reason)plan->modules[m].reason);
    }
    return 0;
}
