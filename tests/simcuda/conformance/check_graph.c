/* check_graph.c: graphs made by capture, and the memory that they allocate. */
#include "capture.h"

#include <stdint.h>
#include <string.h>

CHECK(graph_replay, "[doc: programming guide, CUDA graphs]",
    "captured work is done at each launch of the graph, and not before", "capture_runs_nothing")
{
    cudaStream_t stream;
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    unsigned char byte = 0;
    void *memory;
    use_device(0);
    OK(cudaMalloc(&memory, MIB));
    fill((CUdeviceptr)memory, 1, MIB);
    stream = capturing(cudaStreamCaptureModeGlobal);
    OK(cudaMemsetAsync(memory, 2, MIB, stream));
    OK(cudaStreamEndCapture(stream, &graph));
    OK(cudaMemcpy(&byte, memory, 1, cudaMemcpyDeviceToHost));
    NEVER(byte != 1);
    expect_filled((CUdeviceptr)memory, 1, MIB);
    OK(cudaGraphInstantiateWithFlags(&exec, graph, 0));
    for (int i = 0; i < 2; i++) {
        fill((CUdeviceptr)memory, 1, MIB);
        OK(cudaGraphLaunch(exec, stream));
        OK(cudaStreamSynchronize(stream));
        expect_filled((CUdeviceptr)memory, 2, MIB);
    }
    OK(cudaGraphExecDestroy(exec));
    OK(cudaGraphDestroy(graph));
}

/* Ends the capture and instantiates its graph. */
static cudaGraphExec_t instance_of(cudaStream_t stream, cudaGraph_t *graph)
{
    cudaGraphExec_t exec;
    OK(cudaStreamEndCapture(stream, graph));
    OK(cudaGraphInstantiateWithFlags(&exec, *graph, 0));
    return exec;
}

CHECK(graph_reads_at_launch, "[doc: programming guide, CUDA graphs]",
    "a captured copy reads its pinned source at each launch")
{
    cudaGraph_t graph;
    void *memory, *host;
    use_device(0);
    OK(cudaMalloc(&memory, 4096));
    OK(cudaMallocHost(&host, 4096));
    memset(host, 1, 4096);
    cudaStream_t stream = capturing(cudaStreamCaptureModeGlobal);
    OK(cudaMemcpyAsync(memory, host, 4096, cudaMemcpyHostToDevice, stream));
    cudaGraphExec_t exec = instance_of(stream, &graph);
    for (int value = 2; value < 4; value++) {
        memset(host, value, 4096);
        OK(cudaGraphLaunch(exec, stream));
        OK(cudaStreamSynchronize(stream));
        expect_filled((CUdeviceptr)memory, (unsigned char)value, 4096);
    }
}

CHECK(graph_outlives_streams, "[doc: cudaGraphLaunch]", "a graph is launched in other streams than it was captured in")
{
    cudaGraph_t graph;
    void *memory;
    use_device(0);
    OK(cudaMalloc(&memory, 4096));
    cudaStream_t stream = capturing(cudaStreamCaptureModeGlobal), other;
    OK(cudaMemsetAsync(memory, 7, 4096, stream));
    cudaGraphExec_t exec = instance_of(stream, &graph);
    OK(cudaStreamDestroy(stream));
    OK(cudaGraphDestroy(graph)); /* the instance is a copy */
    OK(cudaStreamCreateWithFlags(&other, cudaStreamNonBlocking));
    OK(cudaGraphLaunch(exec, other));
    OK(cudaStreamSynchronize(other));
    expect_filled((CUdeviceptr)memory, 7, 4096);
}

CHECK(graph_freed_memory, "[doc: programming guide, CUDA graphs; assumed: the error]",
    "a graph replays the addresses that were captured: memory freed meanwhile is an illegal address", "illegal_address")
{
    CUdeviceptr memory;
    cudaGraph_t graph;
    use_device(0);
    CUfunction kernel = store_kernel();
    OK(cuMemAlloc(&memory, 64 * MIB));
    OK(launch_store(kernel, memory, 1, NULL)); /* loaded before the capture, which forbids it */
    OK(cuCtxSynchronize());
    cudaStream_t stream = capturing(cudaStreamCaptureModeGlobal);
    OK(launch_store(kernel, memory, 1, stream));
    cudaGraphExec_t exec = instance_of(stream, &graph);
    OK(cudaGraphLaunch(exec, stream));
    OK(cudaStreamSynchronize(stream));
    OK(cuMemFree(memory));
    OK(cudaGraphLaunch(exec, stream));
    FAILS(cudaStreamSynchronize(stream), cudaErrorIllegalAddress);
}

/* Skips without pools. */
static void need_graph_memory(void)
{
    SKIP_UNLESS(device_attribute(0, CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED), "needs memory pools");
    use_device(0);
}

/* A capture that allocated memory and fills it. */
static cudaStream_t allocating(void **memory)
{
    need_graph_memory();
    cudaStream_t stream = capturing(cudaStreamCaptureModeGlobal);
    OK(cudaMallocAsync(memory, 4 * MIB, stream));
    OK(cudaMemsetAsync(*memory, 5, 4 * MIB, stream));
    return stream;
}

CHECK(graph_memory, "[header: cuGraphAddMemAllocNode; doc: cudaMallocAsync]",
    "memory allocated in a capture belongs to the graph, not to the pool, and is the program's after the launch")
{
    uint64_t used = UINT64_MAX;
    cudaMemPool_t pool;
    cudaGraph_t graph;
    void *memory;
    cudaStream_t stream = allocating(&memory);
    cudaGraphExec_t exec = instance_of(stream, &graph);
    OK(cudaDeviceGetDefaultMemPool(&pool, 0));
    OK(cudaGraphLaunch(exec, stream));
    OK(cudaStreamSynchronize(stream));
    OK(cudaMemPoolGetAttribute(pool, cudaMemPoolAttrUsedMemCurrent, &used));
    EXPECT(used == 0);
    expect_filled((CUdeviceptr)memory, 5, 4 * MIB);
    OK(cudaFreeAsync(memory, stream));
    OK(cudaGraphLaunch(exec, stream)); /* allocates the same address again */
    OK(cudaStreamSynchronize(stream));
    expect_filled((CUdeviceptr)memory, 5, 4 * MIB);
    OK(cudaFree(memory));
}

CHECK(graph_memory_freed_inside, "[header: cuGraphAddMemAllocNode]",
    "a graph that frees what it allocates is launched again and again")
{
    cudaGraph_t graph;
    void *memory;
    cudaStream_t stream = allocating(&memory);
    OK(cudaFreeAsync(memory, stream));
    cudaGraphExec_t exec = instance_of(stream, &graph);
    for (int i = 0; i < 3; i++)
        OK(cudaGraphLaunch(exec, stream));
    OK(cudaStreamSynchronize(stream));
}

CHECK(graph_memory_before_launch, "[header: cuGraphAddMemAllocNode, undefined]",
    "memory allocated in a capture is not there before the graph is launched", "illegal_address")
{
    need_simulator();
    cudaGraph_t graph;
    void *memory;
    cudaStream_t stream = allocating(&memory);
    instance_of(stream, &graph);
    OK(launch_store(store_kernel(), (CUdeviceptr)memory, 1, stream));
    FAILS(cudaStreamSynchronize(stream), cudaErrorIllegalAddress);
}

CHECK(graph_memory_not_freed, "[doc: programming guide, graph memory nodes]",
    "a graph whose memory was not freed cannot be launched again", "graph_memory_freed")
{
    cudaGraph_t graph;
    void *memory;
    cudaStream_t stream = allocating(&memory);
    cudaGraphExec_t exec = instance_of(stream, &graph);
    OK(cudaGraphLaunch(exec, stream));
    FAILS_SOMEHOW(cudaGraphLaunch(exec, stream));
}

CHECK(graph_memory_freed_on_launch, "[header: CUDA_GRAPH_INSTANTIATE_FLAG_AUTO_FREE_ON_LAUNCH]",
    "an instance that frees its memory on launch is launched again")
{
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    void *memory;
    cudaStream_t stream = allocating(&memory);
    OK(cudaStreamEndCapture(stream, &graph));
    OK(cudaGraphInstantiateWithFlags(&exec, graph, cudaGraphInstantiateFlagAutoFreeOnLaunch));
    OK(cudaGraphLaunch(exec, stream));
    OK(cudaGraphLaunch(exec, stream));
    OK(cudaStreamSynchronize(stream));
}

CHECK(graph_memory_one_instance, "[header: cuGraphAddMemAllocNode]",
    "a graph that allocates has one instance at a time", "graph_memory_one_instance")
{
    cudaGraph_t graph;
    cudaGraphExec_t other;
    void *memory;
    cudaStream_t stream = allocating(&memory);
    cudaGraphExec_t exec = instance_of(stream, &graph);
    FAILS_SOMEHOW(cudaGraphInstantiateWithFlags(&other, graph, 0));
    OK(cudaGraphExecDestroy(exec));
    OK(cudaGraphInstantiateWithFlags(&other, graph, 0));
}

CHECK(graph_memory_not_cloned, "[header: cuGraphAddMemAllocNode]", "a graph that allocates cannot be cloned",
    "graph_memory_not_cloned")
{
    cudaGraph_t graph, clone;
    void *memory;
    cudaStream_t stream = allocating(&memory);
    OK(cudaStreamEndCapture(stream, &graph));
    FAILS_SOMEHOW(cudaGraphClone(&clone, graph));
}
