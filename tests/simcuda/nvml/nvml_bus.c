/* nvml_bus.c: the link to a device, and the window through which others see its memory (BAR1). */
#include "nvml_state.h"

#define LINK_WIDTH 16

/* Of the generation's cards. Idle ones step down to a slower link; no time passes here, so that none is ever idle. */
static unsigned link_generation(nvmlDevice_t device)
{
    int major = device->description->major;
    return major < 8 ? 3 : major < 9 ? 4 : 5;
}

/* A window has a power of two of bytes: with "resizable BAR", the first that holds all of the memory. */
static unsigned long long window_bytes(const struct vs_machine_device *device)
{
    unsigned long long bytes = 1;

    if (device->bar1_bytes != 0)
        return device->bar1_bytes;
    while (bytes < device->memory_bytes)
        bytes *= 2;
    return bytes;
}

/* What other devices have mapped only the driver of the process knows, which refuses what does not fit (driver/bar1.c):
 * by itself nothing is in use. */
nvmlReturn_t nvmlDeviceGetBAR1MemoryInfo(nvmlDevice_t device, nvmlBAR1Memory_t *memory)
{
    nvmlReturn_t result = nvml_check_device(device, memory);

    if (result != NVML_SUCCESS)
        return result;
    memory->bar1Total = memory->bar1Free = window_bytes(device->description);
    memory->bar1Used = 0;
    return NVML_SUCCESS;
}

#define LINK(name, value)                                                                                              \
    nvmlReturn_t name(nvmlDevice_t device, unsigned *answer)                                                           \
    {                                                                                                                  \
        nvmlReturn_t result = nvml_check_device(device, answer);                                                       \
        if (result == NVML_SUCCESS)                                                                                    \
            *answer = (value);                                                                                         \
        return result;                                                                                                 \
    }
LINK(nvmlDeviceGetCurrPcieLinkGeneration, link_generation(device))
LINK(nvmlDeviceGetMaxPcieLinkGeneration, link_generation(device))
LINK(nvmlDeviceGetGpuMaxPcieLinkGeneration, link_generation(device))
LINK(nvmlDeviceGetCurrPcieLinkWidth, LINK_WIDTH)
LINK(nvmlDeviceGetMaxPcieLinkWidth, LINK_WIDTH)
