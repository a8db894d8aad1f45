/*
 * The planner: which device each tensor of a model is to live on. Pure arithmetic over what it is given; opens no file.
 *
 * It is given the tensors of one part of a model with the bytes that the program will load, what the policy wants for
 * it, and the machine. It answers with a device and a reason for each tensor, with each device's sums, and with what
 * did not fit. The order in which the tensors are given does not matter: equal sets get equal plans.
 *
 * Orders. `distorch` is DisTorch2's rule to the letter, over modules in the order of their definition; where no table
 * of the model's modules is known (module_table.h) that order is guessed from the names and `approximate` is set.
 * `spread` gives each device the same bytes, with the off-device weights evenly spaced along the order of execution.
 * `listed` fills the devices in the order in which the policy names them.
 *
 * Memory: at most 400 bytes a tensor. Time: n log n. Any thread; nothing is shared.
 */
#ifndef VRAMSPAN_POLICY_PLAN_H
#define VRAMSPAN_POLICY_PLAN_H

#include "../model/module_table.h"
#include "../text/text.h"
#include "../values/distorch.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* --- What is given ------------------------------------------------------------------------------------------------ */

struct vs_plan_tensor {
    const char *name; /* as in the file, prefixes of the part included; unique */
    const uint64_t *shape;
    size_t rank;
    uint64_t bytes;      /* as the program will load it; the sum over all tensors is to fit in 63 bits */
    size_t prefix_bytes; /* of the name: what tells the part in a checkpoint; rules are compared without it, too */
};

/* A line of `tensors:`: a glob on the tensor's name, and where those go. */
struct vs_plan_rule {
    const char *pattern;
    bool on_compute; /* else on `device` */
    struct vs_device_id device;
    size_t line; /* in the policy, for reasons; 0: none */
};

enum vs_plan_order { VS_ORDER_DEFAULT, VS_ORDER_SPREAD, VS_ORDER_DISTORCH, VS_ORDER_LISTED };

struct vs_plan_wish {
    const char *source;              /* the policy's name in messages, or "command line" */
    size_t line;                     /* of the section; 0: none */
    size_t share_line, share_column; /* what messages about its shares point at; 0: its line */
    struct vs_device_id compute;
    bool text_encoder;                    /* the part is one: DisTorch2 keeps its embeddings on the compute device */
    const struct vs_distorch *allocation; /* bytes, ratio, fraction, or virtual VRAM; NULL: all stays, rules apart */
    const struct vs_device_id *on;        /* or all of it goes here (then allocation is NULL) */
    bool cpu_for_missing;                 /* where the machine lacks that device: to cpu, with a warning */
    enum vs_plan_order order;             /* DEFAULT: spread; what `distorch:` implies is the caller's to say */
    const struct vs_plan_rule *rules;     /* the first that matches holds */
    size_t rule_count;
    uint64_t compute_reserve_bytes;        /* of the compute device, kept free of weights (not by the order distorch) */
    uint64_t host_reserve_bytes;           /* of the host's memory, not lent by `cpu` (nor by the order distorch) */
    const struct vs_module_table *modules; /* of a file that the user named; NULL: those that are built in */
    const char *modules_source;            /* who named it, in messages ("--modules"); NULL: as source */
    const char *const *learned;            /* tensors' names in their order of use, as a run has taught; may be NULL */
    size_t learned_count;
};

struct vs_plan_machine_device {
    struct vs_device_id id;
    uint64_t total_bytes;    /* 0: not known, and taken as enough for everything */
    uint64_t lendable_bytes; /* of those, the most that the compute device can map; 0: all */
    bool unmappable;         /* the compute device cannot map its memory: it takes no homes */
    const char *why;         /* ... for messages: "no peer access"; NULL: not known */
};

struct vs_plan_machine {
    const struct vs_plan_machine_device *devices; /* without `cpu`, it is taken to be there, its memory not known */
    size_t count;
};

/* The most that a device has for homes; UINT64_MAX: not known. */
static inline uint64_t vs_plan_lendable_bytes(const struct vs_plan_machine_device *device)
{
    uint64_t bytes = device->lendable_bytes ? device->lendable_bytes : device->total_bytes;
    return bytes ? bytes : UINT64_MAX;
}

/* --- What is answered --------------------------------------------------------------------------------------------- */

enum vs_plan_reason {
    VS_REASON_STAYS,     /* no share off the compute device was asked for, or none was left */
    VS_REASON_SHARE,     /* its turn in the device's share */
    VS_REASON_ON,        /* `on:` of the section */
    VS_REASON_RULE,      /* a line of `tensors:` */
    VS_REASON_SMALL,     /* under VS_PLAN_SMALL_BYTES: stays on the compute device */
    VS_REASON_EMBEDDING, /* a table of which few rows are read: goes off-device first */
    VS_REASON_RARE,      /* little is computed with it for its size: goes off-device early */
    VS_REASON_TOO_LARGE, /* an embedding, or one with little computation, that no share holds whole: stays */
    VS_REASON_TINY,      /* distorch: a module of less than 0.01 % of the model */
    VS_REASON_NO_BIAS,   /* distorch: a module without a bias attribute */
    VS_REASON_HEAD,      /* distorch: an embedding of a text encoder */
    VS_REASON_ORPHAN,    /* distorch: larger than what was left of any share */
    VS_REASON_NO_MODULE, /* distorch: a parameter of no module that is moved */
    VS_REASON_UNUSED,    /* the program does not load it (a second name of another tensor) */
};

enum { VS_PLAN_SMALL_BYTES = 64 << 10, VS_PLAN_DEVICES_MAX = VS_SHARES_MAX + 3 };

struct vs_plan_place {
    uint8_t device;  /* index into devices */
    uint8_t reason;  /* enum vs_plan_reason */
    bool unfit;      /* the device is full before it */
    uint32_t rule;   /* VS_REASON_RULE: index into the wish's rules */
    uint32_t module; /* index into modules, or VS_PLAN_NO_MODULE */
};
#define VS_PLAN_NO_MODULE UINT32_MAX

struct vs_plan_device {
    struct vs_device_id id;
    uint64_t total_bytes;    /* of the machine; 0: not known */
    uint64_t capacity_bytes; /* most that the plan may put there: total, less the reserve, or what a donor can lend */
    uint64_t quota_bytes;    /* what the policy asks for, after shares were passed on */
    uint64_t placed_bytes;
    uint64_t unfit_bytes; /* of those, beyond the capacity */
    size_t tensor_count;
    size_t module_count; /* order distorch only */
    bool dropped;        /* its share was passed on */
};

/* A module in the order of definition; order distorch only. */
struct vs_plan_module {
    const char *name; /* without the part's prefix; `length` bytes, not NUL-terminated where it was guessed */
    size_t length;
    const char *type; /* "Linear", or NULL where it is not known */
    uint64_t bytes;
    uint8_t device;
    uint8_t reason;
};

struct vs_plan {
    struct vs_plan_device devices[VS_PLAN_DEVICES_MAX]; /* the compute device first, then in the policy's order */
    size_t device_count;
    struct vs_plan_place *places; /* as the tensors were given */
    uint32_t *execution;          /* tensors' indices in the order of execution */
    size_t tensor_count;
    struct vs_plan_module *modules;
    size_t module_count;
    uint64_t total_bytes; /* without those that are not loaded */
    uint64_t unfit_bytes;
    uint64_t short_bytes; /* of virtual VRAM, for want of donors that lend it */
    enum vs_plan_order order;
    const char *model;            /* the module table that was recognised, or NULL */
    bool approximate;             /* order distorch without a table: module order unknown */
    struct vs_module_table table; /* owns the names of a built-in table's modules */
};

/*
 * Plans. Returns 0 and a plan to be freed with vs_plan_free (warnings may have been added), or -1 with an error added
 * and *plan empty: a device that the machine lacks, or that was asked for by name and cannot be mapped, a share that
 * nobody can take, or no memory. What does not fit is no error: see unfit_bytes. The plan refers to names in the
 * tensors and in the wish.
 */
int vs_plan(const struct vs_plan_tensor *tensors, size_t count, const struct vs_plan_wish *wish,
    const struct vs_plan_machine *machine, struct vs_plan *plan, struct vs_diags *diags);
void vs_plan_free(struct vs_plan *plan);

/* The index of the first rule whose pattern fits the tensor's name, whole or without the prefix of its part (of so many
 * bytes: `model.diffusion_model.`, struct vs_tensor); else rule_count. */
size_t vs_rule_of(const struct vs_plan_rule *rules, size_t rule_count, const char *tensor_name, size_t prefix_bytes);

/* Warns of each rule that takes no tensor: of the tensors and the wish that the plan was made from. */
void vs_plan_check_rules(const struct vs_plan *plan, const struct vs_plan_tensor *tensors,
    const struct vs_plan_wish *wish, struct vs_diags *diags);

/* Appends a sentence (without full stop) that says why the tensor of this index is where it is. */
void vs_plan_explain(const struct vs_plan *plan, const struct vs_plan_wish *wish, size_t tensor, struct vs_text *text);

#endif
