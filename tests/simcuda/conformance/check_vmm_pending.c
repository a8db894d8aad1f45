/* check_vmm_pending.c: memory that is taken away while queued work may still use it. cuda.h does not say whether the
 * calls wait; a program must. What it may count on: work is either done with the memory that it was meant for, or the
 * error tells. */
#include "context.h"
#include "gate.h"
#include "vmm.h"

#include <unistd.h>

static void sleep_a_little(void *nothing)
{
    (void)nothing;
    usleep(50000);
}

/* Whether a call says that the context is broken by an illegal address; all else but success ends the check. */
static bool broken(CUresult result)
{
    if (result == CUDA_ERROR_ILLEGAL_ADDRESS)
        return true;
    OK(result);
    return false;
}

/* Memory of device 0, mapped at two addresses: `first` is taken away, `second` shows what became of it. */
struct twice {
    size_t bytes;
    CUdeviceptr first, second;
};

static struct twice map_twice(size_t bytes)
{
    CUmemGenericAllocationHandle handle;
    struct twice twice = {.bytes = bytes, .first = reserve_and_map(bytes, &handle), .second = reserve(bytes)};
    OK(cuMemMap(twice.second, bytes, 0, handle, 0));
    OK(allow_device(0, twice.first, bytes));
    OK(allow_device(0, twice.second, bytes));
    fill(twice.second, 1, bytes);
    return twice;
}

/* Fills `first` with 2 in a stream that is busy, and maps other memory there at once, for device 0 and `device`. */
static void replace_under_work(const struct twice *twice, int device, CUstream stream)
{
    OK(cuLaunchHostFunc(stream, sleep_a_little, NULL));
    OK(cuMemsetD8Async(twice->first, 2, twice->bytes, stream));
    if (broken(cuMemUnmap(twice->first, twice->bytes)) ||
        broken(cuMemMap(twice->first, twice->bytes, 0, create_on(0, twice->bytes), 0)) ||
        broken(allow_device(0, twice->first, twice->bytes)) || broken(allow_device(device, twice->first, twice->bytes)))
        return;
    if (broken(cuStreamSynchronize(stream)))
        return;
    expect_filled(twice->second, 2, twice->bytes);
}

CHECK(vmm_unmap_pending, "[assumed; observed: vllm 43020, 45615: illegal address]",
    "work that is queued when its memory is unmapped is done, or breaks the context, and goes nowhere else",
    "unmap_pending")
{
    struct twice twice = map_twice(need_vmm());
    CUstream stream = stream_of(0);
    replace_under_work(&twice, 0, stream);
}

CHECK(vmm_unmap_pending_on_peer, "[assumed; observed: vllm 43020, 45615: illegal address]",
    "the same for work of another device that has access", "unmap_pending")
{
    need_peers(0, 1, true);
    struct twice twice = map_twice(need_vmm());
    OK(allow_device(1, twice.first, twice.bytes));
    CUstream stream = stream_of(1);
    use_device(0);
    replace_under_work(&twice, 1, stream);
}

CHECK(vmm_withdraw_pending, "[assumed; header: cuMemSetAccess does not say what it waits for]",
    "access that is withdrawn under queued work breaks the context, also where it is given again before the work is "
    "done",
    "withdraw_pending")
{
    static struct gate gate;
    CUmemAccessDesc none = {
        .location = {.type = CU_MEM_LOCATION_TYPE_DEVICE, .id = 0}, .flags = CU_MEM_ACCESS_FLAGS_PROT_NONE};
    need_simulator(); /* a call that waits makes it work, and no program can count on that */
    struct twice twice = map_twice(need_vmm());
    CUstream stream = stream_of(0);
    gate_into(stream, &gate);
    OK(cuMemsetD8Async(twice.first, 2, twice.bytes, stream));
    broken(set_access(twice.first, twice.bytes, &none));
    broken(allow_device(0, twice.first, twice.bytes));
    gate_open(&gate);
    FAILS(cuStreamSynchronize(stream), CUDA_ERROR_ILLEGAL_ADDRESS);
}

CHECK(vmm_unmap_drained, "[header: cuMemUnmap]", "memory that no queued work uses is replaced without harm")
{
    struct twice twice = map_twice(need_vmm());
    CUstream stream = stream_of(0);
    OK(cuLaunchHostFunc(stream, sleep_a_little, NULL));
    OK(cuMemsetD8Async(twice.first, 2, twice.bytes, stream));
    OK(cuStreamSynchronize(stream));
    OK(cuMemUnmap(twice.first, twice.bytes));
    OK(cuMemMap(twice.first, twice.bytes, 0, create_on(0, twice.bytes), 0));
    OK(allow_device(0, twice.first, twice.bytes));
    fill(twice.first, 3, twice.bytes);
    expect_filled(twice.second, 2, twice.bytes);
    expect_filled(twice.first, 3, twice.bytes);
}
