/* mapping.c: a program that makes and maps memory itself, rightly and wrongly, and writes down what each call answers:
 * the same with and without the library, wherever the pages are. No address and no handle stands in what it writes.
 *
 *     mapping STEP...      steps are named at the end of this file
 *
 * AWAY=peer|host|mixed|round moves all that is mapped, by the test build of the library, whenever a step says wander().
 * At its end it tells on stderr how many of its mappings the library knew of at these moments, and how many pages were
 * seen away from home, by the simulator's account. */
#include "mapping.h"

#include <dlfcn.h>
#include <stdint.h>
#include <string.h>

int say(const char *call, int result)
{
    printf("%s = %d\n", call, result);
    return result;
}

/* --- Pages that wander -------------------------------------------------------------------------------------------- */

static struct region {
    CUdeviceptr address;
    size_t bytes;
} regions[64];
static size_t region_count, refused;
size_t seen_known, seen_away;

void mapped(CUdeviceptr address, size_t bytes)
{
    regions[region_count++] = (struct region){address, bytes};
}

void unmapped(CUdeviceptr address, size_t bytes)
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

void wander(void)
{
    static int turn;
    const char *away = getenv("AWAY");
    size_t (*extent)(void *address, void **base) = dlsym(RTLD_DEFAULT, "vs_control_extent");
    void *begin;
    for (size_t i = 0; i < region_count && extent; i++)
        seen_known += extent((void *)regions[i].address, &begin) > 0;
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

CUmemAllocationProp device_memory(int device)
{
    return (CUmemAllocationProp){.type = CU_MEM_ALLOCATION_TYPE_PINNED,
        .requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR,
        .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device}};
}

handle_t create(int device, size_t bytes)
{
    const CUmemAllocationProp properties = device_memory(device);
    handle_t handle;
    MUST(cuMemCreate(&handle, bytes, &properties, 0));
    return handle;
}

CUdeviceptr reserve(size_t bytes)
{
    CUdeviceptr address;
    MUST(cuMemAddressReserve(&address, bytes, 0, 0, 0));
    return address;
}

CUresult allow(CUdeviceptr address, size_t bytes, int device, CUmemAccess_flags flags)
{
    const CUmemAccessDesc access = {{.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device}, flags};
    return cuMemSetAccess(address, bytes, &access, 1);
}

/* Created, mapped and accessible, with a pattern in it. */
handle_t place(CUdeviceptr address, size_t bytes, unsigned seed)
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

void take_away(CUdeviceptr address, size_t bytes)
{
    MUST(cuCtxSynchronize());
    MUST(cuMemUnmap(address, bytes));
    unmapped(address, bytes);
}

void tell_bytes(const char *what, CUdeviceptr address, size_t bytes)
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
void tell_about(const char *what, CUdeviceptr address, CUdeviceptr base)
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

void tell_properties(const char *what, handle_t handle)
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

/* --- All of it ---------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*run)(void);
} steps[] = {{"life", life}, {"misuse", misuse}, {"references", references}, {"aliases", aliases},
    {"neighbours", neighbours}, {"exports", exports}, {"two-devices", two_devices}, {"full", full}, {"faults", faults},
    {"capture", capture}, {"fork", forked}, {"threads", threads}};

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
    size_t (*extents)(size_t * bytes) = dlsym(RTLD_DEFAULT, "vs_control_extents");
    size_t bytes = 0;
    fprintf(stderr, "mappings seen %zu, pages seen away %zu, moves refused %zu, extents left %zu\n", seen_known,
        seen_away, refused, extents ? extents(&bytes) : 0);
    return 0;
}
