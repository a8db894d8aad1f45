/*
 * Where machines with a name are found. See machine_option.h.
 */
#include "machine_option.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

bool vs_machine_folder(char *folder, size_t size)
{
    static const char *const places[] = {"simcuda/machines", "../share/vramspan/machines"};
    char path[PATH_MAX];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path - 1);
    if (length <= 0)
        return false;
    path[length] = '\0';
    const char *slash = strrchr(path, '/');
    for (size_t i = 0; slash && i < sizeof places / sizeof *places; i++) {
        int written = snprintf(folder, size, "%.*s%s", (int)(slash + 1 - path), path, places[i]);
        if (written >= 0 && (size_t)written < size && access(folder, R_OK | X_OK) == 0)
            return true;
    }
    return false;
}

int vs_machine_option(const char *option, const char *text, struct vs_machine *machine, struct vs_diags *diags)
{
    char folder[PATH_MAX];
    return vs_machine_load(option, text, vs_machine_folder(folder, sizeof folder) ? folder : NULL, machine, diags);
}
