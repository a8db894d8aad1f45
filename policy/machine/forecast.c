/*
 * Arithmetic of the forecast. See forecast.h, which has the assumptions.
 */
#include "forecast.h"

#include <string.h>

#define DEFAULT_LINK "pcie4-x16"

static const struct vs_machine_device *described(const struct vs_machine *machine, struct vs_device_id device)
{
    bool is_gpu = device.family == VS_DEVICE_CUDA && machine && device.ordinal < (unsigned)machine->device_count;
    return is_gpu ? &machine->devices[device.ordinal] : NULL;
}

static const struct vs_card *card_of(const struct vs_machine_device *device)
{
    if (!device)
        return NULL;
    return device->card ? device->card : vs_card_of_memory(device->memory_bytes);
}

/* The rate of a GPU's link. */
static double find_rate(
    const struct vs_machine_device *device, const struct vs_card *card, double given, enum vs_figure_source *source)
{
    *source = VS_FIGURE_GIVEN;
    if (given > 0)
        return given;
    *source = VS_FIGURE_MACHINE;
    if (device && device->link_bytes_per_second > 0)
        return device->link_bytes_per_second;
    *source = card ? VS_FIGURE_CARD : VS_FIGURE_DEFAULT;
    return vs_link_named(card ? card->link : DEFAULT_LINK)->bytes_per_second;
}

/* A table of which a step reads some rows only. */
static bool is_lookup(const struct vs_forecast_wish *wish, const struct vs_plan_place *place)
{
    if (wish->table && place->module != VS_PLAN_NO_MODULE)
        return wish->table->modules[place->module].rows == 0;
    return place->reason == VS_REASON_EMBEDDING;
}

static void count_bytes(const struct vs_forecast_wish *wish, struct vs_forecast *forecast)
{
    uint64_t bytes[VS_PLAN_DEVICES_MAX] = {0};
    for (size_t i = 0; i < wish->plan->tensor_count; i++) {
        const struct vs_plan_place *place = &wish->plan->places[i];
        if (!place->device || place->reason == VS_REASON_UNUSED)
            continue;
        if (is_lookup(wish, place))
            forecast->lookup_bytes += wish->tensors[i].bytes;
        else
            bytes[place->device] += wish->tensors[i].bytes;
    }
    for (size_t d = 1; d < wish->plan->device_count; d++) {
        if (!bytes[d])
            continue;
        forecast->links[forecast->link_count++] =
            (struct vs_forecast_link){.device = wish->plan->devices[d].id, .bytes = bytes[d]};
        forecast->compute_link.bytes += bytes[d];
    }
}

static void time_copies(const struct vs_forecast_wish *wish, struct vs_forecast *forecast)
{
    struct vs_forecast_link *own = &forecast->compute_link;
    own->device = wish->plan->devices[0].id;
    own->bytes_per_second =
        find_rate(described(wish->machine, own->device), forecast->card, wish->link_bytes_per_second, &own->source);
    own->seconds = (double)own->bytes / own->bytes_per_second;
    forecast->copy_seconds = own->seconds;
    for (size_t i = 0; i < forecast->link_count; i++) {
        struct vs_forecast_link *link = &forecast->links[i];
        const struct vs_machine_device *donor = described(wish->machine, link->device);
        link->bytes_per_second = own->bytes_per_second; /* host memory is faster than any link */
        link->source = own->source;
        if (donor) {
            enum vs_figure_source source;
            double rate = find_rate(donor, card_of(donor), 0, &source);
            if (rate < link->bytes_per_second) {
                link->bytes_per_second = rate;
                link->source = source;
            }
        }
        link->seconds = (double)link->bytes / link->bytes_per_second;
        if (link->seconds > forecast->copy_seconds)
            forecast->copy_seconds = link->seconds;
    }
}

/* Products with weights in one step; 0 where a module's part in it is not known. Vectors count for nothing. */
static double count_operations(const struct vs_module_table *table)
{
    double sum = 0;
    for (size_t m = 0; table && m < table->module_count; m++) {
        const struct vs_table_module *module = &table->modules[m];
        for (size_t t = 0; t < module->tensor_count; t++) {
            double operations = 2 * (double)module->rows;
            if (module->tensors[t].rank < 2)
                continue;
            if (module->rows == VS_ROWS_UNKNOWN)
                return 0;
            for (size_t i = 0; i < module->tensors[t].rank; i++)
                operations *= (double)module->tensors[t].shape[i];
            sum += operations;
        }
    }
    return sum;
}

static void time_compute(const struct vs_forecast_wish *wish, struct vs_forecast *forecast)
{
    double products = count_operations(wish->table);
    double attention = wish->table ? wish->table->attention_operations : 0;
    if (products > 0) {
        forecast->attention_operations = attention > 0 ? attention : products * VS_FORECAST_ATTENTION;
        forecast->operations = products + forecast->attention_operations;
    }
    if (wish->compute_seconds > 0) {
        forecast->compute_seconds = wish->compute_seconds;
        forecast->compute_source = VS_FIGURE_GIVEN;
    } else if (forecast->operations > 0 && forecast->card) {
        forecast->compute_seconds = forecast->operations / forecast->card->operations_per_second;
        forecast->compute_source = VS_FIGURE_CARD;
    }
}

void vs_forecast(const struct vs_forecast_wish *wish, struct vs_forecast *forecast)
{
    *forecast = (struct vs_forecast){0};
    forecast->card = wish->card ? wish->card : card_of(described(wish->machine, wish->plan->devices[0].id));
    count_bytes(wish, forecast);
    time_copies(wish, forecast);
    time_compute(wish, forecast);
    double copy = forecast->copy_seconds, compute = forecast->compute_seconds;
    if (compute > 0) {
        forecast->serial_seconds = copy + compute;
        forecast->overlapped_seconds = copy > compute ? copy : compute;
    }
    forecast->bound = !forecast->compute_link.bytes ? VS_BOUND_NONE
                      : compute <= 0                ? VS_BOUND_UNKNOWN
                      : copy > compute              ? VS_BOUND_COPY
                                                    : VS_BOUND_COMPUTE;
}
