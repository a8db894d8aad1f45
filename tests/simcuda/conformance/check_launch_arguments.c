/* check_launch_arguments.c: how arguments reach a kernel: one pointer for each, or all in one buffer. */
#include "conformance.h"

#include <string.h>

/* Arguments of store(unsigned *, unsigned) as they lie in one buffer. */
struct packed {
    CUdeviceptr to;
    unsigned value;
};

static CUresult launch_with(CUfunction kernel, void **parameters, void **extra)
{
    return cuLaunchKernel(kernel, 1, 1, 1, 1, 1, 1, 0, NULL, parameters, extra);
}

static CUresult launch_packed(CUfunction kernel, const void *buffer, size_t bytes)
{
    void *extra[] = {
        CU_LAUNCH_PARAM_BUFFER_POINTER, (void *)buffer, CU_LAUNCH_PARAM_BUFFER_SIZE, &bytes, CU_LAUNCH_PARAM_END};
    return launch_with(kernel, NULL, extra);
}

/* The bytes of the parameters, without what the structure has behind them. */
enum { PACKED_BYTES = sizeof(CUdeviceptr) + sizeof(unsigned) };

CHECK(launch_packed, "[header: cuLaunchKernel]", "arguments may be given in one buffer, which is read at the call")
{
    struct packed arguments = {.value = 1};
    use_device(0);
    CUfunction kernel = store_kernel();
    OK(cuMemAlloc(&arguments.to, MIB));
    OK(launch_packed(kernel, &arguments, PACKED_BYTES));
    memset(&arguments, 0xFF, sizeof arguments);
    OK(cuCtxSynchronize());
}

CHECK(launch_packed_freed_memory, "[assumed]",
    "a kernel that stores to freed memory breaks the context also where a buffer held its arguments",
    "launch_packed_judged", "illegal_address")
{
    struct packed arguments = {.value = 1};
    use_device(0);
    CUfunction kernel = store_kernel();
    OK(cuMemAlloc(&arguments.to, 64 * MIB));
    OK(launch_packed(kernel, &arguments, PACKED_BYTES));
    OK(cuCtxSynchronize());
    OK(cuMemFree(arguments.to));
    OK(launch_packed(kernel, &arguments, PACKED_BYTES));
    FAILS(cuCtxSynchronize(), CUDA_ERROR_ILLEGAL_ADDRESS);
}

CHECK(launch_arguments_twice, "[header: cuLaunchKernel]", "arguments are not given in both ways at once",
    "launch_arguments_once")
{
    struct packed arguments = {.value = 1};
    size_t bytes = PACKED_BYTES;
    use_device(0);
    CUfunction kernel = store_kernel();
    OK(cuMemAlloc(&arguments.to, MIB));
    void *parameters[] = {&arguments.to, &arguments.value};
    void *extra[] = {
        CU_LAUNCH_PARAM_BUFFER_POINTER, &arguments, CU_LAUNCH_PARAM_BUFFER_SIZE, &bytes, CU_LAUNCH_PARAM_END};
    FAILS(launch_with(kernel, parameters, extra), CUDA_ERROR_INVALID_VALUE);
    OK(launch_with(kernel, parameters, NULL));
    OK(cuCtxSynchronize());
}

CHECK(launch_packed_without_buffer, "[header: CU_LAUNCH_PARAM_BUFFER_SIZE; assumed: the error]",
    "a size without a buffer is refused", "launch_packed_list")
{
    size_t bytes = PACKED_BYTES;
    use_device(0);
    void *extra[] = {CU_LAUNCH_PARAM_BUFFER_SIZE, &bytes, CU_LAUNCH_PARAM_END};
    FAILS(launch_with(store_kernel(), NULL, extra), CUDA_ERROR_INVALID_VALUE);
}

CHECK(launch_packed_unknown_setting, "[assumed]", "a list with a name that is none of those in cuda.h is refused",
    "launch_packed_list")
{
    struct packed arguments = {.value = 1};
    size_t bytes = PACKED_BYTES;
    use_device(0);
    OK(cuMemAlloc(&arguments.to, MIB));
    void *extra[] = {CU_LAUNCH_PARAM_BUFFER_POINTER, &arguments, CU_LAUNCH_PARAM_BUFFER_SIZE, &bytes, (void *)99,
        &bytes, CU_LAUNCH_PARAM_END};
    FAILS(launch_with(store_kernel(), NULL, extra), CUDA_ERROR_INVALID_VALUE);
}

CHECK(launch_packed_too_small, "[assumed]", "a buffer that does not hold all parameters is refused",
    "launch_arguments_given")
{
    struct packed arguments = {.value = 1};
    use_device(0);
    CUfunction kernel = store_kernel();
    OK(cuMemAlloc(&arguments.to, MIB));
    FAILS(launch_packed(kernel, &arguments, sizeof arguments.to), CUDA_ERROR_INVALID_VALUE);
}

CHECK(launch_without_arguments, "[assumed]", "a kernel with parameters is not launched without any",
    "launch_arguments_given")
{
    use_device(0);
    FAILS(launch_with(store_kernel(), NULL, NULL), CUDA_ERROR_INVALID_VALUE);
}
