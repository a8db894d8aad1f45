/* ipc.c: sharing memory with other processes by legacy handles, which is refused: the simulated machine lives in one
 * process. What can be told apart is: mapped memory and pool memory have no such handles on a real machine either. */
#include "api.h"
#include "range.h"
#include "rules.h"

CUresult sim_cuIpcGetMemHandle(CUipcMemHandle *handle, CUdeviceptr address)
{
    const struct sim_range *range = sim_range_find(address);

    if (handle == NULL || range == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    if (range->kind == SIM_MAPPING)
        return SIM_REFUSE(ipc_mapping, CUDA_ERROR_INVALID_VALUE);
    if (range->kind == SIM_POOL_BLOCK)
        return SIM_REFUSE(ipc_pool, CUDA_ERROR_INVALID_VALUE);
    if (range->kind != SIM_ALLOCATION)
        return SIM_REFUSE(ipc_host, CUDA_ERROR_INVALID_VALUE);
    return CUDA_ERROR_NOT_SUPPORTED;
}

CUresult sim_cuIpcCloseMemHandle(CUdeviceptr address)
{
    (void)address;
    return CUDA_ERROR_INVALID_VALUE; /* none was ever opened */
}
