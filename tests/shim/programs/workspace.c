/* workspace.c: a library with a runtime of its own linked into it, as cuBLAS is built and as extensions are that bring
 * the static one. Built under two names, since a name tells NVIDIA's libraries. */
#include <cuda_runtime_api.h>

#define EXPORT __attribute__((visibility("default")))

EXPORT int allocate_workspace(void **pointer, size_t bytes);
EXPORT int free_workspace(void *pointer);
EXPORT int count_devices(void);

int allocate_workspace(void **pointer, size_t bytes)
{
    return (int)cudaMalloc(pointer, bytes);
}

int free_workspace(void *pointer)
{
    return (int)cudaFree(pointer);
}

int count_devices(void)
{
    int count = -1;
    return cudaGetDeviceCount(&count) == cudaSuccess ? count : -1;
}
