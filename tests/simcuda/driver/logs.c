/* logs.c: functions of the program that want to hear the driver's log of errors (cuda.h, cuLogsRegisterCallback). There
 * is no such log here, so they are registered and never called. */
#include "api.h"
#include "objects.h"

#include <stdlib.h>

struct CUlogsCallbackEntry_st {
    CUlogsCallback function;
    void *data;
};

CUresult sim_cuLogsRegisterCallback(CUlogsCallback function, void *data, CUlogsCallbackHandle *handle)
{
    CUlogsCallbackHandle entry;

    if (function == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    entry = calloc(1, sizeof *entry);
    if (entry == NULL || !sim_object_add(entry, SIM_OBJECT_LOG_CALLBACK)) {
        free(entry);
        return CUDA_ERROR_OUT_OF_MEMORY;
    }
    *entry = (struct CUlogsCallbackEntry_st){.function = function, .data = data};
    if (handle != NULL)
        *handle = entry;
    return CUDA_SUCCESS;
}

CUresult sim_cuLogsUnregisterCallback(CUlogsCallbackHandle handle)
{
    if (!sim_object_is(handle, SIM_OBJECT_LOG_CALLBACK))
        return CUDA_ERROR_INVALID_VALUE;
    sim_object_remove(handle);
    free(handle);
    return CUDA_SUCCESS;
}
