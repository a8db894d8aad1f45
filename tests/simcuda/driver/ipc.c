/* ipc.c: sharing memory with other processes by legacy handles, which is refused: the simulated machine lives in one
 * process. What can be told apart is: mapped memory and pool memory have no such handles on a real machine either. */
#include "api.h"
#include "range.h"
#include "rules.h"

CUresult sim_cuIpcGetMemHandle(CUipcMemHandle *handle, CUdeviceptr address)
{
    const struct sim_range *range = sim_range_find(address);

    if (handle != NULL && range != NULL && range->kind == SIM_POOL_BLOCK && !SIM_RULE(pool_not_exported))
        return CUDA_SUCCESS;
    if (handle == NULL || range == NULL || range->kind != SIM_ALLOCATION)
        return CUDA_ERROR_INVALID_VALUE;
    return CUDA_ERROR_NOT_SUPPORTED;
}

CUresult sim_cuIpcCloseMemHandle(CUdeviceptr address)
{
    (void)address;
    return CUDA_ERROR_INVALID_VALUE; /* none was ever opened */
}
