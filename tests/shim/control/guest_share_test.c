/* guest_share_test.c: pages that the program maps itself, and shares, or asks about, while they are away. */
#include <criterion/criterion.h>
#include <unistd.h>

#include "movable.h"

enum { COUNT = 4 };
#define BYTES (COUNT * PAGE)

static CUmemGenericAllocationHandle handle;
static unsigned char *pages;

static void map_at(unsigned char *address)
{
    const CUmemAccessDesc access = {
        {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = LOCAL}, CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    CUDA_OK(cuMemMap((CUdeviceptr)address, BYTES, 0, handle, 0));
    CUDA_OK(cuMemSetAccess((CUdeviceptr)address, BYTES, &access, 1));
}

/* Room for two mappings; the first one's pages are in the host's memory. */
static void send_away(const char *machine)
{
    const CUmemAllocationProp properties = {.type = CU_MEM_ALLOCATION_TYPE_PINNED,
        .requestedHandleTypes = CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR,
        .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = LOCAL}};
    CUdeviceptr address;
    use_machine(machine);
    use_policy("cuda:0,*");
    CUDA_OK(cudaFree(NULL));
    CUDA_OK(cuMemAddressReserve(&address, 2 * BYTES, 0, 0, 0));
    pages = (unsigned char *)address;
    CUDA_OK(cuMemCreate(&handle, BYTES, &properties, 0));
    map_at(pages);
    fill(pages, 1, BYTES);
    cr_assert_eq(rehome(pages, BYTES, HOST), 0);
}

static CUresult share(void)
{
    int fd = -1;
    CUresult result = cuMemExportToShareableHandle(&fd, handle, CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR, 0);
    close(fd);
    return result;
}

static void expect_shared(void)
{
    CUDA_OK(share());
    cr_expect(lies_at(pages, BYTES, LOCAL));
    expect_bytes(pages, 1, BYTES, "shared");
}

/* A capture keeps pages where they are, and so does its graph afterwards: one of the call's own errors says so. */
Test(guest_share, pages_that_cannot_come_home_are_not_supported)
{
    cudaStream_t stream;
    cudaGraph_t graph;
    send_away("2x24gb");
    CUDA_OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    CUDA_OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
    cr_expect_eq(share(), CUDA_ERROR_NOT_SUPPORTED);
    CUDA_OK(cudaStreamEndCapture(stream, &graph));
    cr_expect_eq(share(), CUDA_ERROR_NOT_SUPPORTED);
    cr_expect(lies_at(pages, BYTES, HOST));
}

/* What the pool hoards is given back for them, mapped or not. */
static void with_a_full_device(bool is_mapped)
{
    cudaMemPool_t pool;
    uint64_t all = UINT64_MAX;
    size_t free_bytes, total;
    void *tensor;
    send_away("4gb+1gb");
    CUDA_OK(cudaDeviceGetDefaultMemPool(&pool, 0));
    CUDA_OK(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &all));
    CUDA_OK(cudaMemGetInfo(&free_bytes, &total));
    CUDA_OK(cudaMallocAsync(&tensor, free_bytes - PAGE, NULL));
    CUDA_OK(cudaFreeAsync(tensor, NULL));
    CUDA_OK(cudaDeviceSynchronize());
    if (!is_mapped)
        CUDA_OK(cuMemUnmap((CUdeviceptr)pages, BYTES));
    CUDA_OK(share());
    if (!is_mapped)
        map_at(pages);
    expect_shared();
}

Test(guest_share, a_full_device_makes_room_for_pages_that_come_home)
{
    with_a_full_device(true);
}

Test(guest_share, a_full_device_makes_room_for_memory_that_is_mapped_nowhere)
{
    with_a_full_device(false);
}

/* Memory at two addresses stays where it is: so it is home before. */
Test(guest_share, memory_comes_home_before_it_is_mapped_twice)
{
    send_away("2x24gb");
    map_at(pages + BYTES);
    cr_expect(lies_at(pages, BYTES, LOCAL));
    cr_expect(lies_at(pages + BYTES, BYTES, LOCAL));
    CUDA_OK(cuMemUnmap((CUdeviceptr)pages + BYTES, BYTES));
    expect_shared();
}

Test(guest_share, the_runtime_tells_of_pages_that_are_away_what_it_does_of_others)
{
    const int locations[] = {HOST, PEER, LOCAL};
    send_away("2x24gb");
    for (size_t i = 0; i < sizeof locations / sizeof *locations; i++) {
        struct cudaPointerAttributes told = {.type = cudaMemoryTypeManaged};
        cr_assert_eq(rehome(pages, BYTES / 2, locations[i]), 0);
        CUDA_OK(cudaPointerGetAttributes(&told, pages + PAGE));
        cr_expect_eq(told.type, cudaMemoryTypeDevice);
        cr_expect_eq(told.device, LOCAL);
        cr_expect_eq(told.devicePointer, pages + PAGE);
        cr_expect_null(told.hostPointer);
    }
    CUDA_OK(cuMemUnmap((CUdeviceptr)pages, BYTES));
    struct cudaPointerAttributes told;
    CUDA_OK(cudaPointerGetAttributes(&told, pages));
    cr_expect_eq(told.type, cudaMemoryTypeUnregistered);
}
