/* nvml_usage.c: what is in use on the devices.
 *
 * The real NVML asks the kernel, which knows of all processes. The simulated machine is one process's own: if that has
 * loaded the simulated driver, its account is told, which is the one that cuMemGetInfo tells; else nothing is in use.
 */
#include "../internals.h"
#include "nvml_state.h"

#include <dlfcn.h>
#include <unistd.h>

static size_t bytes_used(nvmlDevice_t device)
{
    static const CUuuid internals_id = SIMCUDA_INTERNALS_UUID;
    CUresult (*export_table)(const void **, const CUuuid *);
    const void *table = NULL;
    void *driver = dlopen("libcuda.so.1", RTLD_LAZY | RTLD_NOLOAD);
    size_t bytes = 0;
    CUuuid uuid;

    if (driver == NULL)
        return 0;
    sim_uuid_of(device->description, (unsigned char *)uuid.bytes);
    export_table = (CUresult(*)(const void **, const CUuuid *))dlsym(driver, "cuGetExportTable");
    if (export_table != NULL && export_table(&table, &internals_id) == CUDA_SUCCESS)
        bytes = ((const struct simcuda_internals *)table)->bytes_used(&uuid);
    dlclose(driver);
    return bytes;
}

nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory)
{
    nvmlReturn_t result = nvml_check_device(device, memory);

    if (result != NVML_SUCCESS)
        return result;
    memory->total = device->description->memory_bytes;
    memory->used = bytes_used(device);
    memory->free = memory->total - memory->used;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory)
{
    nvmlReturn_t result = nvml_check_device(device, memory);
    nvmlMemory_t plain;

    if (result != NVML_SUCCESS)
        return result;
    if (memory->version != NVML_MEMORY_V2)
        return NVML_ERROR_ARGUMENT_VERSION_MISMATCH;
    nvmlDeviceGetMemoryInfo(device, &plain);
    memory->total = plain.total;
    memory->reserved = 0; /* the simulated devices keep nothing for themselves */
    memory->free = plain.free;
    memory->used = plain.used;
    return NVML_SUCCESS;
}

/* A part of time, and no time passes in the simulated machine. */
nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *rates)
{
    nvmlReturn_t result = nvml_check_device(device, rates);

    if (result == NVML_SUCCESS)
        *rates = (nvmlUtilization_t){0, 0};
    return result;
}

/* Fills the list with this process, where `bytes` of the device are its own. */
static nvmlReturn_t answer_processes(size_t bytes, unsigned *count, nvmlProcessInfo_t *processes)
{
    unsigned room = *count;

    *count = bytes > 0;
    if (bytes == 0)
        return NVML_SUCCESS;
    if (room == 0)
        return NVML_ERROR_INSUFFICIENT_SIZE;
    if (processes == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    processes[0] = (nvmlProcessInfo_t){
        .pid = (unsigned)getpid(), .usedGpuMemory = bytes, .gpuInstanceId = ~0U, .computeInstanceId = ~0U};
    return NVML_SUCCESS;
}

/* Whatever is in use on a device belongs to a context, or came after one. */
nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned *count, nvmlProcessInfo_t *processes)
{
    nvmlReturn_t result = nvml_check_device(device, count);
    return result != NVML_SUCCESS ? result : answer_processes(bytes_used(device), count, processes);
}

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v2(nvmlDevice_t device, unsigned *count, nvmlProcessInfo_t *processes)
{
    return nvmlDeviceGetComputeRunningProcesses_v3(device, count, processes);
}

/* The first forms tell a process and its bytes only. PyTorch looks them up by their bare names when memory runs out
 * (c10/cuda/CUDACachingAllocator.cpp), and stops where they fail. */
static nvmlReturn_t first_form(
    nvmlReturn_t result, const nvmlProcessInfo_t *process, unsigned count, nvmlProcessInfo_v1_t *processes)
{
    if (result == NVML_SUCCESS && count > 0)
        processes[0] = (nvmlProcessInfo_v1_t){.pid = process->pid, .usedGpuMemory = process->usedGpuMemory};
    return result;
}

nvmlReturn_t nvmlDeviceGetComputeRunningProcesses(nvmlDevice_t device, unsigned *count, nvmlProcessInfo_v1_t *processes)
{
    nvmlProcessInfo_t process;
    nvmlReturn_t result = nvmlDeviceGetComputeRunningProcesses_v3(device, count, processes != NULL ? &process : NULL);
    return first_form(result, &process, result == NVML_SUCCESS ? *count : 0, processes);
}

nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses_v3(
    nvmlDevice_t device, unsigned *count, nvmlProcessInfo_t *processes)
{
    nvmlReturn_t result = nvml_check_device(device, count);
    return result != NVML_SUCCESS ? result : answer_processes(0, count, processes);
}

nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses(
    nvmlDevice_t device, unsigned *count, nvmlProcessInfo_v1_t *processes)
{
    nvmlProcessInfo_t process;
    nvmlReturn_t result = nvmlDeviceGetGraphicsRunningProcesses_v3(device, count, processes != NULL ? &process : NULL);
    return first_form(result, &process, result == NVML_SUCCESS ? *count : 0, processes);
}

nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses_v2(
    nvmlDevice_t device, unsigned *count, nvmlProcessInfo_t *processes)
{
    return nvmlDeviceGetGraphicsRunningProcesses_v3(device, count, processes);
}
