/* hooks_error.c: the last error of the thread, the runtime's and ours. See error.h.
 *
 * Ours, when it comes, takes the place of the runtime's: so where there are both, the runtime's is the later one. */
#include "error.h"

#include <limits.h>

#include "hook.h"

static __thread cudaError_t own_error __attribute__((tls_model("initial-exec")));

cudaError_t vs_own_error(const struct vs_cudart *real, cudaError_t error)
{
    if (error != cudaSuccess) {
        real->cudaGetLastError();
        own_error = error;
    }
    return error;
}

cudaError_t vs_no_such_device(const struct vs_cudart *real)
{
    real->cudaSetDevice(INT_MAX);
    return cudaErrorInvalidDevice;
}

cudaError_t vs_cudaGetLastError(const struct vs_cudart *real)
{
    cudaError_t error = real->cudaGetLastError();
    if (error == cudaSuccess)
        error = own_error;
    own_error = cudaSuccess;
    return error;
}

cudaError_t vs_cudaPeekAtLastError(const struct vs_cudart *real)
{
    cudaError_t error = real->cudaPeekAtLastError();
    return error == cudaSuccess ? own_error : error;
}
