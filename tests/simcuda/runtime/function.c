/* function.c: kernels by host stub or handle: attributes, occupancy, names, and libraries loaded by the program. */
#include "registry.h"
#include "runtime.h"

/* The kernel of `function` as the driver's function in the current context. */
static CUresult find_function(const void *function, CUfunction *found)
{
    CUkernel kernel;
    CUresult result = rt_registry_kernel(function, &kernel);
    return result ? result : RT_DRIVER(cuKernelGetFunction)(found, kernel);
}

cudaError_t __cudaGetKernel(cudaKernel_t *kernel, const void *function);
cudaError_t __cudaGetKernel(cudaKernel_t *kernel, const void *function)
{
    RT_ENTER(RT_NEEDS_DRIVER);
    return kernel ? rt_leave(rt_registry_kernel(function, kernel)) : rt_fail(cudaErrorInvalidValue);
}

cudaError_t cudaGetKernel(cudaKernel_t *kernel, const void *function)
{
    return __cudaGetKernel(kernel, function);
}

cudaError_t cudaGetFuncBySymbol(cudaFunction_t *found, const void *function)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    return found ? rt_leave(find_function(function, found)) : rt_fail(cudaErrorInvalidValue);
}

cudaError_t cudaFuncGetName(const char **name, const void *function)
{
    RT_ENTER(RT_NEEDS_DRIVER);
    CUkernel kernel;
    CUresult result = rt_registry_kernel(function, &kernel);
    return rt_leave(result ? result : RT_DRIVER(cuKernelGetName)(name, kernel));
}

cudaError_t cudaFuncGetParamInfo(const void *function, size_t index, size_t *offset, size_t *bytes)
{
    RT_ENTER(RT_NEEDS_DRIVER);
    CUkernel kernel;
    CUresult result = rt_registry_kernel(function, &kernel);
    return rt_leave(result ? result : RT_DRIVER(cuKernelGetParamInfo)(kernel, index, offset, bytes));
}

/* Where each driver attribute goes. Three are size_t in the runtime's structure, all others int. */
static const struct function_attribute {
    CUfunction_attribute attribute;
    size_t offset, bytes;
} function_attributes[] = {
#define ATTRIBUTE(attribute, member)                                                                                   \
    {                                                                                                                  \
        attribute, offsetof(struct cudaFuncAttributes, member), sizeof((struct cudaFuncAttributes){0}.member)          \
    }
    ATTRIBUTE(CU_FUNC_ATTRIBUTE_SHARED_SIZE_BYTES, sharedSizeBytes),
    ATTRIBUTE(CU_FUNC_ATTRIBUTE_CONST_SIZE_BYTES, constSizeBytes),
    ATTRIBUTE(CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES, localSizeBytes),
    ATTRIBUTE(CU_FUNC_ATTRIBUTE_MAX_THREADS_PER_BLOCK, maxThreadsPerBlock),
    ATTRIBUTE(CU_FUNC_ATTRIBUTE_NUM_REGS, numRegs),
    ATTRIBUTE(CU_FUNC_ATTRIBUTE_PTX_VERSION, ptxVersion),
    ATTRIBUTE(CU_FUNC_ATTRIBUTE_BINARY_VERSION, binaryVersion),
    ATTRIBUTE(CU_FUNC_ATTRIBUTE_CACHE_MODE_CA, cacheModeCA),
    ATTRIBUTE(CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES, maxDynamicSharedSizeBytes),
    ATTRIBUTE(CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT, preferredShmemCarveout),
#undef ATTRIBUTE
};

cudaError_t cudaFuncGetAttributes(struct cudaFuncAttributes *attributes, const void *function)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    if (!attributes)
        return rt_fail(cudaErrorInvalidValue);
    CUfunction found;
    CUresult result = find_function(function, &found);
    *attributes = (struct cudaFuncAttributes){0};
    for (size_t i = 0; i < sizeof function_attributes / sizeof function_attributes[0] && !result; i++) {
        const struct function_attribute *attribute = &function_attributes[i];
        int value = 0;
        result = RT_DRIVER(cuFuncGetAttribute)(&value, attribute->attribute, found);
        void *member = (char *)attributes + attribute->offset;
        if (attribute->bytes == sizeof(size_t))
            *(size_t *)member = (size_t)value;
        else
            *(int *)member = value;
    }
    return rt_leave(result);
}

cudaError_t cudaFuncSetAttribute(const void *function, enum cudaFuncAttribute attribute, int value)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    CUfunction found;
    CUresult result = find_function(function, &found);
    return rt_leave(result ? result : RT_DRIVER(cuFuncSetAttribute)(found, (CUfunction_attribute)attribute, value));
}

cudaError_t cudaFuncSetCacheConfig(const void *function, enum cudaFuncCache config)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    CUfunction found;
    CUresult result = find_function(function, &found);
    return rt_leave(result ? result : RT_DRIVER(cuFuncSetCacheConfig)(found, (CUfunc_cache)config));
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
    int *blocks, const void *function, int block_size, size_t shared_bytes, unsigned int flags)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    CUfunction found;
    CUresult result = find_function(function, &found);
    if (!result)
        result = RT_DRIVER(cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags)(
            blocks, found, block_size, shared_bytes, flags);
    return rt_leave(result);
}

cudaError_t cudaOccupancyMaxActiveBlocksPerMultiprocessor(
    int *blocks, const void *function, int block_size, size_t shared_bytes)
{
    return cudaOccupancyMaxActiveBlocksPerMultiprocessorWithFlags(
        blocks, function, block_size, shared_bytes, cudaOccupancyDefault);
}

cudaError_t cudaOccupancyAvailableDynamicSMemPerBlock(
    size_t *bytes, const void *function, int block_count, int block_size)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    CUfunction found;
    CUresult result = find_function(function, &found);
    if (!result)
        result = RT_DRIVER(cuOccupancyAvailableDynamicSMemPerBlock)(bytes, found, block_count, block_size);
    return rt_leave(result);
}

#if CUDART_VERSION >= 13000

/* Libraries are the driver's; only the kernels that come out of them must be known to the launching functions. */
cudaError_t cudaLibraryLoadData(cudaLibrary_t *library, const void *code, enum cudaJitOption *jit_options,
    void **jit_values, unsigned int jit_count, enum cudaLibraryOption *options, void **values, unsigned int count)
{
    RT_ENTER(RT_NEEDS_DRIVER);
    return rt_leave(RT_DRIVER(cuLibraryLoadData)(
        library, code, (CUjit_option *)jit_options, jit_values, jit_count, (CUlibraryOption *)options, values, count));
}

cudaError_t cudaLibraryUnload(cudaLibrary_t library)
{
    RT_ENTER(RT_NEEDS_DRIVER);
    return rt_leave(RT_DRIVER(cuLibraryUnload)(library));
}

cudaError_t cudaLibraryGetKernel(cudaKernel_t *kernel, cudaLibrary_t library, const char *name)
{
    RT_ENTER(RT_NEEDS_DRIVER);
    CUresult result = RT_DRIVER(cuLibraryGetKernel)(kernel, library, name);
    if (!result)
        rt_registry_note_kernel(*kernel);
    return rt_leave(result);
}

cudaError_t cudaLibraryGetGlobal(void **pointer, size_t *bytes, cudaLibrary_t library, const char *name)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    return rt_leave(RT_DRIVER(cuLibraryGetGlobal)((CUdeviceptr *)pointer, bytes, library, name));
}

#endif
