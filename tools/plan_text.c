/*
 * Tables and sentences of a plan. See plan_text.h.
 */
#include "plan_text.h"

#include "../policy/text/glob.h"

#include <math.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

static double megabytes(uint64_t bytes)
{
    return ldexp((double)bytes, -20);
}

static double gigabytes(uint64_t bytes)
{
    return ldexp((double)bytes, -30);
}

static struct vs_cell percent(uint64_t bytes, uint64_t whole_bytes)
{
    return vs_cell_number(whole_bytes ? 100 * (double)bytes / (double)whole_bytes : 0, 1, "%");
}

const char *vs_plan_reason_word(const struct vs_plan_place *place)
{
    static const char *const words[] = {
        [VS_REASON_STAYS] = "stays",
        [VS_REASON_SHARE] = "share",
        [VS_REASON_ON] = "on",
        [VS_REASON_RULE] = "rule",
        [VS_REASON_SMALL] = "small",
        [VS_REASON_EMBEDDING] = "embedding",
        [VS_REASON_RARE] = "rare",
        [VS_REASON_TOO_LARGE] = "too-large",
        [VS_REASON_TINY] = "tiny",
        [VS_REASON_NO_BIAS] = "no-bias",
        [VS_REASON_HEAD] = "head",
        [VS_REASON_ORPHAN] = "orphan",
        [VS_REASON_NO_MODULE] = "no-module",
        [VS_REASON_UNUSED] = "unused",
    };
    return words[place->reason];
}

const char *vs_plan_execution_source(const struct vs_plan_report *report)
{
    if (report->learned_count)
        return "learned";
    return report->table ? "table" : "names";
}

/* --- Where it comes from ------------------------------------------------------------------------------------------ */

static void say_section(struct vs_paper *paper, const struct vs_plan_report *report)
{
    static const char *const sharings[] = {
        [VS_SHARING_NONE] = "no share leaves the compute device",
        [VS_SHARING_VIRTUAL_VRAM] = "virtual VRAM",
        [VS_SHARING_DISTORCH] = "a DisTorch allocation",
        [VS_SHARING_ON] = "all of it on one device",
    };
    static const char *const orders[] = {
        [VS_ORDER_SPREAD] = "spread", [VS_ORDER_DISTORCH] = "distorch", [VS_ORDER_LISTED] = "listed"};
    const struct vs_policy_section *section = &report->section;
    struct vs_setting_value policy = vs_setting_in_force(&report->request->said, VS_SETTING_POLICY);
    char where[160] = "";
    if (vs_plan_section_is_of_file(section))
        snprintf(where, sizeof where, ":%zu (%s)", section->line,
            policy.text ? policy.name : "your own, in force where no policy is named");
    vs_paper_write(paper, 2, "Policy: %s%s: %s, order %s; %s computes", vs_quote_string(section->file).text, where,
        sharings[section->sharing], orders[report->plan.order], vs_device_format(report->plan.devices[0].id).text);
}

static void say_where_from(struct vs_paper *paper, const struct vs_plan_report *report)
{
    const struct vs_plan_request *request = report->request;
    struct vs_text dtype = {0};
    vs_plan_report_name_dtype(report, &dtype);
    const char *taken = report->model->is_table && !report->section.dtype ? "taken as " : "";
    vs_paper_write(paper, 2, "%s%s%s: %s, %zu tensors, %.2f MB (%s%s)", paper->terminal.bold,
        vs_quote_string(vs_plan_model_name(request, report->model)).text, paper->terminal.plain,
        vs_part_name(report->part), report->tensor_count, megabytes(report->plan.total_bytes), taken,
        dtype.data ? dtype.data : "");
    vs_text_free(&dtype);
    say_section(paper, report);
    if (request->machine_text)
        vs_paper_write(paper, 2,
            request->machine.host_is_assumed ? "Machine: %s (host %.0f GB assumed)" : "Machine: %s",
            vs_quote_string(request->machine_text).text, gigabytes(request->machine.host_bytes));
    else
        vs_paper_write(paper, 2,
            "Machine: not described; every device is taken to have room for its share (`--machine 2x24gb` says what "
            "there is)");
    if (report->learned_count)
        vs_paper_write(paper, 2, "Order of execution: as learned, for %zu of %zu tensors", report->learned_count,
            report->tensor_count);
    else if (report->table)
        vs_paper_write(
            paper, 2, "Order of execution: of the module table %s", vs_quote_string(report->table->model).text);
    else
        vs_paper_write(paper, 2, "Order of execution: by the tensors' names");
    if (report->plan.order == VS_ORDER_DISTORCH && report->wish.wish.allocation && !request->machine_text)
        vs_paper_write(paper, 2,
            "Shares are exact here; DisTorch2 rounds them to 0.01 %% of each device's memory, which --machine tells");
    if (report->plan.approximate)
        vs_paper_write(paper, 2,
            "%sapproximate: module order unknown%s. DisTorch2 goes by the order in which the program defines modules, "
            "which no model file records; `--modules FILE` gives it",
            paper->terminal.warning, paper->terminal.plain);
    vs_text_printf(&paper->text, "\n");
}

/* --- Tables ------------------------------------------------------------------------------------------------------- */

/* What the plan gives each device, beside what it has. Without shares (only rules, or `on:`) that is what is there. */
static void show_shares(struct vs_paper *paper, const struct vs_plan_report *report)
{
    static const struct vs_column columns[] = {
        {"Device", -10, -7}, {"VRAM GB", 10, 7}, {"Dev %", 8, 6}, {"Model GB", 10, 8}, {"Dist %", 8, 6}};
    const struct vs_plan *plan = &report->plan;
    vs_paper_head(paper, columns, COUNT(columns));
    for (size_t d = 0; d < plan->device_count; d++) {
        const struct vs_plan_device *device = &plan->devices[d];
        uint64_t bytes = report->wish.wish.allocation ? device->quota_bytes : device->placed_bytes;
        struct vs_cell total = vs_cell_number(gigabytes(device->total_bytes), 2, "");
        struct vs_cell of_device = percent(bytes, device->total_bytes);
        struct vs_cell model = vs_cell_number(gigabytes(bytes), 2, ""), of_model = percent(bytes, plan->total_bytes);
        const char *const cells[] = {vs_device_format(device->id).text, device->total_bytes ? total.text : "-",
            device->total_bytes ? of_device.text : "-", model.text, of_model.text};
        vs_paper_row(paper, columns, cells, COUNT(columns), (double)bytes, (double)plan->total_bytes);
    }
    vs_text_printf(&paper->text, "\n");
}

static void show_types(struct vs_paper *paper, const struct vs_plan_report *report)
{
    const struct vs_column columns[] = {{"Layer Type", -22, -12}, {report->table ? "Layers" : "Tensors", 8, 7},
        {"Memory (MB)", 12, 11}, {"% Total", 8, 7}};
    vs_paper_head(paper, columns, COUNT(columns));
    for (size_t i = 0; i < report->layer_type_count; i++) {
        const struct vs_plan_layer_type *type = &report->layer_types[i];
        struct vs_cell name = vs_cell_word(type->name, 22), count = vs_cell_count(type->layer_count);
        struct vs_cell memory = vs_cell_number(megabytes(type->bytes), 2, "");
        struct vs_cell part = percent(type->bytes, report->plan.total_bytes);
        const char *const cells[] = {name.text, count.text, memory.text, part.text};
        vs_paper_row(paper, columns, cells, COUNT(columns), (double)type->bytes, (double)report->plan.total_bytes);
    }
    vs_text_printf(&paper->text, "\n");
}

static void show_devices(struct vs_paper *paper, const struct vs_plan_report *report)
{
    bool modules = vs_plan_counts_modules(report);
    const struct vs_column columns[] = {
        {"Device", -22, -12}, {modules ? "Layers" : "Tensors", 8, 7}, {"Memory (MB)", 12, 11}, {"% Total", 8, 7}};
    const struct vs_plan *plan = &report->plan;
    vs_paper_head(paper, columns, COUNT(columns));
    for (size_t d = 0; d < plan->device_count; d++) {
        const struct vs_plan_device *device = &plan->devices[d];
        struct vs_cell count = vs_cell_count(modules ? device->module_count : device->tensor_count);
        struct vs_cell memory = vs_cell_number(megabytes(device->placed_bytes), 2, "");
        struct vs_cell part = percent(device->placed_bytes, plan->total_bytes);
        const char *const cells[] = {vs_device_format(device->id).text, count.text, memory.text, part.text};
        vs_paper_row(paper, columns, cells, COUNT(columns), (double)device->placed_bytes, (double)plan->total_bytes);
    }
}

/* A donor that shows only a part of its memory lends no more, however much it has. */
static void say_small_window(
    struct vs_paper *paper, const struct vs_plan_report *report, const struct vs_plan_device *device)
{
    const struct vs_machine *machine = &report->request->machine;
    if (!report->request->machine_text || device->id.family != VS_DEVICE_CUDA ||
        device->id.ordinal >= (unsigned)machine->device_count)
        return;
    uint64_t bar1_bytes = machine->devices[device->id.ordinal].bar1_bytes;
    if (bar1_bytes && bar1_bytes < device->total_bytes && !device->dropped)
        vs_paper_write(paper, 2, "%s lends %.2f GB at most: other devices can map no more of it (bar1)",
            vs_device_format(device->id).text, gigabytes(bar1_bytes));
}

static void say_what_fits(struct vs_paper *paper, const struct vs_plan_report *report)
{
    const struct vs_plan *plan = &report->plan;
    for (size_t d = 1; d < plan->device_count; d++)
        say_small_window(paper, report, &plan->devices[d]);
    for (size_t d = 0; d < plan->device_count; d++) {
        const struct vs_plan_device *device = &plan->devices[d];
        if (!device->unfit_bytes)
            continue;
        vs_paper_write(paper, 2,
            "%sdoes not fit:%s %s has room for %.2f MB of weights, and gets %.2f MB: %.2f MB too many",
            paper->terminal.error, paper->terminal.plain, vs_device_format(device->id).text,
            megabytes(device->capacity_bytes), megabytes(device->placed_bytes), megabytes(device->unfit_bytes));
    }
    if (report->has_idle_device)
        vs_paper_write(paper, 2, "%s%s is idle:%s `--donors %s,cpu`, or `donors:` in the policy, would let it lend",
            paper->terminal.hint, vs_device_format(report->idle_device).text, paper->terminal.plain,
            vs_device_format(report->idle_device).text);
    vs_text_printf(&paper->text, "\n");
}

void vs_plan_show(struct vs_paper *paper, const struct vs_plan_report *report)
{
    say_where_from(paper, report);
    show_shares(paper, report);
    show_types(paper, report);
    show_devices(paper, report);
    say_what_fits(paper, report);
    vs_plan_show_forecast(paper, report);
}

/* --- Tensors ------------------------------------------------------------------------------------------------------ */

void vs_plan_show_tensors(struct vs_paper *paper, const struct vs_plan_report *report)
{
    static const struct vs_column columns[] = {
        {"Bytes", 14, 14}, {"Device", -8, -8}, {"Reason", -9, -9}, {"Tensor", -6, -6}};
    const struct vs_plan *plan = &report->plan;
    vs_text_printf(&paper->text, "\n");
    vs_paper_head(paper, columns, COUNT(columns));
    for (size_t k = 0; k < plan->tensor_count; k++) {
        size_t i = plan->execution[k];
        struct vs_cell bytes = vs_cell_count(report->tensors[i].bytes);
        vs_text_printf(&paper->text, "%14s %-8s %-9s ", bytes.text,
            vs_device_format(plan->devices[plan->places[i].device].id).text, vs_plan_reason_word(&plan->places[i]));
        vs_text_append_quoted(&paper->text, report->tensors[i].name, strlen(report->tensors[i].name));
        vs_text_printf(&paper->text, "\n");
    }
}

bool vs_plan_glob_fits(const struct vs_plan_report *report, size_t tensor, const char *glob)
{
    const struct vs_tensor *file = report->files[tensor];
    return vs_glob_matches(glob, file->name) ||
           (file->prefix_bytes && vs_glob_matches(glob, file->name + file->prefix_bytes));
}

size_t vs_plan_show_reasons(struct vs_paper *paper, const struct vs_plan_report *report, const char *glob)
{
    size_t count = 0;
    for (size_t k = 0; k < report->plan.tensor_count; k++) {
        size_t i = report->plan.execution[k];
        struct vs_text why = {0};
        if (!vs_plan_glob_fits(report, i, glob))
            continue;
        count++;
        vs_plan_explain(&report->plan, &report->wish.wish, i, &why);
        vs_text_append_quoted(&paper->text, report->tensors[i].name, strlen(report->tensors[i].name));
        vs_text_printf(&paper->text, " (%.2f MB)\n  ", megabytes(report->tensors[i].bytes));
        paper->terminal.columns -= 2;
        vs_paper_write(paper, 2, "%s", why.data ? why.data : "");
        paper->terminal.columns += 2;
        vs_text_free(&why);
    }
    return count;
}
