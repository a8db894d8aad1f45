/* hooks_look_up.c: the driver's functions by name, version and flags, from the driver and through the runtime. Status
 * and result are the real ones; the pointer may be ours (look_up.h). */
#include "hook.h"
#include "look_up.h"

static void exchange(const char *name, void **function, unsigned long long flags, const void *caller)
{
    *function = vs_look_up_answer(name, flags & CU_GET_PROC_ADDRESS_PER_THREAD_DEFAULT_STREAM, *function, caller);
}

CUresult vs_cuGetProcAddress(
    const struct vs_libcuda *real, const void *caller, const char *name, void **function, int version, cuuint64_t flags)
{
    CUresult result = real->cuGetProcAddress(name, function, version, flags);
    if (result == CUDA_SUCCESS && function)
        exchange(name, function, flags, caller);
    return result;
}

CUresult vs_cuGetProcAddress_v2(const struct vs_libcuda *real, const void *caller, const char *name, void **function,
    int version, cuuint64_t flags, CUdriverProcAddressQueryResult *status)
{
    CUresult result = real->cuGetProcAddress_v2(name, function, version, flags, status);
    if (result == CUDA_SUCCESS && function)
        exchange(name, function, flags, caller);
    return result;
}

/* The runtime asks the driver itself, by the pointers that it was given, which are ours already where it found the
 * driver through us; cudaEnableDefault stands for the twin of the function's own name. */
cudaError_t vs_cudaGetDriverEntryPoint(const struct vs_cudart *real, const void *caller, const char *name,
    void **function, unsigned long long flags, enum cudaDriverEntryPointQueryResult *status)
{
    cudaError_t result = real->cudaGetDriverEntryPoint(name, function, flags, status);
    if (result == cudaSuccess && function)
        exchange(name, function, flags, caller);
    return result;
}

cudaError_t vs_cudaGetDriverEntryPoint_ptsz(const struct vs_cudart *real, const void *caller, const char *name,
    void **function, unsigned long long flags, enum cudaDriverEntryPointQueryResult *status)
{
    cudaError_t result = real->cudaGetDriverEntryPoint_ptsz(name, function, flags, status);
    if (result == cudaSuccess && function)
        exchange(name, function, flags == cudaEnableDefault ? cudaEnablePerThreadDefaultStream : flags, caller);
    return result;
}

cudaError_t vs_cudaGetDriverEntryPointByVersion(const struct vs_cudart *real, const void *caller, const char *name,
    void **function, unsigned version, unsigned long long flags, enum cudaDriverEntryPointQueryResult *status)
{
    cudaError_t result = real->cudaGetDriverEntryPointByVersion(name, function, version, flags, status);
    if (result == cudaSuccess && function)
        exchange(name, function, flags, caller);
    return result;
}

cudaError_t vs_cudaGetDriverEntryPointByVersion_ptsz(const struct vs_cudart *real, const void *caller, const char *name,
    void **function, unsigned version, unsigned long long flags, enum cudaDriverEntryPointQueryResult *status)
{
    cudaError_t result = real->cudaGetDriverEntryPointByVersion_ptsz(name, function, version, flags, status);
    if (result == cudaSuccess && function)
        exchange(name, function, flags == cudaEnableDefault ? cudaEnablePerThreadDefaultStream : flags, caller);
    return result;
}
