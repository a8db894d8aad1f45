/* driver.h: the real driver functions that the library's own work uses.
 *
 * Our work never goes through the runtime: a failing or not-ready runtime call would leave a last error behind, which
 * PyTorch's allocators check at every turn. It runs in relaxed capture mode, so that it does not break a capture under
 * way in another thread, and leaves the thread's current context as it was.
 */
#ifndef VS_DRIVER_H
#define VS_DRIVER_H

#include <cuda.h>
#include <stdbool.h>

#define VS_DRIVER_FUNCTIONS(X)                                                                                         \
    X(cuInit)                                                                                                          \
    X(cuDriverGetVersion)                                                                                              \
    X(cuGetErrorName)                                                                                                  \
    X(cuDeviceGet)                                                                                                     \
    X(cuDeviceGetCount)                                                                                                \
    X(cuDeviceTotalMem)                                                                                                \
    X(cuDeviceGetName)                                                                                                 \
    X(cuDeviceGetUuid)                                                                                                 \
    X(cuDeviceGetPCIBusId)                                                                                             \
    X(cuDeviceGetAttribute)                                                                                            \
    X(cuDeviceCanAccessPeer)                                                                                           \
    X(cuDevicePrimaryCtxGetState)                                                                                      \
    X(cuDevicePrimaryCtxRetain)                                                                                        \
    X(cuDevicePrimaryCtxRelease)                                                                                       \
    X(cuCtxPushCurrent)                                                                                                \
    X(cuCtxPopCurrent)                                                                                                 \
    X(cuCtxGetCurrent)                                                                                                 \
    X(cuCtxGetDevice)                                                                                                  \
    X(cuCtxSynchronize)                                                                                                \
    X(cuThreadExchangeStreamCaptureMode)                                                                               \
    X(cuStreamIsCapturing)                                                                                             \
    X(cuStreamGetCtx)                                                                                                  \
    X(cuStreamCreate)                                                                                                  \
    X(cuStreamDestroy)                                                                                                 \
    X(cuStreamGetId)                                                                                                   \
    X(cuStreamSynchronize)                                                                                             \
    X(cuEventCreate)                                                                                                   \
    X(cuEventRecord)                                                                                                   \
    X(cuEventQuery)                                                                                                    \
    X(cuEventDestroy)                                                                                                  \
    X(cuPointerGetAttribute)                                                                                           \
    X(cuMemGetAllocationGranularity)                                                                                   \
    X(cuMemAddressReserve)                                                                                             \
    X(cuMemAddressFree)                                                                                                \
    X(cuMemCreate)                                                                                                     \
    X(cuMemRelease)                                                                                                    \
    X(cuMemMap)                                                                                                        \
    X(cuMemUnmap)                                                                                                      \
    X(cuMemSetAccess)                                                                                                  \
    X(cuMemHostAlloc)                                                                                                  \
    X(cuMemHostRegister)                                                                                               \
    X(cuMemHostGetDevicePointer)                                                                                       \
    X(cuMemFreeHost)                                                                                                   \
    X(cuMemAlloc)                                                                                                      \
    X(cuMemFree)                                                                                                       \
    X(cuMemsetD32Async)                                                                                                \
    X(cuModuleLoadData)                                                                                                \
    X(cuModuleGetFunction)                                                                                             \
    X(cuModuleUnload)                                                                                                  \
    X(cuLaunchKernel)                                                                                                  \
    X(cuMemHostUnregister)                                                                                             \
    X(cuMemGetInfo)                                                                                                    \
    X(cuDeviceGetDefaultMemPool)                                                                                       \
    X(cuDeviceGetMemPool)                                                                                              \
    X(cuMemPoolGetAttribute)                                                                                           \
    X(cuMemPoolTrimTo)                                                                                                 \
    X(cuMemcpy)                                                                                                        \
    X(cuMemcpyAsync)

struct vs_driver {
#define VS_DRIVER_MEMBER(name) __typeof__(&name) name;
    VS_DRIVER_FUNCTIONS(VS_DRIVER_MEMBER)
#undef VS_DRIVER_MEMBER
};

/* The real driver, initialised (cuInit). NULL when libcuda.so.1 is absent or too old, said once in the log. Any thread.
 */
const struct vs_driver *vs_driver(void);

/* "CUDA_ERROR_OUT_OF_MEMORY" for 2. Never NULL. */
const char *vs_driver_error(CUresult result);

/* The library's own work on `context`: makes it current and the capture mode relaxed, until vs_driver_leave. */
struct vs_driver_scope {
    CUstreamCaptureMode program_mode;
};
CUresult vs_driver_enter(struct vs_driver_scope *scope, CUcontext context);
void vs_driver_leave(struct vs_driver_scope *scope);

#endif
