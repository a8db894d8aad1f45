/* cost_backings.c: how fast a device uses memory that lends: mapped memory of its own, of another device, of the host,
 * and page-locked memory; read by a kernel, and copied from. */
#include "../../../shim/proof_kernels.h"
#include "cost.h"
#include "vmm.h"

#include <string.h>

#define BYTES  (64 * MIB)
#define ROUNDS 7

/* Mapped memory at a location, filled, for the device whose context is current. */
static CUdeviceptr mapped(int device, CUmemLocationType type, int id)
{
    CUmemAllocationProp properties = memory_at(type, id);
    CUmemGenericAllocationHandle handle;
    CUdeviceptr address = reserve(BYTES);
    SKIP_UNLESS(cuMemCreate(&handle, BYTES, &properties, 0) == CUDA_SUCCESS, "no such memory can be made");
    OK(cuMemMap(address, BYTES, 0, handle, 0));
    OK(allow_device(device, address, BYTES));
    OK(cuMemsetD8(address, 3, BYTES));
    OK(cuCtxSynchronize());
    return address;
}

static CUdeviceptr mapped_locally(int device)
{
    SKIP_UNLESS(device_attribute(device, CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED), "needs VMM");
    use_device(device);
    SKIP_UNLESS(free_bytes() > 3 * BYTES, "too little free memory");
    return mapped(device, CU_MEM_LOCATION_TYPE_DEVICE, device);
}

/* Memory of `device` for `peer`, which uses it. */
static CUdeviceptr mapped_from(int device, int peer)
{
    need_peers(peer, device, true);
    SKIP_UNLESS(device_attribute(peer, CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED), "needs VMM");
    use_device(peer);
    return mapped(peer, CU_MEM_LOCATION_TYPE_DEVICE, device);
}

static CUdeviceptr mapped_from_host(int device)
{
    int node = device_attribute(device, CU_DEVICE_ATTRIBUTE_HOST_NUMA_ID);
    SKIP_UNLESS(device_attribute(device, CU_DEVICE_ATTRIBUTE_HOST_NUMA_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED),
        "needs VMM of host memory");
    use_device(device);
    return mapped(device, CU_MEM_LOCATION_TYPE_HOST_NUMA, node > 0 ? node : 0);
}

static CUdeviceptr pinned(int device)
{
    void *memory;
    use_device(device);
    OK(cuMemHostAlloc(&memory, BYTES, CU_MEMHOSTALLOC_PORTABLE));
    memset(memory, 3, BYTES);
    return (CUdeviceptr)memory;
}

static double gb_per_second(double us)
{
    return (double)BYTES / us / 1e3;
}

static void time_kernel(CUdeviceptr words)
{
    CUmodule module;
    CUfunction kernel;
    CUdeviceptr sum;
    double samples[ROUNDS];
    uint64_t count = BYTES / sizeof(uint64_t);
    OK(cuModuleLoadData(&module, vs_proof_ptx));
    OK(cuModuleGetFunction(&kernel, module, vs_proof_sum_name));
    OK(cuMemAlloc(&sum, sizeof(uint64_t)));
    OK(cuMemsetD8(sum, 0, sizeof(uint64_t)));
    for (int round = -1; round < ROUNDS; round++) {
        void *arguments[] = {&words, &count, &sum};
        double before = now_us();
        OK(cuLaunchKernel(kernel, 2048, 1, 1, 256, 1, 1, 0, NULL, arguments, NULL));
        OK(cuStreamSynchronize(NULL));
        samples[round < 0 ? 0 : round] = gb_per_second(now_us() - before);
    }
    cost_samples(samples, ROUNDS);
}

static void time_copy(CUdeviceptr from)
{
    CUdeviceptr to;
    double samples[ROUNDS];
    OK(cuMemAlloc(&to, BYTES));
    for (int round = -1; round < ROUNDS; round++) {
        double before = now_us();
        OK(cuMemcpyAsync(to, from, BYTES, NULL));
        OK(cuStreamSynchronize(NULL));
        samples[round < 0 ? 0 : round] = gb_per_second(now_us() - before);
    }
    cost_samples(samples, ROUNDS);
}

COST(kernel_reads_local, COST_EACH_DEVICE, "gb/s", "a kernel that reads 64 MiB of mapped memory of its device")
{
    time_kernel(mapped_locally(device));
}

COST(kernel_reads_peer, COST_EACH_PAIR, "gb/s",
    "a kernel of the second device that reads 64 MiB of mapped memory of the "
    "first")
{
    time_kernel(mapped_from(device, peer));
}

COST(kernel_reads_host, COST_EACH_DEVICE, "gb/s", "a kernel that reads 64 MiB of mapped host memory")
{
    time_kernel(mapped_from_host(device));
}

COST(kernel_reads_pinned, COST_EACH_DEVICE, "gb/s", "a kernel that reads 64 MiB of page-locked host memory")
{
    time_kernel(pinned(device));
}

COST(copy_from_peer, COST_EACH_PAIR, "gb/s", "the second device copying 64 MiB of mapped memory of the first to itself")
{
    time_copy(mapped_from(device, peer));
}

COST(copy_from_host, COST_EACH_DEVICE, "gb/s", "copying 64 MiB of mapped host memory to the device")
{
    time_copy(mapped_from_host(device));
}
