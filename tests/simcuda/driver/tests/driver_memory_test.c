/* driver_memory_test.c: where memory is, how much there is, and who reaches it. */
#include "simulated.h"

#include <sys/wait.h>
#include <unistd.h>

static CUmemGenericAllocationHandle new_handle(CUmemLocationType type, int id, size_t bytes)
{
    CUmemAllocationProp properties = {.type = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {.type = type, .id = id}};
    CUmemGenericAllocationHandle handle;
    SUCCEEDS(cuMemCreate(&handle, bytes, &properties, 0));
    return handle;
}

static CUdeviceptr new_mapping(CUmemGenericAllocationHandle handle, size_t bytes, int device)
{
    CUmemAccessDesc access = {
        .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device}, .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    CUdeviceptr address;

    SUCCEEDS(cuMemAddressReserve(&address, bytes, 0, 0, 0));
    SUCCEEDS(cuMemMap(address, bytes, 0, handle, 0));
    SUCCEEDS(cuMemSetAccess(address, bytes, &access, 1));
    return address;
}

static CUfunction kernel_of(const char *name)
{
    CUlibrary library;
    CUkernel kernel;
    SUCCEEDS(cuLibraryLoadData(&library, "image", NULL, NULL, 0, NULL, NULL, 0));
    SUCCEEDS(cuLibraryGetKernel(&kernel, library, name));
    return (CUfunction)kernel;
}

static CUresult run_kernel(CUfunction kernel, CUdeviceptr argument)
{
    void *arguments[] = {&argument};
    CUresult result = cuLaunchKernel(kernel, 1, 1, 1, 32, 1, 1, 0, NULL, arguments, NULL);
    return result == CUDA_SUCCESS ? cuCtxSynchronize() : result;
}

Test(memory, a_card_holds_its_capacity_less_the_context)
{
    CUdeviceptr address;
    size_t free_bytes, total_bytes;
    int count = 0;

    start("early");
    /* 1 GiB less 400 MiB of the context leaves 312 pages of 2 MiB. */
    while (cuMemAlloc(&address, 2 * MIB) == CUDA_SUCCESS)
        count++;
    cr_assert_eq(count, 312);
    SUCCEEDS(cuMemGetInfo(&free_bytes, &total_bytes));
    cr_assert_eq(free_bytes, 0);
    cr_assert_eq(total_bytes, 1024 * MIB);
    cr_assert_eq(simcudaBytesUsed(0), 1024 * MIB);
    cr_assert_eq(simcudaBytesUsed(1), 0);
}

static void fresh_memory_reads_as(const char *name, int fresh)
{
    static const size_t sizes[] = {1, 1000, 100000, 3 * MIB};

    setenv("SIMCUDA_FRESH", name, 1);
    start("early");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        CUdeviceptr neighbour = new_memory(64), address = new_memory(sizes[i]), again;
        SUCCEEDS(cuMemsetD8(address, 0x11, sizes[i]));
        SUCCEEDS(cuMemFree(address));
        again = new_memory(sizes[i]);
        cr_assert_eq(again, address, "first fit gives the address again: this test would see old bytes");
        cr_assert_eq(byte_at(again), fresh);
        cr_assert_eq(byte_at(again + sizes[i] - 1), fresh);
        cr_assert_eq(byte_at(neighbour), fresh);
    }
}

Test(memory, fresh_memory_reads_as_zeros_also_where_other_bytes_were)
{
    fresh_memory_reads_as("zero", 0);
}

Test(memory, fresh_memory_reads_as_poison_where_tests_ask_for_it)
{
    fresh_memory_reads_as("poison", 0xFF);
}

Test(memory, memory_of_every_kind_is_poisoned)
{
    CUdeviceptr pool_block, mapping;
    unsigned char *pinned;

    start("early");
    SUCCEEDS(cuMemAllocAsync(&pool_block, 100, NULL));
    cr_assert_eq(byte_at(pool_block + 99), FRESH);
    mapping = new_mapping(new_handle(CU_MEM_LOCATION_TYPE_DEVICE, 1, 4 * MIB), 4 * MIB, 0);
    cr_assert_eq(byte_at(mapping), FRESH);
    cr_assert_eq(byte_at(mapping + 4 * MIB - 1), FRESH);
    mapping = new_mapping(new_handle(CU_MEM_LOCATION_TYPE_HOST_NUMA, 0, 2 * MIB), 2 * MIB, 0);
    cr_assert_eq(byte_at(mapping + MIB), FRESH);
    SUCCEEDS(cuMemHostAlloc((void **)&pinned, 100 * MIB, 0));
    cr_assert(pinned[0] == FRESH && pinned[100 * MIB - 1] == FRESH);
}

/* Whether the CPU can read the byte, asked of the kernel: it answers EFAULT instead of a signal. */
static bool cpu_can_read(CUdeviceptr address)
{
    int ends[2];
    bool good;

    cr_assert_eq(pipe(ends), 0);
    good = write(ends[1], (void *)address, 1) == 1;
    close(ends[0]);
    close(ends[1]);
    return good;
}

Test(memory, device_memory_is_out_of_the_cpus_reach_and_pinned_memory_is_not)
{
    void *pinned;

    start("early");
    cr_assert_not(cpu_can_read(new_memory(1)));
    SUCCEEDS(cuMemHostAlloc(&pinned, 1, 0));
    cr_assert(cpu_can_read((CUdeviceptr)pinned));
    SUCCEEDS(cuMemFreeHost(pinned));
    cr_assert_not(cpu_can_read((CUdeviceptr)pinned));
}

Test(memory, a_handle_mapped_twice_shows_the_same_bytes_and_lives_until_the_last_mapping)
{
    start("early");
    CUmemGenericAllocationHandle handle = new_handle(CU_MEM_LOCATION_TYPE_DEVICE, 1, 2 * MIB);
    CUdeviceptr first = new_mapping(handle, 2 * MIB, 0), second = new_mapping(handle, 2 * MIB, 0);

    SUCCEEDS(cuMemsetD8(first + 100, 9, 1));
    cr_assert_eq(byte_at(second + 100), 9);
    cr_assert_eq(simcudaBytesAt((void *)first, 2 * MIB, 1), 2 * MIB);
    SUCCEEDS(cuMemRelease(handle));
    GIVES(CUDA_ERROR_INVALID_VALUE, cuMemRelease(handle));
    SUCCEEDS(cuMemUnmap(first, 2 * MIB));
    cr_assert_eq(byte_at(second + 100), 9);
    cr_assert_eq(simcudaBytesUsed(1), 2 * MIB);
    SUCCEEDS(cuMemUnmap(second, 2 * MIB));
    cr_assert_eq(simcudaBytesUsed(1), 0);
}

Test(memory, unmapping_under_queued_work_stops_the_context_also_where_new_memory_follows)
{
    start("late");
    CUmemAccessDesc access = {
        .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0}, .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    CUdeviceptr address = new_mapping(new_handle(CU_MEM_LOCATION_TYPE_DEVICE, 0, 2 * MIB), 2 * MIB, 0);

    SUCCEEDS(cuMemsetD8Async(address + MIB, 1, 1, new_stream(CU_STREAM_NON_BLOCKING)));
    SUCCEEDS(cuMemUnmap(address, 2 * MIB));
    SUCCEEDS(cuMemMap(address, 2 * MIB, 0, new_handle(CU_MEM_LOCATION_TYPE_DEVICE, 0, 2 * MIB), 0));
    SUCCEEDS(cuMemSetAccess(address, 2 * MIB, &access, 1));
    GIVES(CUDA_ERROR_ILLEGAL_ADDRESS, cuCtxSynchronize());
    GIVES(CUDA_ERROR_ILLEGAL_ADDRESS, cuMemAlloc(&address, 1));
}

Test(memory, unmapping_after_waiting_is_fine)
{
    start("late");
    CUdeviceptr address = new_mapping(new_handle(CU_MEM_LOCATION_TYPE_DEVICE, 0, 2 * MIB), 2 * MIB, 0);
    CUstream stream = new_stream(CU_STREAM_NON_BLOCKING);

    SUCCEEDS(cuMemsetD8Async(address + MIB, 1, 1, stream));
    SUCCEEDS(cuStreamSynchronize(stream));
    SUCCEEDS(cuMemUnmap(address, 2 * MIB));
    SUCCEEDS(cuCtxSynchronize());
}

Test(memory, a_kernel_needs_access_to_what_its_pointers_point_at)
{
    start("early");
    CUfunction kernel = kernel_of("_Z5writePf");
    CUdeviceptr peer = new_mapping(new_handle(CU_MEM_LOCATION_TYPE_DEVICE, 1, 2 * MIB), 2 * MIB, 0);
    CUdeviceptr own = new_memory(64);

    SUCCEEDS(run_kernel(kernel, own));
    SUCCEEDS(run_kernel(kernel, peer));
    SUCCEEDS(run_kernel(kernel, 0));
    SUCCEEDS(run_kernel(kernel, (CUdeviceptr)&own)); /* an unknown value: counted, not judged */
    SUCCEEDS(cuMemFree(own));
    GIVES(CUDA_ERROR_ILLEGAL_ADDRESS, run_kernel(kernel, own));
}

Test(memory, read_access_is_not_enough_for_a_kernel_that_writes)
{
    start("early");
    CUmemAccessDesc access = {
        .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0}, .flags = CU_MEM_ACCESS_FLAGS_PROT_READ};
    CUdeviceptr address = new_mapping(new_handle(CU_MEM_LOCATION_TYPE_DEVICE, 0, 2 * MIB), 2 * MIB, 0);

    SUCCEEDS(cuMemSetAccess(address, 2 * MIB, &access, 1));
    SUCCEEDS(run_kernel(kernel_of("_Z4readPKf"), address));
    GIVES(CUDA_ERROR_ILLEGAL_ADDRESS, run_kernel(kernel_of("_Z5writePf"), address));
}

Test(memory, host_located_memory_is_touchable_with_access_for_the_host_only)
{
    start("early");
    CUmemAccessDesc access = {
        .location = {.type = CU_MEM_LOCATION_TYPE_HOST, .id = 0}, .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    CUdeviceptr address = new_mapping(new_handle(CU_MEM_LOCATION_TYPE_HOST_NUMA, 0, 2 * MIB), 2 * MIB, 0);
    CUdeviceptr local = new_memory(16);

    cr_assert_eq(simcudaBytesUsed(SIMCUDA_LOCATION_HOST), 2 * MIB);
    cr_assert_not(cpu_can_read(address));
    SUCCEEDS(cuMemSetAccess(address, 2 * MIB, &access, 1));
    strcpy((char *)address, "written here");
    GIVES(CUDA_ERROR_INVALID_VALUE, cuMemcpyDtoD(local, address, 13));
    SUCCEEDS(cuMemcpy(local, address, 13));
    cr_assert_eq(byte_at(local + 12), 0, "the end of the string");
    cr_assert_eq(byte_at(local + 11), 'e');
}

Test(memory, memory_from_a_pool_is_used_in_stream_order_only)
{
    start("late");
    CUstream stream = new_stream(CU_STREAM_NON_BLOCKING), other = new_stream(CU_STREAM_NON_BLOCKING);
    CUdeviceptr address;

    SUCCEEDS(cuMemAllocAsync(&address, 100, stream));
    SUCCEEDS(cuMemsetD8Async(address, 1, 100, other));
    GIVES(CUDA_ERROR_ILLEGAL_ADDRESS, cuStreamSynchronize(other));
}

Test(memory, a_pool_keeps_memory_until_its_frees_are_observed)
{
    start("early");
    CUstream stream = new_stream(CU_STREAM_NON_BLOCKING);
    cuuint64_t threshold = UINT64_MAX, reserved, used;
    CUdeviceptr address;
    CUmemoryPool pool;

    SUCCEEDS(cuDeviceGetDefaultMemPool(&pool, 0));
    SUCCEEDS(cuMemPoolSetAttribute(pool, CU_MEMPOOL_ATTR_RELEASE_THRESHOLD, &threshold));
    SUCCEEDS(cuMemAllocAsync(&address, MIB, stream));
    SUCCEEDS(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_USED_MEM_CURRENT, &used));
    cr_assert_eq(used, MIB);
    SUCCEEDS(cuMemFreeAsync(address, stream));
    SUCCEEDS(cuMemPoolTrimTo(pool, 0));
    SUCCEEDS(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT, &reserved));
    cr_assert_gt(reserved, 0, "nobody waited for the free yet");
    SUCCEEDS(cuStreamSynchronize(stream));
    SUCCEEDS(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT, &reserved));
    cr_assert_gt(reserved, 0, "the threshold keeps it");
    SUCCEEDS(cuMemPoolTrimTo(pool, 0));
    SUCCEEDS(cuMemPoolGetAttribute(pool, CU_MEMPOOL_ATTR_RESERVED_MEM_CURRENT, &reserved));
    cr_assert_eq(reserved, 0);
}

Test(memory, the_nth_call_fails_when_it_shall)
{
    CUdeviceptr address;

    setenv("SIMCUDA_FAIL", "cuMemAlloc:2:NOT_PERMITTED", 1);
    start("early");
    SUCCEEDS(cuMemAlloc(&address, 1));
    GIVES(CUDA_ERROR_NOT_PERMITTED, cuMemAlloc(&address, 1));
    SUCCEEDS(cuMemAlloc(&address, 1));
    simcudaFail("cuMemAlloc_v2", 1, CUDA_ERROR_OUT_OF_MEMORY);
    GIVES(CUDA_ERROR_OUT_OF_MEMORY, cuMemAlloc(&address, 1));
    SUCCEEDS(cuMemAlloc(&address, 1));
    cr_assert_eq(simcudaCalls("cuMemAlloc"), 5);
}

Test(memory, a_forked_child_has_no_cuda)
{
    int status;
    pid_t child;

    start("early");
    child = fork();
    if (child == 0) {
        CUdeviceptr address;
        _exit(cuMemAlloc(&address, 1) == CUDA_ERROR_NOT_INITIALIZED && cuInit(0) == CUDA_ERROR_NOT_INITIALIZED ? 0 : 1);
    }
    waitpid(child, &status, 0);
    cr_assert(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    (void)new_memory(1);
}

Test(memory, the_end_of_a_primary_context_takes_all_its_memory_along)
{
    CUcontext context = start("late"), again;
    CUdeviceptr address;
    void *pinned;
    static char own[4096];

    (void)new_memory(3 * MIB);
    SUCCEEDS(cuMemAllocAsync(&address, MIB, NULL));
    SUCCEEDS(cuMemHostAlloc(&pinned, 1, 0));
    SUCCEEDS(cuMemHostRegister(own, sizeof own, 0));
    cr_assert_eq(simcudaLiveAllocations(), 4);
    SUCCEEDS(cuDevicePrimaryCtxRelease(0));
    cr_assert_eq(simcudaLiveAllocations(), 0);
    cr_assert_eq(simcudaBytesUsed(0), 0);
    cr_assert_eq(simcudaBytesUsed(SIMCUDA_LOCATION_HOST), 0);
    GIVES(CUDA_ERROR_CONTEXT_IS_DESTROYED, cuMemAlloc(&address, 1));
    SUCCEEDS(cuDevicePrimaryCtxRetain(&again, 0));
    cr_assert_eq(again, context, "the handle of a primary context stays");
    SUCCEEDS(cuMemAlloc(&address, 1));
}
