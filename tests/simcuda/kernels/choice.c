/* choice.c: see choice.h.
 *
 * Which PyTorch it is stands in version.py of the package: `__version__ = '2.11.0+cu130'`. The package is the folder
 * above that of the loaded libtorch_cuda.so. */
#include "choice.h"
#include "state.h"

#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PYTORCH(version) static const char version_known[] = version;
#define KERNEL(key, pattern, layout, header)
#define FUNCTOR(key, pattern, signature, members, header)
#include "../../../shim/kernels.def"

static enum { NONE, GEMM, ALL } wanted = ALL;

bool sim_choice_start(void)
{
    static const char *const names[] = {[NONE] = "none", [GEMM] = "gemm", [ALL] = "all"};
    const char *text = getenv("SIMCUDA_COMPUTE");

    if (text == NULL || *text == '\0')
        return true;
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(text, names[i]) == 0) {
            wanted = i;
            return true;
        }
    sim_say("SIMCUDA_COMPUTE=%s is not understood: none, gemm or all is expected", text);
    return false;
}

bool sim_computes_gemms(void)
{
    return wanted >= GEMM;
}

static int find_torch(struct dl_phdr_info *info, size_t bytes, void *found)
{
    const char *name = strrchr(info->dlpi_name, '/');

    (void)bytes;
    if (name == NULL || strcmp(name, "/libtorch_cuda.so") != 0)
        return 0;
    snprintf(found, PATH_MAX, "%.*s/../version.py", (int)(name - info->dlpi_name), info->dlpi_name);
    return 1;
}

/* The version as in '2.11.0+cu130', without what follows the plus sign. */
static bool read_version(const char *path, char version[64])
{
    FILE *file = fopen(path, "re");
    char line[256];
    bool found = false;

    while (file != NULL && !found && fgets(line, sizeof line, file) != NULL)
        found = sscanf(line, "__version__ = '%63[^'+]", version) == 1;
    if (file != NULL)
        fclose(file);
    return found;
}

/* What kernels.def was made from was recorded with devices of this compute capability. On others PyTorch may launch
 * other kernels, which are named when they are launched, or the same ones with other parameters, which nothing tells.
 */
#define KNOWN_MAJOR 8
#define KNOWN_MINOR 6

static void say_where_capabilities_differ(void)
{
    for (int i = 0; i < sim.machine.device_count; i++) {
        const struct vs_machine_device *device = &sim.devices[i].description;
        if (device->major == KNOWN_MAJOR && device->minor == KNOWN_MINOR)
            continue;
        sim_say(
            "cuda:%d has compute capability %d.%d, and the kernels that are computed are known for %d.%d: results of "
            "others may be wrong (SIMCUDA_COMPUTE=gemm computes no kernels)",
            i, device->major, device->minor, KNOWN_MAJOR, KNOWN_MINOR);
        return;
    }
}

/* 0: not loaded (it may be yet), 1: the known version, -1: another one. */
static int pytorch(void)
{
    static int known;
    char path[PATH_MAX], version[64];

    if (known != 0 || dl_iterate_phdr(find_torch, path) == 0)
        return known;
    known = 1;
    if (!read_version(path, version)) {
        sim_say("kernels are not computed: %s does not tell PyTorch's version, and their layouts are known for %s only",
            path, version_known);
        known = -1;
    } else if (strcmp(version, version_known) != 0) {
        sim_say("kernels are not computed: this is PyTorch %s, and their layouts are known for %s only", version,
            version_known);
        known = -1;
    } else if (wanted == ALL) {
        say_where_capabilities_differ();
    }
    return known;
}

bool sim_has_pytorch(void)
{
    return pytorch() != 0;
}

bool sim_computes_kernels(void)
{
    return wanted == ALL && pytorch() >= 0;
}
