/* backing_pinned.c: page-locked host memory, which every CUDA device can read at its own address (unified addressing).
 *
 * For machines without virtual memory management, or without such memory in the host. So that such an address, too, is
 * ours by a compare, it is taken from a range that is kept free in the process for it: ordinary pages are put there and
 * registered. Their memory comes with the mapping, and cannot change its home later.
 *
 * A copy or a kernel's access must not run from one registration into the next (CUDA Driver API, cuMemHostRegister).
 */
#include <sys/mman.h>

#include "backing.h"
#include "driver.h"

static bool serves(const struct vs_compute *compute, struct vs_home home, const char **why)
{
    int same_address = 0;
    *why = "without virtual memory management only host memory can be lent";
    if (home.kind != VS_HOME_HOST)
        return false;
    *why = "the device does not use host memory at the host's addresses";
    vs_driver()->cuDeviceGetAttribute(
        &same_address, CU_DEVICE_ATTRIBUTE_CAN_USE_HOST_POINTER_FOR_REGISTERED_MEM, compute->device);
    return same_address;
}

static CUresult create_physical(
    const struct vs_compute *compute, struct vs_home home, size_t bytes, CUmemGenericAllocationHandle *handle)
{
    (void)compute, (void)home, (void)bytes;
    *handle = 0;
    return CUDA_SUCCESS;
}

/* The addresses stay kept. */
static void clear(CUdeviceptr address, size_t bytes)
{
    (void)mmap((void *)address, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
}

static CUresult map(const struct vs_compute *compute, struct vs_home home, CUdeviceptr address, size_t bytes,
    CUmemGenericAllocationHandle handle)
{
    (void)compute, (void)home, (void)handle;
    const struct vs_driver *driver = vs_driver();
    CUdeviceptr device_address;
    void *host = mmap(
        (void *)address, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);
    if (host == MAP_FAILED)
        return CUDA_ERROR_OUT_OF_MEMORY;
    /* A forked child would make the parent's next write go to a new page, of which the device knows nothing. */
    madvise(host, bytes, MADV_DONTFORK);
    madvise(host, bytes, MADV_HUGEPAGE);
    CUresult result =
        driver->cuMemHostRegister(host, bytes, CU_MEMHOSTREGISTER_PORTABLE | CU_MEMHOSTREGISTER_DEVICEMAP);
    if (result == CUDA_SUCCESS) {
        result = driver->cuMemHostGetDevicePointer(&device_address, host, 0);
        if (result == CUDA_SUCCESS && device_address != address)
            result = CUDA_ERROR_NOT_SUPPORTED;
        if (result != CUDA_SUCCESS)
            driver->cuMemHostUnregister(host);
    }
    if (result != CUDA_SUCCESS)
        clear(address, bytes);
    return result;
}

/* Registered with PORTABLE, it is every device's from the beginning. */
static CUresult allow(const struct vs_compute *compute, struct vs_home home, CUdeviceptr address, size_t bytes)
{
    (void)compute, (void)home, (void)address, (void)bytes;
    return CUDA_SUCCESS;
}

static CUresult unmap(CUdeviceptr address, size_t bytes)
{
    CUresult result = vs_driver()->cuMemHostUnregister((void *)address);
    if (result == CUDA_SUCCESS)
        clear(address, bytes);
    return result;
}

static void release(CUmemGenericAllocationHandle handle)
{
    (void)handle;
}

const struct vs_backing vs_backing_pinned = {
    VS_BACKING_PINNED, "pinned", VS_RANGE_PINNED, serves, create_physical, map, allow, unmap, release};
