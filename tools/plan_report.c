/*
 * From a part of a model and a section to a plan with its sums. See plan_report.h.
 */
#include "plan_report.h"

#include "../policy/text/file.h"
#include "machine_check.h"

#include <stdlib.h>
#include <string.h>

const char *vs_plan_model_name(const struct vs_plan_request *request, const struct vs_plan_model *model)
{
    return vs_base_name(request->name ? request->name : model->path);
}

size_t vs_plan_named_parts(const struct vs_plan_request *request, const struct vs_plan_model *model, enum vs_part asked,
    struct vs_named_part named[VS_PART_COUNT])
{
    const struct vs_policy *policy = &request->settings.policy;
    const char *name = vs_plan_model_name(request, model);
    if (asked == VS_PART_COUNT)
        return vs_named_parts(policy, name, &model->model, named);
    const struct vs_policy_section *section = vs_section_of_part(policy, name, &model->model, asked);
    if (!section) /* a section that is for another part, or none: who asks for a part wants to see it all the same */
        section = vs_policy_match(policy, name, asked);
    named[0] = (struct vs_named_part){asked, section, &model->model.parts[asked]};
    return section && named[0].tensors->count;
}

bool vs_plan_section_is_of_file(const struct vs_policy_section *section)
{
    static const enum vs_setting settings[] = {VS_SETTING_VIRTUAL_VRAM, VS_SETTING_DISTORCH};
    if (!strncmp(section->file, "--", 2))
        return false;
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        if (!strcmp(section->file, vs_setting_variable(settings[i])))
            return false;
    return true;
}

/* --- The machine -------------------------------------------------------------------------------------------------- */

/* Where none is described, every GPU is there, with room for all. */
static struct vs_plan_machine any_machine(struct vs_plan_machine_device devices[VS_DEVICE_ORDINAL_MAX + 1])
{
    for (unsigned i = 0; i <= VS_DEVICE_ORDINAL_MAX; i++)
        devices[i] = (struct vs_plan_machine_device){.id = {VS_DEVICE_CUDA, i}};
    return (struct vs_plan_machine){devices, VS_DEVICE_ORDINAL_MAX + 1};
}

/* --- Kinds of layers ---------------------------------------------------------------------------------------------- */

static const char *type_by_shape(const struct vs_plan_tensor *tensor)
{
    static const char *const names[] = {"Scalar", "Vector", "Matrix", "Kernel"};
    return names[tensor->rank < 3 ? tensor->rank : 3];
}

/* The kind of this name, made if need be. There are few. */
static struct vs_plan_layer_type *find_type(struct vs_plan_report *report, const char *name)
{
    for (size_t i = 0; i < report->layer_type_count; i++)
        if (!strcmp(report->layer_types[i].name, name))
            return &report->layer_types[i];
    struct vs_plan_layer_type *larger =
        realloc(report->layer_types, (report->layer_type_count + 1) * sizeof *report->layer_types);
    if (!larger)
        return NULL;
    report->layer_types = larger;
    larger[report->layer_type_count] = (struct vs_plan_layer_type){.name = name};
    return &larger[report->layer_type_count++];
}

static int by_bytes(const void *left, const void *right)
{
    const struct vs_plan_layer_type *a = left, *b = right;
    if (a->bytes != b->bytes)
        return a->bytes < b->bytes ? 1 : -1;
    return strcmp(a->name, b->name);
}

static int sum_up_types(struct vs_plan_report *report, struct vs_diags *diags)
{
    struct vs_plan_layer_type *type;
    bool is_failed = false;
    bool *is_counted = calloc(report->table ? report->table->module_count + 1 : 1, sizeof *is_counted);
    for (size_t i = 0; is_counted && i < report->tensor_count; i++) {
        const struct vs_plan_place *place = &report->plan.places[i];
        if (place->reason == VS_REASON_UNUSED)
            continue;
        bool has_module = report->table && place->module != VS_PLAN_NO_MODULE;
        const char *name = has_module      ? report->table->modules[place->module].type
                           : report->table ? "Parameter"
                                           : type_by_shape(&report->tensors[i]);
        type = find_type(report, name);
        is_failed = !type;
        if (is_failed)
            break;
        type->bytes += report->tensors[i].bytes;
        type->layer_count += !has_module || !is_counted[place->module];
        if (has_module)
            is_counted[place->module] = true;
    }
    if (!is_counted || is_failed) {
        free(is_counted);
        vs_diag_out_of_memory(diags);
        return -1;
    }
    free(is_counted);
    if (report->layer_type_count)
        qsort(report->layer_types, report->layer_type_count, sizeof *report->layer_types, by_bytes);
    return 0;
}

void vs_plan_report_name_dtype(const struct vs_plan_report *report, struct vs_text *text)
{
    enum { SHOWN = 3 };
    const char *names[SHOWN];
    uint64_t bytes[SHOWN] = {0};
    size_t count = 0;
    if (report->section.dtype) {
        vs_text_printf(text, "%s", report->section.dtype->name);
        return;
    }
    for (size_t i = 0; i < report->tensor_count; i++) {
        size_t k = 0;
        while (k < count && strcmp(names[k], report->files[i]->dtype) != 0)
            k++;
        if (k == SHOWN) {
            vs_text_printf(text, "several formats");
            return;
        }
        names[k] = report->files[i]->dtype;
        bytes[k] += report->tensors[i].bytes;
        count += k == count;
    }
    for (size_t shown = 0; shown < count; shown++) {
        size_t most = 0;
        for (size_t k = 1; k < count; k++)
            if (!names[most] || (names[k] && bytes[k] > bytes[most]))
                most = k;
        vs_text_printf(text, "%s%s", shown ? ", " : "", names[most]);
        names[most] = NULL;
    }
}

/* --- A learned order ---------------------------------------------------------------------------------------------- */

static int by_text(const void *left, const void *right)
{
    return strcmp(*(const char *const *)left, *(const char *const *)right);
}

/* Counts the tensors that the order names; an order of another model is worth a word. */
static int count_learned(struct vs_plan_report *report, struct vs_diags *diags)
{
    const struct vs_learned_order *order = &report->request->learned;
    const struct vs_source source = {.name = report->request->learned_path};
    if (!source.name)
        return 0;
    const char **sorted = calloc(order->count + 1, sizeof *sorted);
    if (!sorted) {
        vs_diag_out_of_memory(diags);
        return -1;
    }
    memcpy(sorted, order->names, order->count * sizeof *sorted);
    qsort(sorted, order->count, sizeof *sorted, by_text);
    for (size_t i = 0; i < report->tensor_count; i++)
        report->learned_count +=
            bsearch(&report->tensors[i].name, sorted, order->count, sizeof *sorted, by_text) != NULL;
    free(sorted);
    if (!report->learned_count) {
        vs_diag_add(diags, VS_WARNING, vs_place_of_file(&source), "it names no tensor of %s: the order is not used",
            vs_quote_string(vs_plan_model_name(report->request, report->model)).text);
        vs_diag_hint(diags, "write the names as they are in the file, one a line");
    }
    return 0;
}

/* --- Together ----------------------------------------------------------------------------------------------------- */

static int make_plan(struct vs_plan_report *report, uint64_t part_bytes, struct vs_diags *diags)
{
    const struct vs_plan_request *request = report->request;
    const struct vs_settings *settings = &request->settings;
    struct vs_device_id first = vs_settings_first_device(settings);
    struct vs_plan_machine_device *devices = calloc(VS_DEVICE_ORDINAL_MAX + 1, sizeof *devices);
    if (!devices) {
        vs_diag_out_of_memory(diags);
        return -1;
    }
    vs_section_wish(&settings->policy, &report->section, report->part, part_bytes, first, &report->wish);
    struct vs_plan_wish *wish = &report->wish.wish;
    if (!vs_plan_section_is_of_file(&report->section))
        wish->line = 0;
    vs_wish_point_at_share(&report->section, wish);
    struct vs_plan_machine machine =
        request->machine_text ? vs_machine_for_plan(&request->machine, wish->compute, devices) : any_machine(devices);
    if (request->has_modules) {
        wish->modules = &request->modules;
        wish->modules_source = "--modules";
    } else if (report->model->is_table) {
        wish->modules = &report->model->table;
    }
    wish->learned = request->learned.names;
    wish->learned_count = request->learned.count;
    int result = vs_plan(report->tensors, report->tensor_count, wish, &machine, &report->plan, diags);
    free(devices);
    if (!result)
        vs_plan_check_rules(&report->plan, report->tensors, wish, diags);
    return result;
}

int vs_plan_report_make(const struct vs_plan_request *request, const struct vs_plan_model *model,
    const struct vs_named_part *named, struct vs_plan_report *report, struct vs_diags *diags)
{
    *report = (struct vs_plan_report){.request = request,
        .model = model,
        .part = named->part,
        .section = *named->section,
        .files = named->tensors->items,
        .tensor_count = named->tensors->count};
    struct vs_named_part loaded = {named->part, &report->section, named->tensors};
    uint64_t part_bytes;
    if (request->dtype)
        report->section.dtype = request->dtype;
    report->tensors = vs_named_part_tensors(&loaded, &part_bytes, diags);
    if (!report->tensors || make_plan(report, part_bytes, diags))
        goto fail;
    report->table = report->wish.wish.modules ? report->wish.wish.modules
                    : report->plan.model      ? &report->plan.table
                                              : NULL;
    if (sum_up_types(report, diags) || count_learned(report, diags))
        goto fail;
    report->has_idle_device = request->machine_text && report->section.sharing == VS_SHARING_VIRTUAL_VRAM &&
                              vs_machine_idle_device(&request->settings, &request->machine, &report->idle_device);
    const struct vs_forecast_wish wish = {
        .plan = &report->plan,
        .tensors = report->tensors,
        .table = report->table,
        .machine = request->machine_text ? &request->machine : NULL,
        .compute_seconds = request->compute_seconds,
        .link_bytes_per_second = request->link_bytes_per_second,
        .card = request->card,
    };
    vs_forecast(&wish, &report->forecast);
    return 0;
fail:
    vs_plan_report_free(report);
    return -1;
}

void vs_plan_report_free(struct vs_plan_report *report)
{
    vs_plan_free(&report->plan);
    free(report->tensors);
    free(report->layer_types);
    *report = (struct vs_plan_report){0};
}
