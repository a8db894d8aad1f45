/* report.c: the JSON of a run; see report.h. */
#include "report.h"

#include "cost.h"
#include "describe.h"

#include <cuda_runtime_api.h>
#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT 1

struct report {
    json_t *root, *checks, *costs;
    int device_count;
};

static struct apart_outcome outcome; /* large */

struct report *report_new(void)
{
    int runtime = 0;
    json_error_t error;
    struct report *report = calloc(1, sizeof *report);
    apart_run(describe_machine, NULL, &outcome);
    json_t *machine = outcome.result == APART_PASSED ? json_loads(outcome.text, 0, &error) : NULL;
    if (!report || !machine) {
        fprintf(stderr, "conformance: no report: %s\n", outcome.text);
        free(report);
        return NULL;
    }
    cudaRuntimeGetVersion(&runtime); /* the library's own constant: reaches no driver */
    report->device_count = (int)json_array_size(json_object_get(machine, "devices"));
    report->root = json_object();
    report->checks = json_array();
    report->costs = json_array();
    json_object_set_new(report->root, "report", json_string("vramspan gpu-check"));
    json_object_set_new(report->root, "format", json_integer(FORMAT));
    json_object_set_new(report->root, "cuda", json_string(cuda_is_simulated() ? "simulated CUDA" : "NVIDIA's driver"));
    json_object_set_new(report->root, "runtime_version", json_integer(runtime));
    json_object_set_new(report->root, "headers_version", json_integer(CUDART_VERSION));
    json_object_set_new(report->root, "machine", machine);
    json_object_set_new(report->root, "checks", report->checks);
    json_object_set_new(report->root, "costs", report->costs);
    return report;
}

static const char *const result_names[] = {[APART_PASSED] = "pass", [APART_FAILED] = "fail", [APART_SKIPPED] = "skip"};

void report_check(struct report *report, const struct conformance_check *check, const struct apart_outcome *result)
{
    json_t *entry = json_object();
    json_object_set_new(entry, "id", json_string(check->id));
    json_object_set_new(entry, "tag", json_string(check->tag));
    json_object_set_new(entry, "sentence", json_string(check->sentence));
    json_object_set_new(entry, "result", json_string(result_names[result->result]));
    json_object_set_new(entry, "reason", json_string(result->text));
    json_array_append_new(report->checks, entry);
}

struct measurement {
    const struct cost *cost;
    int device, peer;
};

static void measure(const void *argument)
{
    const struct measurement *measurement = argument;
    measurement->cost->measure(measurement->device, measurement->peer);
}

static void report_cost(struct report *report, const struct cost *cost, int device, int peer)
{
    struct measurement measurement = {cost, device, peer};
    json_error_t error;
    apart_run(measure, &measurement, &outcome);
    json_t *entry = outcome.result == APART_PASSED ? json_loads(outcome.text, 0, &error) : NULL;
    if (!entry) {
        entry = json_object();
        json_object_set_new(entry, "median", json_null());
        json_object_set_new(entry, "reason", json_string(outcome.text));
    }
    json_object_set_new(entry, "id", json_string(cost->id));
    json_object_set_new(entry, "sentence", json_string(cost->sentence));
    json_object_set_new(entry, "unit", json_string(cost->unit));
    json_object_set_new(entry, "device", json_integer(device));
    if (cost->scope == COST_EACH_PAIR)
        json_object_set_new(entry, "peer", json_integer(peer));
    json_array_append_new(report->costs, entry);
}

void report_costs(struct report *report)
{
    size_t count = ((uintptr_t)__stop_conformance_costs - (uintptr_t)__start_conformance_costs) / sizeof(struct cost);
    for (size_t i = 0; i < count; i++) {
        const struct cost *cost = &__start_conformance_costs[i];
        for (int device = 0; device < (cost->scope == COST_DEVICE_0 ? 1 : report->device_count); device++) {
            if (cost->scope != COST_EACH_PAIR)
                report_cost(report, cost, device, device);
            else
                for (int peer = 0; peer < report->device_count; peer++)
                    if (peer != device)
                        report_cost(report, cost, device, peer);
        }
    }
}

bool report_write(struct report *report, const char *path)
{
    bool written = json_dump_file(report->root, path, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) == 0;
    if (!written)
        fprintf(stderr, "conformance: %s cannot be written: %s\n", path, strerror(errno));
    json_decref(report->root);
    free(report);
    return written;
}
