/* gpu_count.c: see gpu_count.h. */
#include "gpu_count.h"

#include <dirent.h>
#include <dlfcn.h>

size_t vs_gpus_listed(void)
{
    size_t count = 0;
    DIR *folder = opendir("/proc/driver/nvidia/gpus"); /* one folder a GPU, named by its PCI address */
    if (!folder)
        return 0;
    for (const struct dirent *entry; (entry = readdir(folder));)
        count += entry->d_name[0] != '.';
    closedir(folder);
    return count;
}

size_t vs_gpus_managed(void)
{
    unsigned count = 0;
    void *library = dlopen("libnvidia-ml.so.1", RTLD_LAZY | RTLD_LOCAL);
    int (*init)(void) = library ? (int (*)(void))dlsym(library, "nvmlInit_v2") : NULL;
    int (*shutdown)(void) = library ? (int (*)(void))dlsym(library, "nvmlShutdown") : NULL;
    int (*get_count)(unsigned *) = library ? (int (*)(unsigned *))dlsym(library, "nvmlDeviceGetCount_v2") : NULL;
    if (init && shutdown && get_count && init() == 0) { /* 0: NVML_SUCCESS; initialisations are counted */
        if (get_count(&count) != 0)
            count = 0;
        shutdown();
    }
    if (library)
        dlclose(library);
    return count ? count : vs_gpus_listed();
}
