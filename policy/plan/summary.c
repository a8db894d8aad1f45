/*
 * The summary table. See summary.h.
 */
#include "summary.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define CELLS "%-18s %7s %14s %10s"
#define ROW   CELLS " %14s\n"
enum { ROW_WIDTH = 18 + 7 + 14 + 10 + 14 + 4 };

struct number {
    char text[32];
};

/* A fraction as decimal text: `digits` digits behind the point, rounded to nearest. */
static struct number decimal(unsigned __int128 numerator, uint64_t denominator, int digits, const char *suffix)
{
    static const unsigned powers[] = {1, 10, 100};
    struct number number;
    unsigned __int128 scaled =
        denominator ? (numerator * powers[digits] * 2 + denominator) / ((unsigned __int128)denominator * 2) : 0;
    snprintf(number.text, sizeof number.text, "%" PRIu64 ".%0*u%s", (uint64_t)(scaled / powers[digits]), digits,
        (unsigned)(scaled % powers[digits]), suffix);
    return number;
}

static struct number megabytes(uint64_t bytes)
{
    return decimal(bytes, 1 << 20, 2, "");
}

static struct number percent(uint64_t bytes, uint64_t total_bytes)
{
    return decimal((unsigned __int128)bytes * 100, total_bytes, 1, "%");
}

static struct number whole(uint64_t count)
{
    struct number number;
    snprintf(number.text, sizeof number.text, "%" PRIu64, count);
    return number;
}

static void line(struct vs_text *text)
{
    char dashes[ROW_WIDTH];
    memset(dashes, '-', sizeof dashes);
    vs_text_printf(text, "%.*s\n", ROW_WIDTH, dashes);
}

void vs_summary_render(const struct vs_summary *summary, struct vs_text *text)
{
    uint64_t placed_bytes = 0, placed_count = 0;

    vs_text_printf(text, "%s", vs_quote_string(summary->model_name).text);
    if (summary->part)
        vs_text_printf(text, " (%s)", summary->part);
    vs_text_printf(text, ": %zu tensors, %s MB\n", summary->tensor_count, megabytes(summary->total_bytes).text);
    vs_text_printf(text, ROW, "Device", "Layers", "Memory (MB)", "% Total", "Planned (MB)");
    line(text);
    for (size_t i = 0; i < summary->device_count; i++) {
        const struct vs_summary_device *device = &summary->devices[i];
        placed_bytes += device->placed_bytes;
        placed_count += device->placed_count;
        if (!device->planned_bytes && !device->placed_count && !device->dropped)
            continue;
        vs_text_printf(text, ROW, vs_device_format(device->device).text, whole(device->placed_count).text,
            megabytes(device->placed_bytes).text, percent(device->placed_bytes, summary->total_bytes).text,
            megabytes(device->planned_bytes).text);
    }
    line(text);
    if (placed_bytes < summary->total_bytes) {
        uint64_t rest_bytes = summary->total_bytes - placed_bytes;
        uint64_t rest_count = placed_count < summary->tensor_count ? summary->tensor_count - placed_count : 0;
        vs_text_printf(text, CELLS "\n", "not placed", whole(rest_count).text, megabytes(rest_bytes).text,
            percent(rest_bytes, summary->total_bytes).text);
    }
}
