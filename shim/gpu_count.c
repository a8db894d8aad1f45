/* gpu_count.c: see gpu_count.h. */
#include "gpu_count.h"

#include <dirent.h>
#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

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

/* --- The management library --------------------------------------------------------------------------------------- */

/* What is used of it; 0 is NVML_SUCCESS. Its devices are in the order of PCI addresses. */
struct management {
    void *library;
    int (*init)(void); /* initialisations are counted */
    int (*shutdown)(void);
    int (*get_count)(unsigned *count);
    int (*get_device)(unsigned index, void **device);
    int (*get_name)(void *device, char *name, unsigned bytes);
    int (*get_uuid)(void *device, char *uuid, unsigned bytes);
};

static void stop(struct management *nvml)
{
    if (nvml->init)
        nvml->shutdown();
    if (nvml->library)
        dlclose(nvml->library);
}

/* How many devices it counts; 0 where it does not answer. To be stopped in any case. */
static size_t start(struct management *nvml)
{
    unsigned count = 0;
    *nvml = (struct management){.library = dlopen("libnvidia-ml.so.1", RTLD_LAZY | RTLD_LOCAL)};
    if (!nvml->library)
        return 0;
    nvml->shutdown = (int (*)(void))dlsym(nvml->library, "nvmlShutdown");
    nvml->get_count = (int (*)(unsigned *))dlsym(nvml->library, "nvmlDeviceGetCount_v2");
    nvml->get_device = (int (*)(unsigned, void **))dlsym(nvml->library, "nvmlDeviceGetHandleByIndex_v2");
    nvml->get_name = (int (*)(void *, char *, unsigned))dlsym(nvml->library, "nvmlDeviceGetName");
    nvml->get_uuid = (int (*)(void *, char *, unsigned))dlsym(nvml->library, "nvmlDeviceGetUUID");
    int (*init)(void) = (int (*)(void))dlsym(nvml->library, "nvmlInit_v2");
    if (!init || !nvml->shutdown || !nvml->get_count || init() != 0)
        return 0;
    nvml->init = init;
    return nvml->get_count(&count) == 0 ? count : 0;
}

size_t vs_gpus_managed(void)
{
    struct management nvml;
    size_t count = start(&nvml);
    stop(&nvml);
    return count ? count : vs_gpus_listed();
}

static bool identify(const struct management *nvml, unsigned index, char name[96], char uuid[VS_VISIBLE_ENTRY_BYTES])
{
    void *device;
    return nvml->get_device && nvml->get_name && nvml->get_uuid && nvml->get_device(index, &device) == 0 &&
           nvml->get_name(device, name, 96) == 0 && nvml->get_uuid(device, uuid, VS_VISIBLE_ENTRY_BYTES) == 0;
}

bool vs_gpu_used_bytes(const char *uuid, size_t *bytes)
{
    struct {
        unsigned long long total, free, used;
    } memory; /* nvmlMemory_t */
    struct management nvml;
    void *device;
    bool known = false;
    if (start(&nvml) > 0) {
        int (*find)(const char *, void **) =
            (int (*)(const char *, void **))dlsym(nvml.library, "nvmlDeviceGetHandleByUUID");
        int (*ask)(void *, void *) = (int (*)(void *, void *))dlsym(nvml.library, "nvmlDeviceGetMemoryInfo");
        known = find && ask && find(uuid, &device) == 0 && ask(device, &memory) == 0;
    }
    stop(&nvml);
    if (known)
        *bytes = (size_t)memory.used;
    return known;
}

size_t vs_gpus_identified(char uuids[VS_VISIBLE_MAX][VS_VISIBLE_ENTRY_BYTES])
{
    const char *order = getenv("CUDA_DEVICE_ORDER");
    bool by_address = order && strcmp(order, "PCI_BUS_ID") == 0;
    char names[2][96]; /* the first one's, and another's */
    struct management nvml;
    size_t count = start(&nvml);
    if (count > VS_VISIBLE_MAX)
        count = 0;
    for (unsigned i = 0; i < count; i++) {
        char *name = names[i > 0];
        if (!identify(&nvml, i, name, uuids[i]) || (!by_address && strcmp(name, names[0]) != 0))
            count = 0;
    }
    stop(&nvml);
    return count;
}
