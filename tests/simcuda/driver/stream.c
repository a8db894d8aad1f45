/* stream.c: stream handles and the calls about one stream; the queues themselves are in schedule.c. */
#include "stream.h"
#include "api.h"
#include "capture.h"
#include "objects.h"

#define LOWEST_PRIORITY   0
#define GREATEST_PRIORITY (-5)

CUstream sim_stream_new(CUcontext context, unsigned flags, int priority)
{
    CUstream stream = sim_stream_allocate();

    if (stream == NULL)
        return NULL;
    stream->references = 1;
    if (!sim_object_add(stream, SIM_OBJECT_STREAM)) {
        sim_stream_drop(stream);
        return NULL;
    }
    stream->context = context;
    stream->id = ++sim.next_id;
    stream->flags = flags;
    stream->priority =
        priority < GREATEST_PRIORITY ? GREATEST_PRIORITY : (priority > LOWEST_PRIORITY ? LOWEST_PRIORITY : priority);
    stream->next_in_context = context->streams;
    context->streams = stream;
    return stream;
}

void sim_stream_retire(CUstream stream)
{
    CUstream *link = &stream->context->streams;

    while (*link != stream)
        link = &(*link)->next_in_context;
    *link = stream->next_in_context;
    sim_object_remove(stream);
    stream->destroyed = true;
    if (stream->first == NULL)
        sim_stream_drop(stream);
}

/* The thread's own default stream in the current context, made at first use. It lives as long as the context. */
static CUstream own_stream(CUcontext context)
{
    size_t slot_count = sizeof sim_thread.own_streams / sizeof *sim_thread.own_streams;
    size_t slot = 0;

    for (size_t i = 0; i < slot_count; i++)
        if (sim_thread.own_context_ids[i] == context->id)
            return sim_thread.own_streams[i];
    while (slot < slot_count && sim_thread.own_context_ids[slot] != 0)
        slot++;
    if (slot == slot_count)
        slot = 0; /* more contexts than devices, over and over: the oldest is forgotten */
    sim_thread.own_streams[slot] = sim_stream_new(context, CU_STREAM_DEFAULT, LOWEST_PRIORITY);
    if (sim_thread.own_streams[slot] == NULL)
        return NULL;
    sim_thread.own_streams[slot]->is_per_thread = true;
    sim_thread.own_context_ids[slot] = context->id;
    return sim_thread.own_streams[slot];
}

CUresult sim_stream_resolve(CUstream handle, CUstream *stream)
{
    CUcontext context = sim_current();

    if (handle == CU_STREAM_LEGACY || (handle == NULL && !sim_thread.per_thread_default)) {
        *stream = context->legacy_stream;
        return CUDA_SUCCESS;
    }
    if (handle == NULL || handle == CU_STREAM_PER_THREAD) {
        *stream = own_stream(context);
        return *stream != NULL ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
    }
    if (!sim_object_is(handle, SIM_OBJECT_STREAM))
        return CUDA_ERROR_INVALID_HANDLE;
    *stream = handle;
    return handle->context->sticky;
}

CUresult sim_stream_for_work(CUstream handle, CUstream *stream)
{
    CUresult result = sim_stream_resolve(handle, stream);
    if (result == CUDA_SUCCESS)
        result = sim_capture_allows_work(*stream);
    return result;
}

CUresult sim_cuStreamCreateWithPriority(CUstream *stream, unsigned flags, int priority)
{
    if (stream == NULL || (flags & ~(unsigned)CU_STREAM_NON_BLOCKING) != 0)
        return CUDA_ERROR_INVALID_VALUE;
    *stream = sim_stream_new(sim_current(), flags, priority);
    return *stream != NULL ? CUDA_SUCCESS : CUDA_ERROR_OUT_OF_MEMORY;
}

CUresult sim_cuStreamCreate(CUstream *stream, unsigned flags)
{
    return sim_cuStreamCreateWithPriority(stream, flags, LOWEST_PRIORITY);
}

CUresult sim_cuCtxGetStreamPriorityRange(int *least, int *greatest)
{
    if (least != NULL)
        *least = LOWEST_PRIORITY;
    if (greatest != NULL)
        *greatest = GREATEST_PRIORITY;
    return CUDA_SUCCESS;
}

CUresult sim_cuStreamDestroy_v2(CUstream stream)
{
    if (!sim_object_is(stream, SIM_OBJECT_STREAM) || stream->is_legacy || stream->is_per_thread)
        return CUDA_ERROR_INVALID_HANDLE;
    if (stream->capture != NULL)
        sim_capture_abandon(stream);
    sim_stream_retire(stream);
    return CUDA_SUCCESS;
}

#define QUESTION(symbol, type, answer)                                                                                 \
    CUresult sim_##symbol(CUstream handle, type *value)                                                                \
    {                                                                                                                  \
        CUstream stream;                                                                                               \
        CUresult result = value == NULL ? CUDA_ERROR_INVALID_VALUE : sim_stream_resolve(handle, &stream);              \
        if (result == CUDA_SUCCESS)                                                                                    \
            *value = stream->answer;                                                                                   \
        return result;                                                                                                 \
    }
QUESTION(cuStreamGetPriority, int, priority)
QUESTION(cuStreamGetFlags, unsigned, flags)
QUESTION(cuStreamGetId, unsigned long long, id)
QUESTION(cuStreamGetDevice, CUdevice, context->device)
QUESTION(cuStreamGetCtx, CUcontext, context)

CUresult sim_cuStreamSynchronize(CUstream handle)
{
    CUstream stream;
    CUresult result = sim_stream_resolve(handle, &stream);
    if (result == CUDA_SUCCESS)
        result = sim_capture_allows_waiting(stream);
    return result == CUDA_SUCCESS ? sim_drain_stream(stream) : result;
}

CUresult sim_cuStreamQuery(CUstream handle)
{
    CUstream stream;
    CUresult result = sim_stream_resolve(handle, &stream);
    if (result == CUDA_SUCCESS)
        result = sim_capture_allows_waiting(stream);
    return result == CUDA_SUCCESS ? sim_query(stream, sim_last_sequence(), &stream->refusals) : result;
}
