/* nvml_machine.h: the machine of these tests, and what they begin with. Each Criterion test is a process of its own.
 *
 * Three devices, told in an order that is neither that of the PCI addresses nor that of the generations:
 *
 *     file       name    memory  capability  PCI             NVML   CUDA: FASTEST_FIRST   PCI_BUS_ID
 *     first      Middle  2 GiB   7.5         0000:41:00.0    1      2                     1
 *     second     Last    3 GiB   8.9         0001:01:00.0    2      0                     2
 *     third      First   1 GiB   8.6         0000:01:00.0    0      1                     0
 */
#ifndef NVML_MACHINE_H
#define NVML_MACHINE_H

#include "../nvml_types.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GIB (1ULL << 30)

#define ANSWERS(expected, call)                                                                                        \
    do {                                                                                                               \
        int answer = (int)(call); /* of NVML or of the driver */                                                       \
        cr_assert_eq(answer, (int)(expected), "%s gave %d, not %d", #call, answer, (int)(expected));                   \
    } while (0)
#define SUCCEEDS(call) ANSWERS(NVML_SUCCESS, call)

static const struct {
    const char *name, *uuid, *bus_id;
    unsigned long long memory_bytes;
    int major, minor;
} by_pci[] = {
    {"First", "GPU-00000100-7369-6d75-6c61-746564475055", "00000000:01:00.0", 1 * GIB, 8, 6},
    {"Middle", "GPU-00004100-7369-6d75-6c61-746564475055", "00000000:41:00.0", 2 * GIB, 7, 5},
    {"Last", "GPU-00010100-7369-6d75-6c61-746564475055", "00000001:01:00.0", 3 * GIB, 8, 9},
};

static inline void choose_machine(void)
{
    static char path[] = "/tmp/simcuda-nvml-XXXXXX";
    FILE *file = fdopen(mkstemp(path), "w");

    cr_assert_not_null(file);
    fprintf(file, "peer-access: [[0, 1]]\n"
                  "devices:\n"
                  "  - {name: Middle, memory: 2gb, capability: 7.5, pci: '0000:41:00.0'}\n"
                  "  - {name: Last, memory: 3gb, capability: 8.9, pci: '0001:01:00.0'}\n"
                  "  - {name: First, memory: 1gb, capability: 8.6, pci: '0000:01:00.0'}\n");
    fclose(file);
    setenv("SIMCUDA_MACHINE", path, 1);
    unsetenv("CUDA_VISIBLE_DEVICES");
    unsetenv("CUDA_DEVICE_ORDER");
    unsetenv("SIMCUDA_DRIVER_VERSION");
}

static inline void start_nvml(void)
{
    choose_machine();
    SUCCEEDS(nvmlInit_v2());
}

static inline void remove_machine(void)
{
    unlink(getenv("SIMCUDA_MACHINE"));
}

static inline nvmlDevice_t device_at(unsigned index)
{
    nvmlDevice_t device = NULL;
    SUCCEEDS(nvmlDeviceGetHandleByIndex_v2(index, &device));
    return device;
}

#endif
