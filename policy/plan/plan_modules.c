/*
 * Which module each tensor belongs to. A table fits a model if the model has all of the table's tensors, with their
 * shapes, behind one prefix, and nothing beside them but
 * - further tensors of a module that the table has (scales of quantised weights),
 * - parameters that a module holds which contains others (`blocks.0.modulation`; DisTorch2 leaves those alone),
 * - tensors that the table names as unused.
 * Without a table, a module is what a tensor's name has before its last point.
 */
#include "plan_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_name(const void *left, const void *right, void *context)
{
    const struct vs_plan_tensor *tensors = context;
    return strcmp(tensors[*(const uint32_t *)left].name, tensors[*(const uint32_t *)right].name);
}

void vs_planner_sort_names(struct vs_planner *planner)
{
    for (size_t i = 0; i < planner->count; i++)
        planner->by_name[i] = (uint32_t)i;
    qsort_r(planner->by_name, planner->count, sizeof *planner->by_name, by_name, (void *)planner->tensors);
}

/* A name in pieces: prefix, module, point, tensor. Compares as strcmp of the whole would. */
struct pieces {
    const char *text[4];
    size_t length[4];
};

static int compare_pieces(const char *name, const struct pieces *pieces)
{
    for (size_t i = 0; i < 4; i++) {
        int order = strncmp(name, pieces->text[i], pieces->length[i]);
        if (order)
            return order;
        name += pieces->length[i];
    }
    return *name != '\0';
}

/* The index of the tensor with this name, or count. */
static size_t find_tensor(const struct vs_planner *planner, const struct pieces *pieces)
{
    size_t low = 0, high = planner->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_pieces(planner->tensors[planner->by_name[middle]].name, pieces);
        if (!order)
            return planner->by_name[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return planner->count;
}

size_t vs_planner_find_name(const struct vs_planner *planner, const char *name)
{
    return find_tensor(planner, &(struct pieces){{name, "", "", ""}, {strlen(name)}});
}

static bool same_shape(const struct vs_plan_tensor *tensor, const struct vs_table_tensor *expected)
{
    if (tensor->rank != expected->rank)
        return false;
    for (size_t i = 0; i < tensor->rank; i++)
        if (tensor->shape[i] != expected->shape[i])
            return false;
    return true;
}

static void forget_modules(struct vs_planner *planner)
{
    for (size_t i = 0; i < planner->count; i++)
        planner->plan->places[i].module = VS_PLAN_NO_MODULE;
}

/* Gives the table's tensors their modules; *missing is the first that the model has not, or not in that shape. */
static bool map_table(
    struct vs_planner *planner, const struct vs_module_table *table, const char *prefix, struct pieces *missing)
{
    for (size_t m = 0; m < table->module_count; m++) {
        const struct vs_table_module *module = &table->modules[m];
        for (size_t t = 0; t < module->tensor_count; t++) {
            const char *name = module->tensors[t].name;
            *missing = (struct pieces){
                {prefix, module->name, ".", name}, {planner->prefix_length, strlen(module->name), 1, strlen(name)}};
            size_t found = find_tensor(planner, missing);
            if (found == planner->count || !same_shape(&planner->tensors[found], &module->tensors[t]))
                return false;
            planner->plan->places[found].module = (uint32_t)m;
        }
    }
    return true;
}

/* Whether the table accounts for a tensor that is not in it; those of its modules are given to them. */
static bool accounts_for(
    struct vs_planner *planner, const struct vs_module_table *table, const char *prefix, size_t tensor)
{
    const char *name = planner->tensors[tensor].name;
    const char *point = strrchr(name, '.');
    if (!point)
        return true; /* the whole model's own parameter */
    size_t prefix_length = planner->prefix_length, owner_length = (size_t)(point - name);
    if (owner_length < prefix_length)
        return !strncmp(name, prefix, owner_length + 1); /* of something that contains the whole table */
    if (strncmp(name, prefix, prefix_length) != 0)
        return false;
    name += prefix_length;
    owner_length -= prefix_length;
    for (size_t u = 0; u < table->unused_count; u++)
        if (!strcmp(name, table->unused[u]))
            return true;
    /* The modules within an owner `a` follow it as `a.`, but for those named `a-` and the like, which are skipped. */
    size_t at = vs_module_table_find(table, name, owner_length);
    if (at < table->module_count) {
        const struct vs_table_module *module = &table->modules[table->by_name[at]];
        if (!strncmp(module->name, name, owner_length) && !module->name[owner_length]) {
            planner->plan->places[tensor].module = table->by_name[at];
            return true;
        }
    }
    at = vs_module_table_find(table, name, owner_length + 1);
    return at < table->module_count && !strncmp(table->modules[table->by_name[at]].name, name, owner_length + 1);
}

static bool fits(struct vs_planner *planner, const struct vs_module_table *table, const char *prefix,
    struct pieces *missing, const char **surplus)
{
    if (!map_table(planner, table, prefix, missing))
        return false;
    for (size_t i = 0; i < planner->count; i++) {
        if (planner->plan->places[i].module != VS_PLAN_NO_MODULE || accounts_for(planner, table, prefix, i))
            continue;
        *surplus = planner->tensors[i].name;
        return false;
    }
    return true;
}

/* Looks for a tensor whose name ends in the anchor; what stands before it is the prefix. The shortest, of several. */
static const char *find_prefix(struct vs_planner *planner, const char *anchor)
{
    size_t anchor_length = strlen(anchor);
    const char *prefix = NULL;
    for (size_t k = 0; k < planner->count; k++) {
        const char *name = planner->tensors[planner->by_name[k]].name;
        size_t length = strlen(name);
        if (length < anchor_length || memcmp(name + length - anchor_length, anchor, anchor_length) != 0)
            continue;
        if (length > anchor_length && name[length - anchor_length - 1] != '.')
            continue;
        if (prefix && length - anchor_length >= planner->prefix_length)
            continue;
        prefix = name;
        planner->prefix_length = length - anchor_length;
    }
    return prefix;
}

static int refuse_table(struct vs_planner *planner, const struct pieces *missing, const char *surplus)
{
    const char *by = planner->wish->modules_source;
    const struct vs_source source = {.name = by ? by : planner->source.name};
    struct vs_place place = vs_place_of_file(&source);
    struct vs_quoted model = vs_quote_string(planner->wish->modules->model);
    if (surplus)
        vs_diag_add(planner->diags, VS_ERROR, place,
            "the table of modules (`%s`) is not that of this model: it has no module for the tensor `%s`", model.text,
            vs_quote_string(surplus).text);
    else
        vs_diag_add(planner->diags, VS_ERROR, place,
            "the table of modules (`%s`) is not that of this model: the tensor `%.*s.%s` is missing or has another "
            "shape",
            model.text, (int)missing->length[1], missing->text[1], missing->text[3]);
    vs_diag_hint(planner->diags, "export the table from the program that loads this file, or leave it out");
    return -1;
}

/* A table that the user gave has to fit. */
static int use_given_table(struct vs_planner *planner)
{
    const struct vs_module_table *table = planner->wish->modules;
    struct pieces missing = {{"", "", ".", ""}, {0}};
    const char *surplus = NULL, *prefix = NULL;
    for (size_t m = 0; m < table->module_count && !prefix; m++) {
        const struct vs_table_module *module = &table->modules[m];
        if (!module->tensor_count)
            continue;
        char anchor[1024];
        snprintf(anchor, sizeof anchor, "%s.%s", module->name, module->tensors[0].name);
        missing = (struct pieces){{"", module->name, ".", module->tensors[0].name}, {0, strlen(module->name), 1, 0}};
        prefix = find_prefix(planner, anchor);
        break;
    }
    if (!prefix || !fits(planner, table, prefix, &missing, &surplus))
        return refuse_table(planner, &missing, surplus);
    planner->table = table;
    planner->plan->model = table->model;
    return 0;
}

int vs_planner_find_table(struct vs_planner *planner)
{
    if (planner->wish->modules)
        return use_given_table(planner);
    for (const struct vs_builtin_table *builtin = vs_builtin_tables; builtin->text; builtin++) {
        struct pieces missing;
        const char *surplus, *prefix = find_prefix(planner, builtin->anchor);
        if (!prefix)
            continue;
        if (vs_module_table_parse(builtin->anchor, builtin->text, builtin->bytes, &planner->builtin, planner->diags))
            return -1;
        if (fits(planner, &planner->builtin, prefix, &missing, &surplus)) {
            planner->table = &planner->builtin;
            planner->plan->model = planner->builtin.model;
            return 0;
        }
        forget_modules(planner);
        vs_module_table_free(&planner->builtin);
        planner->prefix_length = 0;
    }
    return 0;
}

/* A module that contains others is none that DisTorch2 moves: its parameters belong to no module. */
static void drop_container(struct vs_planner *planner, size_t end)
{
    struct vs_plan *plan = planner->plan;
    uint32_t last = (uint32_t)--plan->module_count;
    for (size_t k = end; k > 0 && plan->places[plan->execution[k - 1]].module == last; k--)
        plan->places[plan->execution[k - 1]].module = VS_PLAN_NO_MODULE;
}

/* The order of execution by names has a module's own tensors side by side, and those of modules within it behind them.
 */
int vs_planner_guess_modules(struct vs_planner *planner)
{
    struct vs_plan *plan = planner->plan;
    plan->modules = calloc(planner->count + 1, sizeof *plan->modules);
    if (!plan->modules) {
        vs_diag_out_of_memory(planner->diags);
        return -1;
    }
    const char *owner = ""; /* of the last module */
    size_t owner_length = 0;
    for (size_t k = 0; k < planner->count; k++) {
        size_t i = plan->execution[k];
        const char *name = planner->tensors[i].name, *point = strrchr(name, '.');
        size_t length = point ? (size_t)(point - name) : 0;
        if (!length)
            continue; /* the whole model's own parameter */
        if (length != owner_length || memcmp(name, owner, length) != 0) {
            if (owner_length && length > owner_length && !memcmp(name, owner, owner_length) &&
                name[owner_length] == '.')
                drop_container(planner, k);
            plan->modules[plan->module_count++] = (struct vs_plan_module){.name = name, .length = length};
            owner = name;
            owner_length = length;
        }
        plan->places[i].module = (uint32_t)(plan->module_count - 1);
    }
    return 0;
}
