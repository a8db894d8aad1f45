/* driver_work_test.c: what operations ask of the machine, as the trace tells it: exact bytes, links, and FLOPs. */
#include "../../internals.h"
#include "simulated.h"

#include <stdio.h>
#include <unistd.h>

static char trace_path[64];

/* With a trace; the two devices' contexts are contexts[0], which is current, and contexts[1]. */
static void start_traced(CUcontext contexts[2])
{
    snprintf(trace_path, sizeof trace_path, "/tmp/simcuda-work-%d", (int)getpid());
    unlink(trace_path);
    setenv("SIMCUDA_TRACE", trace_path, 1);
    contexts[0] = start("early");
    SUCCEEDS(cuDevicePrimaryCtxRetain(&contexts[1], 1));
}

/* The end of the trace's last line that contains `what`: from "flops" on. */
static void expect_work(const char *what, const char *expected)
{
    static char line[32768], found[32768];
    FILE *trace = fopen(trace_path, "r");
    char *work;

    cr_assert_not_null(trace);
    found[0] = '\0';
    while (fgets(line, sizeof line, trace) != NULL)
        if (strstr(line, what) != NULL)
            strcpy(found, line);
    fclose(trace);
    work = strstr(found, "\"flops\"");
    cr_assert_not_null(work, "no line with %s tells its work", what);
    work[strcspn(work, "\n")] = '\0';
    cr_assert_str_eq(work, expected);
}

static void end_trace(void)
{
    unlink(trace_path);
}

static CUdeviceptr memory_of(CUcontext context, size_t bytes)
{
    CUdeviceptr address;
    SUCCEEDS(cuCtxPushCurrent(context));
    address = new_memory(bytes);
    SUCCEEDS(cuCtxPopCurrent(&context));
    return address;
}

Test(work, a_copy_tells_its_bytes_and_its_link, .fini = end_trace)
{
    CUcontext contexts[2];
    start_traced(contexts);
    CUdeviceptr here = new_memory(1000), there = memory_of(contexts[1], 1000);
    static char pageable[1000];
    void *pinned;

    SUCCEEDS(cuMemHostAlloc(&pinned, 1000, 0));
    SUCCEEDS(cuMemcpyHtoD(here, pageable, 1000));
    expect_work("cuMemcpyHtoD",
        "\"flops\":0,\"legs\":[{\"from\":\"host\",\"to\":\"cuda:0\",\"link\":\"pageable\",\"bytes\":1000}]}");
    SUCCEEDS(cuMemcpyHtoDAsync(here, pinned, 999, NULL));
    expect_work("cuMemcpyHtoDAsync",
        "\"flops\":0,\"legs\":[{\"from\":\"host\",\"to\":\"cuda:0\",\"link\":\"pinned\",\"bytes\":999}]}");
    SUCCEEDS(cuMemcpyDtoHAsync(pinned, here, 77, NULL));
    expect_work("cuMemcpyDtoHAsync",
        "\"flops\":0,\"legs\":[{\"from\":\"cuda:0\",\"to\":\"host\",\"link\":\"pinned\",\"bytes\":77}]}");
    SUCCEEDS(cuMemcpyDtoDAsync(here, here + 500, 100, NULL));
    expect_work("cuMemcpyDtoDAsync",
        "\"flops\":0,\"legs\":[{\"from\":\"cuda:0\",\"to\":\"cuda:0\",\"link\":\"memory\",\"bytes\":100}]}");
    SUCCEEDS(cuMemcpyAsync((CUdeviceptr)pinned, (CUdeviceptr)pageable, 64, NULL));
    expect_work(
        "cuMemcpyAsync", "\"flops\":0,\"legs\":[{\"from\":\"host\",\"to\":\"host\",\"link\":\"host\",\"bytes\":64}]}");
    /* Without access between the devices a copy goes through the host. */
    SUCCEEDS(cuMemcpyPeerAsync(here, contexts[0], there, contexts[1], 1000, NULL));
    expect_work("cuMemcpyPeerAsync",
        "\"flops\":0,\"legs\":[{\"from\":\"cuda:1\",\"to\":\"cuda:0\",\"link\":\"staged\",\"bytes\":1000}]}");
    SUCCEEDS(cuCtxEnablePeerAccess(contexts[1], 0));
    SUCCEEDS(cuMemcpyPeerAsync(there, contexts[1], here, contexts[0], 512, NULL));
    expect_work("cuMemcpyPeerAsync",
        "\"flops\":0,\"legs\":[{\"from\":\"cuda:0\",\"to\":\"cuda:1\",\"link\":\"peer\",\"bytes\":512}]}");
}

Test(work, the_rows_of_a_copy_count_without_the_gaps_between_them, .fini = end_trace)
{
    CUcontext contexts[2];
    start_traced(contexts);
    CUdeviceptr memory = new_memory(4096);
    static char rows[10 * 64];
    CUDA_MEMCPY2D copy = {.srcMemoryType = CU_MEMORYTYPE_HOST,
        .srcHost = rows,
        .srcPitch = 64,
        .dstMemoryType = CU_MEMORYTYPE_DEVICE,
        .dstDevice = memory,
        .dstPitch = 256,
        .WidthInBytes = 48,
        .Height = 10};

    SUCCEEDS(cuMemcpy2D(&copy));
    expect_work("cuMemcpy2D",
        "\"flops\":0,\"legs\":[{\"from\":\"host\",\"to\":\"cuda:0\",\"link\":\"pageable\",\"bytes\":480}]}");
}

Test(work, a_fill_writes_its_bytes_where_they_lie, .fini = end_trace)
{
    CUcontext contexts[2];
    start_traced(contexts);
    CUdeviceptr memory = new_memory(4096);
    void *pinned;

    SUCCEEDS(cuMemHostAlloc(&pinned, 4096, 0));
    SUCCEEDS(cuMemsetD32Async(memory, 1, 100, NULL));
    expect_work("cuMemsetD32Async",
        "\"flops\":0,\"legs\":[{\"from\":\"cuda:0\",\"to\":\"cuda:0\",\"link\":\"memory\",\"bytes\":400}]}");
    SUCCEEDS(cuMemsetD2D16Async(memory, 64, 1, 10, 3, NULL));
    expect_work("cuMemsetD2D16Async",
        "\"flops\":0,\"legs\":[{\"from\":\"cuda:0\",\"to\":\"cuda:0\",\"link\":\"memory\",\"bytes\":60}]}");
    SUCCEEDS(cuMemsetD8Async((CUdeviceptr)pinned, 1, 100, NULL));
    expect_work("cuMemsetD8Async",
        "\"flops\":0,\"legs\":[{\"from\":\"cuda:0\",\"to\":\"host\",\"link\":\"pinned\",\"bytes\":100}]}");
}

/* A copy over mappings of several devices. */
Test(work, a_copy_over_several_mappings_has_a_leg_for_each_place, .fini = end_trace)
{
    CUcontext contexts[2];
    start_traced(contexts);
    CUdeviceptr range, from = new_memory(6 * MIB);
    CUmemAccessDesc access = {
        .location = {CU_MEM_LOCATION_TYPE_DEVICE, 0}, .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};

    SUCCEEDS(cuMemAddressReserve(&range, 6 * MIB, 0, 0, 0));
    for (int i = 0; i < 3; i++) {
        CUmemGenericAllocationHandle handle;
        CUmemAllocationProp where = {
            .type = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {CU_MEM_LOCATION_TYPE_DEVICE, i == 1}};
        SUCCEEDS(cuMemCreate(&handle, 2 * MIB, &where, 0));
        SUCCEEDS(cuMemMap(range + (CUdeviceptr)i * 2 * MIB, 2 * MIB, 0, handle, 0));
    }
    SUCCEEDS(cuMemSetAccess(range, 6 * MIB, &access, 1));
    SUCCEEDS(cuMemcpyDtoDAsync(range + MIB, from, 4 * MIB, NULL)); /* 1 MiB, 2 MiB, 1 MiB */
    expect_work("cuMemcpyDtoDAsync",
        "\"flops\":0,\"legs\":[{\"from\":\"cuda:0\",\"to\":\"cuda:0\",\"link\":\"memory\",\"bytes\":2097152},"
        "{\"from\":\"cuda:0\",\"to\":\"cuda:1\",\"link\":\"peer\",\"bytes\":2097152}]}");
}

static const struct simcuda_internals *internals(void)
{
    static const CUuuid id = SIMCUDA_INTERNALS_UUID;
    const void *table;
    SUCCEEDS(cuGetExportTable(&table, &id));
    return table;
}

static struct simcuda_matrix matrix(CUdeviceptr address, enum simcuda_type type, int64_t rows, int64_t columns)
{
    return (struct simcuda_matrix){address, type, false, rows, columns, rows, rows * columns};
}

Test(work, a_gemm_tells_its_flops_and_each_operand_s_bytes_and_link, .fini = end_trace)
{
    CUcontext contexts[2];
    start_traced(contexts);
    SUCCEEDS(cuCtxEnablePeerAccess(contexts[1], 0));
    void *pinned;
    SUCCEEDS(cuMemHostAlloc(&pinned, 4096, 0));
    /* D (4 x 6, f32) = A (4 x 5, f32, in the other device) * B (5 x 6, f32, pinned) */
    struct simcuda_gemm gemm = {.symbol = "test_gemm",
        .a = matrix(memory_of(contexts[1], 4096), SIMCUDA_F32, 4, 5),
        .b = matrix((CUdeviceptr)pinned, SIMCUDA_F32, 5, 6),
        .d = matrix(new_memory(4096), SIMCUDA_F32, 4, 6),
        .batch_count = 1,
        .alpha = 1};

    SUCCEEDS(internals()->launch_gemm(NULL, &gemm));
    expect_work("test_gemm", "\"flops\":240,\"legs\":[" /* 2 * 4 * 6 * 5 */
                             "{\"from\":\"cuda:1\",\"to\":\"cuda:0\",\"link\":\"peer\",\"bytes\":80},"
                             "{\"from\":\"host\",\"to\":\"cuda:0\",\"link\":\"pinned\",\"bytes\":120},"
                             "{\"from\":\"cuda:0\",\"to\":\"cuda:0\",\"link\":\"memory\",\"bytes\":96}]}");
}

Test(work, batches_beta_and_bias_of_a_gemm_count, .fini = end_trace)
{
    CUcontext contexts[2];
    start_traced(contexts);
    /* Three times D (4 x 6) = A (4 x 5 of columns 8 apart, transposed from 5 x 4) * B (5 x 6, the same for all) + C */
    struct simcuda_gemm gemm = {.symbol = "test_gemm",
        .a = {new_memory(4096), SIMCUDA_F16, true, 5, 4, 8, 32},
        .b = {new_memory(4096), SIMCUDA_F16, false, 5, 6, 5, 0},
        .c = matrix(new_memory(4096), SIMCUDA_F32, 4, 6),
        .d = matrix(new_memory(4096), SIMCUDA_F32, 4, 6),
        .batch_count = 3,
        .alpha = 1,
        .beta = 1,
        .bias = new_memory(64),
        .bias_type = SIMCUDA_F32};

    SUCCEEDS(internals()->launch_gemm(NULL, &gemm));
    /* FLOPs: 3 * 2 * 4 * 6 * 5. Bytes: A 3 * 4 * 5 * 2, B 5 * 6 * 2, C and D 3 * 4 * 6 * 4 each, bias 4 * 4. */
    expect_work("test_gemm",
        "\"flops\":720,\"legs\":[{\"from\":\"cuda:0\",\"to\":\"cuda:0\",\"link\":\"memory\",\"bytes\":772}]}");
}
