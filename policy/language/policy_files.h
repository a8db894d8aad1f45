/*
 * Where policy files are: a folder's `*.yaml`.
 */
#ifndef VRAMSPAN_POLICY_POLICY_FILES_H
#define VRAMSPAN_POLICY_POLICY_FILES_H

#include "../text/diag.h"

#include <stdbool.h>
#include <stddef.h>

struct vs_policy_files {
    char **paths; /* in the order of the names, byte by byte */
    size_t count;
    bool has_yml; /* files of that other ending, which are not read */
};

bool vs_policy_is_folder(const char *path);
/* Finds the `*.yaml` of a folder, hidden ones left out; there may be none. Returns 0, or -1 with an error added and
 * nothing to free. */
int vs_policy_files_find(const char *folder, struct vs_policy_files *files, struct vs_diags *diags);
/* Adds the error that the folder has none. */
void vs_policy_files_explain_none(const char *folder, const struct vs_policy_files *files, struct vs_diags *diags);
void vs_policy_files_free(struct vs_policy_files *files);

#endif
