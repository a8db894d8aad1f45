/*
 * The library and the simulator, from where this program is. See beside.h.
 */
#include "beside.h"

#include "../policy/text/text.h"
#include "command.h"
#include "program.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int vs_absolute_path(const char *path, char **absolute)
{
    if (path[0] == '/')
        return (*absolute = strdup(path)) ? 0 : ENOMEM;
    char *folder = getcwd(NULL, 0);
    *absolute = NULL;
    if (!folder)
        return errno;
    while (!strncmp(path, "./", 2))
        path += 2;
    if (asprintf(absolute, "%s/%s", strcmp(folder, "/") != 0 ? folder : "", path) < 0)
        *absolute = NULL;
    free(folder);
    return *absolute ? 0 : ENOMEM;
}

void vs_complain_relative(const char *command, const char *path, int error)
{
    vs_command_complain(command, "change to a folder that is there, or name it from the root on (/...)",
        "cannot tell where `%s` is, seen from the root: the working folder: %s", vs_quote_string(path).text,
        strerror(error));
}

/* The folder of this program, its links followed. */
static bool own_folder(char *folder, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", folder, size);
    if (length < 0 || (size_t)length == size)
        return false;
    folder[length] = '\0';
    char *slash = strrchr(folder, '/');
    if (!slash)
        return false;
    *slash = '\0';
    return true;
}

char *vs_beside_first(const char *const *paths, size_t count, int mode)
{
    char folder[4096], above[4096];
    if (!own_folder(folder, sizeof folder))
        return NULL;
    strcpy(above, folder);
    char *slash = strrchr(above, '/');
    if (slash)
        *slash = '\0';
    for (size_t i = 0; i < count; i++) {
        bool is_above = !strncmp(paths[i], "../", 3);
        char *path = NULL;
        if (asprintf(&path, "%s/%s", is_above ? above : folder, paths[i] + (is_above ? 3 : 0)) < 0)
            return NULL;
        if (!access(path, mode))
            return path;
        free(path);
    }
    return NULL;
}

char *vs_beside_library(const char *command)
{
    static const char *const places[] = {VS_LIBRARY_NAME, "../lib/" VS_LIBRARY_NAME, "../lib64/" VS_LIBRARY_NAME,
        "../lib/x86_64-linux-gnu/" VS_LIBRARY_NAME};
    const char *named = getenv("VRAMSPAN_LIBRARY");
    char *path = NULL;
    int error = 0;
    if (named && *named)
        error = vs_absolute_path(named, &path);
    else
        path = vs_beside_first(places, sizeof places / sizeof *places, R_OK);
    if (error)
        vs_complain_relative(command, named, error);
    else if (!path)
        vs_command_complain(command, "build it with `make`, or name it in VRAMSPAN_LIBRARY",
            "there is no " VS_LIBRARY_NAME " beside this program");
    else if (access(path, R_OK))
        vs_command_complain(command, "unset VRAMSPAN_LIBRARY to have the one beside this program",
            "the library that VRAMSPAN_LIBRARY names cannot be read: %s", vs_quote_string(path).text);
    else if (!vs_program_is_of_this_machine(path))
        vs_command_complain(
            command, "build it anew with `make`", "%s is no library for this machine", vs_quote_string(path).text);
    else if (strpbrk(path, " :$")) /* where ld.so(8) cuts LD_PRELOAD, and what it puts in */
        vs_command_complain(command,
            "link it under another name (ln -s) and put that into VRAMSPAN_LIBRARY, or move all of it",
            "the dynamic loader cannot preload a library with a blank, `:` or `$` in its path: %s",
            vs_quote_string(path).text);
    else
        return path;
    free(path);
    return NULL;
}

int vs_beside_simulator(const char *command, char **program, char **libraries)
{
    static const char *const programs[] = {"vramspan-sim", "../libexec/vramspan/vramspan-sim"};
    static const char *const drivers[] = {"simcuda/libcuda.so.1", "../libexec/vramspan/simcuda/libcuda.so.1"};
    *program = vs_beside_first(programs, sizeof programs / sizeof *programs, R_OK);
    *libraries = vs_beside_first(drivers, sizeof drivers / sizeof *drivers, R_OK);
    if (*program && *libraries) {
        *strrchr(*libraries, '/') = '\0';
        return 0;
    }
    vs_command_complain(command,
        "build it with `make simcuda` in vramspan's sources (after an installation: `make "
        "install-simcuda` with the same PREFIX)",
        "there is no simulated CUDA beside this program");
    free(*program);
    free(*libraries);
    return -1;
}
