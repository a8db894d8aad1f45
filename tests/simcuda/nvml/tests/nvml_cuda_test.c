/* nvml_cuda_test.c: NVML beside the driver in one process: the same devices, the same account of memory. */
#include "nvml_machine.h"

#include <cuda.h>
#include <dlfcn.h>
#include <sys/wait.h>

static struct {
    CUresult (*cuInit)(unsigned);
    CUresult (*cuDeviceGetCount)(int *);
    CUresult (*cuDeviceGetName)(char *, int, CUdevice);
    CUresult (*cuDeviceGetUuid_v2)(CUuuid *, CUdevice);
    CUresult (*cuDeviceGetPCIBusId)(char *, int, CUdevice);
    CUresult (*cuDeviceGetByPCIBusId)(CUdevice *, const char *);
    CUresult (*cuDeviceGetAttribute)(int *, CUdevice_attribute, CUdevice);
    CUresult (*cuDevicePrimaryCtxRetain)(CUcontext *, CUdevice);
    CUresult (*cuCtxSetCurrent)(CUcontext);
    CUresult (*cuMemAlloc_v2)(CUdeviceptr *, size_t);
    CUresult (*cuMemFree_v2)(CUdeviceptr);
    CUresult (*cuMemGetInfo_v2)(size_t *, size_t *);
    uint64_t (*simcudaCalls)(const char *);
} cuda;

#define FIND(name) cr_assert_not_null(*(void **)&cuda.name = dlsym(driver, #name))

static void load_driver(void)
{
    void *driver = dlopen("libcuda.so.1", RTLD_NOW);
    cr_assert_not_null(driver, "%s", dlerror());
    FIND(cuInit);
    FIND(cuDeviceGetCount);
    FIND(cuDeviceGetName);
    FIND(cuDeviceGetUuid_v2);
    FIND(cuDeviceGetPCIBusId);
    FIND(cuDeviceGetByPCIBusId);
    FIND(cuDeviceGetAttribute);
    FIND(cuDevicePrimaryCtxRetain);
    FIND(cuCtxSetCurrent);
    FIND(cuMemAlloc_v2);
    FIND(cuMemFree_v2);
    FIND(cuMemGetInfo_v2);
    FIND(simcudaCalls);
}

TestSuite(nvml_cuda, .init = start_nvml, .fini = remove_machine);

/* NVML's handle of a device of the driver, by each way of naming it; all agree. */
static nvmlDevice_t nvml_device_of(CUdevice device)
{
    unsigned char uuid[16];
    char text[64], *end = text, bus_id[32], name[2][96];
    nvmlDevice_t by_uuid, by_address;
    CUdevice again;
    nvmlPciInfo_t pci;
    int value;

    SUCCEEDS(cuda.cuDeviceGetUuid_v2((CUuuid *)uuid, device));
    end += sprintf(end, "GPU");
    for (int i = 0; i < 16; i++)
        end += sprintf(end, i == 0 || i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", uuid[i]);
    SUCCEEDS(nvmlDeviceGetHandleByUUID(text, &by_uuid));
    SUCCEEDS(cuda.cuDeviceGetPCIBusId(bus_id, sizeof bus_id, device));
    SUCCEEDS(nvmlDeviceGetHandleByPciBusId_v2(bus_id, &by_address));
    cr_assert_eq(by_uuid, by_address);
    SUCCEEDS(cuda.cuDeviceGetByPCIBusId(&again, bus_id));
    cr_assert_eq(again, device);
    SUCCEEDS(nvmlDeviceGetPciInfo_v3(by_uuid, &pci));
    cr_assert_str_eq(pci.busIdLegacy, bus_id);
    SUCCEEDS(cuda.cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_PCI_BUS_ID, device));
    cr_assert_eq((unsigned)value, pci.bus);
    SUCCEEDS(cuda.cuDeviceGetAttribute(&value, CU_DEVICE_ATTRIBUTE_PCI_DOMAIN_ID, device));
    cr_assert_eq((unsigned)value, pci.domain);
    SUCCEEDS(cuda.cuDeviceGetName(name[0], sizeof name[0], device));
    SUCCEEDS(nvmlDeviceGetName(by_uuid, name[1], sizeof name[1]));
    cr_assert_str_eq(name[0], name[1]);
    return by_uuid;
}

static void numbers_are(const char *order, const char *visible, int count, const unsigned *indices)
{
    int got;

    load_driver();
    order != NULL ? setenv("CUDA_DEVICE_ORDER", order, 1) : unsetenv("CUDA_DEVICE_ORDER");
    visible != NULL ? setenv("CUDA_VISIBLE_DEVICES", visible, 1) : unsetenv("CUDA_VISIBLE_DEVICES");
    SUCCEEDS(cuda.cuInit(0));
    SUCCEEDS(cuda.cuDeviceGetCount(&got));
    cr_assert_eq(got, count, "%d devices", got);
    for (int i = 0; i < count; i++)
        cr_assert_eq(nvml_device_of(i), device_at(indices[i]), "device %d", i);
}

Test(nvml_cuda, cuda_counts_the_fastest_first)
{
    numbers_are(NULL, NULL, 3, (unsigned[]){2, 0, 1});
}

Test(nvml_cuda, cuda_counts_by_address_when_told_to)
{
    numbers_are("PCI_BUS_ID", NULL, 3, (unsigned[]){0, 1, 2});
}

Test(nvml_cuda, a_hidden_device_keeps_its_uuid)
{
    numbers_are(NULL, "2,0", 2, (unsigned[]){1, 2});
}

Test(nvml_cuda, a_uuid_chooses_a_device)
{
    numbers_are("PCI_BUS_ID", "GPU-0001,GPU-00000100-7369-6d75-6c61-746564475055", 2, (unsigned[]){2, 0});
}

Test(nvml_cuda, nvml_does_not_start_cuda)
{
    nvmlMemory_t memory;
    nvmlProcessInfo_t process;
    unsigned room = 1;
    int count;

    load_driver();
    SUCCEEDS(nvmlDeviceGetMemoryInfo(device_at(0), &memory));
    cr_assert_eq(memory.used, 0);
    SUCCEEDS(nvmlDeviceGetComputeRunningProcesses_v3(device_at(0), &room, &process));
    cr_assert_eq(room, 0);
    cr_assert_eq(cuda.simcudaCalls("cuInit"), 0);
    cr_assert_eq((int)cuda.cuDeviceGetCount(&count), CUDA_ERROR_NOT_INITIALIZED);
}

/* Device 0 of the driver is NVML's 2, the only one that CUDA may see. */
static CUdeviceptr use_last(size_t bytes)
{
    CUdeviceptr address = 0;
    CUcontext context;

    setenv("CUDA_VISIBLE_DEVICES", "0", 1);
    load_driver();
    SUCCEEDS(cuda.cuInit(0));
    SUCCEEDS(cuda.cuDevicePrimaryCtxRetain(&context, 0));
    SUCCEEDS(cuda.cuCtxSetCurrent(context));
    SUCCEEDS(cuda.cuMemAlloc_v2(&address, bytes));
    return address;
}

Test(nvml_cuda, used_memory_is_the_drivers_own_account)
{
    CUdeviceptr address = use_last(64 << 20);
    nvmlMemory_t memory, before;
    nvmlMemory_v2_t second = {.version = NVML_MEMORY_V2};
    size_t free_bytes, total_bytes;

    SUCCEEDS(cuda.cuMemGetInfo_v2(&free_bytes, &total_bytes));
    SUCCEEDS(nvmlDeviceGetMemoryInfo(device_at(2), &memory));
    cr_assert_eq(memory.total, total_bytes);
    cr_assert_eq(memory.free, free_bytes);
    cr_assert_eq(memory.used, total_bytes - free_bytes);
    cr_assert_eq(memory.used, (400 + 64) << 20, "a context takes 400 MiB");
    SUCCEEDS(nvmlDeviceGetMemoryInfo_v2(device_at(2), &second));
    cr_assert(second.used == memory.used && second.free == memory.free && second.reserved == 0);
    for (unsigned other = 0; other < 2; other++) {
        SUCCEEDS(nvmlDeviceGetMemoryInfo(device_at(other), &memory));
        cr_assert(memory.used == 0 && memory.total == by_pci[other].memory_bytes, "hidden from CUDA, seen by NVML");
    }
    SUCCEEDS(nvmlDeviceGetMemoryInfo(device_at(2), &before));
    SUCCEEDS(cuda.cuMemFree_v2(address));
    SUCCEEDS(nvmlDeviceGetMemoryInfo(device_at(2), &memory));
    cr_assert_eq(before.used - memory.used, 64 << 20);
}

Test(nvml_cuda, a_process_that_uses_a_device_is_listed_there)
{
    nvmlProcessInfo_t process = {0};
    unsigned room = 0;

    use_last(2 << 20);
    ANSWERS(NVML_ERROR_INSUFFICIENT_SIZE, nvmlDeviceGetComputeRunningProcesses_v3(device_at(2), &room, NULL));
    cr_assert_eq(room, 1);
    SUCCEEDS(nvmlDeviceGetComputeRunningProcesses_v3(device_at(2), &room, &process));
    cr_assert_eq(room, 1);
    cr_assert_eq(process.pid, (unsigned)getpid());
    cr_assert_eq(process.usedGpuMemory, 402 << 20);
    room = 1;
    SUCCEEDS(nvmlDeviceGetComputeRunningProcesses_v3(device_at(0), &room, &process));
    cr_assert_eq(room, 0);
    room = 1;
    SUCCEEDS(nvmlDeviceGetGraphicsRunningProcesses_v3(device_at(2), &room, &process));
    cr_assert_eq(room, 0);
}

Test(nvml_cuda, the_first_form_of_a_process_has_16_bytes)
{
    nvmlProcessInfo_v1_t processes[2] = {{0}, {7, 7}};
    unsigned room = 1;

    cr_assert_eq(sizeof *processes, 16);
    use_last(2 << 20);
    SUCCEEDS(nvmlDeviceGetComputeRunningProcesses(device_at(2), &room, processes));
    cr_assert_eq(room, 1);
    cr_assert_eq(processes[0].pid, (unsigned)getpid());
    cr_assert_eq(processes[0].usedGpuMemory, 402 << 20);
    cr_assert_eq(processes[1].pid, 7);
    room = 0;
    ANSWERS(NVML_ERROR_INSUFFICIENT_SIZE, nvmlDeviceGetComputeRunningProcesses(device_at(2), &room, NULL));
    SUCCEEDS(nvmlDeviceGetGraphicsRunningProcesses(device_at(2), &room, processes));
    cr_assert_eq(room, 0);
}

Test(nvml_cuda, a_forked_child_can_still_ask)
{
    int status;
    pid_t child;

    use_last(2 << 20);
    child = fork();
    if (child == 0) {
        nvmlMemory_t memory;
        unsigned count;
        _exit(nvmlDeviceGetCount_v2(&count) != NVML_SUCCESS || count != 3 ||
              nvmlDeviceGetMemoryInfo(device_at(2), &memory) != NVML_SUCCESS || memory.used != 0);
    }
    cr_assert_eq(waitpid(child, &status, 0), child);
    cr_assert_eq(status, 0);
}
