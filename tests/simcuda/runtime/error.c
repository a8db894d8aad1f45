/* error.c: the thread's last error, and names and texts of errors. */
#include "runtime.h"

#include "../internals.h"
#include "rules.h"

static const struct error {
    cudaError_t code;
    bool sticky;
    const char *name, *text;
} errors[] = {
#define ERROR(code, sticky, text) {code, sticky, #code, text},
#include "errors.def"
#undef ERROR
};

static const struct error *find_error(cudaError_t code)
{
    for (size_t i = 0; i < sizeof errors / sizeof errors[0]; i++)
        if (errors[i].code == code)
            return &errors[i];
    return NULL;
}

cudaError_t rt_error_from_driver(CUresult result)
{
    return find_error((cudaError_t)result) ? (cudaError_t)result : cudaErrorUnknown;
}

const char *cudaGetErrorName(cudaError_t code)
{
    rt_driver_load(); /* the real one wakes the driver for this too */
    const struct error *error = find_error(code);
    return error ? error->name : "unrecognized error code";
}

const char *cudaGetErrorString(cudaError_t code)
{
    rt_driver_load();
    const struct error *error = find_error(code);
    return error ? error->text : "unrecognized error code";
}

/* What the program's own calls of the driver returned is no business of the runtime's. */
static cudaError_t last_error(void)
{
    static const CUuuid internals_id = SIMCUDA_INTERNALS_UUID;
    const void *table = NULL;

    if (*rt_last_error() == cudaSuccess && !SIM_RULE(last_error_not_of_driver) &&
        RT_DRIVER(cuGetExportTable)(&table, &internals_id) == CUDA_SUCCESS)
        *rt_last_error() = rt_error_from_driver(((const struct simcuda_internals *)table)->last_refused());
    return *rt_last_error();
}

cudaError_t cudaPeekAtLastError(void)
{
    RT_ENTER(RT_NEEDS_DRIVER);
    cudaError_t last = last_error();
    if (!SIM_RULE(last_error_peek_leaves))
        *rt_last_error() = cudaSuccess;
    return last;
}

cudaError_t cudaGetLastError(void)
{
    RT_ENTER(RT_NEEDS_DRIVER);
    cudaError_t last = last_error();
    const struct error *error = find_error(last);
    bool sticky = error && error->sticky && SIM_RULE(last_error_sticky);
    if (!sticky && SIM_RULE(last_error_cleared))
        *rt_last_error() = cudaSuccess;
    return last;
}
