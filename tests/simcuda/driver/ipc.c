/* ipc.c: legacy handles of memory and events, for other processes. Memory from cuMemAlloc has one, mapped memory and
 * pool memory have none. Nobody can open one here: not the process that it comes from, as on a real machine, and no
 * other, since the simulated machine lives in one process. */
#include "ipc.h"
#include "api.h"
#include "range.h"
#include "rules.h"

#include <string.h>

/* What a handle's bytes hold; the rest is zero. */
struct content {
    char mark[8];
    uint64_t pid, id;
};

static const char memory_mark[8] = "simmem", event_mark[8] = "simevent";

static void write_content(char *handle, size_t bytes, const char *mark, uint64_t id)
{
    struct content content = {.pid = (uint64_t)sim.pid, .id = id};

    memcpy(content.mark, mark, sizeof content.mark);
    memset(handle, 0, bytes);
    memcpy(handle, &content, sizeof content);
}

static CUresult open_handle(const char *handle, const char *mark)
{
    struct content content;

    memcpy(&content, handle, sizeof content);
    if (memcmp(content.mark, mark, sizeof content.mark) != 0)
        return CUDA_ERROR_INVALID_HANDLE;
    if (content.pid == (uint64_t)sim.pid)
        return SIM_REFUSE(ipc_open_elsewhere, CUDA_ERROR_INVALID_CONTEXT);
    sim_say("%s: the simulated machine lives in one process: nothing of another one can be opened", sim_call_name());
    return CUDA_ERROR_MAP_FAILED;
}

CUresult sim_cuIpcGetMemHandle(CUipcMemHandle *handle, CUdeviceptr address)
{
    const struct sim_range *range = sim_range_find(address);

    if (handle == NULL || range == NULL)
        return CUDA_ERROR_INVALID_VALUE;
    if (range->kind == SIM_MAPPING)
        return SIM_REFUSE(ipc_mapping, CUDA_ERROR_INVALID_VALUE);
    if (range->kind == SIM_POOL_BLOCK)
        return SIM_REFUSE(ipc_pool, CUDA_ERROR_INVALID_VALUE);
    if (range->kind != SIM_ALLOCATION || range->graph_memory != NULL)
        return SIM_REFUSE(ipc_host, CUDA_ERROR_INVALID_VALUE);
    write_content(handle->reserved, sizeof handle->reserved, memory_mark, range->buffer_id);
    return CUDA_SUCCESS;
}

CUresult sim_cuIpcOpenMemHandle_v2(CUdeviceptr *address, CUipcMemHandle handle, unsigned flags)
{
    if (address == NULL || flags != CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS)
        return CUDA_ERROR_INVALID_VALUE;
    return open_handle(handle.reserved, memory_mark);
}

CUresult sim_cuIpcCloseMemHandle(CUdeviceptr address)
{
    (void)address;
    return CUDA_ERROR_INVALID_VALUE; /* none was ever opened */
}

void sim_ipc_write_event(CUipcEventHandle *handle, uint64_t id)
{
    write_content(handle->reserved, sizeof handle->reserved, event_mark, id);
}

CUresult sim_cuIpcOpenEventHandle(CUevent *event, CUipcEventHandle handle)
{
    return event == NULL ? CUDA_ERROR_INVALID_VALUE : open_handle(handle.reserved, event_mark);
}
