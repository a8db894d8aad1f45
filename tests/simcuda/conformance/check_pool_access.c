/* check_pool_access.c: which devices reach the memory of a pool. That kernels do is in check_peer.c. */
#include "pool.h"

CHECK(pool_access, "[doc: cudaMemPoolSetAccess]", "access of another device to a pool is set and told")
{
    need_peers(1, 0, true);
    cudaMemPool_t pool = default_pool();
    struct cudaMemLocation other = {.type = cudaMemLocationTypeDevice, .id = 1};
    struct cudaMemAccessDesc access = {.location = other, .flags = cudaMemAccessFlagsProtReadWrite};
    enum cudaMemAccessFlags flags;
    OK(cudaMemPoolGetAccess(&flags, pool, &other));
    EXPECT(flags == cudaMemAccessFlagsProtNone);
    OK(cudaMemPoolSetAccess(pool, &access, 1));
    OK(cudaMemPoolGetAccess(&flags, pool, &other));
    EXPECT(flags == cudaMemAccessFlagsProtReadWrite);
}

CHECK(pool_access_without_peers, "[doc: programming guide, stream-ordered allocator]",
    "access for a device that cannot be a peer is refused, at the latest by the next allocation",
    "pool_access_needs_peers")
{
    need_peers(1, 0, false);
    cudaMemPool_t pool = default_pool();
    void *memory;
    struct cudaMemAccessDesc access = {
        .location = {.type = cudaMemLocationTypeDevice, .id = 1}, .flags = cudaMemAccessFlagsProtReadWrite};
    cudaError_t error = cudaMemPoolSetAccess(pool, &access, 1); /* of an empty pool it may succeed */
    FAILS_SOMEHOW(error != cudaSuccess ? error : cudaMallocAsync(&memory, MIB, NULL));
}

CHECK(pool_owner_access, "[doc: cudaMemPoolSetAccess; observed: NVIDIA/cuda-python 2807]",
    "the access of the pool's own device cannot be taken away", "pool_owner_access")
{
    cudaMemPool_t pool = default_pool();
    struct cudaMemAccessDesc access = {
        .location = {.type = cudaMemLocationTypeDevice, .id = 0}, .flags = cudaMemAccessFlagsProtNone};
    FAILS(cudaMemPoolSetAccess(pool, &access, 1), cudaErrorInvalidDevice);
}

CHECK(pool_access_as_a_whole, "[observed: NVIDIA/cuda-python 2807]",
    "an array of access descriptors with a wrong one changes nothing", "pool_access_as_a_whole")
{
    need_peers(1, 0, true);
    cudaMemPool_t pool = default_pool();
    struct cudaMemLocation other = {.type = cudaMemLocationTypeDevice, .id = 1};
    struct cudaMemAccessDesc access[] = {
        {.location = other, .flags = cudaMemAccessFlagsProtReadWrite},
        {.location = {.type = cudaMemLocationTypeDevice, .id = 0}, .flags = cudaMemAccessFlagsProtNone},
    };
    enum cudaMemAccessFlags flags;
    EXPECT(cudaMemPoolSetAccess(pool, access, 2) != cudaSuccess);
    OK(cudaMemPoolGetAccess(&flags, pool, &other));
    EXPECT(flags == cudaMemAccessFlagsProtNone);
}

CHECK(pool_access_taken_back, "[doc: cudaMemPoolSetAccess]", "a device whose access was taken back has none")
{
    need_peers(1, 0, true);
    cudaMemPool_t pool = default_pool();
    struct cudaMemLocation other = {.type = cudaMemLocationTypeDevice, .id = 1};
    struct cudaMemAccessDesc access = {.location = other, .flags = cudaMemAccessFlagsProtReadWrite};
    enum cudaMemAccessFlags flags;
    OK(cudaMemPoolSetAccess(pool, &access, 1));
    access.flags = cudaMemAccessFlagsProtNone;
    OK(cudaMemPoolSetAccess(pool, &access, 1));
    OK(cudaMemPoolGetAccess(&flags, pool, &other));
    EXPECT(flags == cudaMemAccessFlagsProtNone);
}
