/*
 * JSON of plans. See plan_json.h.
 */
#include "plan_json.h"

#include "diag_json.h"
#include "plan_text.h"

#include <string.h>

/* A text of the user's as JSON can hold it: what is no UTF-8 is shown as messages show it. */
static json_t *text_of(const char *text)
{
    struct vs_text shown = {0};
    if (!text)
        return json_null();
    json_t *value = json_string(text);
    if (value)
        return value;
    vs_text_append_quoted(&shown, text, strlen(text));
    value = shown.failed ? NULL : json_string(shown.data ? shown.data : "");
    vs_text_free(&shown);
    return value;
}

/* Out of memory, the array becomes NULL, and so does everything that is packed with it. */
static void append(json_t **array, json_t *value)
{
    if (!*array) {
        json_decref(value);
    } else if (json_array_append_new(*array, value)) {
        json_decref(*array);
        *array = NULL;
    }
}

static json_t *device_name(struct vs_device_id device)
{
    return json_string(vs_device_format(device).text);
}

static json_t *bytes_of(uint64_t bytes)
{
    return json_integer((json_int_t)(bytes < INT64_MAX ? bytes : INT64_MAX));
}

/* What is not known is null. */
static json_t *known_bytes(uint64_t bytes)
{
    return bytes ? bytes_of(bytes) : json_null();
}

static json_t *known_real(double value)
{
    return value > 0 ? json_real(value) : json_null();
}

static const char *source_name(enum vs_figure_source source)
{
    static const char *const names[] = {[VS_FIGURE_NONE] = "none",
        [VS_FIGURE_GIVEN] = "given",
        [VS_FIGURE_MACHINE] = "machine",
        [VS_FIGURE_CARD] = "card",
        [VS_FIGURE_DEFAULT] = "default"};
    return names[source];
}

static json_t *model_of(const struct vs_plan_report *report)
{
    static const char *const formats[] = {[VS_FORMAT_SAFETENSORS] = "safetensors",
        [VS_FORMAT_INDEX] = "index",
        [VS_FORMAT_GGUF] = "gguf",
        [VS_FORMAT_JSON] = "header"};
    struct vs_text dtype = {0};
    vs_plan_report_name_dtype(report, &dtype);
    json_t *model = json_pack("{s:o, s:o, s:s, s:s, s:s, s:I, s:o, s:o}", "path", text_of(report->model->path), "name",
        text_of(vs_plan_model_name(report->request, report->model)), "format",
        report->model->is_table ? "table" : formats[report->model->model.file.format], "part",
        vs_part_name(report->part), "dtype", dtype.data ? dtype.data : "", "tensors", (json_int_t)report->tensor_count,
        "bytes", bytes_of(report->plan.total_bytes), "modules", text_of(report->table ? report->table->model : NULL));
    vs_text_free(&dtype);
    return model;
}

static json_t *policy_of(const struct vs_plan_report *report)
{
    static const char *const sharings[] = {[VS_SHARING_NONE] = "none",
        [VS_SHARING_VIRTUAL_VRAM] = "virtual-vram",
        [VS_SHARING_DISTORCH] = "distorch",
        [VS_SHARING_ON] = "on"};
    static const char *const orders[] = {
        [VS_ORDER_SPREAD] = "spread", [VS_ORDER_DISTORCH] = "distorch", [VS_ORDER_LISTED] = "listed"};
    return json_pack("{s:o, s:o, s:s, s:s}", "source", text_of(report->section.file), "line",
        report->wish.wish.line ? json_integer((json_int_t)report->wish.wish.line) : json_null(), "sharing",
        sharings[report->section.sharing], "order", orders[report->plan.order]);
}

static json_t *devices_of(const struct vs_plan_report *report)
{
    const struct vs_plan *plan = &report->plan;
    bool modules = vs_plan_counts_modules(report);
    json_t *devices = json_array();
    for (size_t d = 0; d < plan->device_count; d++) {
        const struct vs_plan_device *device = &plan->devices[d];
        bool is_limited = device->capacity_bytes != UINT64_MAX;
        append(&devices,
            json_pack("{s:o, s:b, s:o, s:o, s:o, s:o, s:o, s:I, s:o, s:b}", "device", device_name(device->id),
                "compute", d == 0, "total_bytes", known_bytes(device->total_bytes), "capacity_bytes",
                is_limited ? bytes_of(device->capacity_bytes) : json_null(), "quota_bytes",
                report->wish.wish.allocation ? bytes_of(device->quota_bytes) : json_null(), "placed_bytes",
                bytes_of(device->placed_bytes), "unfit_bytes", bytes_of(device->unfit_bytes), "tensors",
                (json_int_t)device->tensor_count, "layers",
                modules ? json_integer((json_int_t)device->module_count) : json_null(), "passed_on", device->dropped));
    }
    return devices;
}

static json_t *layer_types_of(const struct vs_plan_report *report)
{
    json_t *types = json_array();
    for (size_t i = 0; i < report->layer_type_count; i++)
        append(&types,
            json_pack("{s:o, s:I, s:o}", "type", text_of(report->layer_types[i].name), "layers",
                (json_int_t)report->layer_types[i].layer_count, "bytes", bytes_of(report->layer_types[i].bytes)));
    return types;
}

static json_t *forecast_of(const struct vs_forecast *forecast)
{
    static const char *const bounds[] = {[VS_BOUND_NONE] = "none",
        [VS_BOUND_UNKNOWN] = "unknown",
        [VS_BOUND_COMPUTE] = "compute",
        [VS_BOUND_COPY] = "copy"};
    json_t *links = json_array();
    for (size_t i = 0; i < forecast->link_count; i++) {
        const struct vs_forecast_link *link = &forecast->links[i];
        json_array_append_new(
            links, json_pack("{s:o, s:o, s:o, s:f, s:s, s:f}", "from", device_name(link->device), "to",
                       device_name(forecast->compute_link.device), "bytes", bytes_of(link->bytes), "bytes_per_second",
                       link->bytes_per_second, "rate_source", source_name(link->source), "seconds", link->seconds));
    }
    return json_pack("{s:o, s:o, s:f, s:s, s:f, s:o, s:o, s:o, s:s, s:o, s:o, s:o, s:s}", "links", links, "copy_bytes",
        bytes_of(forecast->compute_link.bytes), "bytes_per_second", forecast->compute_link.bytes_per_second,
        "rate_source", source_name(forecast->compute_link.source), "copy_seconds", forecast->copy_seconds,
        "lookup_bytes", bytes_of(forecast->lookup_bytes), "operations", known_real(forecast->operations),
        "compute_seconds", known_real(forecast->compute_seconds), "compute_source",
        source_name(forecast->compute_source), "card", text_of(forecast->card ? forecast->card->name : NULL),
        "serial_seconds", known_real(forecast->serial_seconds), "overlapped_seconds",
        known_real(forecast->overlapped_seconds), "bound", bounds[forecast->bound]);
}

static json_t *tensors_of(const struct vs_plan_report *report, const struct vs_plan_json_wish *wish, size_t *matched)
{
    const struct vs_plan *plan = &report->plan;
    json_t *tensors = json_array();
    for (size_t k = 0; k < plan->tensor_count; k++) {
        size_t i = plan->execution[k];
        const struct vs_plan_place *place = &plan->places[i];
        struct vs_text why = {0};
        bool fits = wish->glob && vs_plan_glob_fits(report, i, wish->glob);
        *matched += fits;
        if (wish->glob && !fits)
            continue;
        vs_plan_explain(plan, &report->wish.wish, i, &why);
        json_array_append_new(
            tensors, json_pack("{s:o, s:o, s:o, s:s, s:b, s:o}", "name", text_of(report->tensors[i].name), "bytes",
                         bytes_of(report->tensors[i].bytes), "device", device_name(plan->devices[place->device].id),
                         "reason", vs_plan_reason_word(place), "fits", !place->unfit, "why", text_of(why.data)));
        vs_text_free(&why);
    }
    return tensors;
}

json_t *vs_plan_json(const struct vs_plan_report *report, const struct vs_plan_json_wish *wish, size_t *matched)
{
    bool lists_tensors = wish->all_tensors || wish->glob;
    return json_pack("{s:o, s:o, s:o, s:o, s:s, s:b, s:o, s:o, s:o, s:o, s:o, s:o*}", "model", model_of(report),
        "policy", policy_of(report), "machine", text_of(report->request->machine_text), "host_is_assumed",
        report->request->machine_text ? json_boolean(report->request->machine.host_is_assumed) : json_null(),
        "execution_order", vs_plan_execution_source(report), "approximate", report->plan.approximate, "devices",
        devices_of(report), "layer_types", layer_types_of(report), "unfit_bytes", bytes_of(report->plan.unfit_bytes),
        "idle_device", report->has_idle_device ? device_name(report->idle_device) : json_null(), "forecast",
        forecast_of(&report->forecast), "tensors", lists_tensors ? tensors_of(report, wish, matched) : NULL);
}

int vs_plan_json_add_diagnostics(json_t *diagnostics, const char *model, const struct vs_diags *diags)
{
    json_t *list = vs_diags_json(diags), *diagnostic;
    size_t i;
    int result = list ? 0 : -1;
    json_array_foreach(list, i, diagnostic) result |= json_object_set_new(diagnostic, "model", text_of(model));
    if (list)
        result |= json_array_extend(diagnostics, list);
    json_decref(list);
    return result ? -1 : 0;
}

json_t *vs_plan_json_document(json_t *plans, json_t *diagnostics)
{
    return json_pack("{s:i, s:s, s:o, s:o}", "format", VS_PLAN_JSON_FORMAT, "vramspan", VS_VERSION, "plans", plans,
        "diagnostics", diagnostics);
}
