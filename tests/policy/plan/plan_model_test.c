/*
 * Models as the planner recognises them, module tables, and the order of execution.
 */
#include "plan_support.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

TestSuite(plan_model, .fini = expect_no_leaks);

static const char *const model_names[] = {"flux_dev", "qwen_image", "sd15_unet", "sdxl_unet", "t5xxl", "wan21_14b"};

static struct test_machine one_gpu(void)
{
    struct test_machine machine;
    make_machine(&machine, (const uint64_t[]){24 * GB, 0});
    return machine;
}

static struct vs_plan plan_of(const struct test_model *model, struct vs_plan_wish *wish, const char *expected)
{
    static struct vs_distorch allocation;
    struct test_machine machine = one_gpu();
    machine.machine.devices = machine.devices;
    allocation = vs_distorch_virtual(1);
    vs_distorch_lend(&allocation, cpu_device, INFINITY);
    wish->source = "p.yaml";
    wish->compute = cuda(0);
    wish->allocation = &allocation;
    return expect_plan(model, wish, &machine.machine, expected);
}

/* The tables inside the library against what was exported from the models themselves. */
Test(plan_model, each_table_holds_the_real_modules)
{
    for (size_t i = 0; i < COUNT(model_names); i++) {
        char path[256];
        size_t m, t, d;
        json_t *module, *tensor, *dimension;
        snprintf(path, sizeof path, SOURCE_ROOT "/tests/policy/golden/models/%s.json", model_names[i]);
        json_t *real = json_load_file(path, 0, NULL), *modules = json_object_get(real, "modules");
        struct vs_module_table table = load_table(model_names[i]);
        cr_expect_str_eq(table.model, model_names[i]);
        cr_assert_eq(table.module_count, json_array_size(modules));
        json_array_foreach(modules, m, module)
        {
            cr_assert_str_eq(table.modules[m].name, json_string_value(json_object_get(module, "name")));
            cr_assert_str_eq(table.modules[m].type, json_string_value(json_object_get(module, "type")));
            cr_assert_eq(table.modules[m].has_bias_attribute, json_is_true(json_object_get(module, "has_bias_attr")));
            cr_assert_neq(table.modules[m].rows, VS_ROWS_UNKNOWN);
            json_t *tensors = json_object_get(module, "tensors");
            cr_assert_eq(table.modules[m].tensor_count, json_array_size(tensors));
            json_array_foreach(tensors, t, tensor)
            {
                const struct vs_table_tensor *own = &table.modules[m].tensors[t];
                cr_assert_str_eq(own->name, json_string_value(json_array_get(tensor, 0)));
                cr_assert_eq(own->rank, json_array_size(json_array_get(tensor, 1)));
                json_array_foreach(json_array_get(tensor, 1), d, dimension)
                    cr_assert_eq(own->shape[d], (uint64_t)json_integer_value(dimension));
            }
        }
        json_decref(real);
        vs_module_table_free(&table);
    }
}

Test(plan_model, each_model_is_recognised_behind_any_prefix_and_in_any_type)
{
    static const char *const prefixes[] = {"", "model.diffusion_model.", "text_encoders.t5xxl.transformer."};
    uint64_t seed = 5;
    for (size_t i = 0; i < COUNT(model_names); i++) {
        struct vs_module_table table = load_table(model_names[i]);
        for (size_t p = 0; p < COUNT(prefixes); p++) {
            struct test_model model = model_of_table(&table, prefixes[p], 1 + (unsigned)p);
            struct vs_plan_wish wish = {.order = VS_ORDER_DISTORCH};
            shuffle_model(&model, &seed);
            struct vs_plan plan = plan_of(&model, &wish, "");
            cr_expect_not(plan.approximate);
            cr_assert_not_null(plan.model);
            cr_expect_str_eq(plan.model, model_names[i]);
            cr_expect_eq(plan.module_count, table.module_count);
            vs_plan_free(&plan);
            free_model(&model);
        }
        vs_module_table_free(&table);
    }
}

static void expect_recognised(const struct test_model *model, bool expected, const char *why)
{
    struct vs_plan_wish wish = {.order = VS_ORDER_DISTORCH};
    struct vs_plan plan = plan_of(model, &wish, "");
    cr_expect_eq(!plan.approximate, expected, "%s", why);
    vs_plan_free(&plan);
}

Test(plan_model, what_else_a_file_of_the_model_holds_does_not_matter_but_another_module_does)
{
    static const char prefix[] = "model.diffusion_model.";
    static const struct {
        const char *name, *why;
        bool recognised;
    } more[] = {
        {"model.diffusion_model.blocks.0.modulation", "a parameter of a block", true},
        {"model.diffusion_model.blocks.0.ffn.0.scale_weight", "a scale of a module", true},
        {"model.diffusion_model.scaled_fp8", "the model's own parameter", true},
        {"model.logit_scale", "of what contains the model", true},
        {"top", "at the top", true},
        {"model.diffusion_model.blocks.40.ffn.0.weight", "one block more", false},
        {"model.diffusion_model.img_emb.proj.0.weight", "another module", false},
        {"model.diffusion_modelx.weight", "nearly the prefix", false},
        {"vae.decoder.weight", "another model", false},
    };
    struct vs_module_table table = load_table("wan21_14b");
    for (size_t i = 0; i < COUNT(more); i++) {
        struct test_model model = model_of_table(&table, prefix, 2);
        add_tensor(&model, 100, "%s", more[i].name);
        expect_recognised(&model, more[i].recognised, more[i].why);
        free_model(&model);
    }
    struct test_model model = model_of_table(&table, prefix, 2);
    model.count--;
    expect_recognised(&model, false, "one tensor less");
    model.count++;
    static const uint64_t shape[] = {5120, 36, 1, 2, 2}; /* of the model that begins with a picture */
    for (size_t i = 0; i < model.count; i++)
        if (strstr(model.tensors[i].name, "patch_embedding.weight"))
            model.tensors[i].shape = shape;
    expect_recognised(&model, false, "another shape");
    free_model(&model);
    vs_module_table_free(&table);
}

/* T5 files hold the table of words under two names, of which programs load one. */
Test(plan_model, a_tensor_that_no_program_loads_counts_nowhere)
{
    struct vs_module_table table = load_table("t5xxl");
    struct test_model model = model_of_table(&table, "", 2);
    uint64_t total_bytes = 0;
    for (size_t i = 0; i < model.count; i++)
        total_bytes += model.tensors[i].bytes;
    add_tensor(&model, 263192576, "encoder.embed_tokens.weight");
    struct vs_plan_wish wish = {.order = VS_ORDER_SPREAD};
    struct vs_plan plan = plan_of(&model, &wish, "");
    cr_expect_eq(reason_of(&plan, &model, "encoder.embed_tokens.weight"), VS_REASON_UNUSED);
    cr_expect_eq(plan.total_bytes, total_bytes);
    cr_expect_eq(plan.devices[0].placed_bytes + plan.devices[1].placed_bytes, total_bytes);
    cr_expect_eq(reason_of(&plan, &model, "shared.weight"), VS_REASON_EMBEDDING); /* by its type */
    vs_plan_free(&plan);
    free_model(&model);
    vs_module_table_free(&table);
}

static const char two_modules[] = "{\"model\": \"mine\", \"modules\": ["
                                  "{\"name\": \"z\", \"type\": \"Linear\", \"has_bias_attr\": true, \"tensors\": "
                                  "[[\"weight\", [0], \"float16\", 0]]},"
                                  "{\"name\": \"a\", \"repeat\": 2, \"first\": 9, \"modules\": ["
                                  "{\"name\": \"b\", \"type\": \"Norm\", \"has_bias_attr\": false, \"rows\": 3, "
                                  "\"tensors\": [[\"weight\", [0]]]}]}]}";

static struct vs_module_table parse_table(const char *text)
{
    struct vs_diags diags = {0};
    struct vs_module_table table;
    int result = vs_module_table_parse("t.json", text, strlen(text), &table, &diags);
    char *said = rendered(&diags);
    cr_assert_eq(result, 0, "%s", said);
    free(said);
    return table;
}

Test(plan_model, a_table_of_the_users_gives_order_and_bias)
{
    struct vs_module_table table = parse_table(two_modules);
    struct test_model model = {0};
    add_tensor(&model, 100 * MB, "x.a.10.b.weight");
    add_tensor(&model, 100 * MB, "x.a.9.b.weight");
    add_tensor(&model, 100 * MB, "x.z.weight");
    struct vs_plan_wish wish = {.order = VS_ORDER_DISTORCH, .modules = &table};
    struct vs_plan plan = plan_of(&model, &wish, "");
    cr_expect_not(plan.approximate);
    cr_expect_str_eq(plan.model, "mine");
    cr_expect_str_eq(model.tensors[plan.execution[0]].name, "x.z.weight");
    cr_expect_str_eq(model.tensors[plan.execution[1]].name, "x.a.9.b.weight");
    cr_expect_eq(reason_of(&plan, &model, "x.a.9.b.weight"), VS_REASON_NO_BIAS);
    cr_expect_eq(reason_of(&plan, &model, "x.z.weight"), VS_REASON_SHARE);
    vs_plan_free(&plan);
    model.count--;
    struct test_machine machine = one_gpu();
    machine.machine.devices = machine.devices;
    expect_no_plan(&model, &wish, &machine.machine,
        "error: the table of modules (`mine`) is not that of this model: the tensor `z.weight` is missing");
    model.count++;
    add_tensor(&model, 5, "x.c.weight");
    expect_no_plan(&model, &wish, &machine.machine, "it has no module for the tensor `x.c.weight`");
    free_model(&model);
    vs_module_table_free(&table);
}

Test(plan_model, a_table_that_is_none_is_refused_with_a_reason)
{
    static const struct {
        const char *text, *said;
    } cases[] = {
        {"", "the table of modules is no JSON"},
        {"[1,", "the table of modules is no JSON"},
        {"{\"model\": \"\\u0041\"}", "have no escapes (at its byte 11)"},
        {"[]", "an object with `model`"},
        {"{\"model\": 1, \"modules\": [1]}", "an object with `model`"},
        {"{\"model\": \"m\", \"modules\": []}", "an object with `model`"},
        {"{\"model\": \"m\", \"modules\": [1]}", "no object with a `name`"},
        {"{\"model\": \"m\", \"modules\": [{\"name\": \"\"}]}", "a module's name is empty"},
        {"{\"model\": \"m\", \"modules\": [{\"name\": \"a\"}]}", "module `a` needs `type`"},
        {"{\"model\": \"m\", \"modules\": [{\"name\": \"a\", \"type\": \"L\", \"has_bias_attr\": 1, \"tensors\": []}]}",
            "module `a` needs `type`"},
        {"{\"model\": \"m\", \"modules\": [{\"name\": \"a\", \"type\": \"L\", \"has_bias_attr\": true, \"rows\": -1, "
         "\"tensors\": []}]}",
            "`rows` of module `a` is no count"},
        {"{\"model\": \"m\", \"modules\": [{\"name\": \"a\", \"type\": \"L\", \"has_bias_attr\": true, \"tensors\": "
         "[[\"w\"]]}]}",
            "a tensor of module `a` is not written"},
        {"{\"model\": \"m\", \"modules\": [{\"name\": \"a\", \"type\": \"L\", \"has_bias_attr\": true, \"tensors\": "
         "[[\"w\", [-1]]]}]}",
            "the shape of tensor `w` of module `a`"},
        {"{\"model\": \"m\", \"modules\": [{\"name\": \"a\", \"repeat\": 0, \"modules\": [1]}]}",
            "the group `a` needs"},
        {"{\"model\": \"m\", \"modules\": [{\"name\": \"a\", \"repeat\": 200000, \"modules\": [{\"name\": \"b\", "
         "\"repeat\": 200000, \"modules\": [{\"name\": \"c\", \"type\": \"L\", \"has_bias_attr\": true, \"tensors\": "
         "[]}]}]}]}",
            "more than 200000 modules"},
        {"{\"model\": \"m\", \"unused\": [1], \"modules\": [{\"name\": \"a\", \"type\": \"L\", \"has_bias_attr\": "
         "true, "
         "\"tensors\": []}]}",
            "`unused` is no list"},
        {"{\"model\": \"m\", \"attention_operations\": \"many\", \"modules\": [{\"name\": \"a\", \"type\": \"L\", "
         "\"has_bias_attr\": true, \"tensors\": []}]}",
            "`attention_operations` is how many"},
        {"{\"model\": \"m\", \"modules\": [{\"name\": \"a\", \"type\": \"L\", \"has_bias_attr\": true, \"tensors\": "
         "[]}, {\"name\": \"a\", \"type\": \"L\", \"has_bias_attr\": true, \"tensors\": []}]}",
            "module `a` stands in the table twice"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct vs_diags diags = {0};
        struct vs_module_table table;
        cr_expect_eq(vs_module_table_parse("t.json", cases[i].text, strlen(cases[i].text), &table, &diags), -1, "%s",
            cases[i].text);
        cr_expect(!table.modules && !table.storage);
        char *said = rendered(&diags);
        cr_expect_not_null(strstr(said, cases[i].said), "%s", said);
        free(said);
    }
}
