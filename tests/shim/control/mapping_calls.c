/* mapping_calls.c: steps of the program `mapping`: each call of mapped memory's life, and its misuse. */
#include "mapping.h"

void life(void)
{
    CUdeviceptr base = reserve(2 * BYTES);
    handle_t handle = place(base, BYTES, 0x1000);
    wander();
    tell_bytes("mapped", base, BYTES);
    tell_about("mapped", base + BYTES / 2 + 12, base);
    tell_about("behind it", base + BYTES, base);
    tell_properties("mapped", handle);
    MUST(cuMemsetD8(base + PAGE - 100, 0x5a, BYTES - 2 * PAGE));
    wander();
    tell_bytes("written", base, BYTES);
    take_away(base, BYTES);
    tell_properties("unmapped", handle);
    tell_about("unmapped", base, base);
    MUST(cuMemMap(base + BYTES, BYTES, 0, handle, 0));
    mapped(base + BYTES, BYTES);
    tell_about("without access", base + BYTES, base);
    SAY(allow(base + BYTES, BYTES, 0, CU_MEM_ACCESS_FLAGS_PROT_READ));
    wander();
    tell_about("read only", base + BYTES, base);
    tell_bytes("mapped elsewhere", base + BYTES, BYTES);
    SAY(cuMemAddressFree(base, 2 * BYTES));
    take_away(base + BYTES, BYTES);
    SAY(cuMemRelease(handle));
    SAY(cuMemRelease(handle));
    SAY(cuMemAddressFree(base, 2 * BYTES));
    SAY(cuMemAddressFree(base, 2 * BYTES));
}

void misuse(void)
{
    CUmemAllocationProp properties = device_memory(0), other = device_memory(7);
    CUmemAccessDesc access = {{.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0}, CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    CUmemAccessDesc cpu = {{.type = CU_MEM_LOCATION_TYPE_HOST_NUMA, .id = 0}, CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    CUdeviceptr base = reserve(4 * BYTES), never = 0;
    handle_t handle, found = 0, stale = create(0, PAGE), old;
    unsigned long long flags;
    SAY(cuMemCreate(NULL, PAGE, &properties, 0));
    SAY(cuMemCreate(&handle, PAGE, NULL, 0));
    SAY(cuMemCreate(&handle, PAGE, &properties, 1));
    SAY(cuMemCreate(&handle, 0, &properties, 0));
    SAY(cuMemCreate(&handle, PAGE + 4096, &properties, 0));
    SAY(cuMemCreate(&handle, PAGE, &other, 0));
    properties.requestedHandleTypes = CU_MEM_HANDLE_TYPE_FABRIC;
    SAY(cuMemCreate(&handle, PAGE, &properties, 0));
    properties = device_memory(0);
    properties.type = CU_MEM_ALLOCATION_TYPE_INVALID;
    SAY(cuMemCreate(&handle, PAGE, &properties, 0));

    old = stale;
    MUST(cuMemRelease(stale));
    SAY(cuMemRelease(stale));
    SAY(cuMemMap(base, PAGE, 0, stale, 0));
    tell_properties("stale", stale);
    int fd = -1;
    SAY(cuMemExportToShareableHandle(&fd, stale, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));

    handle = place(base + PAGE, BYTES, 0x2000);
    wander();
    SAY(cuMemMap(base, BYTES, 0, old, 0));
    SAY(cuMemMap(base + PAGE, BYTES, 0, handle, 0));
    SAY(cuMemMap(base + BYTES, BYTES, 0, handle, 0)); /* over its last page */
    SAY(cuMemMap(base + 2 * BYTES, BYTES, PAGE, handle, 0));
    SAY(cuMemMap(base + 2 * BYTES, BYTES + PAGE, 0, handle, 0));
    SAY(cuMemMap(base + 2 * BYTES, BYTES, 0, handle, 1));
    SAY(cuMemMap(base + 2 * BYTES + 4096, BYTES, 0, handle, 0));
    SAY(cuMemMap(base + 2 * BYTES, 3 * PAGE / 2, 0, handle, 0));
    SAY(cuMemMap(base + 2 * BYTES, 0, 0, handle, 0));
    SAY(cuMemMap(base + 4 * BYTES - PAGE, BYTES, 0, handle, 0));
    SAY(cuMemMap(never, BYTES, 0, handle, 0));
    wander();
    SAY(cuMemUnmap(base + PAGE, BYTES / 2));
    SAY(cuMemUnmap(base + PAGE, PAGE));
    SAY(cuMemUnmap(base + 2 * PAGE, BYTES - PAGE));
    SAY(cuMemUnmap(base, BYTES + PAGE));
    SAY(cuMemUnmap(base + PAGE, BYTES + PAGE));
    SAY(cuMemUnmap(base + PAGE, 0));
    SAY(cuMemUnmap(base + 3 * BYTES, PAGE));
    SAY(cuMemSetAccess(base + PAGE, BYTES / 2, &access, 1));
    SAY(cuMemSetAccess(base + 2 * PAGE, BYTES - PAGE, &access, 1));
    SAY(cuMemSetAccess(base, BYTES + PAGE, &access, 1));
    SAY(cuMemSetAccess(base + PAGE, BYTES, NULL, 1));
    SAY(cuMemSetAccess(base + PAGE, BYTES, &access, 0));
    SAY(cuMemSetAccess(base + PAGE, BYTES, &cpu, 1));
    access.location.id = 9;
    SAY(cuMemSetAccess(base + PAGE, BYTES, &access, 1));
    access = (CUmemAccessDesc){{.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0}, (CUmemAccess_flags)2};
    SAY(cuMemSetAccess(base + PAGE, BYTES, &access, 1));
    SAY(cuMemGetAccess(NULL, &cpu.location, base + PAGE));
    SAY(cuMemGetAccess(&flags, NULL, base + PAGE));
    SAY(cuMemGetAccess(&flags, &cpu.location, base));
    SAY(cuMemRetainAllocationHandle(&found, (void *)base));
    SAY(cuMemRetainAllocationHandle(NULL, (void *)(base + PAGE)));
    SAY(cuMemGetAllocationPropertiesFromHandle(NULL, handle));
    SAY(cuMemExportToShareableHandle(NULL, handle, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
    SAY(cuMemExportToShareableHandle(&fd, handle, CU_MEM_HANDLE_TYPE_FABRIC, 0));
    SAY(cuMemExportToShareableHandle(&fd, handle, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 1));
    SAY(cuMemAddressFree(base, 4 * BYTES));
    SAY(cuMemAddressFree(base + PAGE, BYTES));
    SAY(cuMemFree(base + PAGE));
    tell_about("after all that", base + PAGE, base);
    tell_bytes("after all that", base + PAGE, BYTES);
    take_away(base + PAGE, BYTES);
    MUST(cuMemRelease(handle));
    MUST(cuMemAddressFree(base, 4 * BYTES));
}

void references(void)
{
    CUdeviceptr base = reserve(2 * BYTES);
    handle_t handle = place(base, BYTES, 0x3000), found = 0, again = 0;
    wander();
    SAY(cuMemRetainAllocationHandle(&found, (void *)(base + BYTES - 1)));
    printf("the same: %d\n", found == handle);
    SAY(cuMemRelease(handle));
    tell_properties("one left", found);
    wander();
    SAY(cuMemRelease(handle));
    SAY(cuMemRelease(handle));
    tell_properties("none left", handle);
    tell_bytes("still mapped", base, BYTES);
    SAY(cuMemRetainAllocationHandle(&again, (void *)base));
    tell_properties("one again", again);
    wander();
    take_away(base, BYTES);
    SAY(cuMemMap(base + BYTES, BYTES, 0, again, 0));
    mapped(base + BYTES, BYTES);
    MUST(allow(base + BYTES, BYTES, 0, CU_MEM_ACCESS_FLAGS_PROT_READWRITE));
    wander();
    tell_bytes("mapped again", base + BYTES, BYTES);
    SAY(cuMemRelease(again));
    wander();
    tell_bytes("released first", base + BYTES, BYTES);
    take_away(base + BYTES, BYTES);
    SAY(cuMemRetainAllocationHandle(&again, (void *)(base + BYTES)));
    MUST(cuMemAddressFree(base, 2 * BYTES));
}

void aliases(void)
{
    CUdeviceptr base = reserve(3 * BYTES);
    handle_t handle = place(base, BYTES, 0x4000);
    wander();
    SAY(cuMemMap(base + BYTES, BYTES, 0, handle, 0));
    mapped(base + BYTES, BYTES);
    SAY(cuMemMap(base + 2 * BYTES, BYTES / 2, 0, handle, 0)); /* the first half */
    mapped(base + 2 * BYTES, BYTES / 2);
    SAY(allow(base + BYTES, BYTES + BYTES / 2, 0, CU_MEM_ACCESS_FLAGS_PROT_READWRITE));
    wander();
    MUST(cuMemsetD8(base + BYTES, 0x61, PAGE));
    MUST(cuMemsetD8(base + BYTES / 2 - 10, 0x62, 20));
    wander();
    tell_bytes("first", base, BYTES);
    tell_bytes("second", base + BYTES, BYTES);
    tell_bytes("half", base + 2 * BYTES, BYTES / 2);
    tell_about("second", base + BYTES + PAGE, base);
    SAY(cuMemUnmap(base + BYTES, BYTES / 2));
    take_away(base, BYTES);
    wander();
    tell_bytes("second", base + BYTES, BYTES);
    take_away(base + BYTES, BYTES + BYTES / 2);
    MUST(cuMemMap(base, BYTES, 0, handle, 0));
    mapped(base, BYTES);
    MUST(allow(base, BYTES, 0, CU_MEM_ACCESS_FLAGS_PROT_READWRITE));
    wander();
    tell_bytes("first again", base, BYTES);
    take_away(base, BYTES);
    MUST(cuMemRelease(handle));
    MUST(cuMemAddressFree(base, 3 * BYTES));
}

/* Virtual handles beside others: memory of a device that computes nothing here. */
void neighbours(void)
{
    CUdeviceptr base = reserve(6 * BYTES);
    handle_t first = place(base, BYTES, 0x5000), last = place(base + 2 * BYTES, BYTES, 0x6000);
    handle_t other = create(1, BYTES);
    MUST(cuMemMap(base + BYTES, BYTES, 0, other, 0));
    SAY(allow(base, 3 * BYTES, 0, CU_MEM_ACCESS_FLAGS_PROT_READWRITE));
    MUST(cuMemsetD32(base + BYTES, 0x5500, BYTES / 4));
    wander();
    tell_bytes("all of it", base, 3 * BYTES);
    tell_about("the other", base + BYTES, base);
    tell_properties("the other", other);
    SAY(cuMemUnmap(base, 3 * BYTES - PAGE));
    SAY(cuMemUnmap(base + PAGE, 3 * BYTES - PAGE));
    SAY(cuMemUnmap(base, 3 * BYTES + PAGE));
    SAY(allow(base, 3 * BYTES, 1, CU_MEM_ACCESS_FLAGS_PROT_READWRITE));
    tell_about("first", base, base);
    wander();
    MUST(cuCtxSynchronize());
    SAY(cuMemUnmap(base, 3 * BYTES));
    unmapped(base, 3 * BYTES);
    MUST(cuMemRelease(other));
    MUST(cuMemRelease(first));
    MUST(cuMemRelease(last));
    SAY(cuMemAddressFree(base, 6 * BYTES));
}
