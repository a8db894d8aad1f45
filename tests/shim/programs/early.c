/* early.c: a library whose constructor opens a model and allocates on the GPU, as some Python extensions do. It runs
 * before the constructors of a preloaded library. -DAS_LIBRARY builds the library, else the program that is linked
 * against it; the program prints where the weight lies. Environment: MODEL and BYTES. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#ifdef AS_LIBRARY
#include <cuda_runtime_api.h>
#include <fcntl.h>
#include <unistd.h>

__attribute__((visibility("default"))) extern void *early_weight;
void *early_weight;

__attribute__((constructor)) static void before_everyone(void)
{
    close(open(getenv("MODEL"), O_RDONLY));
    if (cudaMalloc(&early_weight, strtoull(getenv("BYTES"), NULL, 10)) != cudaSuccess)
        early_weight = NULL;
}
#else
#include "../../simcuda/simcuda.h"

extern void *early_weight;

int main(void)
{
    size_t bytes = strtoull(getenv("BYTES"), NULL, 10);
    printf("early weight: %zu of %zu bytes in the host, %zu on the driver's device 1\n",
        simcudaBytesAt(early_weight, bytes, SIMCUDA_LOCATION_HOST), bytes, simcudaBytesAt(early_weight, bytes, 1));
    return 0;
}
#endif
