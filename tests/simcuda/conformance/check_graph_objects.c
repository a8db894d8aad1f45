/* check_graph_objects.c: what graphs keep alive, and what they tell of their memory. */
#include "conformance.h"

#include <stdatomic.h>
#include <unistd.h>

static atomic_int destroyed;

static void CUDART_CB count_destroyed(void *unused)
{
    (void)unused;
    destroyed++;
}

/* A destructor may run on a thread of CUDA's own, a while later. */
static void expect_destroyed(int count)
{
    for (int i = 0; destroyed < count && i < 1000; i++)
        usleep(1000);
    EXPECT(destroyed == count);
}

CHECK(graph_user_object, "[header: cuUserObjectCreate]",
    "a user object lives while a graph, a copy or an executable form of it holds a reference")
{
    cudaUserObject_t object;
    cudaGraph_t graph, clone;
    cudaGraphExec_t exec;
    use_device(0);
    OK(cudaGraphCreate(&graph, 0));
    OK(cudaUserObjectCreate(&object, NULL, count_destroyed, 1, cudaUserObjectNoDestructorSync));
    OK(cudaGraphRetainUserObject(graph, object, 1, cudaGraphUserObjectMove));
    OK(cudaGraphClone(&clone, graph));
    OK(cudaGraphInstantiateWithFlags(&exec, graph, 0));
    OK(cudaGraphDestroy(graph));
    OK(cudaGraphDestroy(clone));
    usleep(20000);
    EXPECT(destroyed == 0);
    OK(cudaGraphExecDestroy(exec));
    expect_destroyed(1);
}

CHECK(graph_user_object_flags, "[header: cuUserObjectCreate]",
    "a user object is made only with the flag that says that its destructor cannot be waited for", "user_object_flags")
{
    cudaUserObject_t object;
    use_device(0);
    FAILS(cudaUserObjectCreate(&object, NULL, count_destroyed, 1, 0), cudaErrorInvalidValue);
    FAILS(
        cudaUserObjectCreate(&object, NULL, count_destroyed, 0, cudaUserObjectNoDestructorSync), cudaErrorInvalidValue);
}

static unsigned long long graph_memory(enum cudaGraphMemAttributeType attribute)
{
    unsigned long long value = ~0ULL;
    OK(cudaDeviceGetGraphMemAttribute(0, attribute, &value));
    return value;
}

CHECK(graph_memory_attributes, "[header: cuDeviceGetGraphMemAttribute]",
    "memory that a graph allocates counts as used by graphs while a launch has it")
{
    cudaStream_t stream;
    cudaGraph_t graph;
    cudaGraphExec_t exec;
    void *memory;
    unsigned long long zero = 0;
    use_device(0);
    SKIP_UNLESS(device_attribute(0, CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED), "the device has no memory pools");
    OK(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    OK(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed));
    OK(cudaMallocAsync(&memory, 8 * MIB, stream));
    OK(cudaMemsetAsync(memory, 1, 8 * MIB, stream));
    OK(cudaStreamEndCapture(stream, &graph));
    OK(cudaGraphInstantiateWithFlags(&exec, graph, 0));
    EXPECT(graph_memory(cudaGraphMemAttrUsedMemCurrent) == 0);
    OK(cudaGraphLaunch(exec, stream));
    OK(cudaStreamSynchronize(stream));
    EXPECT(graph_memory(cudaGraphMemAttrUsedMemCurrent) >= 8 * MIB);
    EXPECT(graph_memory(cudaGraphMemAttrReservedMemCurrent) >= 8 * MIB);
    OK(cudaFreeAsync(memory, stream));
    OK(cudaStreamSynchronize(stream));
    EXPECT(graph_memory(cudaGraphMemAttrUsedMemCurrent) == 0);
    EXPECT(graph_memory(cudaGraphMemAttrUsedMemHigh) >= 8 * MIB);
    OK(cudaDeviceSetGraphMemAttribute(0, cudaGraphMemAttrUsedMemHigh, &zero));
    EXPECT(graph_memory(cudaGraphMemAttrUsedMemHigh) == 0);
}
