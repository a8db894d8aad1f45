/* pool_cudart.c: a runtime whose stream-ordered allocator gives addresses that nothing lies behind, so that what it
 * costs does not depend on what is live. All other functions that are taken over are there and do nothing. */
#include <stddef.h>

#define IDLE(symbol)                                                                                                   \
    __attribute__((visibility("default"))) int symbol(void);                                                           \
    int symbol(void)                                                                                                   \
    {                                                                                                                  \
        return 0;                                                                                                      \
    }
#include "idle_functions.h"

int cudaMallocAsync(void **pointer, size_t bytes, void *stream);
int cudaFreeAsync(void *pointer, void *stream);

__attribute__((visibility("default"))) int cudaMallocAsync(void **pointer, size_t bytes, void *stream)
{
    static size_t next = (size_t)1 << 32; /* below the addresses of the simulated driver */
    (void)stream;
    *pointer = (void *)next;
    next += (bytes + 511) / 512 * 512;
    return 0;
}

__attribute__((visibility("default"))) int cudaFreeAsync(void *pointer, void *stream)
{
    return !pointer && stream;
}
