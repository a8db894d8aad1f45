/* calls_stream.c: streams, events, host functions. */
#include "fuzz.h"

CALL(cuStreamCreate)
{
    CUstream made = NULL;
    if (!room_for(STREAM))
        return NOT_MADE;
    return born(cuStreamCreate(OUT(&made), flags_of(CU_STREAM_NON_BLOCKING)), STREAM, made);
}

CALL(cuStreamCreateWithPriority)
{
    CUstream made = NULL;
    if (!room_for(STREAM))
        return NOT_MADE;
    return born(
        cuStreamCreateWithPriority(OUT(&made), flags_of(CU_STREAM_NON_BLOCKING), number_of(8) - 6), STREAM, made);
}

CALL(cuStreamDestroy)
{
    uintptr_t stream = any(STREAM);
    int result = died(cuStreamDestroy((CUstream)stream), STREAM, stream);
    if (result == 0 && world.captures)
        count_captures(); /* one that was begun there is abandoned */
    return result;
}

#define ASK(name, type, ...)                                                                                           \
    CALL(name)                                                                                                         \
    {                                                                                                                  \
        type value;                                                                                                    \
        return name(__VA_ARGS__, OUT(&value));                                                                         \
    }
ASK(cuStreamGetPriority, int, any_stream())
ASK(cuStreamGetFlags, unsigned, any_stream())
ASK(cuStreamGetId, unsigned long long, any_stream())
ASK(cuStreamGetDevice, CUdevice, any_stream())
ASK(cuStreamGetCtx, CUcontext, any_stream())

CALL(cuStreamSynchronize)
{
    return cuStreamSynchronize(any_stream());
}

CALL(cuStreamQuery)
{
    return cuStreamQuery(any_stream());
}

CALL_OF(cuStreamWaitEvent, 12, false)
{
    int result = cuStreamWaitEvent(any_stream(), ANY(CUevent, EVENT), flags_of(0) & 0xff);
    if (world.captures)
        count_captures(); /* a stream may have joined one */
    return result;
}

static void CUDA_CB count_callback(void *counter)
{
    CUstream refused;
    ++*(_Atomic uint64_t *)counter;
    if (cuStreamCreate(&refused, 0) != CUDA_ERROR_NOT_PERMITTED)
        fail("a host function may call CUDA");
}

/* A captured one runs as often as its graph is launched, which is not counted. */
static _Atomic uint64_t uncounted;

CALL(cuLaunchHostFunc)
{
    CUstream stream = any_stream();
    bool counted = !(world.captures && is_captured(stream));
    CUhostFn function = OUT(count_callback);
    int result = cuLaunchHostFunc(stream, function, counted ? &world.callbacks_run : &uncounted);
    world.callbacks_queued += result == 0 && counted;
    return result;
}

static void CUDA_CB stream_callback(CUstream stream, CUresult result, void *counter)
{
    (void)stream;
    (void)result;
    ++*(_Atomic uint64_t *)counter;
}

CALL(cuStreamAddCallback)
{
    int result = cuStreamAddCallback(any_stream(), OUT(stream_callback), &world.callbacks_run, one_in(20));
    world.callbacks_queued += result == 0;
    return result;
}

CALL(cuEventCreate)
{
    CUevent made = NULL;
    if (!room_for(EVENT))
        return NOT_MADE;
    return born(cuEventCreate(OUT(&made), flags_of(3)), EVENT, made);
}

CALL(cuEventDestroy)
{
    uintptr_t event = any(EVENT);
    return died(cuEventDestroy((CUevent)event), EVENT, event);
}

CALL_OF(cuEventRecord, 12, false)
{
    return cuEventRecord(ANY(CUevent, EVENT), any_stream());
}

CALL(cuEventRecordWithFlags)
{
    return cuEventRecordWithFlags(ANY(CUevent, EVENT), any_stream(), flags_of(0) & 0xff);
}

CALL(cuEventQuery)
{
    return cuEventQuery(ANY(CUevent, EVENT));
}

CALL(cuEventSynchronize)
{
    return cuEventSynchronize(ANY(CUevent, EVENT));
}

CALL(cuEventElapsedTime)
{
    float milliseconds;
    return cuEventElapsedTime(OUT(&milliseconds), ANY(CUevent, EVENT), ANY(CUevent, EVENT));
}
