/* error.h: errors that a runtime hook returns itself.
 *
 * The runtime keeps a last error per thread; PyTorch's cudaMallocAsync allocator looks at it after every call. An error
 * that comes from us, not from the real runtime, must be seen there as well. */
#ifndef VS_ERROR_H
#define VS_ERROR_H

#include <cuda_runtime_api.h>

/* Returns `error`; unless it is success, the thread's next cudaGetLastError or cudaPeekAtLastError tells it. */
cudaError_t vs_own_error(cudaError_t error);

#endif
