/*
 * Lines of `tensors:` that take no tensor of a model, told with what was probably meant. See plan.h.
 */
#include "../text/glob.h"
#include "../text/suggest.h"
#include "plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUGGESTED_NAMES_MAX = 4096 }; /* of a model's names, so many are compared with a mistyped one */

static bool fits(const char *name, size_t prefix_bytes, const char *glob)
{
    return vs_glob_matches(glob, name) || (prefix_bytes && vs_glob_matches(glob, name + prefix_bytes));
}

size_t vs_rule_of(const struct vs_plan_rule *rules, size_t rule_count, const char *tensor_name, size_t prefix_bytes)
{
    size_t i = 0;
    while (i < rule_count && !fits(tensor_name, prefix_bytes, rules[i].pattern))
        i++;
    return i;
}

static size_t count_fitting(const struct vs_plan_tensor *tensors, size_t count, const char *glob)
{
    size_t fitting = 0;
    for (size_t i = 0; i < count; i++)
        fitting += fits(tensors[i].name, tensors[i].prefix_bytes, glob);
    return fitting;
}

/* The glob with stars before it, behind it, or both, of which one fits; false: none does. */
static bool widen(
    const struct vs_plan_tensor *tensors, size_t count, const char *glob, char wider[VS_GLOB_BYTES_MAX + 3])
{
    static const char *const stars[][2] = {{"*", ""}, {"", "*"}, {"*", "*"}};
    for (size_t i = 0; i < sizeof stars / sizeof *stars; i++) {
        snprintf(wider, VS_GLOB_BYTES_MAX + 3, "%s%s%s", stars[i][0], glob, stars[i][1]);
        if (count_fitting(tensors, count, wider))
            return true;
    }
    return false;
}

/* The name that a glob without stars most probably means, or NULL. */
static const char *suggest_name(const struct vs_plan_tensor *tensors, size_t count, const char *glob)
{
    const char *names[2 * SUGGESTED_NAMES_MAX];
    size_t name_count = 0;
    for (size_t i = 0; i < count && i < SUGGESTED_NAMES_MAX; i++) {
        names[name_count++] = tensors[i].name;
        if (tensors[i].prefix_bytes)
            names[name_count++] = tensors[i].name + tensors[i].prefix_bytes;
    }
    return vs_suggest(glob, strlen(glob), names, name_count);
}

static void tell(const struct vs_plan_tensor *tensors, size_t count, const struct vs_plan_wish *wish, size_t rule,
    struct vs_diags *diags)
{
    const struct vs_source source = {.name = wish->source};
    struct vs_place place = vs_place_of_file(&source);
    const char *glob = wish->rules[rule].pattern, *name;
    char wider[VS_GLOB_BYTES_MAX + 3];
    size_t fitting = count_fitting(tensors, count, glob);
    place.line = wish->rules[rule].line;
    if (fitting) {
        vs_diag_add(diags, VS_WARNING, place,
            "`%s` takes no tensor of the model: lines before it take all %zu that it fits", vs_quote_string(glob).text,
            fitting);
        vs_diag_hint(diags, "put the narrower glob first, or remove it");
        return;
    }
    vs_diag_add(diags, VS_WARNING, place, "`%s` fits no tensor of the model", vs_quote_string(glob).text);
    if (widen(tensors, count, glob, wider))
        vs_diag_hint(diags, "a glob must fit the whole name: did you mean `%s`?", vs_quote_string(wider).text);
    else if ((name = suggest_name(tensors, count, glob)))
        vs_diag_hint(diags, "did you mean `%s`?", vs_quote_string(name).text);
    else if (count)
        vs_diag_hint(diags, "the model's names are like `%s`",
            vs_quote_string(tensors[count / 2].name + tensors[count / 2].prefix_bytes).text);
}

void vs_plan_check_rules(const struct vs_plan *plan, const struct vs_plan_tensor *tensors,
    const struct vs_plan_wish *wish, struct vs_diags *diags)
{
    bool *used = calloc(wish->rule_count + 1, sizeof *used);
    if (!used) {
        vs_diag_out_of_memory(diags);
        return;
    }
    for (size_t i = 0; i < plan->tensor_count; i++)
        if (plan->places[i].reason == VS_REASON_RULE)
            used[plan->places[i].rule] = true;
    for (size_t rule = 0; rule < wish->rule_count; rule++)
        if (!used[rule])
            tell(tensors, plan->tensor_count, wish, rule, diags);
    free(used);
}
