/* driver_refusal_test.c: calls that random calls (../../fuzz) once got away with, or that crashed. */
#include "simulated.h"

#include <stdint.h>
#include <sys/mman.h>

Test(refusal, sizes_that_wrap_around_are_refused)
{
    CUDA_MEMCPY2D rows = {.srcMemoryType = CU_MEMORYTYPE_DEVICE, .dstMemoryType = CU_MEMORYTYPE_DEVICE};

    start("early");
    CUdeviceptr memory = new_memory(MIB);
    /* 4 * (2^62 + 2) is 8 in 64 bits. */
    GIVES(CUDA_ERROR_INVALID_VALUE, cuMemsetD32(memory, 1, SIZE_MAX / 4 + 3));
    /* Two rows 2^64 - 64 bytes apart end before they begin. */
    GIVES(CUDA_ERROR_INVALID_VALUE, cuMemsetD2D8(memory, SIZE_MAX - 63, 1, 64, 2));
    rows.srcDevice = rows.dstDevice = memory + 4096;
    rows.srcPitch = rows.dstPitch = SIZE_MAX - 63;
    rows.WidthInBytes = 64;
    rows.Height = 3;
    GIVES(CUDA_ERROR_INVALID_VALUE, cuMemcpy2D(&rows));
}

Test(refusal, only_memory_that_the_program_has_is_registered)
{
    start("early");
    char *memory = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    cr_assert_neq(memory, MAP_FAILED);
    cr_assert_eq(munmap(memory + 2 * MIB, 2 * MIB), 0);
    GIVES(CUDA_ERROR_INVALID_VALUE, cuMemHostRegister((void *)16, 4096, 0));
    GIVES(CUDA_ERROR_INVALID_VALUE, cuMemHostRegister(memory, 2 * MIB + 1, 0));
    cr_assert_eq(simcudaBytesUsed(SIMCUDA_LOCATION_HOST), 0);
    SUCCEEDS(cuMemHostRegister(memory, 2 * MIB, 0));
    SUCCEEDS(cuMemHostUnregister(memory));
}

Test(refusal, a_variable_of_a_module_is_freed_with_it_only)
{
    CUmodule module;
    CUdeviceptr variable;
    size_t bytes;

    start("early");
    SUCCEEDS(cuModuleLoadData(&module, "image"));
    SUCCEEDS(cuModuleGetGlobal(&variable, &bytes, module, "variable"));
    GIVES(CUDA_ERROR_INVALID_VALUE, cuMemFree(variable));
    GIVES(CUDA_ERROR_INVALID_VALUE, cuMemFreeAsync(variable, NULL));
    SUCCEEDS(cuMemsetD8(variable, 1, bytes));
    SUCCEEDS(cuModuleUnload(module));
    GIVES(CUDA_ERROR_INVALID_VALUE, cuMemsetD8(variable, 1, bytes));
}

Test(refusal, memory_whose_free_is_queued_is_not_freed_again)
{
    CUdeviceptr memory;

    start("late");
    CUstream stream = new_stream(CU_STREAM_NON_BLOCKING);
    SUCCEEDS(cuMemAllocAsync(&memory, MIB, stream));
    SUCCEEDS(cuMemFreeAsync(memory, stream));
    GIVES(CUDA_ERROR_INVALID_VALUE, cuMemFree(memory));
    GIVES(CUDA_ERROR_INVALID_VALUE, cuMemFreeAsync(memory, stream));
    SUCCEEDS(cuStreamSynchronize(stream));
}

Test(refusal, a_graph_that_is_being_captured_is_not_destroyed)
{
    CUstreamCaptureStatus status;
    CUgraph graph, same;

    start("early");
    CUstream stream = new_stream(CU_STREAM_NON_BLOCKING);
    SUCCEEDS(cuStreamBeginCapture(stream, CU_STREAM_CAPTURE_MODE_RELAXED));
    SUCCEEDS(cuStreamGetCaptureInfo(stream, &status, NULL, &graph, NULL, NULL, NULL));
    GIVES(CUDA_ERROR_INVALID_VALUE, cuGraphDestroy(graph));
    SUCCEEDS(cuStreamEndCapture(stream, &same));
    cr_assert_eq(same, graph);
    SUCCEEDS(cuGraphDestroy(same));
}
