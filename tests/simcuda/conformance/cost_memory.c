/* cost_memory.c: what memory costs: contexts, mapping, pinning, host-located pages. */
#include "cost.h"
#include "nvml.h"
#include "vmm.h"

#include <stdio.h>
#include <string.h>

#define HANDLES    8
#define ROUNDS     9
#define PIN_ROUNDS 5
#define PIN_BYTES  (256 * MIB)
#define GIB        ((size_t)1 << 30)

enum vmm_step { CREATE, MAP, UNMAP, RELEASE };

/* HANDLES of `unit` bytes each go through all steps, one of which is timed. */
static double time_step(enum vmm_step timed, size_t unit)
{
    CUmemGenericAllocationHandle handles[HANDLES];
    CUdeviceptr address = reserve(HANDLES * unit);
    double begin[4], end[4];
    begin[CREATE] = now_us();
    for (int i = 0; i < HANDLES; i++)
        handles[i] = create_on(0, unit);
    end[CREATE] = begin[MAP] = now_us();
    for (size_t i = 0; i < HANDLES; i++) {
        OK(cuMemMap(address + i * unit, unit, 0, handles[i], 0));
        OK(allow_device(0, address + i * unit, unit));
    }
    end[MAP] = begin[UNMAP] = now_us();
    for (size_t i = 0; i < HANDLES; i++)
        OK(cuMemUnmap(address + i * unit, unit));
    end[UNMAP] = begin[RELEASE] = now_us();
    for (int i = 0; i < HANDLES; i++)
        OK(cuMemRelease(handles[i]));
    end[RELEASE] = now_us();
    OK(cuMemAddressFree(address, HANDLES * unit));
    return (end[timed] - begin[timed]) / HANDLES;
}

static void time_vmm(enum vmm_step step, size_t unit)
{
    double samples[ROUNDS];
    size_t granularity = need_vmm();
    SKIP_UNLESS(unit % granularity == 0, "the granularity does not divide this size");
    SKIP_UNLESS(free_bytes() > (HANDLES + 2) * unit, "too little free memory");
    time_step(step, unit);
    for (int round = 0; round < ROUNDS; round++)
        samples[round] = time_step(step, unit);
    cost_samples(samples, ROUNDS);
}

#define COST_VMM(mib)                                                                                                  \
    COST(vmm_create_##mib##_mib, COST_DEVICE_0, "us", "creating a handle of " #mib " MiB of device memory")            \
    {                                                                                                                  \
        time_vmm(CREATE, mib *MIB);                                                                                    \
    }                                                                                                                  \
    COST(vmm_map_##mib##_mib, COST_DEVICE_0, "us", "mapping a handle of " #mib " MiB and setting access")              \
    {                                                                                                                  \
        time_vmm(MAP, mib *MIB);                                                                                       \
    }                                                                                                                  \
    COST(vmm_unmap_##mib##_mib, COST_DEVICE_0, "us", "unmapping a handle of " #mib " MiB")                             \
    {                                                                                                                  \
        time_vmm(UNMAP, mib *MIB);                                                                                     \
    }                                                                                                                  \
    COST(vmm_release_##mib##_mib, COST_DEVICE_0, "us", "releasing a handle of " #mib " MiB, which frees its memory")   \
    {                                                                                                                  \
        time_vmm(RELEASE, mib *MIB);                                                                                   \
    }
COST_VMM(2)
COST_VMM(32)

/* Seconds a GiB, from microseconds for PIN_BYTES. */
static double per_gib(double us)
{
    return us / 1e6 * (double)GIB / (double)PIN_BYTES;
}

COST(pinned_allocation, COST_DEVICE_0, "s/gib", "allocating pinned memory")
{
    double samples[PIN_ROUNDS];
    use_device(0);
    for (int round = 0; round < PIN_ROUNDS; round++) {
        void *pinned;
        double before = now_us();
        OK(cuMemHostAlloc(&pinned, PIN_BYTES, 0));
        samples[round] = per_gib(now_us() - before);
        OK(cuMemFreeHost(pinned));
    }
    cost_samples(samples, PIN_ROUNDS);
}

COST(pinning, COST_DEVICE_0, "s/gib", "registering memory whose pages exist")
{
    double samples[PIN_ROUNDS];
    use_device(0);
    char *memory = host_pages(PIN_BYTES);
    for (int round = 0; round < PIN_ROUNDS; round++) {
        double before = now_us();
        OK(cuMemHostRegister(memory, PIN_BYTES, 0));
        samples[round] = per_gib(now_us() - before);
        OK(cuMemHostUnregister(memory));
    }
    cost_samples(samples, PIN_ROUNDS);
}

COST(host_located_pages, COST_DEVICE_0, "s/gib",
    "creating host-located memory, 32 MiB a handle, mapped with access for the device")
{
    enum { COUNT = PIN_BYTES / (32 * MIB) };
    const size_t unit = 32 * MIB;
    CUmemAllocationProp properties = memory_at(CU_MEM_LOCATION_TYPE_HOST_NUMA, 0);
    CUmemGenericAllocationHandle handles[COUNT];
    double samples[PIN_ROUNDS];
    need_vmm();
    SKIP_UNLESS(device_attribute(0, CU_DEVICE_ATTRIBUTE_HOST_NUMA_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED),
        "needs host-located memory");
    CUdeviceptr address = reserve(PIN_BYTES);
    for (int round = 0; round < PIN_ROUNDS; round++) {
        double before = now_us();
        for (size_t i = 0; i < COUNT; i++) {
            OK(cuMemCreate(&handles[i], unit, &properties, 0));
            OK(cuMemMap(address + i * unit, unit, 0, handles[i], 0));
            OK(allow_device(0, address + i * unit, unit));
        }
        samples[round] = per_gib(now_us() - before);
        for (size_t i = 0; i < COUNT; i++) {
            OK(cuMemUnmap(address + i * unit, unit));
            OK(cuMemRelease(handles[i]));
        }
    }
    cost_samples(samples, PIN_ROUNDS);
}

COST(context_memory, COST_EACH_DEVICE, "mib",
    "device memory that a context with one small kernel takes (without NVML: all that is not free afterwards)")
{
    char bus_id[32];
    size_t before = 0, after, available, total;
    EXPECT(device_count() > device);
    OK(cuDeviceGetPCIBusId(bus_id, sizeof bus_id, device));
    bool nvml = nvml_used_bytes(bus_id, &before);
    use_device(device);
    CUfunction kernel = store_kernel();
    CUdeviceptr memory;
    OK(cuMemAlloc(&memory, 4096));
    OK(launch_store(kernel, memory, 1, NULL));
    OK(cuCtxSynchronize());
    OK(cuMemGetInfo(&available, &total));
    if (!nvml || !nvml_used_bytes(bus_id, &after) || after <= before) {
        before = 0;
        after = total - available;
    }
    double mib = (double)(after - before) / (double)MIB;
    cost_samples(&mib, 1);
}
