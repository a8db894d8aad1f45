/* hooks_alloc.c: allocations and frees, of the runtime and of the driver. Both speak of the same addresses, so what one
 * allocates the other may free. */
#include "activate.h"
#include "arena.h"
#include "capture.h"
#include "driver.h"
#include "error.h"
#include "hook.h"
#include "memory_table.h"
#include "models.h"
#include "pages.h"
#include "placement.h"
#include "retire.h"
#include "stats.h"
#include "wanted_sizes.h"

/* Whether an allocation can be of any concern: usually it is an activation, and this is all that it costs. */
static inline bool concerns_us(size_t bytes)
{
    return vs_wanted_sizes_may_hold(bytes) || vs_models_are_noted() || vs_retire_is_pending();
}

/* `stream`: of a stream-ordered allocation; NULL else. */
static bool place(size_t bytes, enum vs_request request, CUstream stream, CUdeviceptr *address)
{
    if (vs_capture_open())
        return false;
    vs_models_catch_up();
    vs_retire_collect();
    return bytes > 0 && vs_placement_allocate(bytes, request, stream, address);
}

/* The program's first call of the runtime on a thread makes a context current there. Where we serve that call, the real
 * runtime must still get to do so: cudaFree(NULL) does nothing else. */
static void start_runtime(const struct vs_cudart *real)
{
    CUcontext current;
    const struct vs_driver *driver = vs_driver();
    if (driver && driver->cuCtxGetCurrent(&current) == CUDA_SUCCESS && !current)
        real->cudaFree(NULL);
}

static bool place_runtime(
    const struct vs_cudart *real, size_t bytes, enum vs_request request, CUstream stream, void **pointer)
{
    CUdeviceptr address;
    if (!pointer)
        return false;
    start_runtime(real);
    if (!place(bytes, request, stream, &address))
        return false;
    *pointer = (void *)address;
    return true;
}

static bool retire_in_order(CUdeviceptr address, CUstream stream)
{
    struct vs_allocation allocation;
    if (!vs_retire_in_order(address, stream, &allocation))
        return false;
    vs_stats_freed(allocation.home, allocation.bytes);
    vs_retire_collect();
    return true;
}

/* False when it is not ours: the real function shall free it, or refuse it. */
static inline bool free_in_order(CUdeviceptr address, CUstream stream)
{
    return vs_pages_may_own(address) && retire_in_order(address, stream);
}

/* cudaFree waits for the work that may use the memory (CUDA Runtime API, cudaFree). */
static bool free_after_all(CUdeviceptr address, CUresult *result)
{
    struct vs_allocation allocation;
    if (!vs_pages_may_own(address) || !vs_retire_after_all(address, &allocation, result))
        return false;
    vs_stats_freed(allocation.home, allocation.bytes);
    vs_retire_collect();
    return true;
}

/* The default stream of a call that is built for per-thread default streams. */
static CUstream per_thread(CUstream stream)
{
    return stream ? stream : CU_STREAM_PER_THREAD;
}

/* --- Runtime ------------------------------------------------------------------------------------------------------ */

cudaError_t vs_cudaMalloc(const struct vs_cudart *real, void **pointer, size_t bytes)
{
    if (concerns_us(bytes) && place_runtime(real, bytes, VS_REQUEST_SEGMENT, NULL, pointer))
        return cudaSuccess;
    return (cudaError_t)vs_memory_table_tell((CUresult)real->cudaMalloc(pointer, bytes), bytes);
}

cudaError_t vs_cudaMallocAsync(const struct vs_cudart *real, void **pointer, size_t bytes, cudaStream_t stream)
{
    if (concerns_us(bytes) && place_runtime(real, bytes, VS_REQUEST_TENSOR, stream, pointer))
        return cudaSuccess;
    return (cudaError_t)vs_memory_table_tell((CUresult)real->cudaMallocAsync(pointer, bytes, stream), bytes);
}

cudaError_t vs_cudaMallocAsync_ptsz(const struct vs_cudart *real, void **pointer, size_t bytes, cudaStream_t stream)
{
    if (concerns_us(bytes) && place_runtime(real, bytes, VS_REQUEST_TENSOR, per_thread(stream), pointer))
        return cudaSuccess;
    return (cudaError_t)vs_memory_table_tell((CUresult)real->cudaMallocAsync_ptsz(pointer, bytes, stream), bytes);
}

cudaError_t vs_cudaFree(const struct vs_cudart *real, void *pointer)
{
    CUresult result;
    if (!free_after_all((CUdeviceptr)pointer, &result))
        return real->cudaFree(pointer);
    return vs_own_error(real, (cudaError_t)result);
}

cudaError_t vs_cudaFreeAsync(const struct vs_cudart *real, void *pointer, cudaStream_t stream)
{
    if (!free_in_order((CUdeviceptr)pointer, stream))
        return real->cudaFreeAsync(pointer, stream);
    return cudaSuccess;
}

cudaError_t vs_cudaFreeAsync_ptsz(const struct vs_cudart *real, void *pointer, cudaStream_t stream)
{
    if (!free_in_order((CUdeviceptr)pointer, per_thread(stream)))
        return real->cudaFreeAsync_ptsz(pointer, stream);
    return cudaSuccess;
}

/* --- Driver ------------------------------------------------------------------------------------------------------- */

CUresult vs_cuMemAlloc_v2(const struct vs_libcuda *real, CUdeviceptr *address, size_t bytes)
{
    if (address && concerns_us(bytes) && place(bytes, VS_REQUEST_SEGMENT, NULL, address))
        return CUDA_SUCCESS;
    return vs_memory_table_tell(real->cuMemAlloc_v2(address, bytes), bytes);
}

CUresult vs_cuMemAllocAsync(const struct vs_libcuda *real, CUdeviceptr *address, size_t bytes, CUstream stream)
{
    if (address && concerns_us(bytes) && place(bytes, VS_REQUEST_TENSOR, stream, address))
        return CUDA_SUCCESS;
    return vs_memory_table_tell(real->cuMemAllocAsync(address, bytes, stream), bytes);
}

CUresult vs_cuMemAllocAsync_ptsz(const struct vs_libcuda *real, CUdeviceptr *address, size_t bytes, CUstream stream)
{
    if (address && concerns_us(bytes) && place(bytes, VS_REQUEST_TENSOR, per_thread(stream), address))
        return CUDA_SUCCESS;
    return vs_memory_table_tell(real->cuMemAllocAsync_ptsz(address, bytes, stream), bytes);
}

CUresult vs_cuMemFree_v2(const struct vs_libcuda *real, CUdeviceptr address)
{
    CUresult result;
    if (!free_after_all(address, &result))
        return real->cuMemFree_v2(address);
    return result;
}

CUresult vs_cuMemFreeAsync(const struct vs_libcuda *real, CUdeviceptr address, CUstream stream)
{
    if (!free_in_order(address, stream))
        return real->cuMemFreeAsync(address, stream);
    return CUDA_SUCCESS;
}

CUresult vs_cuMemFreeAsync_ptsz(const struct vs_libcuda *real, CUdeviceptr address, CUstream stream)
{
    if (!free_in_order(address, per_thread(stream)))
        return real->cuMemFreeAsync_ptsz(address, stream);
    return CUDA_SUCCESS;
}
