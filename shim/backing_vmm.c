/* backing_vmm.c: physical memory of any location, mapped into a range of ours (CUDA Driver API, Virtual Memory
 * Management).
 *
 * A mapping begins without access for anyone (cuMemMap); access is given to the compute device, and to the CPU where
 * the memory is the host's, because a copy between host locations is done by the CPU (CUDA Driver API, API
 * synchronization behavior: host to host). The handle is released at once: the mapping alone keeps the memory
 * (cuMemRelease).
 */
#include "address_range.h"
#include "backing.h"
#include "driver.h"

static CUmemAllocationProp properties(const struct vs_compute *compute, struct vs_home home)
{
    bool host = home.kind == VS_HOME_HOST;
    return (CUmemAllocationProp){
        .type = CU_MEM_ALLOCATION_TYPE_PINNED,
        /* HOST_NUMA rather than HOST: drivers before CUDA 13 refuse the latter. */
        .location = {.type = host ? CU_MEM_LOCATION_TYPE_HOST_NUMA : CU_MEM_LOCATION_TYPE_DEVICE,
            .id = host ? compute->host_node : home.device},
        .requestedHandleTypes = CU_MEM_HANDLE_TYPE_NONE, /* host memory cannot be exported */
    };
}

static bool serves(const struct vs_compute *compute, struct vs_home home, const char **why)
{
    const struct vs_driver *driver = vs_driver();
    if (!compute->vmm) {
        *why = "the driver has no virtual memory management for this device";
        return false;
    }
    if (home.kind == VS_HOME_HOST) {
        *why = "the driver cannot place mapped memory in the host";
        return compute->host_vmm;
    }
    CUdevice peer;
    int vmm = 0, reachable = 1;
    *why = "there is no such device";
    if (driver->cuDeviceGet(&peer, home.device) != CUDA_SUCCESS)
        return false;
    *why = "the compute device has no peer access to it";
    if (home.kind == VS_HOME_PEER &&
        (driver->cuDeviceCanAccessPeer(&reachable, compute->device, peer) != CUDA_SUCCESS || !reachable))
        return false;
    *why = "the driver has no virtual memory management for it";
    driver->cuDeviceGetAttribute(&vmm, CU_DEVICE_ATTRIBUTE_VIRTUAL_MEMORY_MANAGEMENT_SUPPORTED, peer);
    return vmm;
}

static CUresult allow(const struct vs_compute *compute, struct vs_home home, CUdeviceptr address, size_t bytes)
{
    CUmemAccessDesc access[] = {
        {{.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = compute->ordinal}, CU_MEM_ACCESS_FLAGS_PROT_READWRITE},
        {{.type = CU_MEM_LOCATION_TYPE_HOST_NUMA, .id = compute->host_node}, CU_MEM_ACCESS_FLAGS_PROT_READWRITE},
    };
    size_t count = home.kind == VS_HOME_HOST ? 2 : 1;
    CUresult result = vs_driver()->cuMemSetAccess(address, bytes, access, count);
    if (result == CUDA_ERROR_NOT_READY) { /* seen now and then in normal use (comfy-aimdo 100, ComfyUI 12943) */
        vs_driver()->cuCtxSynchronize();
        result = vs_driver()->cuMemSetAccess(address, bytes, access, count);
    }
    return result;
}

static CUresult create(const struct vs_compute *compute, struct vs_home home, size_t bytes, struct vs_memory *memory)
{
    const struct vs_driver *driver = vs_driver();
    const CUmemAllocationProp wanted = properties(compute, home);
    CUmemGenericAllocationHandle handle;
    CUdeviceptr address;
    size_t granularity;

    CUresult result = driver->cuMemGetAllocationGranularity(&granularity, &wanted, CU_MEM_ALLOC_GRANULARITY_MINIMUM);
    if (result == CUDA_SUCCESS && VS_PAGE_BYTES % granularity != 0)
        result = CUDA_ERROR_NOT_SUPPORTED;
    if (result != CUDA_SUCCESS)
        return result;
    bytes = (bytes + VS_PAGE_BYTES - 1) / VS_PAGE_BYTES * VS_PAGE_BYTES;

    result = driver->cuMemCreate(&handle, bytes, &wanted, 0);
    if (result != CUDA_SUCCESS)
        return result;
    result = vs_addresses_take(bytes, &address);
    if (result != CUDA_SUCCESS)
        goto release;
    result = driver->cuMemMap(address, bytes, 0, handle, 0);
    if (result != CUDA_SUCCESS)
        goto give_back;
    result = allow(compute, home, address, bytes);
    if (result != CUDA_SUCCESS) {
        driver->cuMemUnmap(address, bytes);
        goto give_back;
    }
    bool released = driver->cuMemRelease(handle) == CUDA_SUCCESS;
    *memory = (struct vs_memory){&vs_backing_vmm, address, bytes, released ? 0 : handle};
    return CUDA_SUCCESS;

give_back:
    vs_addresses_return(address, bytes);
release:
    driver->cuMemRelease(handle);
    return result;
}

static void destroy(struct vs_memory *memory)
{
    /* Where the driver refuses to unmap, the addresses must not be handed out again. */
    if (vs_driver()->cuMemUnmap(memory->address, memory->bytes) == CUDA_SUCCESS)
        vs_addresses_return(memory->address, memory->bytes);
    if (memory->handle)
        vs_driver()->cuMemRelease(memory->handle);
}

const struct vs_backing vs_backing_vmm = {"vmm", serves, create, destroy};
