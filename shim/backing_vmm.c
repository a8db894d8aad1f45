/* backing_vmm.c: physical memory of any location, mapped into a range of ours (CUDA Driver API, Virtual Memory
 * Management). A mapping begins without access for anyone (cuMemMap). */
#include "access.h"
#include "backing.h"
#include "driver.h"

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

static CUresult create_physical(
    const struct vs_compute *compute, struct vs_home home, size_t bytes, CUmemGenericAllocationHandle *handle)
{
    bool host = home.kind == VS_HOME_HOST;
    const CUmemAllocationProp wanted = {
        .type = CU_MEM_ALLOCATION_TYPE_PINNED,
        /* HOST_NUMA rather than HOST: drivers before CUDA 13 refuse the latter. */
        .location = {.type = host ? CU_MEM_LOCATION_TYPE_HOST_NUMA : CU_MEM_LOCATION_TYPE_DEVICE,
            .id = host ? compute->host_node : home.device},
        .requestedHandleTypes = CU_MEM_HANDLE_TYPE_NONE, /* host memory cannot be exported */
    };
    size_t granularity;
    CUresult result =
        vs_driver()->cuMemGetAllocationGranularity(&granularity, &wanted, CU_MEM_ALLOC_GRANULARITY_MINIMUM);
    if (result == CUDA_SUCCESS && VS_PAGE_BYTES % granularity != 0)
        result = CUDA_ERROR_NOT_SUPPORTED;
    return result == CUDA_SUCCESS ? vs_driver()->cuMemCreate(handle, bytes, &wanted, 0) : result;
}

static CUresult allow(const struct vs_compute *compute, struct vs_home home, CUdeviceptr address, size_t bytes)
{
    CUmemAccessDesc access[VS_ACCESS_MAX];
    return vs_access_give(address, bytes, access, vs_access_list(compute, home, access));
}

static CUresult unmap(CUdeviceptr address, size_t bytes)
{
    CUresult result = vs_driver()->cuMemUnmap(address, bytes);
    if (result != CUDA_SUCCESS) /* what stays mapped is lost until the process ends: it is tried again */
        result = vs_driver()->cuMemUnmap(address, bytes);
    return result;
}

static CUresult map(const struct vs_compute *compute, struct vs_home home, CUdeviceptr address, size_t bytes,
    CUmemGenericAllocationHandle handle)
{
    CUresult result = vs_driver()->cuMemMap(address, bytes, 0, handle, 0);
    if (result != CUDA_SUCCESS)
        return result;
    result = allow(compute, home, address, bytes);
    if (result != CUDA_SUCCESS)
        unmap(address, bytes);
    return result;
}

static void release(CUmemGenericAllocationHandle handle)
{
    /* Memory that is not released is lost until the process ends: it is tried again. */
    if (vs_driver()->cuMemRelease(handle) != CUDA_SUCCESS)
        vs_driver()->cuMemRelease(handle);
}

const struct vs_backing vs_backing_vmm = {
    VS_BACKING_VMM, "vmm", VS_RANGE_ARENA, serves, create_physical, map, allow, unmap, release};
