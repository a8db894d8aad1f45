/* old_cudart.c: a libcudart.so.12 that lacks nearly everything, as one from another age would: what is taken over and
 * missing must be told. */
#include <stddef.h>

int cudaMalloc(void **pointer, size_t bytes);

__attribute__((visibility("default"))) int cudaMalloc(void **pointer, size_t bytes)
{
    static char memory[64];
    if (!pointer || bytes > sizeof memory)
        return 1;
    *pointer = memory;
    return 0;
}
