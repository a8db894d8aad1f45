/* check_free.c: what freeing memory waits for. */
#include "context.h"
#include "gate.h"
#include "pool.h"

CHECK(free_waits, "[header: cuMemFree, \"may\"; observed: forums.developer.nvidia.com 110906]",
    "freeing device memory waits for the work that uses it", "free_waits")
{
    static atomic_int done;
    CUdeviceptr memory;
    CUstream stream = stream_of(0);
    OK(cuMemAlloc(&memory, 16 * MIB));
    OK(cuLaunchHostFunc(stream, set_flag_late, &done));
    OK(cuMemsetD8Async(memory, 1, 16 * MIB, stream));
    OK(cuMemFree(memory));
    NEVER(atomic_load(&done) == 0);
    OK(cuStreamSynchronize(stream));
}

CHECK(pool_free_waits_for_nothing, "[header: cuMemFree, cudaFree]",
    "freeing pool memory with cudaFree waits for no work", "pool_free_waits_for_nothing")
{
    static struct gate gate;
    void *memory;
    need_pools();
    CUstream stream = stream_of(0);
    OK(cudaMallocAsync(&memory, MIB, NULL));
    OK(cudaMemsetAsync(memory, 1, MIB, NULL));
    OK(cudaStreamSynchronize(NULL));
    gate_into(stream, &gate);
    OK(cudaFree(memory));
    NEVER(atomic_load(&gate.passed));
    gate_open(&gate);
    OK(cuStreamSynchronize(stream));
}

CHECK(pool_freed_under_work, "[header: cuMemFree: callers must ensure that all uses are over]",
    "work that is queued when cudaFree frees its pool memory is an illegal access", "pool_free_waits_for_nothing",
    "illegal_address")
{
    static struct gate gate;
    void *memory;
    need_simulator();
    need_pools();
    cudaStream_t stream = independent_stream();
    OK(cudaMallocAsync(&memory, MIB, stream));
    OK(cudaStreamSynchronize(stream));
    gate_into(stream, &gate);
    OK(cudaMemsetAsync(memory, 1, MIB, stream));
    OK(cudaFree(memory));
    gate_open(&gate);
    FAILS(cudaStreamSynchronize(stream), cudaErrorIllegalAddress);
}
