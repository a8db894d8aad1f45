/*
 * What the planner's files share: one plan in the making. See plan.h for what it does; plan.c has the order of the
 * steps.
 */
#ifndef VRAMSPAN_POLICY_PLAN_INTERNAL_H
#define VRAMSPAN_POLICY_PLAN_INTERNAL_H

#include "plan.h"

/* A device of the plan, by the index that it has in plan->devices. */
struct vs_planner_device {
    double asked_bytes;    /* by the policy; in the order distorch with DisTorch2's rounding */
    uint64_t share_bytes;  /* what is left of it for tensors that no rule places; other orders than distorch */
    uint64_t pinned_bytes; /* of tensors that stay where a rule, or their size, puts them */
    uint64_t used_bytes;   /* of all that were placed so far */
    double lends_bytes;    /* the most that the policy lets it lend */
    bool donor;            /* the policy names it among those that take shares */
    bool wildcard;
    bool unmappable;
    const char *why; /* it is; may be NULL */
};

struct vs_planner {
    const struct vs_plan_tensor *tensors;
    size_t count;
    const struct vs_plan_wish *wish;
    const struct vs_plan_machine *machine;
    struct vs_device_id on; /* that of the wish, or what stands in for it; where the wish has one */
    struct vs_plan *plan;
    struct vs_source source;
    struct vs_diags *diags;
    struct vs_planner_device devices[VS_PLAN_DEVICES_MAX];
    uint32_t *by_name; /* the tensors' indices in the order of strcmp */
    uint32_t *free;    /* those that are not placed yet, in the order of execution */
    size_t free_count;
    /* Of a module table that fits, else NULL. */
    const struct vs_module_table *table;
    struct vs_module_table builtin; /* owns one that was built in */
    size_t prefix_length;           /* of the tensors' names, before those of the table */
    double module_bytes;            /* of all modules; order distorch only, as the next */
    double weight_bytes;            /* of modules that have a `weight`: that and its bias */
};

enum { VS_REASON_NONE = UINT8_MAX };

/* All return 0, or -1 with an error added. */

/* plan_devices.c: the devices that the wish names, each found in the machine. */
int vs_planner_find_devices(struct vs_planner *planner);
size_t vs_planner_device(const struct vs_planner *planner, struct vs_device_id id); /* must be there */
/* Where a message about a line of the policy points; about the section's own: at its share. */
struct vs_place vs_planner_place_of(const struct vs_planner *planner, size_t line);
/* The most that a plan may put on a device that the machine has; UINT64_MAX: not known. */
uint64_t vs_planner_capacity(const struct vs_planner *planner, struct vs_device_id id);
/* What the allocation asks for, after donors that cannot lend, or not so much, have passed shares on. */
int vs_planner_share_out(struct vs_planner *planner);

/* plan_asks.c: what the allocation asks of each device, of a model of `total` bytes. */
int vs_planner_ask(struct vs_planner *planner, double total);
void vs_planner_warn_of_short_donors(const struct vs_planner *planner, double total);

/* plan_shares.c */
/* What is left of the shares beside pinned tensors; sums up to the bytes that are not pinned. */
void vs_planner_deduct_pinned(struct vs_planner *planner, uint64_t free_bytes);
/* The devices' indices in DisTorch2's order: by name, `cpu` last. */
void vs_planner_sort_devices(const struct vs_planner *planner, size_t order[VS_PLAN_DEVICES_MAX]);
/* Whether so many bytes more fit on the device. */
bool vs_planner_has_room(const struct vs_planner *planner, size_t device, uint64_t bytes);

/* plan_modules.c: which module each tensor belongs to, by a table that fits, else by names. */
void vs_planner_sort_names(struct vs_planner *planner);
/* The index of the tensor with this name, or planner->count. */
size_t vs_planner_find_name(const struct vs_planner *planner, const char *name);
int vs_planner_find_table(struct vs_planner *planner);
int vs_planner_guess_modules(struct vs_planner *planner);

/* plan_execution.c: plan->execution, first by the table or by names (which is what modules are guessed from), then as a
 * run has taught it. */
int vs_planner_order_execution(struct vs_planner *planner);
int vs_planner_order_as_learned(struct vs_planner *planner);

/* plan_distorch.c: the sums that shares are made from. */
int vs_planner_measure_modules(struct vs_planner *planner);

/* The orders, each in its file: place what is free. */
int vs_planner_distorch(struct vs_planner *planner);
int vs_planner_spread(struct vs_planner *planner);
int vs_planner_listed(struct vs_planner *planner);

static inline void vs_planner_place(
    struct vs_planner *planner, size_t tensor, size_t device, enum vs_plan_reason reason)
{
    if (reason != VS_REASON_UNUSED)
        planner->devices[device].used_bytes += planner->tensors[tensor].bytes;
    planner->plan->places[tensor].device = (uint8_t)device;
    planner->plan->places[tensor].reason = (uint8_t)reason;
}

#endif
