/* calls_vmm.c: reservations, handles, mappings, access. */
#include "fuzz.h"

#define PAGE ((size_t)2 << 20)

static CUmemAllocationProp any_properties(void)
{
    CUmemAllocationProp properties = {.type = CU_MEM_ALLOCATION_TYPE_PINNED, .location = any_location()};
    if (one_in(16))
        properties.type = (CUmemAllocationType)number_of(4);
    if (one_in(8))
        properties.requestedHandleTypes = (CUmemAllocationHandleType)number_of(10);
    if (one_in(16))
        properties.allocFlags.usage = (unsigned short)chance();
    return properties;
}

static size_t pages(void)
{
    return one_in(10) ? any_bytes() : (1 + below(8)) * PAGE;
}

CALL(cuMemAddressReserve)
{
    CUdeviceptr made = 0;
    size_t bytes = one_in(10) ? any_bytes() : (1 + below(16)) * PAGE;
    static const size_t alignments[] = {0, 0, 0, PAGE, 4 * PAGE, 3, 1 << 30};
    if (!room_for(RESERVATION))
        return NOT_MADE;
    int result = cuMemAddressReserve(
        OUT(&made), bytes, alignments[below(7)], one_in(2) ? 0 : any(RESERVATION), one_in(20) ? chance() : 0);
    return born_as(result, RESERVATION, (struct object){.value = made, .bytes = bytes});
}

CALL(cuMemAddressFree)
{
    struct object *object = live(RESERVATION);
    CUdeviceptr address = object && !one_in(8) ? object->value : any(RESERVATION);
    size_t bytes = object && !one_in(8) ? object->bytes : pages();
    return died(cuMemAddressFree(address, bytes), RESERVATION, address);
}

CALL(cuMemCreate)
{
    CUmemGenericAllocationHandle made = 0;
    CUmemAllocationProp properties = any_properties();
    size_t bytes = pages();
    if (!room_for(HANDLE))
        return NOT_MADE;
    int result = cuMemCreate(OUT(&made), bytes, OUT(&properties), one_in(20) ? chance() : 0);
    int device = properties.location.type == CU_MEM_LOCATION_TYPE_DEVICE ? properties.location.id : -1;
    return born_as(result, HANDLE, (struct object){.value = made, .bytes = bytes, .device = device});
}

CALL(cuMemRelease)
{
    uintptr_t handle = any(HANDLE);
    return died(cuMemRelease(handle), HANDLE, handle);
}

CALL_OF(cuMemMap, 16, false)
{
    struct object *reservation = live(RESERVATION), *handle = live(HANDLE);
    if (!room_for(MAPPING))
        return NOT_MADE;
    size_t bytes = handle && !one_in(8) ? handle->bytes : pages();
    CUdeviceptr address = reservation && !one_in(8) ? reservation->value + below(reservation->bytes / PAGE) * PAGE
                                                    : any(one_in(2) ? RESERVATION : ALLOCATION);
    int device = handle ? handle->device : -1;
    uintptr_t value = handle && !one_in(8) ? handle->value : any(HANDLE);
    if (find(HANDLE, value))
        device = find(HANDLE, value)->device;
    int result = cuMemMap(address, bytes, one_in(16) ? PAGE : 0, value, one_in(20) ? chance() : 0);
    return born_as(result, MAPPING, (struct object){.value = address, .bytes = bytes, .device = device});
}

CALL_OF(cuMemUnmap, 12, false)
{
    struct object *mapping = live(MAPPING);
    CUdeviceptr address = mapping && !one_in(8) ? mapping->value : any(MAPPING);
    size_t bytes = mapping && !one_in(8) ? mapping->bytes : pages();
    struct object *at = find(MAPPING, address);
    if (at && at->bytes != bytes && bytes % PAGE == 0 && bytes > at->bytes)
        return NOT_MADE; /* several at once: the world knows them one by one */
    if (!may_pull_away())
        return NOT_MADE;
    return died(cuMemUnmap(address, bytes), MAPPING, address);
}

static void note_access(struct object *mapping, const CUmemAccessDesc *access)
{
    bool writable = access->flags == CU_MEM_ACCESS_FLAGS_PROT_READWRITE;
    if (access->location.type != CU_MEM_LOCATION_TYPE_DEVICE)
        mapping->cpu = writable;
    else if (writable)
        mapping->devices |= 1U << access->location.id;
    else
        mapping->devices &= ~(1U << access->location.id);
}

CALL_OF(cuMemSetAccess, 20, false)
{
    struct object *mapping = live(MAPPING);
    CUmemAccessDesc access[2];
    CUdeviceptr address = mapping && !one_in(8) ? mapping->value : any(MAPPING);
    size_t bytes = mapping && !one_in(8) ? mapping->bytes : pages(), count = one_in(16) ? 0 : 1 + below(2);
    if (!may_pull_away())
        return NOT_MADE;
    for (int i = 0; i < 2; i++)
        access[i] = (CUmemAccessDesc){.location = any_location(),
            .flags = one_in(5) ? (CUmemAccess_flags)number_of(4) : CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    int result = cuMemSetAccess(address, bytes, OUT(access), count);
    /* The range may hold several mappings. */
    for (size_t done = 0; result == 0 && done < bytes;) {
        struct object *at = find(MAPPING, address + done);
        if (!at) {
            fail("access was set where nothing is mapped");
            break;
        }
        for (size_t i = 0; i < count; i++)
            note_access(at, &access[i]);
        done += at->bytes;
    }
    return result;
}

CALL(cuMemGetAccess)
{
    unsigned long long flags;
    CUmemLocation location = any_location();
    return cuMemGetAccess(OUT(&flags), OUT(&location), any(MAPPING));
}

CALL(cuMemGetAllocationGranularity)
{
    size_t bytes = 0;
    CUmemAllocationProp properties = any_properties();
    int result =
        cuMemGetAllocationGranularity(OUT(&bytes), OUT(&properties), (CUmemAllocationGranularity_flags)number_of(2));
    if (result == 0 && (bytes == 0 || bytes % 4096 != 0))
        fail("a granularity is no multiple of a page");
    return result;
}

CALL(cuMemGetAllocationPropertiesFromHandle)
{
    CUmemAllocationProp properties;
    return cuMemGetAllocationPropertiesFromHandle(OUT(&properties), any(HANDLE));
}

CALL(cuMemRetainAllocationHandle)
{
    CUmemGenericAllocationHandle made = 0;
    struct object *mapping = live(MAPPING);
    uintptr_t address = mapping && !one_in(8) ? mapping->value + below(mapping->bytes) : any(ALLOCATION);
    if (!room_for(HANDLE))
        return NOT_MADE;
    int result = cuMemRetainAllocationHandle(OUT(&made), (void *)address);
    struct object *at = mapping;
    return born_as(
        result, HANDLE, (struct object){.value = made, .bytes = at ? at->bytes : PAGE, .device = at ? at->device : -1});
}
