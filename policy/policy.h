/*
 * A policy: which model files are spread, and over which devices. Read from a YAML file:
 *
 *     version: 1
 *     compute: cuda:0                              # optional: else the program's first device
 *     on-error: stop                               # optional: stop (default) or passthrough
 *     models:
 *       - match: "v1-5-*.safetensors"              # a glob on the file's base name, or a list of globs
 *         distorch: "cuda:0,600mb;cuda:1,500mb;cpu,*"
 *
 * A policy that was read is never changed: any number of threads may ask it. It owns all that it points to.
 */
#ifndef VRAMSPAN_POLICY_POLICY_H
#define VRAMSPAN_POLICY_POLICY_H

#include "device_name.h"
#include "diag.h"
#include "distorch.h"

#include <stdbool.h>
#include <stddef.h>

enum { VS_POLICY_VERSION = 1, VS_POLICY_PATTERN_MAX = 255 };

/* What the program is to do when the policy cannot be honoured on this machine. */
enum vs_on_error {
    VS_ON_ERROR_STOP,
    VS_ON_ERROR_PASSTHROUGH, /* run as if the library were not there */
};

struct vs_policy_section {
    char **patterns; /* globs on the base name; the section fits where one of them does */
    size_t pattern_count;
    struct vs_shares shares;
    size_t line; /* where the section stands in the file, from 1 */
};

struct vs_policy {
    char *name; /* the path it was read from */
    bool has_compute;
    struct vs_device_id compute; /* valid where has_compute; a CUDA device */
    enum vs_on_error on_error;
    struct vs_policy_section *sections; /* in the file's order */
    size_t section_count;
};

/*
 * Reads a policy. Returns 0 and a policy to be freed by vs_policy_free (warnings may have been added), or -1 with at
 * least one error added and *policy empty, but for on_error where the text says it. All errors of the file are reported
 * at once.
 */
int vs_policy_load(const char *path, struct vs_policy *policy, struct vs_diags *diags);
/* The same for a text at hand; `name` is its path in messages. Does no input or output. */
int vs_policy_parse(const char *name, const char *text, size_t bytes, struct vs_policy *policy, struct vs_diags *diags);

/* The first section with a glob that fits the base name of `path`, or NULL. */
const struct vs_policy_section *vs_policy_match(const struct vs_policy *policy, const char *path);

void vs_policy_free(struct vs_policy *policy);

#endif
