/* driver_graph_test.c: what graphs keep alive, the memory that they own, and how they are told. */
#include "simulated.h"

#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>

static int destroyed;
static CUresult inside;

static void destroy(void *pointer)
{
    CUdeviceptr address;
    destroyed += *(int *)pointer;
    inside = cuMemAlloc(&address, 1);
}

/* A graph of one fill, and a user object whose destructor adds 1. */
static CUgraph graph_of_one_fill(CUstream stream)
{
    CUdeviceptr memory = new_memory(16);
    CUgraph graph;
    SUCCEEDS(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_GLOBAL));
    SUCCEEDS(cuMemsetD8Async(memory, 7, 16, stream));
    SUCCEEDS(cuStreamEndCapture(stream, &graph));
    return graph;
}

static CUuserObject new_object(unsigned references)
{
    static int one = 1;
    CUuserObject object;
    SUCCEEDS(cuUserObjectCreate(&object, &one, destroy, references, CU_USER_OBJECT_NO_DESTRUCTOR_SYNC));
    return object;
}

Test(user_object, is_destroyed_with_its_last_reference_and_may_not_call_cuda_there)
{
    start("early");
    CUuserObject object = new_object(2);

    SUCCEEDS(cuUserObjectRetain(object, 3));
    SUCCEEDS(cuUserObjectRelease(object, 4));
    cr_assert_eq(destroyed, 0);
    GIVES(CUDA_ERROR_INVALID_VALUE, cuUserObjectRelease(object, 2));
    SUCCEEDS(cuUserObjectRelease(object, 1));
    cr_assert_eq(destroyed, 1);
    cr_assert_eq(inside, CUDA_ERROR_NOT_PERMITTED);
    GIVES(CUDA_ERROR_INVALID_VALUE, cuUserObjectRelease(object, 1));
    GIVES(CUDA_ERROR_INVALID_VALUE, cuUserObjectCreate(&object, NULL, destroy, 1, 0));
    GIVES(CUDA_ERROR_INVALID_VALUE, cuUserObjectCreate(&object, NULL, destroy, 0, 1));
}

Test(user_object, lives_as_long_as_a_graph_a_copy_or_a_launch_that_holds_it)
{
    start("late");
    CUstream stream = new_stream(CU_STREAM_NON_BLOCKING);
    CUgraph graph = graph_of_one_fill(stream), clone;
    CUgraphExec exec;
    CUuserObject object = new_object(1);

    SUCCEEDS(cuGraphRetainUserObject(graph, object, 1, CU_GRAPH_USER_OBJECT_MOVE));
    SUCCEEDS(cuGraphClone(&clone, graph));
    SUCCEEDS(cuGraphInstantiate(&exec, graph, 0));
    SUCCEEDS(cuGraphDestroy(graph));
    SUCCEEDS(cuGraphDestroy(clone));
    SUCCEEDS(cuGraphLaunch(exec, stream));
    SUCCEEDS(cuGraphLaunch(exec, stream));
    SUCCEEDS(cuGraphExecDestroy(exec));
    cr_assert_eq(destroyed, 0, "the launches are not done yet");
    SUCCEEDS(cuStreamSynchronize(stream));
    cr_assert_eq(destroyed, 1);
}

Test(user_object, is_kept_by_its_creator_unless_the_reference_was_moved)
{
    start("early");
    CUgraph graph;
    CUuserObject object = new_object(1);

    SUCCEEDS(cuGraphCreate(&graph, 0));
    SUCCEEDS(cuGraphRetainUserObject(graph, object, 2, 0));
    GIVES(CUDA_ERROR_INVALID_VALUE, cuGraphReleaseUserObject(graph, object, 3));
    SUCCEEDS(cuGraphReleaseUserObject(graph, object, 1));
    SUCCEEDS(cuGraphDestroy(graph));
    cr_assert_eq(destroyed, 0);
    SUCCEEDS(cuUserObjectRelease(object, 1));
    cr_assert_eq(destroyed, 1);
}

static uint64_t graph_memory(CUgraphMem_attribute attribute)
{
    cuuint64_t value = 99;
    SUCCEEDS(cuDeviceGetGraphMemAttribute(0, attribute, &value));
    return value;
}

Test(graph_memory, is_reserved_from_the_capture_on_and_used_while_a_launch_has_it)
{
    start("early");
    CUstream stream = new_stream(CU_STREAM_NON_BLOCKING);
    CUdeviceptr first, second;
    CUgraph graph;
    CUgraphExec exec;
    cuuint64_t zero = 0, one = 1;

    SUCCEEDS(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
    SUCCEEDS(cuMemAllocAsync(&first, 4 * MIB, stream));
    SUCCEEDS(cuMemAllocAsync(&second, 2 * MIB, stream));
    SUCCEEDS(cuMemFreeAsync(first, stream));
    SUCCEEDS(cuStreamEndCapture(stream, &graph));
    SUCCEEDS(cuGraphInstantiate(&exec, graph, 0));
    SUCCEEDS(cuGraphDestroy(graph));
    cr_assert_eq(graph_memory(CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT), 6 * MIB);
    cr_assert_eq(graph_memory(CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT), 0);
    SUCCEEDS(cuGraphLaunch(exec, stream));
    SUCCEEDS(cuStreamSynchronize(stream));
    cr_assert_eq(graph_memory(CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT), 2 * MIB);
    cr_assert_eq(graph_memory(CU_GRAPH_MEM_ATTR_USED_MEM_HIGH), 6 * MIB);
    GIVES(CUDA_ERROR_INVALID_VALUE, cuDeviceSetGraphMemAttribute(0, CU_GRAPH_MEM_ATTR_USED_MEM_HIGH, &one));
    GIVES(CUDA_ERROR_INVALID_VALUE, cuDeviceSetGraphMemAttribute(0, CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT, &zero));
    SUCCEEDS(cuDeviceSetGraphMemAttribute(0, CU_GRAPH_MEM_ATTR_USED_MEM_HIGH, &zero));
    cr_assert_eq(graph_memory(CU_GRAPH_MEM_ATTR_USED_MEM_HIGH), 2 * MIB);
    SUCCEEDS(cuMemFreeAsync(second, stream));
    SUCCEEDS(cuStreamSynchronize(stream));
    cr_assert_eq(graph_memory(CU_GRAPH_MEM_ATTR_USED_MEM_CURRENT), 0);
    cr_assert_eq(graph_memory(CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT), 6 * MIB);
    SUCCEEDS(cuGraphExecDestroy(exec));
    cr_assert_eq(graph_memory(CU_GRAPH_MEM_ATTR_RESERVED_MEM_CURRENT), 0);
    cr_assert_eq(graph_memory(CU_GRAPH_MEM_ATTR_RESERVED_MEM_HIGH), 6 * MIB);
    SUCCEEDS(cuDeviceGraphMemTrim(0));
    GIVES(CUDA_ERROR_INVALID_DEVICE, cuDeviceGraphMemTrim(7));
}

Test(graph, is_told_node_by_node)
{
    start("early");
    char path[] = "/tmp/simcuda-graph-XXXXXX", text[512] = "";
    CUgraph graph = graph_of_one_fill(new_stream(CU_STREAM_NON_BLOCKING));
    FILE *file = fdopen(mkstemp(path), "r");

    SUCCEEDS(cuGraphDebugDotPrint(graph, path, 0));
    cr_assert_gt(fread(text, 1, sizeof text - 1, file), 0);
    cr_assert_not_null(strstr(text, "digraph dot {"));
    cr_assert_not_null(strstr(text, "node_0 [label="));
    cr_assert_null(strstr(text, "node_1"));
    GIVES(CUDA_ERROR_OPERATING_SYSTEM, cuGraphDebugDotPrint(graph, "/no/such/folder/x", 0));
    fclose(file);
    unlink(path);
}

/* PyTorch 2.6 asks for the driver's functions by dlsym, whether it will call them or not. */
Test(entry, functions_that_are_not_simulated_are_exported_and_say_so)
{
    start("early");
    int (*create)(void) = dlsym(RTLD_DEFAULT, "cuMulticastCreate");

    cr_assert_not_null(create);
    cr_assert_not_null(dlsym(RTLD_DEFAULT, "cuMemExportToShareableHandle"));
    cr_assert_eq(create(), CUDA_ERROR_NOT_SUPPORTED);
}

Test(entry, managed_memory_is_not_offered)
{
    start("early");
    CUdeviceptr address;
    int managed = 1;
    SUCCEEDS(cuDeviceGetAttribute(&managed, CU_DEVICE_ATTRIBUTE_MANAGED_MEMORY, 0));
    cr_assert_eq(managed, 0);
    GIVES(CUDA_ERROR_NOT_SUPPORTED, cuMemAllocManaged(&address, 1, CU_MEM_ATTACH_GLOBAL));
}

Test(entry, a_listener_for_the_drivers_log_is_accepted_once)
{
    start("early");
    CUlogsCallbackHandle handle;
    SUCCEEDS(cuLogsRegisterCallback((CUlogsCallback)(void *)destroy, NULL, &handle));
    SUCCEEDS(cuLogsUnregisterCallback(handle));
    GIVES(CUDA_ERROR_INVALID_VALUE, cuLogsUnregisterCallback(handle));
    GIVES(CUDA_ERROR_INVALID_VALUE, cuLogsRegisterCallback(NULL, NULL, &handle));
}
