/* function.c: what can be asked about functions and kernels, and occupancy, with the limits of attributes.c. */
#include "api.h"
#include "module.h"
#include "objects.h"

#define MAX_BLOCK_THREADS      1024
#define MAX_RESIDENT_THREADS   1536
#define MAX_RESIDENT_BLOCKS    16
#define SHARED_PER_PROCESSOR   102400
#define SHARED_RESERVED        1024
#define SHARED_PER_BLOCK_OPTIN 101376

static CUresult get_attribute(int *value, CUfunction_attribute attribute, int dynamic_bytes, int carveout, int device)
{
    const struct vs_machine_device *description = &sim.devices[device].description;
    int version = description->major * 10 + description->minor;

    if (value == NULL || attribute < 0 || attribute >= CU_FUNC_ATTRIBUTE_MAX)
        return CUDA_ERROR_INVALID_VALUE;
    switch ((int)attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK:
        *value = MAX_BLOCK_THREADS;
        break;
    case CU_FUNC_ATTRIBUTE_NUM_REGS:
        *value = 32;
        break;
    case CU_FUNC_ATTRIBUTE_PTX_VERSION:
    case CU_FUNC_ATTRIBUTE_BINARY_VERSION:
        *value = version;
        break;
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
        *value = dynamic_bytes;
        break;
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
        *value = carveout;
        break;
    default:
        *value = 0;
    }
    return CUDA_SUCCESS;
}

CUresult sim_cuFuncGetAttribute(int *value, CUfunction_attribute attribute, CUfunction handle)
{
    CUfunction function;
    CUresult result = sim_function_resolve(handle, &function);
    if (result != CUDA_SUCCESS)
        return result;
    return get_attribute(value, attribute, function->max_dynamic_shared_bytes, function->shared_carveout,
        function->module->context->device);
}

CUresult sim_cuFuncSetAttribute(CUfunction handle, CUfunction_attribute attribute, int value)
{
    CUfunction function;
    CUresult result = sim_function_resolve(handle, &function);

    if (result != CUDA_SUCCESS)
        return result;
    switch ((int)attribute) {
    case CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES:
        if (value < 0 || value > SHARED_PER_BLOCK_OPTIN)
            return CUDA_ERROR_INVALID_VALUE;
        function->max_dynamic_shared_bytes = value;
        return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT:
        if (value < -1 || value > 100)
            return CUDA_ERROR_INVALID_VALUE;
        function->shared_carveout = value;
        return CUDA_SUCCESS;
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_WIDTH:
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_HEIGHT:
    case CU_FUNC_ATTRIBUTE_REQUIRED_CLUSTER_DEPTH:
    case CU_FUNC_ATTRIBUTE_NON_PORTABLE_CLUSTER_SIZE_ALLOWED:
    case CU_FUNC_ATTRIBUTE_CLUSTER_SCHEDULING_POLICY_PREFERENCE:
        return CUDA_ERROR_NOT_SUPPORTED; /* clusters came with compute capability 9.0 */
    default:
        return CUDA_ERROR_INVALID_VALUE;
    }
}

CUresult sim_cuFuncSetCacheConfig(CUfunction handle, CUfunc_cache config)
{
    CUfunction function;
    return config > CU_FUNC_CACHE_PREFER_EQUAL ? CUDA_ERROR_INVALID_VALUE : sim_function_resolve(handle, &function);
}

CUresult sim_cuFuncGetModule(CUmodule *module, CUfunction handle)
{
    CUfunction function;
    CUresult result = module == NULL ? CUDA_ERROR_INVALID_VALUE : sim_function_resolve(handle, &function);
    if (result == CUDA_SUCCESS)
        *module = function->module;
    return result;
}

CUresult sim_cuFuncGetName(const char **name, CUfunction function)
{
    if (name == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    if (sim_object_is(function, SIM_OBJECT_FUNCTION))
        *name = function->name;
    else
        return sim_cuKernelGetName(name, (CUkernel)function);
    return CUDA_SUCCESS;
}

CUresult sim_cuFuncIsLoaded(CUfunctionLoadingState *state, CUfunction function)
{
    if (state == NULL || !sim_object_is(function, SIM_OBJECT_FUNCTION))
        return CUDA_ERROR_INVALID_VALUE;
    *state = function->module->charged ? CU_FUNCTION_LOADING_STATE_LOADED : CU_FUNCTION_LOADING_STATE_UNLOADED;
    return CUDA_SUCCESS;
}

CUresult sim_cuFuncLoad(CUfunction function)
{
    return sim_object_is(function, SIM_OBJECT_FUNCTION) ? sim_module_charge(function->module)
                                                        : CUDA_ERROR_INVALID_VALUE;
}

/* --- kernels ------------------------------------------------------------------------------------------------------ */

CUresult sim_cuKernelGetLibrary(CUlibrary *library, CUkernel kernel)
{
    if (library == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    if (!sim_object_is(kernel, SIM_OBJECT_KERNEL))
        return CUDA_ERROR_INVALID_HANDLE;
    *library = kernel->library;
    return CUDA_SUCCESS;
}

CUresult sim_cuKernelGetName(const char **name, CUkernel kernel)
{
    if (name == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    if (!sim_object_is(kernel, SIM_OBJECT_KERNEL))
        return CUDA_ERROR_INVALID_HANDLE;
    *name = kernel->name;
    return CUDA_SUCCESS;
}

/* The kernel's instance in the device's primary context. */
static CUresult instance_on(CUkernel kernel, CUdevice device, CUfunction *function)
{
    CUresult result;

    if (!sim_object_is(kernel, SIM_OBJECT_KERNEL))
        return CUDA_ERROR_INVALID_HANDLE;
    if (!sim_is_device(device))
        return CUDA_ERROR_INVALID_DEVICE;
    if (!sim.devices[device].primary->active)
        return CUDA_ERROR_INVALID_CONTEXT;
    if (sim_thread.depth == (int)(sizeof sim_thread.stack / sizeof *sim_thread.stack))
        return CUDA_ERROR_OUT_OF_MEMORY;
    sim_thread.stack[sim_thread.depth++] = sim.devices[device].primary;
    result = sim_cuKernelGetFunction(function, kernel);
    sim_thread.depth--;
    return result;
}

CUresult sim_cuKernelGetAttribute(int *value, CUfunction_attribute attribute, CUkernel kernel, CUdevice device)
{
    CUfunction function;
    CUresult result = instance_on(kernel, device, &function);
    if (result != CUDA_SUCCESS)
        return result;
    return get_attribute(value, attribute, function->max_dynamic_shared_bytes, function->shared_carveout, device);
}

CUresult sim_cuKernelSetAttribute(CUfunction_attribute attribute, int value, CUkernel kernel, CUdevice device)
{
    CUfunction function;
    CUresult result = instance_on(kernel, device, &function);

    if (result != CUDA_SUCCESS)
        return result;
    sim_thread.stack[sim_thread.depth++] = sim.devices[device].primary;
    result = sim_cuFuncSetAttribute(function, attribute, value);
    sim_thread.depth--;
    return result;
}

CUresult sim_cuKernelSetCacheConfig(CUkernel kernel, CUfunc_cache config, CUdevice device)
{
    if (!sim_object_is(kernel, SIM_OBJECT_KERNEL))
        return CUDA_ERROR_INVALID_HANDLE;
    if (!sim_is_device(device))
        return CUDA_ERROR_INVALID_DEVICE;
    return config > CU_FUNC_CACHE_PREFER_EQUAL ? CUDA_ERROR_INVALID_VALUE : CUDA_SUCCESS;
}

/* --- occupancy ---------------------------------------------------------------------------------------------------- */

CUresult sim_cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
    int *blocks, CUfunction handle, int block_threads, size_t shared_bytes, unsigned flags)
{
    CUfunction function;
    CUresult result = sim_function_resolve(handle, &function);

    if (result != CUDA_SUCCESS)
        return result;
    if (blocks == NULL || block_threads <= 0 || flags > CU_OCCUPANCY_DISABLE_CACHING_OVERRIDE)
        return CUDA_ERROR_INVALID_VALUE;
    *blocks = 0;
    if (block_threads > MAX_BLOCK_THREADS || shared_bytes > SHARED_PER_BLOCK_OPTIN)
        return CUDA_SUCCESS;
    *blocks = MAX_RESIDENT_THREADS / ((block_threads + 31) / 32 * 32);
    if (*blocks > MAX_RESIDENT_BLOCKS)
        *blocks = MAX_RESIDENT_BLOCKS;
    if (*blocks > (int)(SHARED_PER_PROCESSOR / (shared_bytes + SHARED_RESERVED)))
        *blocks = (int)(SHARED_PER_PROCESSOR / (shared_bytes + SHARED_RESERVED));
    return CUDA_SUCCESS;
}

CUresult sim_cuOccupancyMaxActiveBlocksPerMultiprocessor(
    int *blocks, CUfunction function, int block_threads, size_t shared_bytes)
{
    return sim_cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(blocks, function, block_threads, shared_bytes, 0);
}

CUresult sim_cuOccupancyAvailableDynamicSMemPerBlock(size_t *bytes, CUfunction handle, int blocks, int block_threads)
{
    CUfunction function;
    CUresult result = sim_function_resolve(handle, &function);

    if (result != CUDA_SUCCESS)
        return result;
    if (bytes == NULL || blocks <= 0 || block_threads <= 0 || block_threads > MAX_BLOCK_THREADS)
        return CUDA_ERROR_INVALID_VALUE;
    *bytes = SHARED_PER_PROCESSOR / (size_t)blocks;
    *bytes = *bytes > SHARED_RESERVED ? *bytes - SHARED_RESERVED : 0;
    if (*bytes > SHARED_PER_BLOCK_OPTIN)
        *bytes = SHARED_PER_BLOCK_OPTIN;
    return CUDA_SUCCESS;
}
