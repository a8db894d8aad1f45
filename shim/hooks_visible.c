/* hooks_visible.c: the start of CUDA, how many devices the program sees, and questions whose answer may be a device
 * that it does not. They act only while the driver shows such devices; those that merely name one are made from the
 * table (hooks.def, `ordinal`). */
#include "devices.h"
#include "error.h"
#include "hook.h"

/* The runtime's way into the driver, too. Invalid flags start nothing. */
CUresult vs_cuInit(const struct vs_libcuda *real, unsigned flags)
{
    if (flags == 0)
        vs_devices_start();
    return real->cuInit(flags);
}

cudaError_t vs_cudaGetDeviceCount(const struct vs_cudart *real, int *count)
{
    cudaError_t result = real->cudaGetDeviceCount(count);
    if (result == cudaSuccess)
        *count = vs_devices_seen(*count);
    return result;
}

CUresult vs_cuDeviceGetCount(const struct vs_libcuda *real, int *count)
{
    CUresult result = real->cuDeviceGetCount(count);
    if (result == CUDA_SUCCESS)
        *count = vs_devices_seen(*count);
    return result;
}

/* An address of a device that is not there is an invalid device (CUDA Runtime API, cudaDeviceGetByPCIBusId). */
cudaError_t vs_cudaDeviceGetByPCIBusId(const struct vs_cudart *real, int *device, const char *text)
{
    int found = -1;
    if (!device)
        return real->cudaDeviceGetByPCIBusId(device, text);
    cudaError_t result = real->cudaDeviceGetByPCIBusId(&found, text);
    if (result != cudaSuccess)
        return result;
    if (vs_devices_hides(found))
        return vs_no_such_device(real);
    *device = found;
    return cudaSuccess;
}

CUresult vs_cuDeviceGetByPCIBusId(const struct vs_libcuda *real, CUdevice *device, const char *text)
{
    CUdevice found = -1;
    if (!device)
        return real->cuDeviceGetByPCIBusId(device, text);
    CUresult result = real->cuDeviceGetByPCIBusId(&found, text);
    if (result != CUDA_SUCCESS)
        return result;
    if (vs_devices_hides(found))
        return CUDA_ERROR_INVALID_DEVICE;
    *device = found;
    return CUDA_SUCCESS;
}

/* The driver's choice is among all that it shows. Where that is a donor, the program's first device stands in. */
cudaError_t vs_cudaChooseDevice(const struct vs_cudart *real, int *device, const struct cudaDeviceProp *properties)
{
    cudaError_t result = real->cudaChooseDevice(device, properties);
    if (result == cudaSuccess && vs_devices_hides(*device))
        *device = 0;
    return result;
}

cudaError_t vs_cudaSetValidDevices(const struct vs_cudart *real, int *devices, int count)
{
    for (int i = 0; devices && i < count; i++)
        if (vs_devices_hides(devices[i]))
            return vs_no_such_device(real);
    return real->cudaSetValidDevices(devices, count);
}
