/*
 * A policy: which models are spread, and over which devices. Read from YAML files (the language: vramspan-policy(5)):
 *
 *     version: 1
 *     compute: cuda:0                              # optional: else the program's first device
 *     compute-reserve: 1.5gb                       # optional: this much if nothing is said
 *     host-reserve: 2gb                            # optional: this much if nothing is said
 *     donors: [cuda:1, "cpu:48gb"]                 # optional: else cpu
 *     on-error: stop                               # optional: stop (default) or passthrough
 *     models:
 *       - match: "flux1-*.safetensors"             # a glob on the file's base name, or a list of globs
 *         part: diffusion                          # optional: diffusion, text-encoder, vae, or any (default)
 *         virtual-vram: 14gb                       # or `distorch: "cuda:0,600mb;cpu,*"`, or `on: cuda:1`, or nothing
 *         order: spread                            # optional: spread, distorch, listed
 *         tensors:                                 # optional
 *           - {match: "*norm*", on: compute}
 *         dtype: fp16                              # optional: else the file's own
 *
 * How to plan with it: for a model file, ask vs_named_parts (named_parts.h) which parts it names by which sections, and
 * let vs_section_wish say what the planner is to do for each.
 *
 * A policy that was read is never changed: any number of threads may ask it. It owns all that it points to.
 */
#ifndef VRAMSPAN_POLICY_POLICY_H
#define VRAMSPAN_POLICY_POLICY_H

#include "../model/part.h"
#include "../plan/load_dtype.h"
#include "../plan/plan.h"
#include "../text/diag.h"
#include "../values/distorch.h"
#include "../values/values.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VS_POLICY_VERSION = 1, VS_POLICY_FILES_MAX = 256, VS_DONORS_MAX = 32 };

/* What stays free of weights where nothing is said: ComfyUI's own minimum for inference is 1.2 GiB
 * (comfy/model_management.py), and contexts and kernels take some hundred MiB. */
#define VS_COMPUTE_RESERVE_BYTES ((uint64_t)3 << 29)
/* What is not lent of the host's memory where nothing is said: the program's own memory grows while it works, and what
 * is lent is pinned, so that the kernel could only end processes to make room. */
#define VS_HOST_RESERVE_BYTES ((uint64_t)2 << 30)

/* What the program is to do when the policy cannot be honoured on this machine. */
enum vs_on_error {
    VS_ON_ERROR_STOP,
    VS_ON_ERROR_PASSTHROUGH, /* run as if the library were not there */
};

/* What becomes of the tensors that no tensor line names. */
enum vs_sharing {
    VS_SHARING_NONE,         /* they stay on the compute device */
    VS_SHARING_VIRTUAL_VRAM, /* `virtual_vram` of the part's bytes go to the policy's donors, in order, each up to its
                                limit; the rest stays */
    VS_SHARING_DISTORCH,     /* as `distorch` says */
    VS_SHARING_ON,           /* all to `on` */
};

struct vs_globs {
    char **items;
    size_t count;
};

struct vs_policy_section {
    struct vs_globs globs; /* on the base name; the section fits where one of them does */
    enum vs_part part;
    enum vs_sharing sharing;
    struct vs_amount virtual_vram; /* for VS_SHARING_VIRTUAL_VRAM */
    struct vs_distorch distorch;   /* for VS_SHARING_DISTORCH */
    struct vs_target on;           /* for VS_SHARING_ON */
    struct vs_said_at sharing_at;  /* the value of the one that holds */
    enum vs_plan_order order;      /* as written, else what follows from `distorch`, else spread; never DEFAULT */
    struct vs_plan_rule *rules;    /* of `tensors`: one for each glob of each line; patterns are owned */
    size_t rule_count;
    const struct vs_load_dtype *dtype; /* that the program will load; NULL: the file's own */
    const char *file;                  /* where the section stands: one of the policy's files, and the line there */
    size_t line;
};

struct vs_policy {
    char *name; /* what it was read from: a file, a folder, a variable */
    char **files;
    size_t file_count;
    bool has_compute;
    struct vs_device_id compute; /* valid where has_compute; a CUDA device */
    struct vs_said_at compute_at;
    bool has_compute_reserve;
    uint64_t compute_reserve_bytes; /* that a plan keeps free of weights on the compute device */
    struct vs_said_at compute_reserve_at;
    bool has_host_reserve;
    uint64_t host_reserve_bytes; /* that is not lent of the host's memory, neither by a plan nor at its time */
    struct vs_said_at host_reserve_at;
    bool has_donors;
    struct vs_donor donors[VS_DONORS_MAX]; /* in order, each device once, never `compute`; cpu if nothing is said */
    size_t donor_count;
    bool has_on_error;
    enum vs_on_error on_error;          /* stop if nothing is said */
    struct vs_policy_section *sections; /* in the order of the files, and of the lines in each */
    size_t section_count;
};

/*
 * Reads a policy from a file, or from all `*.yaml` of a folder, in the order of their names; what two of them say about
 * the machine must agree. Returns 0 and a policy to be freed by vs_policy_free (warnings may have been added), or -1
 * with at least one error added and *policy empty, but for on_error where the text says it. All errors are reported at
 * once.
 */
int vs_policy_load(const char *path, struct vs_policy *policy, struct vs_diags *diags);
/* The same for a text at hand; `name` is its path in messages. Does no input or output. */
int vs_policy_parse(const char *name, const char *text, size_t bytes, struct vs_policy *policy, struct vs_diags *diags);

/* The first section for this part with a glob that fits the base name of `path`, or NULL. VS_PART_ANY asks for a
 * section of whatever part, to find out whether the file is of interest at all. */
const struct vs_policy_section *vs_policy_match(const struct vs_policy *policy, const char *path, enum vs_part part);
/* The same among sections that name the part. */
const struct vs_policy_section *vs_policy_match_named(
    const struct vs_policy *policy, const char *path, enum vs_part part);

/* Whether any section names the device for weights. */
bool vs_policy_names_device(const struct vs_policy *policy, struct vs_device_id device);
/* What the section's model computes on; `first_device` is the program's first, where nothing says another. */
struct vs_device_id vs_section_compute(
    const struct vs_policy *policy, const struct vs_policy_section *section, struct vs_device_id first_device);

/* What a section wants of the planner. Refers to the policy and to itself: it is filled in place and not copied. */
struct vs_section_wish {
    struct vs_plan_wish wish;
    struct vs_distorch allocation;
    struct vs_device_id on;
};

/*
 * Fills in everything that the section and the policy say for a part of so many bytes; module tables and learned orders
 * are the caller's to add. `part` is the part that was asked for (a text encoder is planned as one). `first_device` is
 * the program's first, which computes where nothing says another.
 */
void vs_section_wish(const struct vs_policy *policy, const struct vs_policy_section *section, enum vs_part part,
    uint64_t part_bytes, struct vs_device_id first_device, struct vs_section_wish *wish);

void vs_policy_free(struct vs_policy *policy);

#endif
