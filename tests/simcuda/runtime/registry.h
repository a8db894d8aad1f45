/* registry.h: the program's kernels and variables, by their host addresses.
 *
 * The compiler's host code registers one fat binary per object file, then each kernel (by the address of its host stub)
 * and each device variable in it, before main. The driver gets the image at the first use of anything in it (lazy
 * loading, the default since CUDA 11.7). Any thread; an entry lives until its fat binary is unregistered. */
#ifndef SIMCUDA_RUNTIME_REGISTRY_H
#define SIMCUDA_RUNTIME_REGISTRY_H

#include <cuda.h>
#include <cuda_runtime_api.h>

/* The driver's kernel behind a host stub; behind a cudaKernel_t that the runtime handed out: that handle itself.
 * CUDA_ERROR with the value of cudaErrorInvalidDeviceFunction for anything else. */
CUresult rt_registry_kernel(const void *function, CUkernel *kernel);

/* The device address and size of the variable with the host address `symbol`, in the current context.
 * The value of cudaErrorInvalidSymbol for an unknown one. */
CUresult rt_registry_variable(const void *symbol, CUdeviceptr *address, size_t *bytes);

/* Remembers a kernel handle that the program got in another way, so that launching functions accept it. */
void rt_registry_note_kernel(CUkernel kernel);

#endif
