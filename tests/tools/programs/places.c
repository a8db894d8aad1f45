/* places.c: loads a model's tensors as a program does and prints where they are, by the account of the simulated
 * machine: "cuda:0 BYTES", "cuda:1 BYTES", "host BYTES", then "devices N", how many GPUs it sees.
 *
 *     places MODEL TENSOR_BYTES COUNT          MODEL: a file with COUNT tensors of TENSOR_BYTES each
 *
 * Exit status 0, or 1 where a call failed. */
#include "../../simcuda/simcuda.h"

#include <cuda_runtime_api.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { COUNT_MAX = 16, LOCATIONS = 3 };

int main(int argc, char **argv)
{
    static const char *const names[LOCATIONS] = {"cuda:0", "cuda:1", "host"};
    static const int locations[LOCATIONS] = {0, 1, SIMCUDA_LOCATION_HOST};
    size_t at[LOCATIONS] = {0};
    void *weights[COUNT_MAX], *source;
    int devices;
    if (argc != 4)
        return 1;
    size_t bytes = strtoull(argv[2], NULL, 10);
    int count = (int)strtol(argv[3], NULL, 10), file = open(argv[1], O_RDONLY);
    if (file < 0 || count > COUNT_MAX || !(source = calloc(1, bytes)))
        return 1;
    for (int i = 0; i < count; i++)
        if (cudaMalloc(&weights[i], bytes) || cudaMemcpy(weights[i], source, bytes, cudaMemcpyHostToDevice))
            return 1;
    for (int i = 0; i < count; i++)
        for (int k = 0; k < LOCATIONS; k++)
            at[k] += simcudaBytesAt(weights[i], bytes, locations[k]);
    for (int k = 0; k < LOCATIONS; k++)
        printf("%s %zu\n", names[k], at[k]);
    if (cudaGetDeviceCount(&devices))
        return 1;
    printf("devices %d\n", devices);
    for (int i = 0; i < count; i++)
        if (cudaFree(weights[i]))
            return 1;
    free(source);
    close(file);
    return 0;
}
