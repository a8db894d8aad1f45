/* cudart_user.c: a library that was linked against one major version of libcudart, as a PyTorch extension is. Built
 * once per major; USER names it. */
#include <cuda_runtime_api.h>

#define JOIN(a, b)  a##b
#define NAMED(a, b) JOIN(a, b)
#define EXPORT      __attribute__((visibility("default")))

EXPORT int NAMED(USER, _malloc)(void **pointer, size_t bytes);
EXPORT int NAMED(USER, _free)(void *pointer);
EXPORT int NAMED(USER, _last_error)(void);
EXPORT int NAMED(USER, _copy_in)(void *dst, const void *src, size_t bytes);

int NAMED(USER, _malloc)(void **pointer, size_t bytes)
{
    return cudaMalloc(pointer, bytes);
}

int NAMED(USER, _free)(void *pointer)
{
    return cudaFree(pointer);
}

int NAMED(USER, _last_error)(void)
{
    return cudaGetLastError();
}

int NAMED(USER, _copy_in)(void *dst, const void *src, size_t bytes)
{
    return cudaMemcpy(dst, src, bytes, cudaMemcpyHostToDevice);
}
