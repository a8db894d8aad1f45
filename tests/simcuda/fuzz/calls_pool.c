/* calls_pool.c: stream-ordered allocations and memory pools. */
#include "fuzz.h"

static CUmemoryPool any_pool(void)
{
    CUmemoryPool pool = NULL;
    if (one_in(3) && cuDeviceGetDefaultMemPool(&pool, (int)below((uint64_t)world.device_count)) == CUDA_SUCCESS)
        return pool;
    return ANY(CUmemoryPool, POOL);
}

static size_t block_bytes(void)
{
    return one_in(20) ? any_bytes() : 1 + below(8 << 20);
}

/* A block of no bytes is null, and one of a capture belongs to its graph: neither is kept. */
static int block_born(int result, CUdeviceptr made, size_t bytes, CUstream stream, bool captured, int device)
{
    if (result != 0 || made == 0 || captured)
        return result;
    return born_as(result, BLOCK, (struct object){.value = made, .bytes = bytes, .device = device, .stream = stream});
}

static int device_of(CUstream stream)
{
    CUdevice device = -1;
    return cuStreamGetDevice(stream, &device) == CUDA_SUCCESS ? device : -1;
}

CALL_OF(cuMemAllocAsync, 16, false)
{
    CUdeviceptr made = 0;
    CUstream stream = any_stream();
    size_t bytes = block_bytes();
    bool captured = (world.captures && is_captured(stream));
    if (!room_for(BLOCK))
        return NOT_MADE;
    int device = device_of(stream);
    int result = cuMemAllocAsync(OUT(&made), bytes, stream);
    return block_born(result, made, bytes, stream, captured, device);
}

CALL(cuMemAllocFromPoolAsync)
{
    CUdeviceptr made = 0;
    CUstream stream = any_stream();
    size_t bytes = block_bytes();
    bool captured = (world.captures && is_captured(stream));
    if (!room_for(BLOCK))
        return NOT_MADE;
    int result = cuMemAllocFromPoolAsync(OUT(&made), bytes, any_pool(), stream);
    int device = -1;
    if (result == 0 && made && !captured)
        cuPointerGetAttribute(&device, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL, made);
    return block_born(result, made, bytes, stream, captured, device);
}

CALL_OF(cuMemFreeAsync, 16, false)
{
    struct object *block = one_in(6) ? NULL : live(BLOCK);
    CUdeviceptr address = block ? block->value : one_in(2) ? any(BLOCK) : any(ALLOCATION);
    CUstream stream = block && !one_in(4) ? block->stream : any_stream();
    struct object *found = find(BLOCK, address);
    bool ordered = found && found->stream == stream && stream != NULL && stream != CU_STREAM_LEGACY &&
                   stream != CU_STREAM_PER_THREAD;
    if (shadow_overlaps(address, 1) || (world.captures && is_captured(stream)) || (!ordered && !may_pull_away()))
        return NOT_MADE;
    int result = cuMemFreeAsync(address, stream);
    if (result == 0) {
        forget(BLOCK, address);
        forget(ALLOCATION, address);
    }
    return result;
}

CALL(cuMemPoolCreate)
{
    CUmemoryPool made = NULL;
    CUmemPoolProps properties = {.allocType = CU_MEM_ALLOCATION_TYPE_PINNED, .location = any_location()};
    if (one_in(16))
        properties.handleTypes = (CUmemAllocationHandleType)number_of(9);
    if (!room_for(POOL))
        return NOT_MADE;
    return born(cuMemPoolCreate(OUT(&made), OUT(&properties)), POOL, made);
}

CALL(cuMemPoolDestroy)
{
    uintptr_t pool = (uintptr_t)any_pool();
    return died(cuMemPoolDestroy((CUmemoryPool)pool), POOL, pool);
}

CALL(cuMemPoolTrimTo)
{
    return cuMemPoolTrimTo(any_pool(), one_in(2) ? 0 : chance() >> below(60));
}

CALL(cuMemPoolSetAttribute)
{
    uint64_t value = one_in(2) ? 0 : chance() >> below(64);
    return cuMemPoolSetAttribute(any_pool(), (CUmemPool_attribute)(number_of(8) + 1), OUT(&value));
}

CALL(cuMemPoolGetAttribute)
{
    uint64_t value[8];
    return cuMemPoolGetAttribute(any_pool(), (CUmemPool_attribute)(number_of(8) + 1), OUT(value));
}

CALL(cuMemPoolSetAccess)
{
    CUmemAccessDesc access = {.location = any_location(),
        .flags = one_in(3) ? (CUmemAccess_flags)number_of(4) : CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    if (!may_pull_away())
        return NOT_MADE;
    return cuMemPoolSetAccess(any_pool(), OUT(&access), !one_in(16));
}

CALL(cuMemPoolGetAccess)
{
    CUmemAccess_flags flags;
    CUmemLocation location = any_location();
    return cuMemPoolGetAccess(OUT(&flags), any_pool(), OUT(&location));
}

CALL(cuDeviceGetDefaultMemPool)
{
    CUmemoryPool pool;
    return cuDeviceGetDefaultMemPool(OUT(&pool), any_device());
}

CALL(cuDeviceGetMemPool)
{
    CUmemoryPool pool;
    return cuDeviceGetMemPool(OUT(&pool), any_device());
}

CALL(cuDeviceSetMemPool)
{
    return cuDeviceSetMemPool(any_device(), any_pool());
}

CALL(cuMemGetDefaultMemPool)
{
    CUmemoryPool pool;
    CUmemLocation location = any_location();
    return cuMemGetDefaultMemPool(OUT(&pool), OUT(&location), (CUmemAllocationType)(one_in(8) ? number_of(4) : 1));
}

CALL(cuMemGetMemPool)
{
    CUmemoryPool pool;
    CUmemLocation location = any_location();
    return cuMemGetMemPool(OUT(&pool), OUT(&location), (CUmemAllocationType)(one_in(8) ? number_of(4) : 1));
}

CALL(cuMemSetMemPool)
{
    CUmemLocation location = any_location();
    return cuMemSetMemPool(OUT(&location), (CUmemAllocationType)(one_in(8) ? number_of(4) : 1), any_pool());
}
