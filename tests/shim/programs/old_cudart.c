/* old_cudart.c: a libcudart.so.12 that lacks nearly everything, as one from another age would: what is taken over and
 * missing must be told. */
#include <dlfcn.h>
#include <stddef.h>

int cudaMalloc(void **pointer, size_t bytes);
int cudaGetDeviceCount(int *count);

__attribute__((visibility("default"))) int cudaMalloc(void **pointer, size_t bytes)
{
    static char memory[64];
    if (!pointer || bytes > sizeof memory)
        return 1;
    *pointer = memory;
    return 0;
}

/* By the driver's own functions, as the real runtime does. */
__attribute__((visibility("default"))) int cudaGetDeviceCount(int *count)
{
    void *driver = dlopen("libcuda.so.1", RTLD_NOW);
    int (*init)(unsigned) = driver ? (int (*)(unsigned))dlsym(driver, "cuInit") : NULL;
    int (*get_count)(int *) = driver ? (int (*)(int *))dlsym(driver, "cuDeviceGetCount") : NULL;
    return !init || !get_count || init(0) != 0 ? 1 : get_count(count);
}
