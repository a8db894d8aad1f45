/* nvml_device_test.c: the machine as NVML tells it, without any driver in the process. */
#include "nvml_machine.h"

#include <dlfcn.h>

TestSuite(nvml, .init = start_nvml, .fini = remove_machine);

Test(nvml, devices_are_numbered_by_pci_address)
{
    unsigned count = 0;

    SUCCEEDS(nvmlDeviceGetCount_v2(&count));
    cr_assert_eq(count, 3);
    for (unsigned i = 0; i < count; i++) {
        nvmlDevice_t device = device_at(i);
        char name[96], uuid[96];
        unsigned index = 99, minor = 99;
        int capability[2] = {0, 0};
        nvmlPciInfo_t pci;
        nvmlMemory_t memory;

        SUCCEEDS(nvmlDeviceGetName(device, name, sizeof name));
        cr_assert_str_eq(name, by_pci[i].name);
        SUCCEEDS(nvmlDeviceGetUUID(device, uuid, sizeof uuid));
        cr_assert_str_eq(uuid, by_pci[i].uuid);
        SUCCEEDS(nvmlDeviceGetIndex(device, &index));
        cr_assert_eq(index, i);
        SUCCEEDS(nvmlDeviceGetMinorNumber(device, &minor));
        cr_assert_eq(minor, i);
        SUCCEEDS(nvmlDeviceGetCudaComputeCapability(device, &capability[0], &capability[1]));
        cr_assert(capability[0] == by_pci[i].major && capability[1] == by_pci[i].minor);
        SUCCEEDS(nvmlDeviceGetPciInfo_v3(device, &pci));
        cr_assert_str_eq(pci.busId, by_pci[i].bus_id);
        cr_assert_str_eq(pci.busIdLegacy, by_pci[i].bus_id + 4);
        cr_assert_eq(pci.bus, i == 1 ? 0x41 : 1);
        cr_assert_eq(pci.domain, i == 2);
        cr_assert_eq(pci.pciDeviceId & 0xFFFF, 0x10DE, "NVIDIA's number as a vendor");
        SUCCEEDS(nvmlDeviceGetMemoryInfo(device, &memory));
        cr_assert_eq(memory.total, by_pci[i].memory_bytes);
        cr_assert(memory.used == 0 && memory.free == memory.total);
    }
}

Test(nvml, what_cuda_may_see_changes_nothing)
{
    unsigned count = 0;

    SUCCEEDS(nvmlShutdown());
    setenv("CUDA_VISIBLE_DEVICES", "1", 1);
    setenv("CUDA_DEVICE_ORDER", "FASTEST_FIRST", 1);
    SUCCEEDS(nvmlInit());
    SUCCEEDS(nvmlDeviceGetCount_v2(&count));
    cr_assert_eq(count, 3);
    for (unsigned i = 0; i < count; i++) {
        char name[96];
        SUCCEEDS(nvmlDeviceGetName(device_at(i), name, sizeof name));
        cr_assert_str_eq(name, by_pci[i].name);
    }
}

Test(nvml, handles_are_found_by_uuid_and_by_address)
{
    nvmlDevice_t device = NULL;

    for (unsigned i = 0; i < 3; i++) {
        SUCCEEDS(nvmlDeviceGetHandleByUUID(by_pci[i].uuid, &device));
        cr_assert_eq(device, device_at(i));
        SUCCEEDS(nvmlDeviceGetHandleByPciBusId_v2(by_pci[i].bus_id, &device));
        cr_assert_eq(device, device_at(i));
    }
    SUCCEEDS(nvmlDeviceGetHandleByPciBusId_v2("0:41:0", &device));
    cr_assert_eq(device, device_at(1));
    ANSWERS(NVML_ERROR_NOT_FOUND, nvmlDeviceGetHandleByUUID("GPU-000001", &device)); /* no short forms here */
    ANSWERS(NVML_ERROR_NOT_FOUND, nvmlDeviceGetHandleByPciBusId_v2("00000000:02:00.0", &device));
    ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetHandleByPciBusId_v2("first", &device));
    ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetHandleByUUID(NULL, &device));
    ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetHandleByIndex_v2(3, &device));
    ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetHandleByIndex_v2(0, NULL));
}

Test(nvml, peer_access_has_a_direction)
{
    int status = 99;

    /* The file's [0, 1]: Middle reads Last. */
    SUCCEEDS(nvmlDeviceGetP2PStatus(device_at(1), device_at(2), NVML_P2P_CAPS_READ, &status));
    cr_assert_eq(status, NVML_P2P_STATUS_OK);
    SUCCEEDS(nvmlDeviceGetP2PStatus(device_at(2), device_at(1), NVML_P2P_CAPS_READ, &status));
    cr_assert_eq(status, NVML_P2P_STATUS_NOT_SUPPORTED);
    SUCCEEDS(nvmlDeviceGetP2PStatus(device_at(1), device_at(2), NVML_P2P_CAPS_NVLINK, &status));
    cr_assert_eq(status, NVML_P2P_STATUS_NOT_SUPPORTED);
    ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetP2PStatus(device_at(1), device_at(1), 0, &status));
}

Test(nvml, no_device_belongs_to_a_fabric)
{
    char info[64] = "";

    ANSWERS(NVML_ERROR_NOT_SUPPORTED, nvmlDeviceGetGpuFabricInfoV(device_at(0), info));
    ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetGpuFabricInfoV(device_at(0), NULL));
}

Test(nvml, a_text_that_does_not_fit_is_refused)
{
    char text[6] = "";

    SUCCEEDS(nvmlDeviceGetName(device_at(0), text, 6)); /* "First" and its end */
    ANSWERS(NVML_ERROR_INSUFFICIENT_SIZE, nvmlDeviceGetName(device_at(0), text, 5));
    ANSWERS(NVML_ERROR_INSUFFICIENT_SIZE, nvmlDeviceGetUUID(device_at(0), text, sizeof text));
    ANSWERS(NVML_ERROR_INSUFFICIENT_SIZE, nvmlSystemGetDriverVersion(text, sizeof text));
    ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetName(device_at(0), NULL, 96));
}

Test(nvml, a_handle_is_one_of_ours)
{
    char text[96];
    nvmlDevice_t inside = (nvmlDevice_t)((char *)device_at(0) + 1);

    ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetName(NULL, text, sizeof text));
    ANSWERS(NVML_ERROR_INVALID_ARGUMENT, nvmlDeviceGetName(inside, text, sizeof text));
}

Test(nvml, each_start_needs_its_end)
{
    unsigned count;

    SUCCEEDS(nvmlInitWithFlags(0));
    SUCCEEDS(nvmlShutdown());
    SUCCEEDS(nvmlDeviceGetCount_v2(&count));
    SUCCEEDS(nvmlShutdown());
    ANSWERS(NVML_ERROR_UNINITIALIZED, nvmlDeviceGetCount_v2(&count));
    ANSWERS(NVML_ERROR_UNINITIALIZED, nvmlShutdown());
}

Test(nvml, versions_are_those_of_the_simulated_driver)
{
    char text[80];
    int version = 0;

    SUCCEEDS(nvmlSystemGetCudaDriverVersion_v2(&version));
    cr_assert_eq(version, 13000);
    SUCCEEDS(nvmlSystemGetDriverVersion(text, sizeof text));
    cr_assert_str_eq(text, "580.65.06");
    SUCCEEDS(nvmlSystemGetNVMLVersion(text, sizeof text));
    cr_assert_str_eq(text, "13.580.65.06");
    setenv("SIMCUDA_DRIVER_VERSION", "12050", 1);
    SUCCEEDS(nvmlSystemGetCudaDriverVersion_v2(&version));
    cr_assert_eq(version, 12050);
    SUCCEEDS(nvmlSystemGetDriverVersion(text, sizeof text));
    cr_assert_str_eq(text, "550.54.14");
}

Test(nvml, results_have_texts)
{
    cr_assert_str_eq(nvmlErrorString(NVML_SUCCESS), "Success");
    cr_assert_str_eq(nvmlErrorString(NVML_ERROR_NOT_FOUND), "Not Found");
    cr_assert_str_eq(nvmlErrorString((nvmlReturn_t)12345), "Unknown Error");
}

Test(nvml, a_structure_of_another_version_is_refused)
{
    nvmlMemory_v2_t memory = {.version = NVML_MEMORY_V2};

    SUCCEEDS(nvmlDeviceGetMemoryInfo_v2(device_at(2), &memory));
    cr_assert(memory.total == 3 * GIB && memory.free == 3 * GIB && memory.used == 0 && memory.reserved == 0);
    memory.version = 2;
    ANSWERS(NVML_ERROR_ARGUMENT_VERSION_MISMATCH, nvmlDeviceGetMemoryInfo_v2(device_at(2), &memory));
}

Test(nvml, what_is_not_simulated_says_its_name_once)
{
    nvmlReturn_t (*missing)(void *, unsigned *) =
        (nvmlReturn_t(*)(void *, unsigned *))dlsym(RTLD_DEFAULT, "nvmlDeviceGetFanSpeed");
    char said[512];
    int ends[2];
    ssize_t length;
    unsigned speed;

    cr_assert_not_null(missing);
    cr_assert_eq(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    ANSWERS(NVML_ERROR_NOT_SUPPORTED, missing(device_at(0), &speed));
    ANSWERS(NVML_ERROR_NOT_SUPPORTED, missing(device_at(0), &speed));
    length = read(ends[0], said, sizeof said - 1);
    cr_assert_gt(length, 0);
    said[length] = '\0';
    cr_assert_str_eq(said, "simcuda: libnvidia-ml.so.1: nvmlDeviceGetFanSpeed was called and is not simulated\n");
}

Test(nvml_without_machine, nothing_is_answered_before_the_start)
{
    nvmlDevice_t device;
    unsigned count;
    char text[80];

    ANSWERS(NVML_ERROR_UNINITIALIZED, nvmlDeviceGetCount_v2(&count));
    ANSWERS(NVML_ERROR_UNINITIALIZED, nvmlDeviceGetHandleByIndex_v2(0, &device));
    ANSWERS(NVML_ERROR_UNINITIALIZED, nvmlSystemGetDriverVersion(text, sizeof text));
}

Test(nvml_without_machine, a_machine_that_is_none_has_no_driver)
{
    setenv("SIMCUDA_MACHINE", "no-such-machine", 1);
    ANSWERS(NVML_ERROR_DRIVER_NOT_LOADED, nvmlInit_v2());
}

Test(nvml_without_machine, shipped_machines_are_found_beside_the_library)
{
    nvmlMemory_t memory;

    setenv("SIMCUDA_MACHINE", "8gb+24gb", 1);
    SUCCEEDS(nvmlInit_v2());
    SUCCEEDS(nvmlDeviceGetMemoryInfo(device_at(1), &memory));
    cr_assert_eq(memory.total, 24 * GIB);
}
