/* nvml_device.c: handles of devices, and what a machine file says about them. */
#include "nvml_state.h"

#include <stdio.h>
#include <string.h>

/* As device.c of the driver: a card of compute capability 8.6 with 82 multiprocessors. */
#define PCI_DEVICE_ID 0x220410DEU

nvmlReturn_t nvmlDeviceGetCount_v2(unsigned *count)
{
    nvmlReturn_t result = nvml_check();

    if (result != NVML_SUCCESS)
        return result;
    if (count == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    *count = (unsigned)nvml_machine.device_count;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetCount(unsigned *count)
{
    return nvmlDeviceGetCount_v2(count);
}

nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned index, nvmlDevice_t *device)
{
    nvmlReturn_t result = nvml_check();

    if (result != NVML_SUCCESS)
        return result;
    if (device == NULL || index >= (unsigned)nvml_machine.device_count)
        return NVML_ERROR_INVALID_ARGUMENT;
    *device = &nvml_devices[index];
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetHandleByIndex(unsigned index, nvmlDevice_t *device)
{
    return nvmlDeviceGetHandleByIndex_v2(index, device);
}

nvmlReturn_t nvmlDeviceGetHandleByUUID(const char *uuid, nvmlDevice_t *device)
{
    nvmlReturn_t result = nvml_check();

    if (result != NVML_SUCCESS)
        return result;
    if (uuid == NULL || device == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    for (int i = 0; i < nvml_machine.device_count; i++) {
        char text[SIM_UUID_TEXT_BYTES];
        sim_uuid_text_of(nvml_devices[i].description, text);
        if (strcmp(text, uuid) == 0) {
            *device = &nvml_devices[i];
            return NVML_SUCCESS;
        }
    }
    return NVML_ERROR_NOT_FOUND;
}

nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char *bus_id, nvmlDevice_t *device)
{
    nvmlReturn_t result = nvml_check();
    unsigned domain, bus, slot;

    if (result != NVML_SUCCESS)
        return result;
    if (bus_id == NULL || device == NULL || !vs_pci_parse(bus_id, &domain, &bus, &slot))
        return NVML_ERROR_INVALID_ARGUMENT;
    for (int i = 0; i < nvml_machine.device_count; i++) {
        const struct vs_machine_device *description = nvml_devices[i].description;
        if (description->pci.domain == domain && description->pci.bus == bus && description->pci.device == slot) {
            *device = &nvml_devices[i];
            return NVML_SUCCESS;
        }
    }
    return NVML_ERROR_NOT_FOUND;
}

nvmlReturn_t nvmlDeviceGetHandleByPciBusId(const char *bus_id, nvmlDevice_t *device)
{
    return nvmlDeviceGetHandleByPciBusId_v2(bus_id, device);
}

nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *text, unsigned bytes)
{
    nvmlReturn_t result = nvml_check_device(device, text);
    return result != NVML_SUCCESS ? result : nvml_answer_text(device->description->name, text, bytes);
}

nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *text, unsigned bytes)
{
    nvmlReturn_t result = nvml_check_device(device, text);
    char uuid[SIM_UUID_TEXT_BYTES];

    if (result != NVML_SUCCESS)
        return result;
    sim_uuid_text_of(device->description, uuid);
    return nvml_answer_text(uuid, text, bytes);
}

nvmlReturn_t nvmlDeviceGetIndex(nvmlDevice_t device, unsigned *index)
{
    nvmlReturn_t result = nvml_check_device(device, index);

    if (result == NVML_SUCCESS)
        *index = device->index;
    return result;
}

/* The N of /dev/nvidiaN: the kernel's driver finds devices in the order of their addresses, too. */
nvmlReturn_t nvmlDeviceGetMinorNumber(nvmlDevice_t device, unsigned *minor)
{
    return nvmlDeviceGetIndex(device, minor);
}

nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
    nvmlReturn_t result = nvml_check_device(device, pci);
    const struct vs_machine_device *description;

    if (result != NVML_SUCCESS)
        return result;
    description = device->description;
    *pci = (nvmlPciInfo_t){.domain = description->pci.domain,
        .bus = description->pci.bus,
        .device = description->pci.device,
        .pciDeviceId = PCI_DEVICE_ID};
    snprintf(
        pci->busIdLegacy, sizeof pci->busIdLegacy, "%04X:%02X:%02X.0", pci->domain & 0xFFFF, pci->bus, pci->device);
    snprintf(pci->busId, sizeof pci->busId, "%08X:%02X:%02X.0", pci->domain, pci->bus, pci->device);
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetCudaComputeCapability(nvmlDevice_t device, int *major, int *minor)
{
    nvmlReturn_t result = nvml_check_device(device, major);

    if (result != NVML_SUCCESS)
        return result;
    if (minor == NULL)
        return NVML_ERROR_INVALID_ARGUMENT;
    *major = device->description->major;
    *minor = device->description->minor;
    return NVML_SUCCESS;
}

nvmlReturn_t nvmlDeviceGetP2PStatus(nvmlDevice_t from, nvmlDevice_t to, int capability, int *status)
{
    nvmlReturn_t result = nvml_check_device(from, status);

    if (result == NVML_SUCCESS)
        result = nvml_check_device(to, status);
    if (result != NVML_SUCCESS)
        return result;
    if (from == to || capability < NVML_P2P_CAPS_READ || capability > NVML_P2P_CAPS_PCI)
        return NVML_ERROR_INVALID_ARGUMENT;
    *status = nvml_machine.peer_access[from->index][to->index] && capability != NVML_P2P_CAPS_NVLINK
                  ? NVML_P2P_STATUS_OK
                  : NVML_P2P_STATUS_NOT_SUPPORTED;
    return NVML_SUCCESS;
}

/* Asked by PyTorch before it maps memory that other machines could import: no device here is part of such a fabric. */
nvmlReturn_t nvmlDeviceGetGpuFabricInfoV(nvmlDevice_t device, void *info)
{
    nvmlReturn_t result = nvml_check_device(device, info);
    return result == NVML_SUCCESS ? NVML_ERROR_NOT_SUPPORTED : result;
}
