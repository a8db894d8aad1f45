/* context.c: the helpers of context.h. */
#include "context.h"

CUcontext new_context(int device)
{
    CUcontext context;
    CUdevice handle;
    OK(cuInit(0));
    OK(cuDeviceGet(&handle, device));
#if CUDA_VERSION >= 13000
    OK(cuCtxCreate(&context, NULL, 0, handle));
#else
    OK(cuCtxCreate(&context, 0, handle));
#endif
    return context;
}

CUstream stream_of(int device)
{
    CUstream stream;
    use_device(device);
    OK(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    return stream;
}

CUevent event_of(int device)
{
    CUevent event;
    use_device(device);
    OK(cuEventCreate(&event, CU_EVENT_DEFAULT));
    return event;
}
