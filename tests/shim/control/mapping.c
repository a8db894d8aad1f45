/* mapping.c: a program that makes and maps memory itself, rightly and wrongly, and writes down what each call answers:
 * the same with and without the library, wherever the pages are. No address and no handle stands in what it writes.
 *
 *     mapping STEP...      steps are named at the end of this file
 *
 * AWAY=peer|host|mixed|round moves all that is mapped, by the test build of the library, whenever a step says wander().
 * At its end it tells on stderr how many of its mappings the library knew of at these moments, and how many pages were
 * seen away from home, by the simulator's account. */
#include <cuda.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../simcuda/simcuda.h"

#define PAGE ((size_t)2 << 20)
#define SAY(call) say(#call, (int)(call))

typedef CUmemGenericAllocationHandle handle_t;

/* Calls that only prepare for what a step is about. */
#define MUST(call)                                                                                                     \
    do {                                                                                                               \
        int must_result = (int)(call);                                                                                 \
        if (must_result != 0) {                                                                                        \
            printf("%s: %d, which it must not\n", #call, must_result);                                                 \
            exit(1);                                                                                                   \
        }                                                                                                              \
    } while (0)

static int say(const char *call, int result)
{
    printf("%s = %d\n", call, result);
    return result;
}

/* --- Pages that wander -------------------------------------------------------------------------------------------- */

static struct region {
    CUdeviceptr address;
    size_t bytes;
} regions[64];
static size_t region_count, seen_virtual, seen_away, refused;

static void mapped(CUdeviceptr address, size_t bytes)
{
    regions[region_count++] = (struct region){address, bytes};
}

static void unmapped(CUdeviceptr address, size_t bytes)
{
    size_t kept = 0;
    for (size_t i = 0; i < region_count; i++)
        if (regions[i].address < address || regions[i].address >= address + bytes)
            regions[kept++] = regions[i];
    region_count = kept;
}

static void send(CUdeviceptr address, size_t bytes, int location)
{
    int (*rehome)(void *address, size_t bytes, int location) = dlsym(RTLD_DEFAULT, "vs_control_rehome");
    if (rehome && rehome((void *)address, bytes, location) != 0)
        refused++;
}

static size_t count_away(const struct region *region)
{
    return (region->bytes - simcudaBytesAt((void *)region->address, region->bytes, 0)) / PAGE;
}

static void wander(void)
{
    static int turn;
    const char *away = getenv("AWAY");
    size_t (*extent)(void *address, void **base) = dlsym(RTLD_DEFAULT, "vs_control_extent");
    void *begin;
    for (size_t i = 0; i < region_count && extent; i++)
        seen_virtual += extent((void *)regions[i].address, &begin) > 0;
    if (!away)
        return;
    turn++;
    for (size_t i = 0; i < region_count; i++) {
        CUdeviceptr address = regions[i].address, half = regions[i].bytes / PAGE / 2 * PAGE;
        size_t bytes = regions[i].bytes;
        if (strcmp(away, "mixed") == 0 && half > 0) {
            send(address, half, SIMCUDA_LOCATION_HOST);
            send(address + half, PAGE, 1);
        } else if (strcmp(away, "round") == 0) {
            send(address, bytes, turn % 3 - 1);
        } else {
            send(address, bytes, strcmp(away, "peer") == 0 ? 1 : SIMCUDA_LOCATION_HOST);
        }
        seen_away += count_away(&regions[i]);
    }
}

/* --- What steps share --------------------------------------------------------------------------------------------- */

static CUmemAllocationProp device_memory(int device)
{
    return (CUmemAllocationProp){.type = CU_MEM_ALLOCATION_TYPE_PINNED,
        .requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR,
        .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device}};
}

static handle_t create(int device, size_t bytes)
{
    const CUmemAllocationProp properties = device_memory(device);
    handle_t handle;
    MUST(cuMemCreate(&handle, bytes, &properties, 0));
    return handle;
}

static CUdeviceptr reserve(size_t bytes)
{
    CUdeviceptr address;
    MUST(cuMemAddressReserve(&address, bytes, 0, 0, 0));
    return address;
}

static CUresult allow(CUdeviceptr address, size_t bytes, int device, CUmemAccess_flags flags)
{
    const CUmemAccessDesc access = {{.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device}, flags};
    return cuMemSetAccess(address, bytes, &access, 1);
}

/* Created, mapped and accessible, with a pattern in it. */
static handle_t place(CUdeviceptr address, size_t bytes, unsigned seed)
{
    handle_t handle = create(0, bytes);
    MUST(cuMemMap(address, bytes, 0, handle, 0));
    mapped(address, bytes);
    MUST(allow(address, bytes, 0, CU_MEM_ACCESS_FLAGS_PROT_READWRITE));
    MUST(cuMemsetD32(address, seed, bytes / 4));
    MUST(cuMemsetD32(address + bytes - 64, seed + 1, 16));
    MUST(cuCtxSynchronize());
    return handle;
}

static void take_away(CUdeviceptr address, size_t bytes)
{
    MUST(cuCtxSynchronize());
    MUST(cuMemUnmap(address, bytes));
    unmapped(address, bytes);
}

static void tell_bytes(const char *what, CUdeviceptr address, size_t bytes)
{
    unsigned *words = malloc(bytes);
    MUST(cuMemcpyDtoH(words, address, bytes));
    uint64_t sum = 0;
    for (size_t i = 0; i < bytes / 4; i++)
        sum = sum * 31 + words[i];
    printf("%s holds %llx\n", what, (unsigned long long)sum);
    free(words);
}

/* What is asked about an address, with no address in the answers. */
static void tell_about(const char *what, CUdeviceptr address, CUdeviceptr base)
{
    static const CUpointer_attribute numbers[] = {CU_POINTER_ATTRIBUTE_MEMORY_TYPE, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL,
        CU_POINTER_ATTRIBUTE_IS_MANAGED, CU_POINTER_ATTRIBUTE_RANGE_SIZE, CU_POINTER_ATTRIBUTE_MAPPED,
        CU_POINTER_ATTRIBUTE_ALLOWED_HANDLE_TYPES, CU_POINTER_ATTRIBUTE_ACCESS_FLAGS, CU_POINTER_ATTRIBUTE_CONTEXT,
        CU_POINTER_ATTRIBUTE_MAPPING_SIZE, CU_POINTER_ATTRIBUTE_IS_LEGACY_CUDA_IPC_CAPABLE,
        CU_POINTER_ATTRIBUTE_HOST_POINTER};
    static const CUpointer_attribute places[] = {CU_POINTER_ATTRIBUTE_DEVICE_POINTER,
        CU_POINTER_ATTRIBUTE_RANGE_START_ADDR, CU_POINTER_ATTRIBUTE_MAPPING_BASE_ADDR};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        unsigned long long value = 0, again = 0;
        CUpointer_attribute attribute = numbers[i];
        void *data[] = {&again};
        int result = (int)cuPointerGetAttribute(&value, attribute, address), all;
        all = (int)cuPointerGetAttributes(1, &attribute, data, address);
        printf("%s: attribute %d = %d %llx, among several %d %llx\n", what, (int)attribute, result, value, all, again);
    }
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        CUdeviceptr value = base;
        int result = (int)cuPointerGetAttribute(&value, places[i], address);
        printf("%s: place %d = %d %lld\n", what, (int)places[i], result, (long long)(value - base));
    }
    CUdeviceptr begin = base;
    size_t bytes = 0;
    int result = (int)cuMemGetAddressRange(&begin, &bytes, address);
    printf("%s: range = %d %lld %zu\n", what, result, (long long)(begin - base), bytes);
    for (int device = -1; device < 2; device++) {
        const CUmemLocation location = {
            .type = device < 0 ? CU_MEM_LOCATION_TYPE_HOST_NUMA : CU_MEM_LOCATION_TYPE_DEVICE,
            .id = device < 0 ? 0 : device};
        unsigned long long flags = 9;
        result = (int)cuMemGetAccess(&flags, &location, address);
        printf("%s: access of %d = %d %llu\n", what, device, result, flags);
    }
}

static void tell_properties(const char *what, handle_t handle)
{
    CUmemAllocationProp found;
    memset(&found, 0x77, sizeof found);
    int result = (int)cuMemGetAllocationPropertiesFromHandle(&found, handle);
    printf("%s: properties = %d", what, result);
    if (result == 0)
        printf(" %d %d %d %d", (int)found.type, (int)found.location.type, found.location.id,
            (int)found.requestedHandleTypes);
    printf("\n");
}

/* --- Steps -------------------------------------------------------------------------------------------------------- */

enum { PAGES = 10 };
#define BYTES ((size_t)PAGES * PAGE)

static void life(void)
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

static void misuse(void)
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

static void references(void)
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

static void aliases(void)
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
static void neighbours(void)
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

static void give_and_take(CUdeviceptr base, handle_t handle)
{
    handle_t imported = 0;
    int fd = -1;
    if (SAY(cuMemExportToShareableHandle(&fd, handle, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0)) != 0)
        return;
    SAY(cuMemImportFromShareableHandle(&imported, (void *)(uintptr_t)fd, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR));
    close(fd);
    MUST(cuMemMap(base + BYTES, BYTES, 0, imported, 0));
    MUST(allow(base + BYTES, BYTES, 0, CU_MEM_ACCESS_FLAGS_PROT_READWRITE));
    wander();
    MUST(cuMemsetD32(base + BYTES + PAGE, 0x7777, 100));
    tell_bytes("imported", base + BYTES, BYTES);
    wander();
    tell_bytes("exported", base, BYTES);
    MUST(cuMemsetD32(base + 2 * PAGE, 0x7778, 100));
    tell_bytes("imported", base + BYTES, BYTES);
    MUST(cuCtxSynchronize());
    MUST(cuMemUnmap(base + BYTES, BYTES));
    MUST(cuMemRelease(imported));
}

static void exports(void)
{
    CUdeviceptr base = reserve(2 * BYTES);
    handle_t handle = place(base, BYTES, 0x7000);
    wander();
    give_and_take(base, handle);
    wander();
    take_away(base, BYTES);
    MUST(cuMemRelease(handle));

    handle = place(base, BYTES, 0x7100); /* exported while it is mapped nowhere */
    wander();
    take_away(base, BYTES);
    int fd = -1;
    SAY(cuMemExportToShareableHandle(&fd, handle, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
    close(fd);
    MUST(cuMemMap(base, BYTES, 0, handle, 0));
    mapped(base, BYTES);
    MUST(allow(base, BYTES, 0, CU_MEM_ACCESS_FLAGS_PROT_READWRITE));
    wander();
    give_and_take(base, handle);
    take_away(base, BYTES);
    MUST(cuMemRelease(handle));

    CUmemAllocationProp secret = device_memory(0);
    secret.requestedHandleTypes = CU_MEM_HANDLE_TYPE_NONE;
    MUST(cuMemCreate(&handle, PAGE, &secret, 0));
    SAY(cuMemExportToShareableHandle(&fd, handle, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0));
    tell_properties("secret", handle);
    MUST(cuMemRelease(handle));
    MUST(cuMemAddressFree(base, 2 * BYTES));
}

/* The second device reads and writes by a mapping of the first one's. */
static void two_devices(void)
{
    CUcontext first, second;
    CUdeviceptr base = reserve(BYTES), there;
    MUST(cuCtxGetCurrent(&first));
    MUST(cuDevicePrimaryCtxRetain(&second, 1));
    handle_t handle = place(base, BYTES, 0x8000);
    wander();
    SAY(allow(base, BYTES, 1, CU_MEM_ACCESS_FLAGS_PROT_READWRITE));
    wander();
    tell_about("for two", base, base);
    MUST(cuCtxSetCurrent(second));
    MUST(cuMemAlloc(&there, BYTES));
    SAY(cuMemcpyDtoD(there, base, BYTES));
    SAY(cuMemsetD32(base + PAGE, 0x8888, 1000));
    wander();
    tell_bytes("copied", there, BYTES);
    SAY(cuMemcpyDtoD(base + 5 * PAGE, there, PAGE));
    MUST(cuCtxSynchronize());
    MUST(cuCtxSetCurrent(first));
    tell_bytes("written by the second", base, BYTES);
    SAY(allow(base, BYTES, 1, CU_MEM_ACCESS_FLAGS_PROT_NONE));
    wander();
    tell_about("for one again", base, base);
    take_away(base, BYTES);
    MUST(cuMemRelease(handle));
    MUST(cuMemFree(there));
    MUST(cuDevicePrimaryCtxRelease(1));
    MUST(cuMemAddressFree(base, BYTES));
}

/* Until the device is full: how often it goes, what it says then, and that all of it comes back. */
static void full(void)
{
    enum { MOST = 4096 };
    static handle_t handles[MOST];
    const CUmemAllocationProp properties = device_memory(0);
    for (int round = 0; round < 2; round++) {
        int count = 0;
        CUresult result = CUDA_SUCCESS;
        while (count < MOST && (result = cuMemCreate(&handles[count], 64 * PAGE, &properties, 0)) == CUDA_SUCCESS)
            count++;
        printf("handles until %d: %d\n", (int)result, count);
        while (count > 0)
            MUST(cuMemRelease(handles[--count]));
    }
}

/* The calls fail one after the other; what had been stays. */
static void faults(void)
{
    static const char *const symbols[] = {"cuMemAddressReserve", "cuMemCreate", "cuMemMap", "cuMemSetAccess", "cuMemUnmap",
        "cuMemExportToShareableHandle", "cuMemGetAccess", "cuMemAddressFree"};
    enum { UNMAP = 4, EXPORT, GET_ACCESS, ADDRESS_FREE };
    const CUmemAllocationProp properties = device_memory(0);
    const CUmemLocation here = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0};
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        CUdeviceptr base = 0;
        handle_t handle = 0;
        unsigned long long flags;
        int fd = -1;
        printf("%s fails once\n", symbols[i]);
        simcudaFail(symbols[i], 1, CUDA_ERROR_SYSTEM_NOT_READY);
        while (SAY(cuMemAddressReserve(&base, BYTES, 0, 0, 0)) != 0)
            ;
        while (SAY(cuMemCreate(&handle, BYTES, &properties, 0)) != 0)
            ;
        while (SAY(cuMemMap(base, BYTES, 0, handle, 0)) != 0)
            ;
        mapped(base, BYTES);
        while (SAY(allow(base, BYTES, 0, CU_MEM_ACCESS_FLAGS_PROT_READWRITE)) != 0)
            ;
        MUST(cuMemsetD32(base, 0x9000 + (unsigned)i, BYTES / 4));
        MUST(cuCtxSynchronize());
        simcudaFail(symbols[i], 0, 0); /* not in moves, which come next */
        wander();
        if (i == GET_ACCESS)
            simcudaFail(symbols[i], 1, CUDA_ERROR_SYSTEM_NOT_READY);
        while (SAY(cuMemGetAccess(&flags, &here, base)) != 0)
            ;
        tell_bytes("in spite of it", base, BYTES);
        if (i == UNMAP)
            simcudaFail(symbols[i], 1, CUDA_ERROR_SYSTEM_NOT_READY);
        while (SAY(cuMemUnmap(base, BYTES)) != 0)
            ;
        unmapped(base, BYTES);
        if (i == EXPORT)
            simcudaFail(symbols[i], 1, CUDA_ERROR_SYSTEM_NOT_READY);
        while (SAY(cuMemExportToShareableHandle(&fd, handle, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0)) != 0)
            ;
        close(fd);
        MUST(cuMemRelease(handle));
        if (i == ADDRESS_FREE)
            simcudaFail(symbols[i], 1, CUDA_ERROR_SYSTEM_NOT_READY);
        while (SAY(cuMemAddressFree(base, BYTES)) != 0)
            ;
    }
}

/* A capture is open on another stream, as PyTorch has it: in relaxed mode these calls are allowed. */
static void capture(void)
{
    CUstream stream;
    CUgraph graph;
    CUgraphExec executable;
    CUdeviceptr base = reserve(2 * BYTES);
    CUstreamCaptureMode mode = CU_STREAM_CAPTURE_MODE_RELAXED;
    handle_t first = place(base, BYTES, 0xa000), second;
    wander();
    MUST(cuStreamCreate(&stream, CU_STREAM_NON_BLOCKING));
    MUST(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
    MUST(cuThreadExchangeStreamCaptureMode(&mode));
    const CUmemAllocationProp properties = device_memory(0);
    SAY(cuMemCreate(&second, BYTES, &properties, 0));
    SAY(cuMemMap(base + BYTES, BYTES, 0, second, 0));
    mapped(base + BYTES, BYTES);
    SAY(allow(base + BYTES, BYTES, 0, CU_MEM_ACCESS_FLAGS_PROT_READWRITE));
    SAY(cuMemcpyDtoDAsync(base + BYTES, base, BYTES, stream));
    wander();
    SAY(cuStreamEndCapture(stream, &graph));
    MUST(cuThreadExchangeStreamCaptureMode(&mode));
    SAY(cuGraphInstantiate(&executable, graph, 0));
    wander();
    SAY(cuGraphLaunch(executable, stream));
    MUST(cuStreamSynchronize(stream));
    tell_bytes("replayed", base + BYTES, BYTES);
    MUST(cuGraphExecDestroy(executable));
    MUST(cuGraphDestroy(graph));
    MUST(cuStreamDestroy(stream));
    take_away(base, 2 * BYTES);
    MUST(cuMemRelease(first));
    MUST(cuMemRelease(second));
    MUST(cuMemAddressFree(base, 2 * BYTES));
}

static const struct {
    const char *name;
    void (*run)(void);
} steps[] = {{"life", life}, {"misuse", misuse}, {"references", references}, {"aliases", aliases},
    {"neighbours", neighbours}, {"exports", exports}, {"two-devices", two_devices}, {"full", full}, {"faults", faults},
    {"capture", capture}};

static size_t used_everywhere(void)
{
    return simcudaBytesUsed(0) + simcudaBytesUsed(1) + simcudaBytesUsed(SIMCUDA_LOCATION_HOST);
}

int main(int argc, char **argv)
{
    CUcontext context;
    CUdeviceptr warm;
    setvbuf(stdout, NULL, _IOLBF, 0);
    MUST(cuInit(0));
    MUST(cuDevicePrimaryCtxRetain(&context, 0));
    MUST(cuCtxSetCurrent(context));
    MUST(cuMemAlloc(&warm, PAGE));
    for (int i = 1; i < argc; i++)
        for (size_t s = 0; s < sizeof steps / sizeof *steps; s++)
            if (strcmp(argv[i], steps[s].name) == 0) {
                printf("--- %s\n", argv[i]);
                if (strcmp(argv[i], "two-devices") == 0) { /* its context comes and goes */
                    CUcontext second;
                    MUST(cuDevicePrimaryCtxRetain(&second, 1));
                }
                size_t before = used_everywhere(), live = simcudaLiveAllocations();
                steps[s].run();
                printf("left behind: %lld bytes, %lld allocations\n", (long long)(used_everywhere() - before),
                    (long long)(simcudaLiveAllocations() - live));
            }
    size_t (*extents)(size_t *bytes) = dlsym(RTLD_DEFAULT, "vs_control_extents");
    size_t bytes = 0;
    fprintf(stderr, "mappings seen %zu, pages seen away %zu, moves refused %zu, extents left %zu\n", seen_virtual,
        seen_away, refused, extents ? extents(&bytes) : 0);
    return 0;
}
