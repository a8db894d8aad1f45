/* by_look_up.h: put before a program, makes it call CUDA by functions that it looks up with dlsym in the two libraries,
 * as Python's ctypes does. */
#ifndef TESTS_SHIM_BY_LOOK_UP_H
#define TESTS_SHIM_BY_LOOK_UP_H

#include <cuda.h>
#include <cuda_runtime_api.h>
#include <dlfcn.h>

#define RUNTIME(name) ((__typeof__(&name))dlsym(dlopen("libcudart.so.13", RTLD_NOW), #name))
#define DRIVER(name)  ((__typeof__(&name))dlsym(dlopen("libcuda.so.1", RTLD_NOW), #name))

#define cuCtxGetCurrent(...)             DRIVER(cuCtxGetCurrent)(__VA_ARGS__)
#define cuDeviceCanAccessPeer(...)       DRIVER(cuDeviceCanAccessPeer)(__VA_ARGS__)
#define cuDeviceGet(...)                 DRIVER(cuDeviceGet)(__VA_ARGS__)
#define cuDeviceGetAttribute(...)        DRIVER(cuDeviceGetAttribute)(__VA_ARGS__)
#define cuDeviceGetByPCIBusId(...)       DRIVER(cuDeviceGetByPCIBusId)(__VA_ARGS__)
#define cuDeviceGetCount(...)            DRIVER(cuDeviceGetCount)(__VA_ARGS__)
#define cuDeviceGetDefaultMemPool(...)   DRIVER(cuDeviceGetDefaultMemPool)(__VA_ARGS__)
#define cuDeviceGetName(...)             DRIVER(cuDeviceGetName)(__VA_ARGS__)
#define cuDevicePrimaryCtxRetain(...)    DRIVER(cuDevicePrimaryCtxRetain)(__VA_ARGS__)
#define cuDeviceTotalMem_v2(...)         DRIVER(cuDeviceTotalMem_v2)(__VA_ARGS__)
#define cuMemPoolSetAccess(...)          DRIVER(cuMemPoolSetAccess)(__VA_ARGS__)
#define cuInit(...)                      DRIVER(cuInit)(__VA_ARGS__)
#define cudaDeviceCanAccessPeer(...)     RUNTIME(cudaDeviceCanAccessPeer)(__VA_ARGS__)
#define cudaDeviceEnablePeerAccess(...)  RUNTIME(cudaDeviceEnablePeerAccess)(__VA_ARGS__)
#define cudaDeviceGetAttribute(...)      RUNTIME(cudaDeviceGetAttribute)(__VA_ARGS__)
#define cudaDeviceGetByPCIBusId(...)     RUNTIME(cudaDeviceGetByPCIBusId)(__VA_ARGS__)
#define cudaDeviceGetDefaultMemPool(...) RUNTIME(cudaDeviceGetDefaultMemPool)(__VA_ARGS__)
#define cudaDeviceGetMemPool(...)        RUNTIME(cudaDeviceGetMemPool)(__VA_ARGS__)
#define cudaDeviceGetPCIBusId(...)       RUNTIME(cudaDeviceGetPCIBusId)(__VA_ARGS__)
#define cudaFree(...)                    RUNTIME(cudaFree)(__VA_ARGS__)
#define cudaGetDevice(...)               RUNTIME(cudaGetDevice)(__VA_ARGS__)
#define cudaGetDeviceCount(...)          RUNTIME(cudaGetDeviceCount)(__VA_ARGS__)
#define cudaGetDeviceProperties(...)     RUNTIME(cudaGetDeviceProperties)(__VA_ARGS__)
#define cudaGetLastError(...)            RUNTIME(cudaGetLastError)(__VA_ARGS__)
#define cudaInitDevice(...)              RUNTIME(cudaInitDevice)(__VA_ARGS__)
#define cudaMalloc(...)                  RUNTIME(cudaMalloc)(__VA_ARGS__)
#define cudaMemPoolSetAccess(...)        RUNTIME(cudaMemPoolSetAccess)(__VA_ARGS__)
#define cudaMemcpyPeer(...)              RUNTIME(cudaMemcpyPeer)(__VA_ARGS__)
#define cudaMemcpyPeerAsync(...)         RUNTIME(cudaMemcpyPeerAsync)(__VA_ARGS__)
#define cudaPeekAtLastError(...)         RUNTIME(cudaPeekAtLastError)(__VA_ARGS__)
#define cudaPointerGetAttributes(...)    RUNTIME(cudaPointerGetAttributes)(__VA_ARGS__)
#define cudaSetDevice(...)               RUNTIME(cudaSetDevice)(__VA_ARGS__)

#endif
