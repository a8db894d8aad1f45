/* guest_peer_test.c: copies between pages that the program maps itself and the memory of another device, where only a
 * peer copy can reach both. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "movable.h"

enum { COUNT = 4 };
#define BYTES (COUNT * PAGE)

static unsigned char *new_pages(CUmemGenericAllocationHandle *handle)
{
    const CUmemAllocationProp properties = {
        .type = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = LOCAL}};
    const CUmemAccessDesc access = {
        {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = LOCAL}, CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    CUdeviceptr address;
    CUDA_OK(cuMemAddressReserve(&address, BYTES, 0, 0, 0));
    CUDA_OK(cuMemCreate(handle, BYTES, &properties, 0));
    CUDA_OK(cuMemMap(address, BYTES, 0, *handle, 0));
    CUDA_OK(cuMemSetAccess(address, BYTES, &access, 1));
    return (unsigned char *)address;
}

static void give_back(unsigned char *pages, CUmemGenericAllocationHandle handle)
{
    CUDA_OK(cuMemUnmap((CUdeviceptr)pages, BYTES));
    CUDA_OK(cuMemRelease(handle));
    CUDA_OK(cuMemAddressFree((CUdeviceptr)pages, BYTES));
}

struct way {
    unsigned char *dst, *src;
    int dst_device, src_device;
    cudaStream_t stream;
};

static void by_the_runtime(const struct way *way)
{
    CUDA_OK(cudaMemcpyPeerAsync(way->dst, way->dst_device, way->src, way->src_device, BYTES, way->stream));
}

static void by_the_runtime_at_once(const struct way *way)
{
    CUDA_OK(cudaMemcpyPeer(way->dst, way->dst_device, way->src, way->src_device, BYTES));
}

static struct cudaMemcpy3DPeerParms box_of(const struct way *way)
{
    const size_t pitch = PAGE, rows = COUNT;
    return (struct cudaMemcpy3DPeerParms){.srcPtr = {way->src, pitch, pitch, rows},
        .srcDevice = way->src_device,
        .dstPtr = {way->dst, pitch, pitch, rows},
        .dstDevice = way->dst_device,
        .extent = {pitch, rows, 1}};
}

static void as_a_box(const struct way *way)
{
    const struct cudaMemcpy3DPeerParms box = box_of(way);
    CUDA_OK(cudaMemcpy3DPeerAsync(&box, way->stream));
}

static void as_a_box_at_once(const struct way *way)
{
    const struct cudaMemcpy3DPeerParms box = box_of(way);
    CUDA_OK(cudaMemcpy3DPeer(&box));
}

static void by_the_driver(const struct way *way)
{
    CUcontext contexts[2];
    for (int i = 0; i < 2; i++)
        CUDA_OK(cuDevicePrimaryCtxRetain(&contexts[i], i));
    CUDA_OK(cuMemcpyPeerAsync((CUdeviceptr)way->dst, contexts[way->dst_device], (CUdeviceptr)way->src,
        contexts[way->src_device], BYTES, way->stream));
    for (int i = 0; i < 2; i++)
        CUDA_OK(cuDevicePrimaryCtxRelease(i));
}

static void (*const ways[])(const struct way *way) = {
    by_the_runtime, by_the_runtime_at_once, as_a_box, as_a_box_at_once, by_the_driver};

static void copy(size_t way, unsigned char *dst, int dst_device, unsigned char *src, int src_device)
{
    struct way asked = {dst, src, dst_device, src_device, NULL};
    CUDA_OK(cudaStreamCreateWithFlags(&asked.stream, cudaStreamNonBlocking));
    ways[way](&asked);
    CUDA_OK(cudaStreamSynchronize(asked.stream));
    CUDA_OK(cudaStreamDestroy(asked.stream));
}

/* With the first `half` of the pages away. */
static void there_and_back(bool away, size_t half, int current)
{
    CUmemGenericAllocationHandle handle;
    unsigned char *pages = new_pages(&handle), *there;
    CUDA_OK(cudaSetDevice(PEER));
    CUDA_OK(cudaMalloc((void **)&there, BYTES));
    CUDA_OK(cudaSetDevice(current));
    if (away)
        cr_assert_eq(rehome(pages, half, HOST), 0);
    for (size_t way = 0; way < sizeof ways / sizeof *ways; way++) {
        char when[64];
        if (!away && (ways[way] == as_a_box || ways[way] == as_a_box_at_once))
            continue; /* the driver's own then, which the simulator does not do */
        snprintf(when, sizeof when, "way %zu, current device %d, %zu bytes away", way, current, away ? half : 0);
        fill(pages, way + 1, BYTES);
        copy(way, there, PEER, pages, LOCAL);
        expect_bytes(there, way + 1, BYTES, when);
        fill(there, way + 9, BYTES);
        copy(way, pages, LOCAL, there, PEER);
        expect_bytes(pages, way + 9, BYTES, when);
    }
    CUDA_OK(cudaFree(there));
    give_back(pages, handle);
}

Test(guest_peer, peer_copies_reach_pages_at_home_and_away)
{
    use_machine("2x24gb-dma-only");
    use_policy("cuda:0,*");
    CUDA_OK(cudaFree(NULL));
    for (int current = LOCAL; current <= PEER; current++) {
        there_and_back(false, BYTES, current);
        there_and_back(true, BYTES, current);
        there_and_back(true, BYTES / 2, current);
    }
}

/* By the driver's own engines, not by way of the host: as without the library. */
Test(guest_peer, pages_at_home_are_copied_as_the_program_asked)
{
    use_machine("2x24gb-dma-only");
    use_policy("cuda:0,*");
    CUmemGenericAllocationHandle handle;
    unsigned char *pages, *there;
    CUDA_OK(cudaFree(NULL));
    pages = new_pages(&handle);
    fill(pages, 1, BYTES);
    CUDA_OK(cudaSetDevice(PEER));
    CUDA_OK(cudaMalloc((void **)&there, BYTES));
    uint64_t before = simcudaCalls("cuMemcpy");
    copy(0, there, PEER, pages, LOCAL);
    const struct way back = {pages, there, LOCAL, PEER, NULL};
    const struct cudaMemcpy3DPeerParms box = box_of(&back);
    cr_expect_eq(cudaMemcpy3DPeer(&box), cudaErrorNotSupported, "the simulator does not do these");
    copy(4, there, PEER, pages, LOCAL);
    cr_expect_eq(simcudaCalls("cuMemcpy"), before);
    cr_expect_eq(simcudaCalls("cuMemcpyPeerAsync"), 2, "the runtime passes its own to the driver");
    expect_bytes(there, 1, BYTES, "as asked");
}
