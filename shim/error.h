/* error.h: errors that a runtime hook returns itself.
 *
 * The runtime keeps a last error per thread; PyTorch's cudaMallocAsync allocator looks at it after every call. An error
 * that comes from us, not from the real runtime, must be seen there as well, until a later one takes its place. */
#ifndef VS_ERROR_H
#define VS_ERROR_H

#include <cuda_runtime_api.h>

struct vs_cudart;

/* Returns `error`; unless it is success, the thread's next cudaGetLastError or cudaPeekAtLastError tells it, if the
 * real runtime has had none since. */
cudaError_t vs_own_error(const struct vs_cudart *real, cudaError_t error);

/* Returns cudaErrorInvalidDevice, which is the real runtime's own last error then: it is asked for a device that no
 * machine has. */
cudaError_t vs_no_such_device(const struct vs_cudart *real);

#endif
