/* arguments.c: arguments, mostly legal. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#define MIB         ((size_t)1 << 20)
#define HOST_BYTES  (4 * MIB)
#define LARGE_BYTES (8 * MIB)
#define COPY_BYTES  ((size_t)96 << 10) /* most copies are no larger: the calls are of interest, not the bytes */

static uintptr_t garbage(void)
{
    static const uintptr_t values[] = {1, 3, 0x10, 0xdeadbeef, 0x7fffffff0000, UINTPTR_MAX, UINTPTR_MAX - 4095};
    return values[below(sizeof values / sizeof *values)];
}

uintptr_t any(enum kind kind)
{
    struct object *object;
    switch (below(24)) {
    case 0:
        return 0;
    case 1:
        return garbage();
    case 2:
        return stale(kind);
    case 3:
        object = live((enum kind)below(KIND_COUNT));
        return object ? object->value : 0;
    default:
        object = live(kind);
        return object ? object->value : stale(kind);
    }
}

CUstream any_stream(void)
{
    switch (below(8)) {
    case 0:
        return NULL;
    case 1:
        return one_in(2) ? CU_STREAM_LEGACY : CU_STREAM_PER_THREAD;
    default:
        return ANY(CUstream, STREAM);
    }
}

int any_device(void)
{
    static const int wrong[] = {-1, 2, 16, 99, INT32_MIN, INT32_MAX};
    return one_in(16) ? wrong[below(6)] : (int)below((uint64_t)world.device_count);
}

size_t any_bytes(void)
{
    switch (below(24)) {
    case 0:
        return 0;
    case 1:
        return SIZE_MAX - below(8 * MIB);
    case 2:
        return (size_t)1 << (30 + below(20));
    case 3:
    case 4:
    case 5:
        return (1 + below(16)) * 2 * MIB;
    case 6:
    case 7:
        return 1 + below(32 * MIB);
    default:
        return 1 + below(one_in(2) ? 4096 : 512 << 10);
    }
}

size_t small_bytes(size_t limit)
{
    if (one_in(40))
        return one_in(2) ? 0 : SIZE_MAX - below(4096);
    if (one_in(40))
        return limit + 1 + below(64 * MIB);
    if (limit > COPY_BYTES)
        limit = one_in(50) && limit > LARGE_BYTES ? LARGE_BYTES : COPY_BYTES;
    return limit ? 1 + below(limit) : 0;
}

size_t any_number(void)
{
    return one_in(8) ? chance() : below(1024);
}

unsigned flags_of(unsigned known)
{
    return one_in(16) ? (unsigned)chance() : one_in(2) ? 0 : (unsigned)chance() & known;
}

int number_of(int known_count)
{
    return one_in(16) ? (int)chance() : (int)below((uint64_t)known_count);
}

CUmemLocation any_location(void)
{
    if (one_in(24))
        return (CUmemLocation){.type = (CUmemLocationType)number_of(6), .id = (int)chance()};
    if (one_in(4))
        return (CUmemLocation){.type = CU_MEM_LOCATION_TYPE_HOST_NUMA, .id = one_in(16) ? 5 : 0};
    return (CUmemLocation){.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = any_device()};
}

char *host_bytes(size_t *bytes)
{
    static char *memory;
    struct object *registered = one_in(3) ? live(REGISTERED) : NULL;
    if (registered) {
        *bytes = registered->bytes;
        return (char *)registered->value;
    }
    if (!memory) {
        memory = malloc(HOST_BYTES);
        if (!memory)
            abort();
        memset(memory, 0x5a, HOST_BYTES);
    }
    size_t offset = below(HOST_BYTES / 2);
    *bytes = HOST_BYTES - offset;
    return memory + offset;
}

/* What may be worked on in a careful episode without asking when. */
static struct object *legal_memory(CUstream stream)
{
    static const enum kind kinds[] = {ALLOCATION, ALLOCATION, MAPPING, PINNED, BLOCK};
    enum kind kind = kinds[below(sizeof kinds / sizeof *kinds)];
    struct object *object = live(kind);
    if (!object || !world.careful)
        return object;
    if (kind == BLOCK && (object->stream != stream || !find(STREAM, (uintptr_t)stream)))
        return NULL; /* other streams need an order, and default streams change with the context */
    if (kind == MAPPING && object->device < 0 && !object->cpu)
        return NULL; /* a copy between host places would be the CPU's, and break the context */
    CUdevice device = -1;
    if (kind == MAPPING && (cuStreamGetDevice(stream, &device) != CUDA_SUCCESS || !(object->devices >> device & 1)))
        return NULL; /* a fill would break it too */
    return object;
}

/* An address that is refused at the call: null, freed, or never given out. In a careful episode never one that was
 * handed out again, or whose free may still be queued. */
static CUdeviceptr bad_memory(size_t *bytes)
{
    static const enum kind kinds[] = {ALLOCATION, MAPPING, PINNED, RESERVATION, BLOCK};
    CUdeviceptr address = one_in(3) ? 0 : stale(kinds[below(world.careful ? 4 : 5)]), base;
    *bytes = 4096;
    if (shadow_overlaps(address, 1) || (world.careful && cuMemGetAddressRange(&base, NULL, address) == CUDA_SUCCESS))
        return 0;
    return address;
}

CUdeviceptr any_device_memory(CUstream stream, size_t *bytes)
{
    struct object *object = one_in(24) ? NULL : legal_memory(stream);
    if (!object)
        return bad_memory(bytes);
    size_t offset = one_in(3) ? 0 : below(object->bytes);
    *bytes = object->bytes - offset;
    return object->value + offset;
}

CUdeviceptr any_memory(CUstream stream, size_t *bytes)
{
    return one_in(4) ? (CUdeviceptr)host_bytes(bytes) : any_device_memory(stream, bytes);
}

CUfunction any_function(void)
{
    return one_in(6) ? ANY(CUfunction, KERNEL) : ANY(CUfunction, FUNCTION);
}
