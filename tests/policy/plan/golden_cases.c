/*
 * Golden cases: reading them, giving their models to the planner, comparing letter by letter. See golden_cases.h.
 */
#include "golden_cases.h"

#include "../../../policy/model/header.h"
#include "../../../policy/plan/plan.h"

#include <inttypes.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TENSORS_MAX = 20000, RANK_MAX = 8, PATH_BYTES = 4096 };

struct tensor {
    char name[256];
    const char *dtype;
    uint64_t shape[RANK_MAX];
    struct vs_plan_tensor plan;
};

struct model {
    json_t *root;
    char path[PATH_BYTES];
    struct tensor *tensors;
    struct vs_plan_tensor *given;
    size_t count;
    struct vs_header file;
};

static uint64_t draw(uint64_t *state, uint64_t below)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717) % below;
}

static void shuffle(size_t *order, size_t count, uint64_t *seed)
{
    for (size_t i = 0; i < count; i++)
        order[i] = i;
    for (size_t i = count; i > 1; i--) {
        size_t k = draw(seed, i), swapped = order[i - 1];
        order[i - 1] = order[k];
        order[k] = swapped;
    }
}

static bool read_tensors(struct model *model, const char *prefix)
{
    size_t index, k, d;
    json_t *module, *entry, *dimension;
    json_array_foreach(json_object_get(model->root, "modules"), index, module)
    {
        json_array_foreach(json_object_get(module, "tensors"), k, entry)
        {
            struct tensor *tensor = &model->tensors[model->count];
            if (model->count == TENSORS_MAX || json_array_size(json_array_get(entry, 1)) > RANK_MAX)
                return false;
            snprintf(tensor->name, sizeof tensor->name, "%s%s.%s", prefix,
                json_string_value(json_object_get(module, "name")), json_string_value(json_array_get(entry, 0)));
            json_array_foreach(json_array_get(entry, 1), d, dimension) tensor->shape[d] =
                (uint64_t)json_integer_value(dimension);
            tensor->dtype = json_string_value(json_array_get(entry, 2));
            tensor->plan = (struct vs_plan_tensor){.name = tensor->name,
                .shape = tensor->shape,
                .rank = d,
                .bytes = (uint64_t)json_integer_value(json_array_get(entry, 3))};
            model->count++;
        }
    }
    return model->count > 0;
}

static const char *file_dtype(const char *dtype)
{
    static const char *const names[][2] = {{"float16", "F16"}, {"bfloat16", "BF16"}, {"float32", "F32"},
        {"float8_e4m3fn", "F8_E4M3"}, {"float8_e5m2", "F8_E5M2"}, {"float64", "F64"}, {"int64", "I64"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(names[i][0], dtype))
            return names[i][1];
    return "UNKNOWN";
}

/* Writes a sparse file: a header in one random order, the data in another. Its name says nothing. */
static bool write_file(const struct model *model, const char *path, int file, uint64_t *seed)
{
    struct vs_text header = {0};
    size_t *order = calloc(2 * model->count, sizeof *order);
    uint64_t *offsets = calloc(model->count, sizeof *offsets), data_bytes = 0;
    shuffle(order, model->count, seed);
    shuffle(order + model->count, model->count, seed);
    for (size_t k = 0; k < model->count; k++) {
        offsets[order[k]] = data_bytes;
        data_bytes += model->tensors[order[k]].plan.bytes;
    }
    for (size_t k = 0; k < model->count; k++) {
        const struct tensor *tensor = &model->tensors[order[model->count + k]];
        uint64_t offset = offsets[order[model->count + k]];
        vs_text_printf(
            &header, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[", k ? "," : "{", tensor->name, file_dtype(tensor->dtype));
        for (size_t d = 0; d < tensor->plan.rank; d++)
            vs_text_printf(&header, "%s%" PRIu64, d ? "," : "", tensor->shape[d]);
        vs_text_printf(&header, "],\"data_offsets\":[%" PRIu64 ",%" PRIu64 "]}", offset, offset + tensor->plan.bytes);
    }
    vs_text_append(&header, "}", 1);
    uint64_t length = header.length;
    bool written = !header.failed && write(file, &length, 8) == 8 &&
                   write(file, header.data, header.length) == (ssize_t)header.length &&
                   !ftruncate(file, (off_t)(8 + length + data_bytes));
    if (!written)
        perror(path);
    vs_text_free(&header);
    free(offsets);
    free(order);
    return written;
}

static bool read_back(struct model *model, uint64_t *seed)
{
    char path[] = "/tmp/renamed-XXXXXX.safetensors";
    struct vs_diags diags = {0};
    int file = mkstemps(path, (int)strlen(".safetensors"));
    bool read = file >= 0 && write_file(model, path, file, seed) && !vs_header_load(path, &model->file, &diags) &&
                model->file.tensor_count == model->count;
    if (file >= 0) {
        close(file);
        unlink(path);
    }
    vs_diags_free(&diags);
    for (size_t i = 0; read && i < model->count; i++) {
        const struct vs_tensor *tensor = &model->file.tensors[i];
        model->given[i] = (struct vs_plan_tensor){tensor->name, tensor->shape, tensor->rank, tensor->bytes, 0};
    }
    return read;
}

static bool open_model(
    const char *cases_path, const char *name, enum golden_source source, uint64_t *seed, struct model *model)
{
    const char *slash = strrchr(cases_path, '/');
    int folder = slash ? (int)(slash + 1 - cases_path) : 0;
    const char *prefix = source == GOLDEN_SHUFFLED ? "model.diffusion_model." : "";
    *model = (struct model){
        .tensors = calloc(TENSORS_MAX, sizeof *model->tensors), .given = calloc(TENSORS_MAX, sizeof *model->given)};
    snprintf(model->path, sizeof model->path, "%.*smodels/%s.json", folder, cases_path, name);
    model->root = json_load_file(model->path, 0, NULL);
    if (!model->tensors || !model->given || !model->root || !read_tensors(model, prefix))
        return false;
    if (source == GOLDEN_FILE)
        return read_back(model, seed);
    size_t *order = calloc(model->count, sizeof *order);
    shuffle(order, model->count, seed);
    for (size_t i = 0; i < model->count; i++)
        model->given[i] = model->tensors[source == GOLDEN_SHUFFLED ? order[i] : i].plan;
    free(order);
    return true;
}

static void close_model(struct model *model)
{
    json_decref(model->root);
    vs_header_free(&model->file);
    free(model->tensors);
    free(model->given);
}

static struct vs_device_id device_of(const json_t *name)
{
    struct vs_device_id device = {0};
    vs_device_parse(json_string_value(name), json_string_length(name), &device);
    return device;
}

/* The case's allocation: an expert string, or virtual VRAM with donors. */
static int read_allocation(const json_t *golden, struct vs_distorch *allocation, struct vs_diags *diags)
{
    const json_t *string = json_object_get(golden, "allocation");
    struct vs_source source = {.name = "allocation"};
    size_t index;
    json_t *donor;
    if (json_string_length(string))
        return vs_distorch_read(
            json_string_value(string), json_string_length(string), vs_place_of_file(&source), false, allocation, diags);
    *allocation = vs_distorch_virtual(json_number_value(json_object_get(golden, "virtual_vram_gb")));
    json_array_foreach(json_object_get(golden, "donors"), index, donor)
        vs_distorch_lend(allocation, device_of(donor), INFINITY);
    return 0;
}

/* Says the first difference; true for none. */
static bool compare(const json_t *golden, const struct vs_plan *plan, struct vs_text *said)
{
    const json_t *devices = json_object_get(golden, "devices"), *totals = json_object_get(golden, "totals");
    const char *expected = json_string_value(json_object_get(golden, "assignment")), *key;
    json_t *total;
    if (strlen(expected) != plan->module_count) {
        vs_text_printf(said, "%zu modules and not %zu\n", plan->module_count, strlen(expected));
        return false;
    }
    for (size_t m = 0; m < plan->module_count; m++) {
        const char *is = vs_device_format(plan->devices[plan->modules[m].device].id).text;
        const char *wants = json_string_value(json_array_get(devices, (size_t)(expected[m] - 'a')));
        if (wants && !strcmp(is, wants))
            continue;
        vs_text_printf(said, "module %zu, %.*s: on %s and not on %s\n", m, (int)plan->modules[m].length,
            plan->modules[m].name, is, wants ? wants : "any device");
        return false;
    }
    uint64_t total_bytes = 0;
    json_object_foreach((json_t *)totals, key, total)
    {
        uint64_t bytes = 0, modules = 0;
        for (size_t d = 0; d < plan->device_count; d++) {
            if (strcmp(vs_device_format(plan->devices[d].id).text, key) != 0)
                continue;
            bytes = plan->devices[d].placed_bytes;
            modules = plan->devices[d].module_count;
        }
        total_bytes += bytes;
        if (bytes == (uint64_t)json_integer_value(json_object_get(total, "bytes")) &&
            modules == (uint64_t)json_integer_value(json_object_get(total, "modules")))
            continue;
        vs_text_printf(said, "%s has %" PRIu64 " modules and %" PRIu64 " bytes\n", key, modules, bytes);
        return false;
    }
    if (total_bytes != plan->total_bytes)
        vs_text_printf(said, "%" PRIu64 " bytes are on other devices\n", plan->total_bytes - total_bytes);
    else
        vs_text_printf(said, "ok\n");
    return total_bytes == plan->total_bytes;
}

static bool plan_case(
    const json_t *golden, struct model *model, bool builtin_only, struct vs_text *said, struct vs_diags *diags)
{
    struct vs_plan_machine_device devices[VS_PLAN_DEVICES_MAX];
    struct vs_plan_machine machine = {.devices = devices};
    struct vs_module_table table = {0};
    struct vs_distorch allocation;
    struct vs_plan plan;
    const char *key;
    json_t *bytes;
    json_object_foreach(json_object_get(golden, "device_bytes"), key, bytes)
    {
        struct vs_plan_machine_device device = {.total_bytes = (uint64_t)json_integer_value(bytes)};
        vs_device_parse(key, strlen(key), &device.id);
        devices[machine.count++] = device;
    }
    struct vs_plan_wish wish = {.source = "golden",
        .compute = device_of(json_object_get(golden, "compute")),
        .text_encoder = json_is_true(json_object_get(golden, "text_encoder")),
        .allocation = &allocation,
        .order = VS_ORDER_DISTORCH};
    if (read_allocation(golden, &allocation, diags) ||
        vs_plan(model->given, model->count, &wish, &machine, &plan, diags))
        return false;
    if (plan.approximate && builtin_only) {
        vs_text_printf(said, "the model is not recognised\n");
        vs_plan_free(&plan);
        return false;
    }
    if (plan.approximate) {
        vs_plan_free(&plan);
        wish.modules = &table;
        if (vs_module_table_load(model->path, &table, diags) ||
            vs_plan(model->given, model->count, &wish, &machine, &plan, diags)) {
            vs_module_table_free(&table);
            return false;
        }
    }
    bool same = compare(golden, &plan, said);
    vs_plan_free(&plan);
    vs_module_table_free(&table);
    return same;
}

size_t golden_run(const char *cases_path, enum golden_source source, bool builtin_only, uint64_t seed,
    struct vs_text *said, size_t *count)
{
    json_error_t error;
    json_t *cases = json_load_file(cases_path, 0, &error), *golden;
    size_t index, right = 0;
    *count = json_array_size(cases);
    if (!*count)
        vs_text_printf(said, "%s: no cases: %s\n", cases_path, cases ? "the list is empty" : error.text);
    json_array_foreach(cases, index, golden)
    {
        struct vs_diags diags = {0};
        struct model model;
        vs_text_printf(said, "case %d: ", (int)json_integer_value(json_object_get(golden, "case")));
        if (!open_model(cases_path, json_string_value(json_object_get(golden, "model")), source, &seed, &model))
            vs_text_printf(said, "%s cannot be read\n", model.path);
        else if (plan_case(golden, &model, builtin_only, said, &diags))
            right++;
        vs_diags_render(&diags, said);
        vs_diags_free(&diags);
        close_model(&model);
    }
    json_decref(cases);
    return right;
}
