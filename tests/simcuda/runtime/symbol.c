/* symbol.c: device variables by their host addresses: where they are, and copies to and from them. */
#include "copy.h"
#include "registry.h"
#include "runtime.h"

cudaError_t cudaGetSymbolAddress(void **pointer, const void *symbol)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    size_t bytes;
    return pointer ? rt_leave(rt_registry_variable(symbol, (CUdeviceptr *)pointer, &bytes))
                   : rt_fail(cudaErrorInvalidValue);
}

cudaError_t cudaGetSymbolSize(size_t *bytes, const void *symbol)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    CUdeviceptr address;
    return bytes ? rt_leave(rt_registry_variable(symbol, &address, bytes)) : rt_fail(cudaErrorInvalidValue);
}

/* Sets `*at` to the device address of `count` bytes at `offset` in a variable; an error where they do not fit in it. */
static cudaError_t inside_symbol(const void *symbol, size_t count, size_t offset, char **at)
{
    CUdeviceptr address;
    size_t bytes;
    CUresult result = rt_registry_variable(symbol, &address, &bytes);
    if (result)
        return rt_leave(result);
    if (offset > bytes || count > bytes - offset)
        return rt_fail(cudaErrorInvalidValue);
    *at = (char *)address + offset;
    return cudaSuccess;
}

cudaError_t cudaMemcpyToSymbol(
    const void *symbol, const void *from, size_t count, size_t offset, enum cudaMemcpyKind kind)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    char *at;
    cudaError_t error = inside_symbol(symbol, count, offset, &at);
    return error ? error : cudaMemcpy(at, from, count, kind);
}

cudaError_t cudaMemcpyToSymbolAsync(
    const void *symbol, const void *from, size_t count, size_t offset, enum cudaMemcpyKind kind, cudaStream_t stream)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    char *at;
    cudaError_t error = inside_symbol(symbol, count, offset, &at);
    return error ? error : cudaMemcpyAsync(at, from, count, kind, stream);
}

cudaError_t cudaMemcpyFromSymbol(void *to, const void *symbol, size_t count, size_t offset, enum cudaMemcpyKind kind)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    char *at;
    cudaError_t error = inside_symbol(symbol, count, offset, &at);
    return error ? error : cudaMemcpy(to, at, count, kind);
}

cudaError_t cudaMemcpyFromSymbolAsync(
    void *to, const void *symbol, size_t count, size_t offset, enum cudaMemcpyKind kind, cudaStream_t stream)
{
    RT_ENTER(RT_NEEDS_CONTEXT);
    char *at;
    cudaError_t error = inside_symbol(symbol, count, offset, &at);
    return error ? error : cudaMemcpyAsync(to, at, count, kind, stream);
}
