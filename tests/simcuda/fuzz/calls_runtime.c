/* calls_runtime.c: the same world through the runtime. */
#include "fuzz.h"

#include <cuda_runtime_api.h>

RUNTIME_CALL(cudaGetDevice)
{
    int device;
    return cudaGetDevice(OUT(&device));
}

RUNTIME_CALL(cudaSetDevice)
{
    return cudaSetDevice(any_device());
}

RUNTIME_CALL(cudaGetDeviceCount)
{
    int count;
    return cudaGetDeviceCount(OUT(&count));
}

RUNTIME_CALL(cudaGetLastError)
{
    return cudaGetLastError();
}

RUNTIME_CALL(cudaPeekAtLastError)
{
    return cudaPeekAtLastError();
}

RUNTIME_CALL(cudaGetDeviceProperties)
{
    struct cudaDeviceProp properties;
    return cudaGetDeviceProperties(OUT(&properties), any_device());
}

RUNTIME_CALL(cudaDeviceGetAttribute)
{
    int value;
    return cudaDeviceGetAttribute(OUT(&value), (enum cudaDeviceAttr)number_of(150), any_device());
}

RUNTIME_CALL(cudaMemGetInfo)
{
    size_t available, total;
    return cudaMemGetInfo(OUT(&available), OUT(&total));
}

RUNTIME_CALL(cudaMalloc)
{
    void *made = NULL;
    size_t bytes = any_bytes();
    int device = -1;
    if (!room_for(ALLOCATION))
        return NOT_MADE;
    int result = cudaMalloc(OUT(&made), bytes);
    cudaGetDevice(&device);
    if (!made)
        return result; /* of no bytes */
    return born_as(result, ALLOCATION, (struct object){.value = (uintptr_t)made, .bytes = bytes, .device = device});
}

RUNTIME_CALL(cudaFree)
{
    uintptr_t address = any(one_in(4) ? BLOCK : ALLOCATION);
    if (shadow_overlaps(address, 1) || (find(BLOCK, address) && !may_pull_away()))
        return NOT_MADE;
    int result = cudaFree((void *)address);
    died(result, BLOCK, address);
    return died(result, ALLOCATION, address);
}

RUNTIME_CALL(cudaHostAlloc)
{
    void *made = NULL;
    size_t bytes = any_bytes();
    if (!room_for(PINNED))
        return NOT_MADE;
    int result = cudaHostAlloc(OUT(&made), bytes, flags_of(7));
    if (!made)
        return result; /* of no bytes */
    return born_as(
        result, PINNED, (struct object){.value = (uintptr_t)made, .bytes = bytes, .device = -1, .cpu = true});
}

RUNTIME_CALL(cudaFreeHost)
{
    uintptr_t address = any(PINNED);
    if (shadow_overlaps(address, 1))
        return NOT_MADE;
    return died(cudaFreeHost((void *)address), PINNED, address);
}

RUNTIME_CALL(cudaPointerGetAttributes)
{
    struct cudaPointerAttributes attributes;
    size_t follow;
    return cudaPointerGetAttributes(OUT(&attributes), (void *)any_memory(NULL, &follow));
}

RUNTIME_CALL(cudaMemcpy)
{
    size_t to_bytes, from_bytes;
    void *to = (void *)any_device_memory(NULL, &to_bytes);
    void *from = one_in(2) ? (void *)any_device_memory(NULL, &from_bytes) : host_bytes(&from_bytes);
    size_t bytes = small_bytes(to_bytes < from_bytes ? to_bytes : from_bytes);
    return cudaMemcpy(to, from, bytes > from_bytes ? from_bytes : bytes,
        (enum cudaMemcpyKind)(one_in(2) ? cudaMemcpyDefault : number_of(5)));
}

RUNTIME_CALL(cudaMemcpyAsync)
{
    size_t to_bytes, from_bytes;
    cudaStream_t stream = any_stream();
    void *from = (void *)any_device_memory(stream, &from_bytes);
    void *to = one_in(2) ? (void *)any_device_memory(stream, &to_bytes) : host_bytes(&to_bytes);
    size_t bytes = small_bytes(to_bytes < from_bytes ? to_bytes : from_bytes);
    return cudaMemcpyAsync(to, from, bytes > to_bytes ? to_bytes : bytes,
        (enum cudaMemcpyKind)(one_in(2) ? cudaMemcpyDefault : number_of(5)), stream);
}

RUNTIME_CALL(cudaMemcpy2DAsync)
{
    size_t to_bytes, from_bytes;
    cudaStream_t stream = any_stream();
    void *from = (void *)any_device_memory(stream, &from_bytes), *to = (void *)any_device_memory(stream, &to_bytes);
    size_t pitch = 1 + below(512), width = one_in(16) ? chance() >> below(60) : below(pitch + 1);
    return cudaMemcpy2DAsync(
        to, pitch, from, one_in(16) ? chance() : pitch, width, below(16), cudaMemcpyDefault, stream);
}

RUNTIME_CALL(cudaMemsetAsync)
{
    size_t bytes;
    cudaStream_t stream = any_stream();
    void *to = (void *)any_device_memory(stream, &bytes);
    return cudaMemsetAsync(to, (int)chance(), small_bytes(bytes), stream);
}

RUNTIME_CALL(cudaStreamCreateWithFlags)
{
    cudaStream_t made = NULL;
    if (!room_for(STREAM))
        return NOT_MADE;
    return born(cudaStreamCreateWithFlags(OUT(&made), flags_of(cudaStreamNonBlocking)), STREAM, made);
}

RUNTIME_CALL(cudaStreamSynchronize)
{
    return cudaStreamSynchronize(any_stream());
}

RUNTIME_CALL(cudaStreamQuery)
{
    return cudaStreamQuery(any_stream());
}

RUNTIME_CALL(cudaStreamWaitEvent)
{
    return cudaStreamWaitEvent(any_stream(), ANY(cudaEvent_t, EVENT), 0);
}

RUNTIME_CALL(cudaEventCreateWithFlags)
{
    cudaEvent_t made = NULL;
    if (!room_for(EVENT))
        return NOT_MADE;
    return born(cudaEventCreateWithFlags(OUT(&made), flags_of(3)), EVENT, made);
}

RUNTIME_CALL(cudaEventRecord)
{
    return cudaEventRecord(ANY(cudaEvent_t, EVENT), any_stream());
}

RUNTIME_CALL(cudaEventQuery)
{
    return cudaEventQuery(ANY(cudaEvent_t, EVENT));
}

RUNTIME_CALL(cudaEventDestroy)
{
    uintptr_t event = any(EVENT);
    return died(cudaEventDestroy((cudaEvent_t)event), EVENT, event);
}

RUNTIME_CALL(cudaDeviceSynchronize)
{
    return cudaDeviceSynchronize();
}

RUNTIME_CALL(cudaDeviceCanAccessPeer)
{
    int can;
    return cudaDeviceCanAccessPeer(OUT(&can), any_device(), any_device());
}

RUNTIME_CALL(cudaDeviceEnablePeerAccess)
{
    return cudaDeviceEnablePeerAccess(any_device(), one_in(16));
}

RUNTIME_CALL(cudaDeviceDisablePeerAccess)
{
    int device = any_device();
    if (!may_pull_away())
        return NOT_MADE;
    return cudaDeviceDisablePeerAccess(device);
}

RUNTIME_CALL(cudaStreamIsCapturing)
{
    enum cudaStreamCaptureStatus status;
    return cudaStreamIsCapturing(any_stream(), OUT(&status));
}

RUNTIME_CALL(cudaMemPoolTrimTo)
{
    return cudaMemPoolTrimTo(ANY(cudaMemPool_t, POOL), below(1 << 30));
}

RUNTIME_CALL(cudaGetDriverEntryPointByVersion)
{
    static const char *const symbols[] = {"cuMemCreate", "cuMemAlloc", "cuNothing", ""};
    void *function;
    enum cudaDriverEntryPointQueryResult status;
    return cudaGetDriverEntryPointByVersion(OUT(symbols[below(4)]), OUT(&function),
        one_in(4) ? (unsigned)below(20000) : 12000, one_in(16) ? chance() : cudaEnableDefault, OUT(&status));
}

RUNTIME_CALL(cudaLaunchKernel)
{
    static int no_kernel;
    return cudaLaunchKernel(&no_kernel, (dim3){1, 1, 1}, (dim3){1, 1, 1}, NULL, 0, any_stream());
}
