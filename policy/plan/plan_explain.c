/*
 * Why a tensor is where it is, as a sentence. See plan.h.
 */
#include "plan.h"

static const char *const sentences[] = {
    [VS_REASON_STAYS] = "nothing of this part is asked to leave the compute device",
    [VS_REASON_SHARE] = "its turn in the share of this device",
    [VS_REASON_ON] = "the section puts all of this part here",
    [VS_REASON_SMALL] = "it is smaller than 64 KB, which is not worth a way",
    [VS_REASON_EMBEDDING] = "a table of which each step reads few rows: such tensors leave first",
    [VS_REASON_RARE] = "little is computed with it for its size: such tensors leave early",
    [VS_REASON_TOO_LARGE] = "no donor's share holds it whole",
    [VS_REASON_TINY] = "DisTorch2 keeps modules of less than 0.01 % of the model on the compute device",
    [VS_REASON_NO_BIAS] = "DisTorch2 keeps modules without a bias attribute on the compute device",
    [VS_REASON_HEAD] = "DisTorch2 keeps a text encoder's embeddings on the compute device",
    [VS_REASON_ORPHAN] = "no share had room for its module any more, so DisTorch2 keeps it on the compute device",
    [VS_REASON_NO_MODULE] = "it belongs to no module that DisTorch2 moves",
    [VS_REASON_UNUSED] = "the program does not load it",
};

void vs_plan_explain(const struct vs_plan *plan, const struct vs_plan_wish *wish, size_t tensor, struct vs_text *text)
{
    const struct vs_plan_place *place = &plan->places[tensor];
    vs_text_printf(text, "%s: ", vs_device_format(plan->devices[place->device].id).text);
    if (place->reason == VS_REASON_RULE) {
        const struct vs_plan_rule *rule = &wish->rules[place->rule];
        vs_text_printf(text, "the rule `%s`", vs_quote_string(rule->pattern).text);
        if (rule->line)
            vs_text_printf(text, " (%s:%zu)", vs_quote_string(wish->source).text, rule->line);
        vs_text_printf(text, " puts it there");
    } else {
        vs_text_printf(text, "%s", sentences[place->reason]);
        if (wish->line && (place->reason == VS_REASON_SHARE || place->reason == VS_REASON_ON))
            vs_text_printf(text, " (%s:%zu)", vs_quote_string(wish->source).text, wish->line);
    }
    if (place->unfit)
        vs_text_printf(text, "; the device is full before it");
}
