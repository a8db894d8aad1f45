/* old_user.c: a library that was linked against old_cudart.c. */
#include <stddef.h>

int cudaMalloc(void **pointer, size_t bytes);
int cudaGetDeviceCount(int *count);

__attribute__((visibility("default"))) int old_user_malloc(void);
__attribute__((visibility("default"))) int old_user_count(void);

int old_user_malloc(void)
{
    void *pointer;
    return cudaMalloc(&pointer, 16);
}

int old_user_count(void)
{
    int count = -1;
    return cudaGetDeviceCount(&count) == 0 ? count : -1;
}
