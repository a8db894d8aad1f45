/*
 * Policy files of a folder. See policy_files.h. The names are sorted byte by byte, so that the order is the same in
 * every locale.
 */
#include "policy_files.h"

#include "policy.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool vs_policy_is_folder(const char *path)
{
    struct stat status;
    return stat(path, &status) == 0 && S_ISDIR(status.st_mode);
}

static bool ends_in(const char *name, const char *ending)
{
    size_t length = strlen(name), ending_length = strlen(ending);
    return name[0] != '.' && length > ending_length && !strcmp(name + length - ending_length, ending);
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Appends `folder/name`; false out of memory. */
static bool add_path(struct vs_policy_files *files, const char *folder, const char *name)
{
    char **paths = realloc(files->paths, (files->count + 1) * sizeof *paths);
    size_t folder_length = strlen(folder), bytes = folder_length + strlen(name) + 2;
    char *path = paths ? malloc(bytes) : NULL;
    if (paths)
        files->paths = paths;
    if (!path)
        return false;
    bool has_slash = folder_length && folder[folder_length - 1] == '/';
    snprintf(path, bytes, "%s%s%s", folder, has_slash ? "" : "/", name);
    files->paths[files->count++] = path;
    return true;
}

int vs_policy_files_find(const char *folder, struct vs_policy_files *files, struct vs_diags *diags)
{
    const struct vs_source source = {.name = folder};
    struct vs_place place = vs_place_of_file(&source);
    char buffer[128];
    DIR *listing = opendir(folder);
    *files = (struct vs_policy_files){0};
    if (!listing) {
        vs_diag_add(
            diags, VS_ERROR, place, "cannot read the folder of policies: %s", strerror_r(errno, buffer, sizeof buffer));
        vs_diag_hint(diags, "make the folder readable to the user who runs the program");
        return -1;
    }
    for (struct dirent *entry; (entry = readdir(listing));) {
        files->has_yml |= ends_in(entry->d_name, ".yml");
        if (!ends_in(entry->d_name, ".yaml"))
            continue;
        if (files->count == VS_POLICY_FILES_MAX) {
            vs_diag_add(diags, VS_ERROR, place, "there are more than %d policies in the folder", VS_POLICY_FILES_MAX);
            vs_diag_hint(diags, "check that this is the folder that was meant");
            goto fail;
        }
        if (!add_path(files, folder, entry->d_name)) {
            vs_diag_out_of_memory(diags);
            goto fail;
        }
    }
    closedir(listing);
    if (files->count)
        qsort(files->paths, files->count, sizeof *files->paths, compare_paths);
    return 0;
fail:
    closedir(listing);
    vs_policy_files_free(files);
    return -1;
}

void vs_policy_files_explain_none(const char *folder, const struct vs_policy_files *files, struct vs_diags *diags)
{
    const struct vs_source source = {.name = folder};
    vs_diag_add(diags, VS_ERROR, vs_place_of_file(&source), "there is no policy in the folder");
    vs_diag_hint(diags, files->has_yml ? "name the files *.yaml: those named *.yml are not read"
                                       : "put a policy there whose name ends in .yaml, or name the file itself");
}

void vs_policy_files_free(struct vs_policy_files *files)
{
    for (size_t i = 0; i < files->count; i++)
        free(files->paths[i]);
    free(files->paths);
    *files = (struct vs_policy_files){0};
}
