/*
 * How a policy is read: one reader goes over one text or several, and fills one policy. For policy/policy*.c and
 * settings.c only.
 */
#ifndef VRAMSPAN_POLICY_POLICY_READ_H
#define VRAMSPAN_POLICY_POLICY_READ_H

#include "../values/schema.h"
#include "policy.h"
#include "policy_files.h"

/* What a policy says once, whichever of its files says it. */
enum vs_machine_key {
    VS_KEY_COMPUTE,
    VS_KEY_COMPUTE_RESERVE,
    VS_KEY_HOST_RESERVE,
    VS_KEY_DONORS,
    VS_KEY_ON_ERROR,
    VS_MACHINE_KEY_COUNT
};

struct vs_policy_reader {
    struct vs_policy *policy;
    struct vs_diags *diags;
    const char *file; /* being read: one of the policy's */
    struct {
        const char *file; /* NULL: not said yet */
        size_t line;
    } said[VS_MACHINE_KEY_COUNT];
    size_t glob_steps; /* left for comparing globs with each other */
};

/* Reads one text into the policy; what is wrong is in the diagnostics. */
void vs_policy_read_text(struct vs_policy_reader *reader, const char *name, const char *text, size_t bytes);

#define VS_ON_ERROR_HINT "write `stop` (end the program with a message) or `passthrough` (run without spreading)"
bool vs_read_on_error(struct vs_word word, enum vs_on_error *on_error, struct vs_diags *diags);
/* Reads a donor behind the *count in the list, which holds VS_DONORS_MAX; a device that is there already is an error.
 */
bool vs_add_donor(struct vs_word word, struct vs_donor *donors, size_t *count, struct vs_diags *diags);

/* The compute device that an allocation string names (behind a `#`) is the policy's, where that says one. */
bool vs_check_compute(const struct vs_policy *policy, const struct vs_policy_section *section, struct vs_place place,
    struct vs_diags *diags);

/* The value of `models:` (policy_section.c). `target` is the reader. */
void vs_policy_read_models(const struct vs_schema *schema, const struct vs_yaml_node *value, void *target);

/* A glob or a list of them (policy_globs.c): for names of model files, which contain no folder, or of tensors. */
void vs_read_globs(
    const struct vs_schema *schema, const struct vs_yaml_node *value, bool names_models, struct vs_globs *globs);
/* Steps through the words of such a value: the first one for NULL, NULL at the end. */
const struct vs_yaml_node *vs_next_glob(
    const struct vs_schema *schema, const struct vs_yaml_node *match, const struct vs_yaml_node *last);
/* Whether an earlier glob takes all that a later one fits. */
bool vs_glob_is_covered(struct vs_policy_reader *reader, const char *by, const char *glob);
/* `word` is never used, because of the glob `by` in a line of a file (NULL: this one). */
void vs_warn_of_shadow(
    const struct vs_schema *schema, const struct vs_yaml_node *word, const char *by, const char *file, size_t line);

/* As vs_policy_load, for files that were found. */
int vs_policy_load_files(
    const char *name, const struct vs_policy_files *files, struct vs_policy *policy, struct vs_diags *diags);
/* Where no donors were said, cpu lends. */
void vs_policy_fill_in(struct vs_policy *policy);
void vs_policy_drop_sections(struct vs_policy *policy);

/* Appends a section of zeros, or NULL out of memory, which is reported. */
struct vs_policy_section *vs_policy_add_section(struct vs_policy *policy, struct vs_diags *diags);
/* Appends a glob; false out of memory, which is reported. */
bool vs_globs_add(struct vs_globs *globs, const char *glob, struct vs_diags *diags);
void vs_globs_free(struct vs_globs *globs);

#endif
