/* pool.c: the helpers of pool.h. */
#include "pool.h"

void need_pools(void)
{
    SKIP_UNLESS(device_attribute(0, CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED), "needs memory pools");
    use_device(0);
}

cudaMemPool_t default_pool(void)
{
    cudaMemPool_t pool;
    need_pools();
    OK(cudaDeviceGetDefaultMemPool(&pool, 0));
    return pool;
}

cudaMemPool_t new_pool(int device)
{
    cudaMemPool_t pool;
    struct cudaMemPoolProps properties = {
        .allocType = cudaMemAllocationTypePinned, .location = {.type = cudaMemLocationTypeDevice, .id = device}};
    OK(cudaMemPoolCreate(&pool, &properties));
    return pool;
}

uint64_t pool_value(cudaMemPool_t pool, enum cudaMemPoolAttr attribute)
{
    uint64_t value = UINT64_MAX;
    OK(cudaMemPoolGetAttribute(pool, attribute, &value));
    return value;
}

void set_pool_value(cudaMemPool_t pool, enum cudaMemPoolAttr attribute, uint64_t value)
{
    OK(cudaMemPoolSetAttribute(pool, attribute, &value));
}

void set_pool_reuse(cudaMemPool_t pool, int follow_events, int opportunistic, int internal)
{
    OK(cudaMemPoolSetAttribute(pool, cudaMemPoolReuseFollowEventDependencies, &follow_events));
    OK(cudaMemPoolSetAttribute(pool, cudaMemPoolReuseAllowOpportunistic, &opportunistic));
    OK(cudaMemPoolSetAttribute(pool, cudaMemPoolReuseAllowInternalDependencies, &internal));
}

cudaStream_t independent_stream(void)
{
    cudaStream_t stream;
    OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    return stream;
}
