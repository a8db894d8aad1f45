/* world.c: what is live, what was, and what must be true of all of it. */
#include "fuzz.h"

#include "../simcuda.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIVE_LIMIT  48
#define STALE_LIMIT 32

struct world world;

static struct {
    struct object live[LIVE_LIMIT];
    size_t live_count;
    uintptr_t stale[STALE_LIMIT];
    size_t stale_count;
} kinds[KIND_COUNT];

/* A kind whose objects end with the context that was current. */
static bool belongs_to_context(enum kind kind)
{
    return kind == STREAM || kind == ALLOCATION || kind == PINNED || kind == REGISTERED || kind == MODULE ||
           kind == FUNCTION;
}

void fail(const char *sentence)
{
    if (!world.failure)
        world.failure = sentence;
}

size_t count_of(enum kind kind)
{
    return kinds[kind].live_count;
}

struct object *live(enum kind kind)
{
    return kinds[kind].live_count ? &kinds[kind].live[below(kinds[kind].live_count)] : NULL;
}

struct object *find(enum kind kind, uintptr_t value)
{
    for (size_t i = 0; i < kinds[kind].live_count; i++)
        if (kinds[kind].live[i].value == value)
            return &kinds[kind].live[i];
    return NULL;
}

uintptr_t stale(enum kind kind)
{
    return kinds[kind].stale_count ? kinds[kind].stale[below(kinds[kind].stale_count)] : 0;
}

bool room_for(enum kind kind)
{
    return kinds[kind].live_count < LIVE_LIMIT - 1;
}

int born_as(int result, enum kind kind, struct object object)
{
    if (result != 0)
        return result;
    if (object.value == 0)
        fail("a call that makes something succeeded and made nothing");
    if (kinds[kind].live_count == LIVE_LIMIT)
        abort(); /* the caller must ask room_for */
    if (belongs_to_context(kind) && !object.owner)
        cuCtxGetCurrent(&object.owner);
    kinds[kind].live[kinds[kind].live_count++] = object;
    return result;
}

/* A later stream may have the same handle: nothing orders it behind what this one allocated. */
static void disown_blocks(CUstream stream)
{
    for (size_t i = 0; i < kinds[BLOCK].live_count; i++)
        if (kinds[BLOCK].live[i].stream == stream)
            kinds[BLOCK].live[i].stream = NULL;
}

static void bury(enum kind kind, struct object *object)
{
    size_t slot = kinds[kind].stale_count < STALE_LIMIT ? kinds[kind].stale_count++ : below(STALE_LIMIT);
    kinds[kind].stale[slot] = object->value;
    if (kind == STREAM)
        disown_blocks((CUstream)object->value);
    *object = kinds[kind].live[--kinds[kind].live_count];
}

int died(int result, enum kind kind, uintptr_t value)
{
    struct object *object = result == 0 ? find(kind, value) : NULL;
    if (object)
        bury(kind, object);
    return result;
}

void forget(enum kind kind, uintptr_t value)
{
    struct object *object = find(kind, value);
    if (object)
        *object = kinds[kind].live[--kinds[kind].live_count];
}

int context_died(int result, CUcontext context)
{
    if (result != 0)
        return result;
    for (int kind = 0; kind < KIND_COUNT; kind++)
        for (size_t i = kinds[kind].live_count; i > 0; i--) {
            struct object *object = &kinds[kind].live[i - 1];
            bool block = kind == BLOCK && object->device >= 0 && context == world.primary[object->device];
            if (object->owner == context || block || (kind == CONTEXT && object->value == (uintptr_t)context))
                bury((enum kind)kind, object);
        }
    shadow_context_died(context);
    return result;
}

bool is_captured(CUstream stream)
{
    CUstreamCaptureStatus status = CU_STREAM_CAPTURE_STATUS_NONE;
    return cuStreamIsCapturing(stream, &status) != CUDA_SUCCESS || status != CU_STREAM_CAPTURE_STATUS_NONE;
}

static void end_capture(CUstream stream)
{
    CUgraph graph = NULL;
    if (is_captured(stream) && cuStreamEndCapture(stream, &graph) == CUDA_SUCCESS && graph)
        cuGraphDestroy(graph);
}

/* Calls `act` for every stream that may be captured: those made, and this thread's own of each context. */
static void each_stream(void (*act)(CUstream stream))
{
    cuCtxPushCurrent(world.primary[0]); /* the current one may be a destroyed one, in which nothing can be asked */
    for (size_t i = 0; i < kinds[STREAM].live_count; i++)
        act((CUstream)kinds[STREAM].live[i].value);
    cuCtxPopCurrent(NULL);
    for (size_t i = 0; i < (size_t)world.device_count + kinds[CONTEXT].live_count; i++) {
        size_t device_count = (size_t)world.device_count;
        cuCtxPushCurrent(i < device_count ? world.primary[i] : (CUcontext)kinds[CONTEXT].live[i - device_count].value);
        act(CU_STREAM_PER_THREAD);
        cuCtxPopCurrent(NULL);
    }
}

static void count_capture(CUstream stream)
{
    if (is_captured(stream) && below(++world.captures) == 0)
        world.captured = stream; /* each with the same chance */
}

void count_captures(void)
{
    world.captures = 0;
    each_stream(count_capture);
}

void end_captures(void)
{
    each_stream(end_capture);
    each_stream(end_capture); /* streams that had joined a capture are free when it has ended */
    count_captures();
    if (world.captures && world.careful)
        fail("a capture cannot be ended");
}

bool settle(void)
{
    bool good = world.captures == 0;
    for (int i = 0; i < world.device_count && good; i++)
        good = cuCtxSynchronize_v2(world.primary[i]) == CUDA_SUCCESS;
    for (size_t i = 0; i < kinds[CONTEXT].live_count && good; i++)
        good = cuCtxSynchronize_v2((CUcontext)kinds[CONTEXT].live[i].value) == CUDA_SUCCESS;
    return good;
}

bool may_pull_away(void)
{
    return !world.careful || settle();
}

static size_t free_at_begin[16];

static size_t free_of(int device)
{
    size_t available = 0, total;
    cuCtxPushCurrent(world.primary[device]);
    cuMemGetInfo(&available, &total);
    cuCtxPopCurrent(NULL);
    return available;
}

void world_begin(void)
{
    if (cuInit(0) != CUDA_SUCCESS || cuDeviceGetCount(&world.device_count) != CUDA_SUCCESS)
        fail("cuInit failed");
    for (int i = 0; i < world.device_count && !world.failure; i++)
        if (cuDevicePrimaryCtxRetain(&world.primary[i], i) != CUDA_SUCCESS)
            fail("a primary context could not be retained");
    if (world.failure)
        return;
    for (int i = 0; i < world.device_count; i++)
        free_at_begin[i] = free_of(i);
    cuCtxSetCurrent(world.primary[0]);
}

/* --- Giving all back ---------------------------------------------------------------------------------------------- */

static CUresult end_allocation(struct object *object)
{
    CUresult result;
    cuCtxPushCurrent(object->owner);
    result = cuMemFree(object->value);
    cuCtxPopCurrent(NULL);
    return result;
}

static CUresult end_module(struct object *object)
{
    CUresult result;
    cuCtxPushCurrent(object->owner);
    result = cuModuleUnload((CUmodule)object->value);
    cuCtxPopCurrent(NULL);
    return result;
}

static CUresult end_block(struct object *object)
{
    return cuMemFree(object->value);
}

static CUresult end_pinned(struct object *object)
{
    return cuMemFreeHost((void *)object->value);
}

static CUresult end_registered(struct object *object)
{
    return cuMemHostUnregister((void *)object->value);
}

static CUresult end_mapping(struct object *object)
{
    return cuMemUnmap(object->value, object->bytes);
}

static CUresult end_reservation(struct object *object)
{
    return cuMemAddressFree(object->value, object->bytes);
}

static CUresult end_handle(struct object *object)
{
    return cuMemRelease((CUmemGenericAllocationHandle)object->value);
}

#define END(name, type, call)                                                                                          \
    static CUresult end_##name(struct object *object)                                                                  \
    {                                                                                                                  \
        return call((type)object->value);                                                                              \
    }
END(exec, CUgraphExec, cuGraphExecDestroy)
END(graph, CUgraph, cuGraphDestroy)
END(library, CUlibrary, cuLibraryUnload)
END(event, CUevent, cuEventDestroy)
END(pool, CUmemoryPool, cuMemPoolDestroy)
END(stream, CUstream, cuStreamDestroy)
END(context, CUcontext, cuCtxDestroy)

/* In an order in which each can be ended. */
static const struct {
    enum kind kind;
    CUresult (*end)(struct object *object);
} endings[] = {{EXEC, end_exec}, {GRAPH, end_graph}, {BLOCK, end_block}, {ALLOCATION, end_allocation},
    {PINNED, end_pinned}, {REGISTERED, end_registered}, {MAPPING, end_mapping}, {RESERVATION, end_reservation},
    {HANDLE, end_handle}, {LIBRARY, end_library}, {MODULE, end_module}, {EVENT, end_event}, {POOL, end_pool},
    {STREAM, end_stream}, {CONTEXT, end_context}};

static void empty_default_pools(void)
{
    for (int i = 0; i < world.device_count; i++) {
        CUmemoryPool pool;
        if (cuDeviceGetDefaultMemPool(&pool, i) == CUDA_SUCCESS)
            cuMemPoolTrimTo(pool, 0);
    }
}

/* Careful: every end succeeds and all memory comes back. Reckless: nothing may crash, and resets free all. */
void world_end(void)
{
    static char text[128];
    end_captures();
    shadow_end();
    cuCtxSetCurrent(world.primary[0]);
    if (!settle()) {
        world.sticky = true;
        if (world.careful)
            fail("all work could not be waited for at the end");
    }
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        while (kinds[endings[i].kind].live_count) {
            struct object *object = &kinds[endings[i].kind].live[0];
            CUresult result = endings[i].end(object);
            if (result != CUDA_SUCCESS && world.careful) {
                snprintf(text, sizeof text, "object %#lx of kind %d could not be given back: error %d",
                    (unsigned long)object->value, endings[i].kind, result);
                fail(text);
            }
            if (endings[i].kind == CONTEXT)
                context_died(0, (CUcontext)object->value);
            else
                bury(endings[i].kind, object);
        }
    settle();
    empty_default_pools();
    for (int i = 0; i < world.device_count && world.careful; i++) {
        size_t now = free_of(i);
        if (now != free_at_begin[i]) {
            snprintf(text, sizeof text, "cuda:%d has %zd bytes less free than at first", i,
                (ssize_t)(free_at_begin[i] - now));
            fail(text);
        }
    }
    for (int i = 0; i < world.device_count; i++)
        cuDevicePrimaryCtxReset(i);
    for (int i = 0; i < world.device_count && !world.sticky; i++)
        if (simcudaBytesUsed(i) != 0)
            fail("a device's memory is in use after the reset of its context");
    if (world.careful && (simcudaBytesUsed(SIMCUDA_LOCATION_HOST) != 0 || simcudaLiveAllocations() != 0))
        fail("something is allocated when everything was freed");
    if (world.callbacks_run != world.callbacks_queued && !world.sticky)
        fail("host functions that were queued did not run, or ran twice");
}
