/* device.c: cuInit and what can be asked about devices. The numbers are those of a consumer card of compute capability
 * 8.6 with 82 multiprocessors; what a machine file says comes from there. */
#include "../kernels/choice.h"
#include "adversary.h"
#include "api.h"
#include "context.h"
#include "fresh.h"
#include "host_files.h"
#include "objects.h"
#include "pool.h"
#include "rules.h"
#include "trace.h"
#include "vmm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool start_devices(void)
{
    for (int i = 0; i < sim.machine.device_count; i++) {
        sim.devices[i].description = sim.machine.devices[i];
        sim.devices[i].primary = sim_context_new(i, true);
        sim.devices[i].default_pool = sim_pool_new(i);
        sim.devices[i].current_pool = sim.devices[i].default_pool;
        if (sim.devices[i].primary == NULL || sim.devices[i].default_pool == NULL)
            return false;
    }
    return true;
}

CUresult sim_cuInit(unsigned flags)
{
    char error[1024];

    if (flags != 0)
        return CUDA_ERROR_INVALID_VALUE;
    if (sim.initialised && getpid() != sim.pid)
        return CUDA_ERROR_NOT_INITIALIZED;
    if (sim.initialised)
        return sim.machine.device_count > 0 ? CUDA_SUCCESS : CUDA_ERROR_NO_DEVICE;
    if (!sim_machine_load(&sim.machine, getenv("SIMCUDA_MACHINE"), error, sizeof error)) {
        sim_say("%s", error);
        return CUDA_ERROR_NO_DEVICE;
    }
    if (!sim_rules_understood(error, sizeof error)) {
        sim_say("%s", error);
        return CUDA_ERROR_UNKNOWN;
    }
    sim_machine_narrow(&sim.machine, getenv("CUDA_DEVICE_ORDER"), getenv("CUDA_VISIBLE_DEVICES"));
    if (!sim_adversary_start() || !sim_choice_start() || !sim_fresh_start() || !sim_host_files_start() ||
        !sim_physical_start() || !start_devices() || !sim_trace_start())
        return CUDA_ERROR_UNKNOWN;
    sim.pid = getpid();
    sim.initialised = true;
    return sim.machine.device_count > 0 ? CUDA_SUCCESS : CUDA_ERROR_NO_DEVICE;
}

CUresult sim_cuDeviceGet(CUdevice *device, int ordinal)
{
    if (!sim_is_device(ordinal))
        return CUDA_ERROR_INVALID_DEVICE;
    if (device == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    *device = ordinal;
    return CUDA_SUCCESS;
}

CUresult sim_cuDeviceGetCount(int *count)
{
    if (count == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    *count = sim.machine.device_count;
    return CUDA_SUCCESS;
}

CUresult sim_cuDeviceGetName(char *name, int bytes, CUdevice device)
{
    if (!sim_is_device(device))
        return CUDA_ERROR_INVALID_DEVICE;
    if (name == NULL || bytes <= 0)
        return CUDA_ERROR_INVALID_VALUE;
    snprintf(name, (size_t)bytes, "%s", sim.devices[device].description.name);
    return CUDA_SUCCESS;
}

CUresult sim_cuDeviceGetUuid_v2(CUuuid *uuid, CUdevice device)
{
    if (!sim_is_device(device))
        return CUDA_ERROR_INVALID_DEVICE;
    if (uuid == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    sim_uuid_of(&sim.devices[device].description, (unsigned char *)uuid->bytes);
    return CUDA_SUCCESS;
}

CUresult sim_cuDeviceGetUuid(CUuuid *uuid, CUdevice device)
{
    return sim_cuDeviceGetUuid_v2(uuid, device);
}

CUresult sim_cuDeviceGetLuid(char *luid, unsigned *mask, CUdevice device)
{
    (void)luid;
    (void)mask;
    (void)device;
    return CUDA_ERROR_NOT_SUPPORTED; /* Windows only */
}

CUresult sim_cuDeviceTotalMem_v2(size_t *bytes, CUdevice device)
{
    if (!sim_is_device(device))
        return CUDA_ERROR_INVALID_DEVICE;
    if (bytes == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    *bytes = sim.devices[device].description.memory_bytes;
    return CUDA_SUCCESS;
}

CUresult sim_cuDeviceComputeCapability(int *major, int *minor, CUdevice device)
{
    if (!sim_is_device(device))
        return CUDA_ERROR_INVALID_DEVICE;
    if (major == NULL || minor == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    *major = sim.devices[device].description.major;
    *minor = sim.devices[device].description.minor;
    return CUDA_SUCCESS;
}

CUresult sim_cuDeviceGetPCIBusId(char *text, int bytes, CUdevice device)
{
    const struct vs_machine_device *description;

    if (!sim_is_device(device))
        return CUDA_ERROR_INVALID_DEVICE;
    if (text == NULL || bytes <= 0)
        return CUDA_ERROR_INVALID_VALUE;
    description = &sim.devices[device].description;
    snprintf(text, (size_t)bytes, "%04X:%02X:%02X.0", description->pci.domain, description->pci.bus,
        description->pci.device);
    return CUDA_SUCCESS;
}

CUresult sim_cuDeviceGetByPCIBusId(CUdevice *device, const char *text)
{
    unsigned domain, bus, slot;

    if (device == NULL || text == NULL || !vs_pci_parse(text, &domain, &bus, &slot))
        return CUDA_ERROR_INVALID_VALUE;
    for (int i = 0; i < sim.machine.device_count; i++) {
        const struct vs_machine_device *description = &sim.devices[i].description;
        if (description->pci.domain == domain && description->pci.bus == bus && description->pci.device == slot) {
            *device = i;
            return CUDA_SUCCESS;
        }
    }
    return CUDA_ERROR_INVALID_DEVICE;
}

CUresult sim_cuDeviceGetExecAffinitySupport(int *supported, CUexecAffinityType type, CUdevice device)
{
    (void)type;
    if (!sim_is_device(device))
        return CUDA_ERROR_INVALID_DEVICE;
    if (supported == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    *supported = 0;
    return CUDA_SUCCESS;
}

CUresult sim_cuMemGetInfo_v2(size_t *free_bytes, size_t *total_bytes)
{
    int device = sim_current()->device;

    if (free_bytes == NULL || total_bytes == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    sim_exports_settle();
    *total_bytes = sim_physical_capacity(device);
    *free_bytes = *total_bytes > sim_physical_used(device) ? *total_bytes - sim_physical_used(device) : 0;
    return CUDA_SUCCESS;
}

CUresult sim_cuDriverGetVersion(int *version)
{
    if (version == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    *version = sim_driver_version();
    return CUDA_SUCCESS;
}
