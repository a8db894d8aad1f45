/* launch.c: launching kernels, and the configuration that <<<...>>> pushes for the compiler's host stubs. */
#include "registry.h"
#include "runtime.h"

/* A launch names its kernel by host stub or handle; the driver takes a kernel handle where a function is asked for
 * (cuda.h, cuLaunchKernel) and finds the function of the current context itself. */
static cudaError_t launch(const void *function, dim3 grid, dim3 block, void **arguments, size_t shared_bytes,
    cudaStream_t stream, bool per_thread)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    CUkernel kernel;
    CUresult result = rt_registry_kernel(function, &kernel);
    if (result)
        return rt_leave(result);
    return rt_leave(RT_DRIVER_FOR(per_thread, cuLaunchKernel)((CUfunction)kernel, grid.x, grid.y, grid.z, block.x,
        block.y, block.z, (unsigned)shared_bytes, stream, arguments, NULL));
}

RT_TWINS(cudaLaunchKernel, _ptsz,
    (const void *function, dim3 grid, dim3 block, void **arguments, size_t shared_bytes, cudaStream_t stream), launch,
    function, grid, block, arguments, shared_bytes, stream)

/* CUDA 13's host stubs call this with what __cudaGetKernel gave them. */
cudaError_t __cudaLaunchKernel(
    cudaKernel_t kernel, dim3 grid, dim3 block, void **arguments, size_t shared_bytes, cudaStream_t stream);
RT_TWINS(__cudaLaunchKernel, _ptsz,
    (cudaKernel_t kernel, dim3 grid, dim3 block, void **arguments, size_t shared_bytes, cudaStream_t stream), launch,
    kernel, grid, block, arguments, shared_bytes, stream)

static cudaError_t launch_cooperative(const void *function, dim3 grid, dim3 block, void **arguments,
    size_t shared_bytes, cudaStream_t stream, bool per_thread)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    CUkernel kernel;
    CUresult result = rt_registry_kernel(function, &kernel);
    if (result)
        return rt_leave(result);
    return rt_leave(RT_DRIVER_FOR(per_thread, cuLaunchCooperativeKernel)((CUfunction)kernel, grid.x, grid.y, grid.z,
        block.x, block.y, block.z, (unsigned)shared_bytes, stream, arguments));
}

RT_TWINS(cudaLaunchCooperativeKernel, _ptsz,
    (const void *function, dim3 grid, dim3 block, void **arguments, size_t shared_bytes, cudaStream_t stream),
    launch_cooperative, function, grid, block, arguments, shared_bytes, stream)

static cudaError_t launch_configured(
    const cudaLaunchConfig_t *config, const void *function, void **arguments, bool per_thread)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    if (!config)
        return rt_fail(cudaErrorInvalidValue);
    CUkernel kernel;
    CUresult result = rt_registry_kernel(function, &kernel);
    if (result)
        return rt_leave(result);
    CUlaunchConfig driver_config = {
        .gridDimX = config->gridDim.x,
        .gridDimY = config->gridDim.y,
        .gridDimZ = config->gridDim.z,
        .blockDimX = config->blockDim.x,
        .blockDimY = config->blockDim.y,
        .blockDimZ = config->blockDim.z,
        .sharedMemBytes = (unsigned)config->dynamicSmemBytes,
        .hStream = config->stream,
        .attrs = (CUlaunchAttribute *)config->attrs,
        .numAttrs = config->numAttrs,
    };
    _Static_assert(sizeof(CUlaunchAttribute) == sizeof(cudaLaunchAttribute), "both APIs have one layout");
    return rt_leave(RT_DRIVER_FOR(per_thread, cuLaunchKernelEx)(&driver_config, (CUfunction)kernel, arguments, NULL));
}

RT_TWINS(cudaLaunchKernelExC, _ptsz, (const cudaLaunchConfig_t *config, const void *function, void **arguments),
    launch_configured, config, function, arguments)

/* f<<<grid, block, shared, stream>>>(...) pushes the configuration, evaluates the arguments (which may launch in turn),
 * and the host stub pops it. */
#define CALL_DEPTH 16
static __thread struct call_configuration {
    dim3 grid, block;
    size_t shared_bytes;
    cudaStream_t stream;
} calls[CALL_DEPTH];
static __thread int call_depth;

unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream);
unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, size_t shared_bytes, cudaStream_t stream)
{
    if (call_depth == CALL_DEPTH)
        return rt_fail(cudaErrorInvalidConfiguration);
    calls[call_depth++] = (struct call_configuration){grid, block, shared_bytes, stream};
    return cudaSuccess;
}

cudaError_t __cudaPopCallConfiguration(dim3 *grid, dim3 *block, size_t *shared_bytes, void *stream);
cudaError_t __cudaPopCallConfiguration(dim3 *grid, dim3 *block, size_t *shared_bytes, void *stream)
{
    if (!call_depth)
        return rt_fail(cudaErrorMissingConfiguration);
    const struct call_configuration *call = &calls[--call_depth];
    *grid = call->grid;
    *block = call->block;
    *shared_bytes = call->shared_bytes;
    *(cudaStream_t *)stream = call->stream;
    return cudaSuccess;
}
