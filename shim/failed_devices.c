/* failed_devices.c: see failed_devices.h. */
#include "failed_devices.h"

enum vs_failure vs_failure_of(CUresult error)
{
    static const CUresult lasting[] = {CUDA_ERROR_NOT_SUPPORTED, CUDA_ERROR_INVALID_VALUE, CUDA_ERROR_NOT_PERMITTED,
        CUDA_ERROR_INVALID_DEVICE, CUDA_ERROR_PEER_ACCESS_UNSUPPORTED};
    for (size_t i = 0; i < sizeof lasting / sizeof *lasting; i++)
        if (error == lasting[i])
            return VS_FAILURE_LASTING;
    return error == CUDA_ERROR_OUT_OF_MEMORY ? VS_FAILURE_FULL : VS_FAILURE_NOW;
}

const struct vs_failed_device *vs_failed_find(const struct vs_failed_devices *failed, struct vs_device_id id)
{
    for (size_t i = 0; i < failed->count; i++)
        if (vs_device_equal(failed->list[i].id, id))
            return &failed->list[i];
    return NULL;
}

bool vs_failed_add(struct vs_failed_devices *failed, struct vs_failed_device device)
{
    if (vs_failed_find(failed, device.id))
        return false;
    failed->list[failed->count++] = device;
    return true;
}

bool vs_failed_any_for_now(const struct vs_failed_devices *failed)
{
    for (size_t i = 0; i < failed->count; i++)
        if (failed->list[i].failure != VS_FAILURE_LASTING)
            return true;
    return false;
}
