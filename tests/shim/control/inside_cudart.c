/* inside_cudart.c: a libcudart.so.12 whose launching calls stay inside until they are let go, and queue nothing. All
 * other functions that are taken over are there and do nothing. */
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#define IDLE(symbol)                                                                                                   \
    __attribute__((visibility("default"))) int symbol(void);                                                           \
    int symbol(void)                                                                                                   \
    {                                                                                                                  \
        return 0;                                                                                                      \
    }
#include "inside_functions.h"

__attribute__((visibility("default"))) atomic_bool is_inside, may_return;

#define STAYING(symbol)                                                                                                \
    __attribute__((visibility("default"))) int symbol(void);                                                           \
    int symbol(void)                                                                                                   \
    {                                                                                                                  \
        atomic_store(&is_inside, 1);                                                                                   \
        while (!atomic_load(&may_return))                                                                              \
            usleep(200);                                                                                               \
        return 0;                                                                                                      \
    }
STAYING(cudaLaunchKernel)
STAYING(cudaGraphLaunch)
STAYING(cudaMemcpyAsync)
STAYING(cudaMemsetAsync)
