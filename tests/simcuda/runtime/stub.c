/* stub.c: what happens when a program calls a runtime function that is not simulated. */
#include "stub.h"

#include "runtime.h"

#include <stdio.h>

int rt_stub_called(const char *name, int *told)
{
    if (rt_unloading)
        return cudaErrorCudartUnloading;
    if (!__atomic_exchange_n(told, 1, __ATOMIC_RELAXED))
        fprintf(stderr, "simulated CUDA: %s is not simulated and returns cudaErrorNotSupported\n", name);
    return rt_fail(cudaErrorNotSupported);
}
