/* backing_pinned.c: page-locked host memory, which every CUDA device can read at its own address (unified addressing).
 *
 * For machines without virtual memory management. Such memory cannot change its home later. */
#include "backing.h"
#include "driver.h"

static bool serves(const struct vs_compute *compute, struct vs_home home, const char **why)
{
    (void)compute;
    *why = "without virtual memory management only host memory can be lent";
    return home.kind == VS_HOME_HOST;
}

static CUresult create(const struct vs_compute *compute, struct vs_home home, size_t bytes, struct vs_memory *memory)
{
    (void)compute, (void)home;
    const struct vs_driver *driver = vs_driver();
    void *host;
    CUresult result = driver->cuMemHostAlloc(&host, bytes, CU_MEMHOSTALLOC_PORTABLE | CU_MEMHOSTALLOC_DEVICEMAP);
    if (result != CUDA_SUCCESS)
        return result;
    CUdeviceptr address;
    result = driver->cuMemHostGetDevicePointer(&address, host, 0);
    if (result == CUDA_SUCCESS && address != (CUdeviceptr)host)
        result = CUDA_ERROR_NOT_SUPPORTED; /* no unified addressing: the program would free an address unknown to us */
    if (result != CUDA_SUCCESS) {
        driver->cuMemFreeHost(host);
        return result;
    }
    *memory = (struct vs_memory){&vs_backing_pinned, address, bytes, 0};
    return CUDA_SUCCESS;
}

static void destroy(struct vs_memory *memory)
{
    vs_driver()->cuMemFreeHost((void *)memory->address);
}

const struct vs_backing vs_backing_pinned = {"pinned", serves, create, destroy};
