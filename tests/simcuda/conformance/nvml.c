/* nvml.c: NVML through dlopen. Structures and signatures: nvml.h of the CUDA toolkit. */
#include "nvml.h"

#include <dlfcn.h>

struct memory { /* nvmlMemory_t, nvmlBAR1Memory_t */
    unsigned long long total_bytes, free_bytes, used_bytes;
};

static void *nvml(const char *name)
{
    static void *library;
    if (!library) {
        library = dlopen("libnvidia-ml.so.1", RTLD_NOW | RTLD_LOCAL);
        int (*init)(void) = library ? (int (*)(void))dlsym(library, "nvmlInit_v2") : NULL;
        if (!init || init())
            return NULL;
    }
    return dlsym(library, name);
}

static bool device_of(const char *bus_id, void **device)
{
    int (*find)(const char *, void **) = (int (*)(const char *, void **))nvml("nvmlDeviceGetHandleByPciBusId_v2");
    return find && !find(bus_id, device);
}

bool nvml_driver_version(char *version, unsigned bytes)
{
    int (*get)(char *, unsigned) = (int (*)(char *, unsigned))nvml("nvmlSystemGetDriverVersion");
    return get && !get(version, bytes);
}

bool nvml_used_bytes(const char *bus_id, size_t *used_bytes)
{
    struct memory memory;
    void *device;
    int (*get)(void *, struct memory *) = (int (*)(void *, struct memory *))nvml("nvmlDeviceGetMemoryInfo");
    if (!get || !device_of(bus_id, &device) || get(device, &memory))
        return false;
    *used_bytes = memory.used_bytes;
    return true;
}

bool nvml_bar1_bytes(const char *bus_id, size_t *total_bytes)
{
    struct memory memory;
    void *device;
    int (*get)(void *, struct memory *) = (int (*)(void *, struct memory *))nvml("nvmlDeviceGetBAR1MemoryInfo");
    if (!get || !device_of(bus_id, &device) || get(device, &memory))
        return false;
    *total_bytes = memory.total_bytes;
    return true;
}

bool nvml_link(const char *bus_id, enum nvml_link what, unsigned *value)
{
    static const char *const names[] = {
        [NVML_LINK_GENERATION] = "nvmlDeviceGetCurrPcieLinkGeneration",
        [NVML_LINK_WIDTH] = "nvmlDeviceGetCurrPcieLinkWidth",
        [NVML_LINK_MAX_GENERATION] = "nvmlDeviceGetMaxPcieLinkGeneration",
        [NVML_LINK_MAX_WIDTH] = "nvmlDeviceGetMaxPcieLinkWidth",
    };
    void *device;
    int (*get)(void *, unsigned *) = (int (*)(void *, unsigned *))nvml(names[what]);
    return get && device_of(bus_id, &device) && !get(device, value);
}
