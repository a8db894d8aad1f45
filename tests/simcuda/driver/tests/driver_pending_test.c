/* driver_pending_test.c: memory that is taken away under queued work, and launches that find no memory. On a real
 * device these are matters of time; here the order is chosen. */
#include "simulated.h"

static const CUmemAccessDesc nothing_for_0 = {
    .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0}, .flags = CU_MEM_ACCESS_FLAGS_PROT_NONE};

static CUresult give_access(CUdeviceptr address, int device)
{
    CUmemAccessDesc access = {
        .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = device}, .flags = CU_MEM_ACCESS_FLAGS_PROT_READWRITE};
    return cuMemSetAccess(address, 2 * MIB, &access, 1);
}

/* 2 MiB of device 0, for both devices. */
static CUdeviceptr map(void)
{
    CUmemAllocationProp properties = {
        .type = CU_MEM_ALLOCATION_TYPE_PINNED, .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0}};
    CUmemGenericAllocationHandle handle;
    CUdeviceptr address;

    SUCCEEDS(cuMemCreate(&handle, 2 * MIB, &properties, 0));
    SUCCEEDS(cuMemAddressReserve(&address, 2 * MIB, 0, 0, 0));
    SUCCEEDS(cuMemMap(address, 2 * MIB, 0, handle, 0));
    SUCCEEDS(give_access(address, 0));
    SUCCEEDS(give_access(address, 1));
    return address;
}

/* Work of device 1 on `address`, left in its stream; device 0's context is current again. */
static CUstream queue_on_peer(CUdeviceptr address)
{
    CUcontext peer;
    CUstream stream;

    SUCCEEDS(cuDevicePrimaryCtxRetain(&peer, 1));
    SUCCEEDS(cuCtxPushCurrent(peer));
    stream = new_stream(CU_STREAM_NON_BLOCKING);
    SUCCEEDS(cuMemsetD8Async(address, 1, 1, stream));
    SUCCEEDS(cuCtxPopCurrent(NULL));
    return stream;
}

Test(pending, withdrawing_access_under_queued_work_stops_the_context_also_where_it_is_given_again)
{
    start("late");
    CUdeviceptr address = map();

    SUCCEEDS(cuMemsetD8Async(address + MIB, 1, 1, new_stream(CU_STREAM_NON_BLOCKING)));
    SUCCEEDS(cuMemSetAccess(address, 2 * MIB, &nothing_for_0, 1));
    SUCCEEDS(give_access(address, 0));
    GIVES(CUDA_ERROR_ILLEGAL_ADDRESS, cuCtxSynchronize());
}

Test(pending, withdrawing_access_after_waiting_is_fine)
{
    start("late");
    CUdeviceptr address = map();

    SUCCEEDS(cuMemsetD8Async(address + MIB, 1, 1, new_stream(CU_STREAM_NON_BLOCKING)));
    SUCCEEDS(cuCtxSynchronize());
    SUCCEEDS(cuMemSetAccess(address, 2 * MIB, &nothing_for_0, 1));
    SUCCEEDS(cuCtxSynchronize());
}

Test(pending, withdrawing_one_devices_access_leaves_the_others_work_alone)
{
    start("late");
    CUdeviceptr address = map();
    CUstream stream = queue_on_peer(address);

    SUCCEEDS(cuMemSetAccess(address, 2 * MIB, &nothing_for_0, 1));
    SUCCEEDS(cuStreamSynchronize(stream));
    cr_assert_eq(byte_at(address), 1);
    SUCCEEDS(cuCtxSynchronize());
}

Test(pending, giving_access_under_queued_work_is_fine)
{
    start("late");
    CUdeviceptr address = map();

    SUCCEEDS(cuMemsetD8Async(address, 1, 1, new_stream(CU_STREAM_NON_BLOCKING)));
    SUCCEEDS(give_access(address, 1));
    SUCCEEDS(give_access(address, 0));
    SUCCEEDS(cuCtxSynchronize());
}

Test(pending, unmapping_under_another_devices_work_stops_that_devices_context)
{
    start("late");
    CUdeviceptr address = map();
    CUstream stream = queue_on_peer(address);

    SUCCEEDS(cuMemUnmap(address, 2 * MIB));
    GIVES(CUDA_ERROR_ILLEGAL_ADDRESS, cuStreamSynchronize(stream));
    SUCCEEDS(cuCtxSynchronize());
}

/* --- memory for launches ------------------------------------------------------------------------------------------ */

static CUfunction new_kernel(void)
{
    CUmodule module;
    CUfunction kernel;
    SUCCEEDS(cuModuleLoadData(&module, "image"));
    SUCCEEDS(cuModuleGetFunction(&kernel, module, "_Z5writePf"));
    return kernel;
}

static CUresult launch(CUfunction kernel, CUdeviceptr argument)
{
    void *arguments[] = {&argument};
    return cuLaunchKernel(kernel, 1, 1, 1, 32, 1, 1, 0, NULL, arguments, NULL);
}

Test(launch_memory, the_first_launch_of_a_module_takes_memory_and_later_ones_do_not)
{
    start("early");
    CUdeviceptr address = new_memory(1);
    CUfunction kernel = new_kernel();
    size_t before = simcudaBytesUsed(0), after;

    SUCCEEDS(launch(kernel, address));
    after = simcudaBytesUsed(0);
    cr_assert_gt(after, before);
    SUCCEEDS(launch(kernel, address));
    cr_assert_eq(simcudaBytesUsed(0), after);
}

Test(launch_memory, a_launch_on_a_full_device_is_out_of_memory_and_does_no_harm)
{
    start("early");
    CUfunction loaded = new_kernel(), kernel = new_kernel();
    CUdeviceptr last = new_memory(2 * MIB), address, next;
    int pages = 0;

    SUCCEEDS(launch(loaded, last));
    for (address = last; cuMemAlloc(&next, 2 * MIB) == CUDA_SUCCESS; last = next)
        pages++;
    cr_assert_gt(pages, 100);
    SUCCEEDS(launch(loaded, address));
    /* 128 KiB of a module are taken: what is left of that page is enough for the next 15, and not for one more. */
    for (int i = 0; i < 15; i++)
        SUCCEEDS(launch(new_kernel(), address));
    GIVES(CUDA_ERROR_OUT_OF_MEMORY, launch(kernel, address));
    SUCCEEDS(cuCtxSynchronize());
    SUCCEEDS(cuMemFree(last));
    SUCCEEDS(launch(kernel, address));
    SUCCEEDS(cuCtxSynchronize());
}

Test(launch_memory, a_context_takes_memory_and_needs_it)
{
    CUcontext other;

    start("early"); /* 400 MiB of 1 GiB are taken */
    cr_assert_eq(simcudaBytesUsed(0), 400 * MIB);
    SUCCEEDS(cuCtxCreate(&other, NULL, 0, 0));
    cr_assert_eq(simcudaBytesUsed(0), 800 * MIB);
    GIVES(CUDA_ERROR_OUT_OF_MEMORY, cuCtxCreate(&other, NULL, 0, 0));
    (void)new_memory(100 * MIB); /* that did no harm */
}
