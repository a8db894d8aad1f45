/*
 * Models, machines and wishes for tests of the planner. See plan_support.h.
 */
#include "plan_support.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct vs_plan_tensor *grow(struct test_model *model)
{
    if (model->count == model->capacity) {
        model->capacity = model->capacity ? 2 * model->capacity : 64;
        model->tensors = realloc(model->tensors, model->capacity * sizeof *model->tensors);
        cr_assert_not_null(model->tensors);
    }
    return &model->tensors[model->count++];
}

void add_tensor(struct test_model *model, uint64_t bytes, const char *name_format, ...)
{
    static const uint64_t shape[] = {0};
    char name[256];
    va_list arguments;
    va_start(arguments, name_format);
    vsnprintf(name, sizeof name, name_format, arguments);
    va_end(arguments);
    *grow(model) = (struct vs_plan_tensor){.name = strdup(name), .shape = shape, .rank = 1, .bytes = bytes};
}

struct test_model model_of_table(const struct vs_module_table *table, const char *prefix, unsigned element_bytes)
{
    struct test_model model = {0};
    for (size_t m = 0; m < table->module_count; m++) {
        for (size_t t = 0; t < table->modules[m].tensor_count; t++) {
            const struct vs_table_tensor *tensor = &table->modules[m].tensors[t];
            uint64_t bytes = element_bytes;
            for (size_t d = 0; d < tensor->rank; d++)
                bytes *= tensor->shape[d];
            add_tensor(&model, bytes, "%s%s.%s", prefix, table->modules[m].name, tensor->name);
            model.tensors[model.count - 1].shape = tensor->shape;
            model.tensors[model.count - 1].rank = tensor->rank;
        }
    }
    return model;
}

struct vs_module_table load_table(const char *name)
{
    char path[256];
    struct vs_diags diags = {0};
    struct vs_module_table table;
    snprintf(path, sizeof path, SOURCE_ROOT "/examples/models/%s.json", name);
    int result = vs_module_table_load(path, &table, &diags);
    char *said = rendered(&diags);
    cr_assert_eq(result, 0, "%s", said);
    free(said);
    return table;
}

void shuffle_model(struct test_model *model, uint64_t *seed)
{
    for (size_t i = model->count; i > 1; i--) {
        size_t k = next_random(seed) % i;
        struct vs_plan_tensor swapped = model->tensors[i - 1];
        model->tensors[i - 1] = model->tensors[k];
        model->tensors[k] = swapped;
    }
}

void free_model(struct test_model *model)
{
    for (size_t i = 0; i < model->count; i++)
        free((char *)model->tensors[i].name);
    free(model->tensors);
    *model = (struct test_model){0};
}

void make_machine(struct test_machine *machine, const uint64_t *gpu_bytes)
{
    *machine = (struct test_machine){.machine.devices = machine->devices};
    for (; gpu_bytes[machine->machine.count]; machine->machine.count++)
        machine->devices[machine->machine.count] = (struct vs_plan_machine_device){
            .id = cuda((unsigned)machine->machine.count), .total_bytes = gpu_bytes[machine->machine.count]};
}

struct vs_plan expect_plan(const struct test_model *model, const struct vs_plan_wish *wish,
    const struct vs_plan_machine *machine, const char *expected)
{
    struct vs_diags diags = {0};
    struct vs_plan plan;
    int result = vs_plan(model->tensors, model->count, wish, machine, &plan, &diags);
    char *said = rendered(&diags);
    cr_expect_str_eq(said, expected, "was said:\n%s", said);
    cr_assert_eq(result, 0, "%s", said);
    free(said);
    return plan;
}

void expect_no_plan(const struct test_model *model, const struct vs_plan_wish *wish,
    const struct vs_plan_machine *machine, const char *part_of_error)
{
    struct vs_diags diags = {0};
    struct vs_plan plan;
    cr_expect_eq(vs_plan(model->tensors, model->count, wish, machine, &plan, &diags), -1);
    cr_expect_gt(diags.error_count, 0);
    cr_expect(!plan.places && !plan.modules && !plan.device_count);
    char *said = rendered(&diags);
    cr_expect_not_null(strstr(said, part_of_error), "was said:\n%s", said);
    free(said);
}

static const struct vs_plan_place *place_of(
    const struct vs_plan *plan, const struct test_model *model, const char *name)
{
    for (size_t i = 0; i < model->count; i++)
        if (!strcmp(model->tensors[i].name, name))
            return &plan->places[i];
    cr_assert_fail("no tensor %s", name);
    return NULL;
}

const char *home_of(const struct vs_plan *plan, const struct test_model *model, const char *name)
{
    static struct vs_device_name device;
    device = vs_device_format(plan->devices[place_of(plan, model, name)->device].id);
    return device.text;
}

enum vs_plan_reason reason_of(const struct vs_plan *plan, const struct test_model *model, const char *name)
{
    return (enum vs_plan_reason)place_of(plan, model, name)->reason;
}

uint64_t placed_on(const struct vs_plan *plan, struct vs_device_id device)
{
    for (size_t d = 0; d < plan->device_count; d++)
        if (vs_device_equal(plan->devices[d].id, device))
            return plan->devices[d].placed_bytes;
    return 0;
}

static bool is_spread(const struct vs_plan_place *place)
{
    return place->reason == VS_REASON_SHARE;
}

double deviation_from_line(const struct vs_plan *plan, const struct test_model *model, uint64_t *largest_bytes)
{
    double all = 0, off = 0, gone = 0, passed = 0, worst = 0;
    *largest_bytes = 0;
    for (size_t i = 0; i < model->count; i++) {
        if (!is_spread(&plan->places[i]))
            continue;
        all += (double)model->tensors[i].bytes;
        off += plan->places[i].device ? (double)model->tensors[i].bytes : 0;
        if (model->tensors[i].bytes > *largest_bytes)
            *largest_bytes = model->tensors[i].bytes;
    }
    for (size_t k = 0; k < model->count && all > 0; k++) {
        size_t i = plan->execution[k];
        if (!is_spread(&plan->places[i]))
            continue;
        passed += (double)model->tensors[i].bytes;
        gone += plan->places[i].device ? (double)model->tensors[i].bytes : 0;
        double distance = gone - off * passed / all;
        distance = distance < 0 ? -distance : distance;
        worst = distance > worst ? distance : worst;
    }
    return worst;
}

struct test_machine two_gpus(void)
{
    struct test_machine machine;
    make_machine(&machine, (const uint64_t[]){24 * GB, 12 * GB, 0});
    return machine;
}

const struct vs_plan_machine *with_devices(struct test_machine *machine)
{
    machine->machine.devices = machine->devices;
    return &machine->machine;
}

struct test_model blocks_model(size_t count)
{
    struct test_model model = {0};
    for (size_t i = 0; i < count; i++)
        add_tensor(&model, 100 * MB, "blocks.%zu.weight", i);
    return model;
}

struct vs_plan_wish wish_for(const struct vs_distorch *allocation)
{
    return (struct vs_plan_wish){.source = "p.yaml", .line = 4, .compute = cuda(0), .allocation = allocation};
}

struct vs_distorch read_allocation(const char *string)
{
    struct vs_source source = {.name = "string"};
    struct vs_diags diags = {0};
    struct vs_distorch allocation;
    cr_assert_eq(vs_distorch_read(string, strlen(string), vs_place_of_file(&source), false, &allocation, &diags), 0,
        "%s", string);
    vs_diags_free(&diags);
    return allocation;
}
