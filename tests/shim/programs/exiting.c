/* exiting.c: a program that leaves its clean-up to the very end, as Python does: weights are freed by an exit handler
 * and by a destructor, after the library's own destructor may have run. argv: the model, the tensor's bytes. */
#include <cuda_runtime_api.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void *weights[2];

static void free_late(int which)
{
    cudaError_t result = cudaFree(weights[which]);
    /* The runtime may be unloading already: that is the one error allowed here. */
    if (result != cudaSuccess && result != cudaErrorCudartUnloading) {
        fprintf(stderr, "cudaFree at exit returned %d\n", (int)result);
        _exit(1);
    }
}

static void at_exit(void)
{
    free_late(0);
}

__attribute__((destructor)) static void last(void)
{
    free_late(1);
}

int main(int count, char **arguments)
{
    if (count != 3)
        return 2;
    size_t bytes = strtoull(arguments[2], NULL, 10);
    close(open(arguments[1], O_RDONLY));
    for (int i = 0; i < 2; i++)
        if (cudaMalloc(&weights[i], bytes) != cudaSuccess)
            return 3;
    atexit(at_exit);
    return 0;
}
