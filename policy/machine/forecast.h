/*
 * The forecast: what a plan costs in each step of the program. How many bytes cross each link, how long copying takes,
 * and whether it hides behind computing.
 *
 * Assumptions, which whoever shows a forecast is to tell with it:
 * - Each weight that is not on the compute device is copied there once a step; look-up tables, of which few rows are
 *   read, are read where they are.
 * - Copies of different donors run side by side, each at the rate of the slower end's link; together they are limited
 *   by the compute device's own. Nothing else uses the links.
 * - A step is one forward pass at the size that the module table was made for (its `rows`), batch 1; with CFG above 1 a
 *   program computes twice that. Products count two operations for each element and row, and attention what the table
 *   says, or VS_FORECAST_ATTENTION of these products.
 *
 * Pure arithmetic. Times are in seconds, rates in bytes (operations) a second.
 */
#ifndef VRAMSPAN_POLICY_FORECAST_H
#define VRAMSPAN_POLICY_FORECAST_H

#include "../plan/plan.h"
#include "machine.h"

#define VS_FORECAST_ATTENTION 0.25

/* Where a figure comes from. */
enum vs_figure_source {
    VS_FIGURE_NONE,    /* not known */
    VS_FIGURE_GIVEN,   /* by whoever asked */
    VS_FIGURE_MACHINE, /* the machine's description says it */
    VS_FIGURE_CARD,    /* as cards of its class mostly have it */
    VS_FIGURE_DEFAULT, /* nothing is known: PCI Express 4.0, 16 lanes */
};

struct vs_forecast_wish {
    const struct vs_plan *plan;
    const struct vs_plan_tensor *tensors;
    const struct vs_module_table *table; /* of the plan's modules; NULL: none is known */
    const struct vs_machine *machine;    /* NULL: none is described */
    double compute_seconds;              /* of a step, all weights local; 0: not given */
    double link_bytes_per_second;        /* of the compute device's link; 0: not given */
    const struct vs_card *card;          /* the compute device's class; NULL: not given */
};

struct vs_forecast_link {
    struct vs_device_id device; /* the donor, or the compute device */
    uint64_t bytes;             /* that cross in a step, to the compute device */
    double bytes_per_second;
    enum vs_figure_source source; /* of the rate */
    double seconds;
};

enum vs_bound {
    VS_BOUND_NONE, /* nothing is copied */
    VS_BOUND_UNKNOWN,
    VS_BOUND_COMPUTE, /* copies hide behind it */
    VS_BOUND_COPY,
};

struct vs_forecast {
    struct vs_forecast_link links[VS_PLAN_DEVICES_MAX]; /* of donors that hold something, in the plan's order */
    size_t link_count;
    struct vs_forecast_link compute_link; /* what arrives, over all */
    uint64_t lookup_bytes;                /* of look-up tables off the compute device, not copied */
    double copy_seconds;
    const struct vs_card *card; /* whose figures were used, for time or link; or NULL */
    double operations;          /* of a step, attention included; 0: not known */
    double attention_operations;
    double compute_seconds; /* 0: not known */
    enum vs_figure_source compute_source;
    double serial_seconds;     /* copy, then compute; 0: not known, as the next */
    double overlapped_seconds; /* the least: copies and computing side by side */
    enum vs_bound bound;
};

void vs_forecast(const struct vs_forecast_wish *wish, struct vs_forecast *forecast);

#endif
