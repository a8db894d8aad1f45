/*
 * Where machines with a name are found. See machine_option.h.
 */
#include "machine_option.h"

#include "beside.h"

#include <stdlib.h>
#include <unistd.h>

int vs_machine_option(const char *option, const char *text, struct vs_machine *machine, struct vs_diags *diags)
{
    static const char *const places[] = {"simcuda/machines", "../share/vramspan/machines"};
    char *folder = vs_beside_first(places, sizeof places / sizeof *places, R_OK | X_OK);
    int result = vs_machine_load(option, text, folder, machine, diags);
    free(folder);
    return result;
}
