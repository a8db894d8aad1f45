/*
 * Lines of `tensors:` in a plan: which holds, what they take of their devices' shares, and those that take nothing.
 */
#include "plan_support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(plan_rules, .fini = expect_no_leaks);

Test(plan_rules, the_first_rule_that_matches_holds_and_counts_in_its_devices_share)
{
    struct test_machine machine = two_gpus();
    struct test_model model = blocks_model(10);
    add_tensor(&model, 50 * MB, "final.norm.weight");
    struct vs_distorch allocation = vs_distorch_virtual(550.0 / 1024);
    struct vs_plan_rule rules[] = {{.pattern = "*norm*", .on_compute = true, .line = 7},
        {.pattern = "blocks.[0-3].*", .device = cpu_device, .line = 8},
        {.pattern = "blocks.3.*", .device = cuda(1), .line = 9}};
    struct vs_plan_wish wish = wish_for(&allocation);
    wish.rules = rules;
    wish.rule_count = COUNT(rules);
    vs_distorch_lend(&allocation, cpu_device, INFINITY);
    struct vs_plan plan = expect_plan(&model, &wish, with_devices(&machine), "");
    cr_expect_str_eq(home_of(&plan, &model, "final.norm.weight"), "cuda:0");
    cr_expect_eq(reason_of(&plan, &model, "final.norm.weight"), VS_REASON_RULE);
    cr_expect_str_eq(home_of(&plan, &model, "blocks.3.weight"), "cpu"); /* the second rule, not the third */
    /* 550 MB are to leave and 400 have: 150 of the other six blocks' 600 do, one or two tensors. */
    cr_expect(placed_on(&plan, cpu_device) == 500 * MB || placed_on(&plan, cpu_device) == 600 * MB);
    struct vs_text text = {0};
    vs_plan_explain(&plan, &wish, 3, &text);
    cr_expect_str_eq(text.data, "cpu: the rule `blocks.[0-3].*` (p.yaml:8) puts it there");
    vs_text_free(&text);
    vs_plan_free(&plan);
    free_model(&model);
}

Test(plan_rules, a_rule_that_takes_no_tensor_is_told_with_what_was_meant)
{
    static const struct {
        const char *pattern, *said;
    } cases[] = {{"blocks.0.*", ""}, {"model.blocks.3.weight", ""}, /* with the prefix and without */
        {"blocks.1.weight", ""},
        {"blocks.1.we*",
            "warning: `blocks.1.we*` takes no tensor of the model: lines before it take all 1 that it fits\n"
            "  hint: put the narrower glob first, or remove it"},
        {"locks.2.weight", "hint: a glob must fit the whole name: did you mean `*locks.2.weight`?"},
        {"blocks.2", "hint: a glob must fit the whole name: did you mean `blocks.2*`?"},
        {"weigh", "hint: a glob must fit the whole name: did you mean `*weigh*`?"},
        {"blocks.2.wieght", "hint: did you mean `blocks.2.weight`?"},
        {"*norm*",
            "warning: `*norm*` fits no tensor of the model\n  hint: the model's names are like `blocks.2.weight`"}};
    struct test_machine machine = two_gpus();
    struct test_model model = {0};
    struct vs_plan_rule rules[COUNT(cases)];
    for (size_t i = 0; i < 4; i++) {
        add_tensor(&model, 100 * MB, "model.blocks.%zu.weight", i);
        model.tensors[i].prefix_bytes = strlen("model.");
    }
    for (size_t i = 0; i < COUNT(cases); i++)
        rules[i] = (struct vs_plan_rule){.pattern = cases[i].pattern, .device = cpu_device, .line = 10 + i};
    struct vs_plan_wish wish = wish_for(NULL);
    wish.rules = rules;
    wish.rule_count = COUNT(rules);
    struct vs_plan plan = expect_plan(&model, &wish, with_devices(&machine), "");
    struct vs_diags diags = {0};
    vs_plan_check_rules(&plan, model.tensors, &wish, &diags);
    cr_expect_eq(diags.count, 6);
    char *said = rendered(&diags);
    for (size_t i = 0; i < COUNT(cases); i++) {
        char line[32];
        snprintf(line, sizeof line, "p.yaml:%zu: warning: ", 10 + i);
        const char *found = strstr(said, line), *end = found ? strstr(found + 1, "p.yaml:") : NULL;
        cr_expect_eq(found != NULL, *cases[i].said != '\0', "%s in %s", cases[i].pattern, said);
        const char *words = found ? strstr(found, cases[i].said) : NULL;
        cr_expect(!*cases[i].said || (words && (!end || words < end)), "%s in %s", cases[i].pattern, said);
    }
    free(said);
    vs_plan_free(&plan);
    free_model(&model);
}

/* 800 MB by rules where 500 were asked for: others give way, the last donor first. */
Test(plan_rules, rules_beyond_a_share_take_from_the_last_donor_first)
{
    struct test_machine machine = two_gpus();
    struct test_model model = blocks_model(20);
    struct vs_distorch allocation = read_allocation("cuda:0,500mb;cuda:1,500mb;cpu,1000mb");
    struct vs_plan_rule rule = {.pattern = "blocks.[0-7].weight", .device = cuda(1)};
    struct vs_plan_wish wish = wish_for(&allocation);
    wish.rules = &rule;
    wish.rule_count = 1;
    struct vs_plan plan = expect_plan(&model, &wish, with_devices(&machine), "");
    cr_expect_eq(placed_on(&plan, cuda(1)), 800 * MB);
    cr_expect_eq(placed_on(&plan, cpu_device), 700 * MB);
    cr_expect_eq(placed_on(&plan, cuda(0)), 500 * MB);
    vs_plan_free(&plan);
    free_model(&model);
}
