/* old_user.c: a library that was linked against old_cudart.c. */
#include <stddef.h>

int cudaMalloc(void **pointer, size_t bytes);

__attribute__((visibility("default"))) int old_user_malloc(void);

int old_user_malloc(void)
{
    void *pointer;
    return cudaMalloc(&pointer, 16);
}
