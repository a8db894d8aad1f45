/* hooks_error.c: the last error of the thread, the runtime's and ours. See error.h. */
#include "error.h"

#include "hook.h"

static __thread cudaError_t own_error __attribute__((tls_model("initial-exec")));

cudaError_t vs_own_error(cudaError_t error)
{
    if (error != cudaSuccess)
        own_error = error;
    return error;
}

cudaError_t vs_cudaGetLastError(const struct vs_cudart *real)
{
    cudaError_t error = real->cudaGetLastError();
    if (own_error != cudaSuccess) {
        error = own_error;
        own_error = cudaSuccess;
    }
    return error;
}

cudaError_t vs_cudaPeekAtLastError(const struct vs_cudart *real)
{
    return own_error != cudaSuccess ? own_error : real->cudaPeekAtLastError();
}
