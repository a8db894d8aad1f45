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
    const struct vs_quota *quota = summary->quota;
    uint64_t taken_bytes = 0, taken_count = 0;

    vs_text_printf(text, "%s: %zu tensors, %s MB\n", vs_quote_string(summary->model_name).text, summary->tensor_count,
        megabytes(quota->total_bytes).text);
    vs_text_printf(text, ROW, "Device", "Layers", "Memory (MB)", "% Total", "Planned (MB)");
    line(text);
    for (size_t i = 0; i < quota->count; i++) {
        const struct vs_quota_entry *entry = &quota->entries[i];
        taken_bytes += entry->taken_bytes;
        taken_count += entry->taken_count;
        if (!entry->planned_bytes && !entry->taken_count && !entry->dropped)
            continue;
        vs_text_printf(text, ROW, vs_device_format(entry->device).text, whole(entry->taken_count).text,
            megabytes(entry->taken_bytes).text, percent(entry->taken_bytes, quota->total_bytes).text,
            megabytes(entry->planned_bytes).text);
    }
    line(text);
    if (taken_bytes < quota->total_bytes) {
        uint64_t rest_bytes = quota->total_bytes - taken_bytes;
        uint64_t rest_count = taken_count < summary->tensor_count ? summary->tensor_count - taken_count : 0;
        vs_text_printf(text, CELLS "\n", "not placed", whole(rest_count).text, megabytes(rest_bytes).text,
            percent(rest_bytes, quota->total_bytes).text);
    }
}
