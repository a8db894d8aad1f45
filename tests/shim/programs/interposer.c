/* interposer.c: a library to be preloaded that takes over functions of CUDA, as tools that count or limit do. It passes
 * them on. */
#include <dlfcn.h>
#include <stddef.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT int cudaFree(void *pointer);
EXPORT int cuMemAlloc_v2(unsigned long long *address, size_t bytes);
EXPORT int cuMemFree_v2(unsigned long long address);

int cudaFree(void *pointer)
{
    return ((int (*)(void *))dlsym(RTLD_NEXT, "cudaFree"))(pointer);
}

int cuMemAlloc_v2(unsigned long long *address, size_t bytes)
{
    return ((int (*)(unsigned long long *, size_t))dlsym(RTLD_NEXT, "cuMemAlloc_v2"))(address, bytes);
}

int cuMemFree_v2(unsigned long long address)
{
    return ((int (*)(unsigned long long))dlsym(RTLD_NEXT, "cuMemFree_v2"))(address);
}
