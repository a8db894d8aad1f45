/* old_program.c: uses old_cudart.c. Exits with the status of its calls. */
#include <stddef.h>
#include <stdio.h>

int cudaMalloc(void **pointer, size_t bytes);
int cudaGetDeviceCount(int *count);

int main(void)
{
    void *pointer;
    int count = -1, result = cudaMalloc(&pointer, 16);
    printf("cudaMalloc returned %d\n", result);
    result |= cudaGetDeviceCount(&count);
    printf("it counts %d\n", count);
    return result;
}
