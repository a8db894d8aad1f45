/* nesting_cudart.c: a libcudart.so.12 that calls the driver by symbol, so that a runtime call reaches our hooks twice:
 * as itself, and as the driver call inside it. Its cudaMalloc asks the driver for one byte more than it was asked for.
 * All other functions that are taken over are there and do nothing. */
#include <cuda.h>
#include <stddef.h>

#define IDLE(symbol)                                                                                                   \
    __attribute__((visibility("default"))) int symbol(void);                                                           \
    int symbol(void)                                                                                                   \
    {                                                                                                                  \
        return 0;                                                                                                      \
    }
#include "idle_functions.h"

__attribute__((visibility("default"))) int cudaMalloc(void **pointer, size_t bytes);

int cudaMalloc(void **pointer, size_t bytes)
{
    return (int)cuMemAlloc((CUdeviceptr *)pointer, bytes + 1);
}
