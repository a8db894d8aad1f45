/* describe.c: the machine as JSON; see describe.h. */
#include "describe.h"

#include "apart.h"
#include "conformance.h"
#include "nvml.h"

#include <dlfcn.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Attributes that decide what the library can do on a device. */
static const struct {
    const char *name;
    CUdevice_attribute attribute;
} attributes[] = {
    {"virtual_memory_management", CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED},
    {"host_numa_virtual_memory_management", CU_DEVICE_ATTRIBUTE_HOST_NUMA_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED},
    {"host_virtual_memory_management", CU_DEVICE_ATTRIBUTE_HOST_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED},
    {"memory_pools", CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED},
    {"unified_addressing", CU_DEVICE_ATTRIBUTE_UNIFIED_ADDRESSING},
    {"pageable_memory_access", CU_DEVICE_ATTRIBUTE_PAGEABLE_MEMORY_ACCESS},
    {"can_use_host_pointer_for_registered_memory", CU_DEVICE_ATTRIBUTE_CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM},
    {"copy_engines", CU_DEVICE_ATTRIBUTE_ASYNC_ENGINE_COUNT},
    {"multiprocessors", CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT},
    {"memory_clock_khz", CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE},
    {"memory_bus_bits", CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH},
    {"integrated", CU_DEVICE_ATTRIBUTE_INTEGRATED},
    {"tcc_driver", CU_DEVICE_ATTRIBUTE_TCC_DRIVER},
};

bool cuda_is_simulated(void)
{
    return dlsym(RTLD_DEFAULT, "simcudaBytesUsed") != NULL; /* ../simcuda.h */
}

/* The value of a line `name...value` of a file, without quotes; NULL where there is none. */
static json_t *file_value(const char *path, const char *name)
{
    char line[512];
    json_t *value = NULL;
    FILE *file = fopen(path, "r");
    while (file && !value && fgets(line, sizeof line, file))
        if (!strncmp(line, name, strlen(name))) {
            char *text = line + strlen(name) + strspn(line + strlen(name), "\t :=\"");
            text[strcspn(text, "\"\n")] = 0;
            value = json_string(text);
        }
    if (file)
        fclose(file);
    return value ? value : json_null();
}

static void describe_system(json_t *machine)
{
    struct utsname name;
    char version[96];
    int api = 0;
    uname(&name); /* its node name is nobody's business */
    json_object_set_new(machine, "os", file_value("/etc/os-release", "PRETTY_NAME"));
    json_object_set_new(machine, "kernel", json_sprintf("%s %s %s", name.sysname, name.release, name.machine));
    json_object_set_new(machine, "processor", file_value("/proc/cpuinfo", "model name"));
    json_object_set_new(machine, "processors", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
    json_object_set_new(
        machine, "host_memory_bytes", json_integer((json_int_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE)));
    OK(cuDriverGetVersion(&api));
    json_object_set_new(machine, "driver_cuda_version", json_integer(api));
    json_object_set_new(
        machine, "driver_version", nvml_driver_version(version, sizeof version) ? json_string(version) : json_null());
}

static void describe_bus(json_t *device, CUdevice handle)
{
    static const char *const names[] = {"pcie_generation", "pcie_width", "pcie_generation_max", "pcie_width_max"};
    char bus_id[32];
    size_t bar1_bytes;
    OK(cuDeviceGetPCIBusId(bus_id, sizeof bus_id, handle));
    json_object_set_new(device, "pci", json_string(bus_id));
    for (int what = NVML_LINK_GENERATION; what <= NVML_LINK_MAX_WIDTH; what++) {
        unsigned value;
        json_object_set_new(device, names[what], nvml_link(bus_id, what, &value) ? json_integer(value) : json_null());
    }
    json_object_set_new(device, "bar1_bytes",
        nvml_bar1_bytes(bus_id, &bar1_bytes) ? json_integer((json_int_t)bar1_bytes) : json_null());
}

static json_t *describe_device(int ordinal)
{
    json_t *device = json_object();
    CUdevice handle;
    char name[256];
    size_t bytes;
    int major, minor;
    OK(cuDeviceGet(&handle, ordinal));
    OK(cuDeviceGetName(name, sizeof name, handle));
    OK(cuDeviceTotalMem(&bytes, handle));
    OK(cuDeviceGetAttribute(&major, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR, handle));
    OK(cuDeviceGetAttribute(&minor, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR, handle));
    json_object_set_new(device, "name", json_string(name));
    json_object_set_new(device, "memory_bytes", json_integer((json_int_t)bytes));
    json_object_set_new(device, "compute_capability", json_sprintf("%d.%d", major, minor));
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++) {
        int value; /* an older driver does not know the newer ones */
        bool known = !cuDeviceGetAttribute(&value, attributes[i].attribute, handle);
        json_object_set_new(device, attributes[i].name, known ? json_integer(value) : json_null());
    }
    describe_bus(device, handle);
    return device;
}

/* Row: who reads or writes; column: whose memory. */
static json_t *peer_matrix(int count)
{
    json_t *matrix = json_array();
    for (int device = 0; device < count; device++) {
        json_t *row = json_array();
        for (int peer = 0; peer < count; peer++) {
            int can = 1;
            if (peer != device)
                OK(cuDeviceCanAccessPeer(&can, device, peer));
            json_array_append_new(row, json_integer(can));
        }
        json_array_append_new(matrix, row);
    }
    return matrix;
}

void describe_machine(const void *unused)
{
    (void)unused;
    int count = 0;
    json_t *machine = json_object(), *devices = json_array();
    CUresult started = cuInit(0);
    if (started != CUDA_SUCCESS || cuDeviceGetCount(&count) != CUDA_SUCCESS || count == 0)
        apart_skip("CUDA finds no device");
    describe_system(machine);
    for (int i = 0; i < count; i++)
        json_array_append_new(devices, describe_device(i));
    json_object_set_new(machine, "devices", devices);
    json_object_set_new(machine, "peer_access", peer_matrix(count));
    apart_pass(json_dumps(machine, JSON_COMPACT));
}
