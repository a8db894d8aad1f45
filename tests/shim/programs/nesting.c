/* nesting.c: calls nesting_cudart.c. argv: the model, the bytes of its two tensors. Prints where three allocations lie.
 */
#include <cuda.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "../../simcuda/simcuda.h"

int cudaMalloc(void **pointer, size_t bytes);

static void tell(const char *what, CUdeviceptr address, size_t bytes)
{
    int here = address && simcudaBytesAt((void *)address, bytes, SIMCUDA_LOCATION_HOST) == bytes;
    printf("%s: %s\n", what, here ? "placed" : "not placed");
}

int main(int count, char **arguments)
{
    if (count != 3)
        return 2;
    size_t bytes = strtoull(arguments[2], NULL, 10);
    void *inner = NULL, *outer = NULL;
    CUdeviceptr direct = 0;
    CUcontext context;
    CUdevice device;
    if (cuInit(0) || cuDeviceGet(&device, 0) || cuDevicePrimaryCtxRetain(&context, device) || cuCtxSetCurrent(context))
        return 3;
    close(open(arguments[1], O_RDONLY));
    cudaMalloc(&inner, bytes - 1); /* no tensor's size; the call inside has one */
    tell("inner call", (CUdeviceptr)inner, bytes);
    cudaMalloc(&outer, bytes);
    tell("outer call", (CUdeviceptr)outer, bytes);
    cuMemAlloc(&direct, bytes);
    tell("driver call", direct, bytes);
    return 0;
}
