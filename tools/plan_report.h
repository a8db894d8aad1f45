/*
 * One plan that `vramspan plan` tells about: of one part of one model, by one section. Made here, shown by plan_text.h
 * and plan_json.h, so that both show the same figures.
 */
#ifndef VRAMSPAN_TOOLS_PLAN_REPORT_H
#define VRAMSPAN_TOOLS_PLAN_REPORT_H

#include "../policy/language/named_parts.h"
#include "../policy/language/settings.h"
#include "../policy/machine/forecast.h"
#include "plan_model.h"

/* What is the same for all models of a command line. */
struct vs_plan_request {
    struct vs_said said;
    struct vs_settings settings;
    const char *machine_text; /* NULL: no machine is described */
    struct vs_machine machine;
    bool has_modules; /* --modules */
    struct vs_module_table modules;
    const char *learned_path; /* --learned; NULL: not given */
    struct vs_learned_order learned;
    const struct vs_load_dtype *dtype; /* --dtype; NULL: the section's, else the file's */
    const char *name;                  /* --as: the file's name for `match`, or NULL */
    double compute_seconds;            /* --compute-ms; 0: not given */
    double link_bytes_per_second;      /* --link; 0: not given */
    const struct vs_card *card;        /* --card; NULL: not given */
};

/* Tensors of one kind of module; without a table of modules, of one kind of shape. */
struct vs_plan_layer_type {
    const char *name;
    size_t layer_count; /* modules; tensors where no table is known */
    uint64_t bytes;
};

struct vs_plan_report {
    const struct vs_plan_request *request;
    const struct vs_plan_model *model;
    enum vs_part part;
    struct vs_policy_section section; /* the policy's, with the request's `dtype`; what it points to is the policy's */
    const struct vs_tensor **files;   /* the tensors in the file, in the order of `tensors` */
    struct vs_plan_tensor *tensors;   /* as they are loaded */
    size_t tensor_count;
    struct vs_section_wish wish;
    struct vs_plan plan;
    const struct vs_module_table *table;    /* of the plan's modules; NULL: none is known */
    struct vs_plan_layer_type *layer_types; /* by bytes, the most first */
    size_t layer_type_count;
    struct vs_forecast forecast;
    size_t learned_count; /* tensors whose turn is learned */
    bool has_idle_device; /* a GPU that could lend, and was not asked to */
    struct vs_device_id idle_device;
};

/* The parts that are planned: those that the policy names, as for the library; or the one that is asked for
 * (VS_PART_COUNT: none is), with the section that holds for it. Returns how many. */
size_t vs_plan_named_parts(const struct vs_plan_request *request, const struct vs_plan_model *model, enum vs_part asked,
    struct vs_named_part named[VS_PART_COUNT]);

/* Whether a section stands in a file; else an option or a variable has made it. */
bool vs_plan_section_is_of_file(const struct vs_policy_section *section);

/*
 * Plans a part. Returns 0 and a report to be freed, which refers to the request and the model, or -1 with an error
 * added.
 */
int vs_plan_report_make(const struct vs_plan_request *request, const struct vs_plan_model *model,
    const struct vs_named_part *named, struct vs_plan_report *report, struct vs_diags *diags);
void vs_plan_report_free(struct vs_plan_report *report);

/* "file", "bf16", or the formats of the file's tensors: what the weights are loaded in, most bytes first. */
void vs_plan_report_name_dtype(const struct vs_plan_report *report, struct vs_text *text);
/* What the layers of a table are: modules, or tensors where no table is known. */
static inline bool vs_plan_counts_modules(const struct vs_plan_report *report)
{
    return report->plan.module_count > 0 && !report->plan.approximate;
}

/* The base name by which sections are matched. */
const char *vs_plan_model_name(const struct vs_plan_request *request, const struct vs_plan_model *model);

#endif
