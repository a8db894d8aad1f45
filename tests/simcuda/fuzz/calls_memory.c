/* calls_memory.c: allocations of devices and host, and questions about pointers. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

CALL_OF(cuMemAlloc, 16, false)
{
    CUdeviceptr made = 0;
    size_t bytes = any_bytes();
    CUdevice device = -1;
    if (!room_for(ALLOCATION))
        return NOT_MADE;
    int result = cuMemAlloc(OUT(&made), bytes);
    cuCtxGetDevice(&device);
    return born_as(result, ALLOCATION, (struct object){.value = made, .bytes = bytes, .device = device});
}

CALL(cuMemAllocPitch)
{
    CUdeviceptr made = 0;
    size_t pitch = 0, width = small_bytes(100000), height = small_bytes(64);
    static const unsigned elements[] = {4, 8, 16, 16, 3};
    CUdevice device = -1;
    if (!room_for(ALLOCATION))
        return NOT_MADE;
    int result = cuMemAllocPitch(OUT(&made), OUT(&pitch), width, height, elements[below(5)]);
    cuCtxGetDevice(&device);
    if (result == 0 && pitch < width)
        fail("a pitch is smaller than its rows");
    return born_as(result, ALLOCATION, (struct object){.value = made, .bytes = pitch * height, .device = device});
}

CALL_OF(cuMemFree, 16, false)
{
    struct object *object = one_in(6) ? NULL : live(ALLOCATION);
    CUdeviceptr address = object ? object->value : ANY(CUdeviceptr, one_in(3) ? BLOCK : ALLOCATION);
    if (one_in(20))
        address += 256;
    if (shadow_overlaps(address, 1) || (find(BLOCK, address) && !may_pull_away()))
        return NOT_MADE;
    int result = cuMemFree(address);
    died(result, BLOCK, address);
    return died(result, ALLOCATION, address);
}

CALL(cuMemHostAlloc)
{
    void *made = NULL;
    size_t bytes = any_bytes();
    if (!room_for(PINNED))
        return NOT_MADE;
    int result = cuMemHostAlloc(OUT(&made), bytes, flags_of(7));
    return born_as(
        result, PINNED, (struct object){.value = (uintptr_t)made, .bytes = bytes, .device = -1, .cpu = true});
}

CALL(cuMemAllocHost)
{
    void *made = NULL;
    size_t bytes = any_bytes();
    if (!room_for(PINNED))
        return NOT_MADE;
    int result = cuMemAllocHost(OUT(&made), bytes);
    return born_as(
        result, PINNED, (struct object){.value = (uintptr_t)made, .bytes = bytes, .device = -1, .cpu = true});
}

CALL(cuMemFreeHost)
{
    uintptr_t address = any(PINNED) + (one_in(20) ? 4096 : 0);
    if (shadow_overlaps(address, 1))
        return NOT_MADE;
    return died(cuMemFreeHost((void *)address), PINNED, address);
}

CALL(cuMemHostRegister)
{
    static char *memory; /* never given back: a registration that ended is pageable memory */
    size_t bytes = one_in(8) ? any_bytes() : 1 + below(1 << 20);
    if (!memory)
        memory = mmap(NULL, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    uintptr_t address = (uintptr_t)memory + below(60 << 20);
    if (one_in(8)) { /* memory of CUDA, or none at all; never the heap, whose owners write to it */
        struct object *other = one_in(2) ? live(one_in(2) ? PINNED : ALLOCATION) : NULL;
        address = other ? other->value : one_in(2) ? 16 : UINTPTR_MAX - below(8192);
    }
    if (!room_for(REGISTERED))
        return NOT_MADE;
    int result = cuMemHostRegister((void *)address, bytes, flags_of(3));
    return born_as(result, REGISTERED, (struct object){.value = address, .bytes = bytes, .device = -1, .cpu = true});
}

CALL(cuMemHostUnregister)
{
    uintptr_t address = any(REGISTERED);
    return died(cuMemHostUnregister((void *)address), REGISTERED, address);
}

CALL(cuMemHostGetDevicePointer)
{
    CUdeviceptr address = 0;
    void *pointer = ANY(void *, one_in(2) ? PINNED : REGISTERED);
    int result = cuMemHostGetDevicePointer(OUT(&address), pointer, one_in(16));
    if (result == 0 && address != (CUdeviceptr)pointer)
        fail("pinned memory has two addresses");
    return result;
}

CALL(cuMemHostGetFlags)
{
    unsigned flags;
    return cuMemHostGetFlags(OUT(&flags), ANY(void *, PINNED));
}

CALL(cuMemGetAddressRange)
{
    CUdeviceptr base = 0;
    size_t bytes = 0, follow;
    CUdeviceptr address = any_memory(NULL, &follow);
    int result = cuMemGetAddressRange(OUT(&base), OUT(&bytes), address);
    if (result == 0 && base && bytes && (address < base || address >= base + bytes))
        fail("an address does not lie in its own range");
    return result;
}

CALL(cuMemGetInfo)
{
    size_t available = 0, total = 0;
    int result = cuMemGetInfo(OUT(&available), OUT(&total));
    if (result == 0 && total && available > total)
        fail("more memory is free than there is");
    return result;
}

CALL(cuPointerGetAttribute)
{
    unsigned char data[64];
    size_t follow;
    return cuPointerGetAttribute(OUT(data), (CUpointer_attribute)number_of(22), any_memory(NULL, &follow));
}

CALL(cuPointerGetAttributes)
{
    CUpointer_attribute attributes[4];
    unsigned char data[4][64];
    void *values[4] = {data[0], data[1], data[2], one_in(8) ? NULL : data[3]};
    size_t follow;
    for (int i = 0; i < 4; i++)
        attributes[i] = (CUpointer_attribute)number_of(22);
    return cuPointerGetAttributes((unsigned)below(5), OUT(attributes), OUT(values), any_memory(NULL, &follow));
}

CALL(cuPointerSetAttribute)
{
    unsigned value = one_in(2);
    size_t follow;
    return cuPointerSetAttribute(OUT(&value),
        one_in(2) ? CU_POINTER_ATTRIBUTE_SYNC_MEMOPS : (CUpointer_attribute)number_of(22), any_memory(NULL, &follow));
}

CALL(cuIpcGetMemHandle)
{
    CUipcMemHandle handle;
    size_t follow;
    return cuIpcGetMemHandle(OUT(&handle), any_memory(NULL, &follow));
}

RARE_CALL(cuIpcOpenMemHandle)
{
    CUipcMemHandle handle;
    CUdeviceptr address;
    size_t follow;
    memset(&handle, 0, sizeof handle);
    (void)cuIpcGetMemHandle(&handle, any_memory(NULL, &follow));
    return cuIpcOpenMemHandle(OUT(&address), handle, one_in(4) ? 0 : CU_IPC_MEM_LAZY_ENABLE_PEER_ACCESS);
}

RARE_CALL(cuIpcCloseMemHandle)
{
    size_t follow;
    return cuIpcCloseMemHandle(any_memory(NULL, &follow));
}
