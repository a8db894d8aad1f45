/* recording_driver.c: the few driver functions that the simulated cuBLAS looks up (recording_driver.h). They are found
 * by cuGetProcAddress_v2 only, as cuBLAS must not ask for them in another way. */
#include "recording_driver.h"

#include <stdio.h>
#include <string.h>

struct recording recording;

static int context_object;

static CUresult init(unsigned flags)
{
    (void)flags;
    return CUDA_SUCCESS;
}

static CUresult context_get(CUcontext *context)
{
    *context = recording.has_context ? (CUcontext)(void *)&context_object : NULL;
    return CUDA_SUCCESS;
}

static CUresult context_set(CUcontext context)
{
    recording.has_context = context == (CUcontext)(void *)&context_object;
    return CUDA_SUCCESS;
}

static CUresult context_device(CUdevice *device)
{
    *device = recording.current_device;
    return recording.has_context ? CUDA_SUCCESS : CUDA_ERROR_INVALID_CONTEXT;
}

static CUresult device_get(CUdevice *device, int ordinal)
{
    *device = ordinal;
    return CUDA_SUCCESS;
}

static CUresult primary_retain(CUcontext *context, CUdevice device)
{
    (void)device;
    recording.retained++;
    *context = (CUcontext)(void *)&context_object;
    return CUDA_SUCCESS;
}

static CUresult launch_gemm(CUstream stream, const struct simcuda_gemm *gemm)
{
    recording.gemm = *gemm;
    recording.stream = stream;
    recording.launches++;
    return recording.launch_result;
}

static CUresult charge_library(const char *owner, size_t bytes)
{
    snprintf(recording.owner, sizeof recording.owner, "%s", owner);
    recording.charged_bytes += bytes;
    return recording.charge_result;
}

static CUresult export_table(const void **table, const CUuuid *uuid)
{
    static const struct simcuda_internals internals = {
        .struct_bytes = sizeof internals, .launch_gemm = launch_gemm, .charge_library = charge_library};
    static const CUuuid wanted = SIMCUDA_INTERNALS_UUID;
    if (recording.hide_internals || memcmp(uuid, &wanted, sizeof wanted) != 0)
        return CUDA_ERROR_INVALID_VALUE;
    *table = &internals;
    return CUDA_SUCCESS;
}

static const struct {
    const char *name;
    void *function;
} functions[] = {
    {"cuInit", (void *)init},
    {"cuCtxGetCurrent", (void *)context_get},
    {"cuCtxSetCurrent", (void *)context_set},
    {"cuCtxGetDevice", (void *)context_device},
    {"cuDeviceGet", (void *)device_get},
    {"cuDevicePrimaryCtxRetain", (void *)primary_retain},
    {"cuGetExportTable", (void *)export_table},
};

__attribute__((visibility("default"))) CUresult cuGetProcAddress_v2(
    const char *symbol, void **pfn, int cudaVersion, cuuint64_t flags, CUdriverProcAddressQueryResult *symbolStatus)
{
    (void)cudaVersion;
    (void)flags;
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (strcmp(functions[i].name, symbol) == 0) {
            *pfn = functions[i].function;
            *symbolStatus = CU_GET_PROC_ADDRESS_SUCCESS;
            return CUDA_SUCCESS;
        }
    *pfn = NULL;
    *symbolStatus = CU_GET_PROC_ADDRESS_SYMBOL_NOT_FOUND;
    return CUDA_ERROR_NOT_FOUND;
}
