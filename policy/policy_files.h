/*
 * Where policy files are: a folder's `*.yaml`.
 */
#ifndef VRAMSPAN_POLICY_POLICY_FILES_H
#define VRAMSPAN_POLICY_POLICY_FILES_H

#include "diag.h"

#include <stdbool.h>
#include <stddef.h>

struct vs_policy_files {
    char **paths; /* in the order of the names, byte by byte */
    size_t count;
};

bool vs_policy_is_folder(const char *path);
/* Finds the `*.yaml` of a folder, hidden ones left out. Returns 0, or -1 with an error added (there are none, or too
 * many) and nothing to free. */
int vs_policy_files_find(const char *folder, struct vs_policy_files *files, struct vs_diags *diags);
void vs_policy_files_free(struct vs_policy_files *files);

#endif
