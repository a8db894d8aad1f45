/*
 * The forecast as a table, a verdict and the assumptions. See plan_text.h, and policy/machine/forecast.h for what they
 * mean.
 */
#include "plan_text.h"

#include <math.h>
#include <string.h>

enum { COLUMNS = 4 };

/* What a forecast is for: a diffusion model runs in every step, a text encoder or a VAE once for a prompt or a picture.
 */
static const char *turn_of(const struct vs_plan_report *report)
{
    return report->part == VS_PART_TEXT_ENCODER || report->part == VS_PART_VAE ? "use" : "step";
}

static void show_link(struct vs_paper *paper, const struct vs_column *columns, const char *name,
    const struct vs_forecast_link *link, double seconds, double longest)
{
    struct vs_cell memory = vs_cell_number(ldexp((double)link->bytes, -20), 2, "");
    struct vs_cell rate = vs_cell_number(link->bytes_per_second / 1e9, 1, ""), time = vs_cell_number(seconds, 3, "");
    const char *const cells[] = {name, memory.text, rate.text, time.text};
    vs_paper_row(paper, columns, cells, COLUMNS, seconds, longest);
}

static void show_time(
    struct vs_paper *paper, const struct vs_column *columns, const char *name, double seconds, double longest)
{
    struct vs_cell time = vs_cell_number(seconds, 3, "");
    const char *const cells[] = {name, NULL, NULL, time.text};
    vs_paper_row(paper, columns, cells, COLUMNS, seconds, longest);
}

static void show_table(struct vs_paper *paper, const struct vs_plan_report *report)
{
    const struct vs_forecast *forecast = &report->forecast;
    const bool is_step = !strcmp(turn_of(report), "step");
    const struct vs_column columns[COLUMNS] = {
        {is_step ? "Each step" : "Each use", -22, -19}, {"MB", 12, 10}, {"GB/s", 8, 0}, {"Seconds", 10, 9}};
    double longest = forecast->serial_seconds > 0 ? forecast->serial_seconds : forecast->copy_seconds;
    const struct vs_forecast_link *own = &forecast->compute_link;
    vs_paper_head(paper, columns, COLUMNS);
    for (size_t i = 0; i < forecast->link_count; i++) {
        const struct vs_forecast_link *link = &forecast->links[i];
        char name[64];
        snprintf(
            name, sizeof name, "%s to %s", vs_device_format(link->device).text, vs_device_format(own->device).text);
        show_link(paper, columns, name, link, link->seconds, longest);
    }
    if (forecast->link_count > 1)
        show_link(paper, columns, "all copies", own, forecast->copy_seconds, longest);
    if (forecast->compute_seconds > 0) {
        show_time(paper, columns, "compute", forecast->compute_seconds, longest);
        show_time(paper, columns, "one after the other", forecast->serial_seconds, longest);
        show_time(paper, columns, "side by side", forecast->overlapped_seconds, longest);
    }
}

static void say_verdict(struct vs_paper *paper, const struct vs_plan_report *report)
{
    const struct vs_forecast *forecast = &report->forecast;
    double copy = forecast->copy_seconds, compute = forecast->compute_seconds;
    switch (forecast->bound) {
    case VS_BOUND_NONE:
        vs_paper_write(paper, 2, "Nothing is copied: a %s takes as long as with all weights on the compute device.",
            turn_of(report));
        break;
    case VS_BOUND_UNKNOWN:
        vs_paper_write(paper, 2, "compute time not known; give --compute-ms (%s)",
            forecast->operations > 0 ? "or --card 24gb: the class of the compute device is not known"
            : report->table          ? "the table of modules does not tell how much is computed"
                                     : "no table of modules is known for this model");
        break;
    case VS_BOUND_COMPUTE:
        vs_paper_write(paper, 2,
            "Copies hide behind computing: at best a %s takes the %.3f s that it computes; one after the other, %.1f "
            "times as long.",
            turn_of(report), compute, forecast->serial_seconds / compute);
        break;
    case VS_BOUND_COPY:
        vs_paper_write(paper, 2,
            "Copying is the bound: at best a %s takes the %.3f s of the copies, %.1f times as long as computing "
            "alone; one after the other, %.1f times.",
            turn_of(report), copy, copy / compute, forecast->serial_seconds / compute);
        break;
    }
}

static void say_assumptions(struct vs_paper *paper, const struct vs_plan_report *report)
{
    const struct vs_forecast *forecast = &report->forecast;
    struct vs_text said = {0};
    vs_text_printf(&said, "Assumed: ");
    if (forecast->compute_link.bytes && forecast->compute_link.source == VS_FIGURE_CARD)
        vs_text_printf(&said, "the link is a %s, as cards of the class %s mostly have it (--link says another); ",
            forecast->card->link, forecast->card->name);
    if (forecast->compute_link.bytes && forecast->compute_link.source == VS_FIGURE_DEFAULT)
        vs_text_printf(&said, "the link is a pcie4-x16 (--link says another); ");
    if (forecast->compute_link.bytes)
        vs_text_printf(
            &said, "each weight off the compute device is copied once in a %s, and nothing else is; ", turn_of(report));
    if (forecast->lookup_bytes)
        vs_text_printf(
            &said, "look-up tables (%.2f MB) are read where they are; ", ldexp((double)forecast->lookup_bytes, -20));
    if (forecast->compute_source == VS_FIGURE_CARD)
        vs_text_printf(&said,
            "a card of the class %s does %.0f TFLOP/s; a %s is one forward pass at batch 1%s and the size of the table "
            "%s: %.1f TFLOP, %.0f %% of it attention; ",
            forecast->card->name, forecast->card->operations_per_second / 1e12, turn_of(report),
            report->part == VS_PART_DIFFUSION ? " (CFG above 1 computes that twice)" : "",
            vs_quote_string(report->table->model).text, forecast->operations / 1e12,
            100 * forecast->attention_operations / forecast->operations);
    if (said.length > sizeof "Assumed: ")
        vs_paper_write(paper, 2, "%.*s", (int)said.length - 2, said.data);
    vs_text_free(&said);
}

void vs_plan_show_forecast(struct vs_paper *paper, const struct vs_plan_report *report)
{
    if (report->forecast.link_count)
        show_table(paper, report);
    say_verdict(paper, report);
    if (report->forecast.link_count)
        vs_paper_write(paper, 2,
            "This version does not copy ahead yet: the GPU reads these weights over the link at every use, and `side "
            "by side` is not reached.");
    say_assumptions(paper, report);
}
