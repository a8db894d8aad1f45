/* simulated.h: what the tests of the whole driver begin with. Each Criterion test is a process of its own. */
#ifndef SIMULATED_H
#define SIMULATED_H

#include "../../simcuda.h"

#include <criterion/criterion.h>
#include <cuda.h>
#include <stdlib.h>
#include <string.h>

#define MIB ((size_t)1 << 20)

#define SUCCEEDS(call)                                                                                                 \
    do {                                                                                                               \
        CUresult got = (call);                                                                                         \
        cr_assert_eq(got, CUDA_SUCCESS, "%s gave %d", #call, got);                                                     \
    } while (0)
#define GIVES(expected, call)                                                                                          \
    do {                                                                                                               \
        CUresult got = (call);                                                                                         \
        cr_assert_eq(got, (expected), "%s gave %d, not %d", #call, got, (expected));                                   \
    } while (0)

/* What memory reads as that nobody has written (SIMCUDA_FRESH=poison). */
#define FRESH 0xFF

/* Two devices with peer access, 1 GiB and 2 GiB; the context of the first one is current. */
static inline CUcontext start(const char *order)
{
    CUcontext context;
    setenv("SIMCUDA_MACHINE", "1gb+2gb", 1);
    setenv("SIMCUDA_ORDER", order, 1);
    setenv("SIMCUDA_FRESH", "poison", 0);
    unsetenv("CUDA_VISIBLE_DEVICES");
    SUCCEEDS(cuInit(0));
    SUCCEEDS(cuDevicePrimaryCtxRetain(&context, 0));
    SUCCEEDS(cuCtxSetCurrent(context));
    return context;
}

static inline CUstream new_stream(unsigned flags)
{
    CUstream stream;
    SUCCEEDS(cuStreamCreate(&stream, flags));
    return stream;
}

static inline CUdeviceptr new_memory(size_t bytes)
{
    CUdeviceptr address;
    SUCCEEDS(cuMemAlloc(&address, bytes));
    return address;
}

/* The byte at the address, without running queued work. */
static inline int byte_at(CUdeviceptr address)
{
    unsigned char byte;
    return simcudaPeek((void *)address, &byte, 1) ? byte : -1;
}

#endif
