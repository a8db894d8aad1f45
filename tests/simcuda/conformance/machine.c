/* machine.c: what the checks need from the machine, and small operations that many of them use. */
#include "conformance.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

int device_count(void)
{
    int count;
    OK(cuInit(0));
    OK(cuDeviceGetCount(&count));
    return count;
}

int device_attribute(int device, CUdevice_attribute attribute)
{
    int value = 0;
    CUdevice handle;
    OK(cuInit(0));
    OK(cuDeviceGet(&handle, device));
    OK(cuDeviceGetAttribute(&value, attribute, handle));
    return value;
}

void use_device(int device)
{
    OK(cudaSetDevice(device));
    OK(cudaFree(NULL));
}

void need_devices(int count)
{
    SKIP_UNLESS(device_count() >= count, "needs two GPUs");
}

void need_peers(int device, int peer, bool possible)
{
    int can;
    need_devices((device > peer ? device : peer) + 1);
    OK(cuDeviceCanAccessPeer(&can, device, peer));
    SKIP_UNLESS(!!can == possible, possible ? "needs peer access between two GPUs" : "needs GPUs without peer access");
}

void need_simulator(void)
{
    SKIP_UNLESS(dlsym(RTLD_DEFAULT, "simcudaBytesUsed") != NULL, "CUDA leaves this undefined: only simulated");
}

size_t free_bytes(void)
{
    size_t available, total;
    OK(cuMemGetInfo(&available, &total));
    return available;
}

void fill(CUdeviceptr memory, unsigned char value, size_t bytes)
{
    OK(cuMemsetD8(memory, value, bytes));
    OK(cuCtxSynchronize());
}

void expect_filled(CUdeviceptr memory, unsigned char value, size_t bytes)
{
    unsigned char *copy = malloc(bytes);
    EXPECT(copy != NULL);
    memset(copy, ~value, bytes);
    OK(cuMemcpy((CUdeviceptr)copy, memory, bytes)); /* `memory` may be host memory that a device uses */
    for (size_t i = 0; i < bytes; i++)
        if (copy[i] != value)
            EXPECT(!"all bytes have the expected value");
    free(copy);
}

char *host_pages(size_t bytes)
{
    char *memory = aligned_alloc(4096, bytes);
    EXPECT(memory != NULL);
    memset(memory, 1, bytes);
    return memory;
}

/* The mangled name of store(unsigned *, unsigned): tools that look at kernels' names find its parameters in it. */
static const char store_ptx[] = ".version 6.0\n.target sm_50\n.address_size 64\n"
                                ".visible .entry _Z5storePjj(.param .u64 to, .param .u32 value)\n"
                                "{\n"
                                "    .reg .b64 %address, %global;\n"
                                "    .reg .b32 %word;\n"
                                "    ld.param.u64 %address, [to];\n"
                                "    ld.param.u32 %word, [value];\n"
                                "    cvta.to.global.u64 %global, %address;\n"
                                "    st.global.u32 [%global], %word;\n"
                                "    ret;\n"
                                "}\n";

CUfunction store_kernel(void)
{
    CUmodule module;
    CUfunction kernel;
    OK(cuModuleLoadData(&module, store_ptx));
    OK(cuModuleGetFunction(&kernel, module, "_Z5storePjj"));
    return kernel;
}

CUresult launch_store(CUfunction kernel, CUdeviceptr to, unsigned value, CUstream stream)
{
    void *arguments[] = {&to, &value};
    return cuLaunchKernel(kernel, 1, 1, 1, 1, 1, 1, 0, stream, arguments, NULL);
}
