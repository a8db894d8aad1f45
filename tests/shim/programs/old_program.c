/* old_program.c: uses old_cudart.c. Exits with the status of its one call. */
#include <stddef.h>
#include <stdio.h>

int cudaMalloc(void **pointer, size_t bytes);

int main(void)
{
    void *pointer;
    int result = cudaMalloc(&pointer, 16);
    printf("cudaMalloc returned %d\n", result);
    return result;
}
