/* ask.c: what the program asks about its memory, and calls that must be refused as CUDA refuses them. */
#include <stdio.h>

#include "operations.h"
#include "order.h"
#include "report.h"
#include "shadow.h"

/* --- Questions ---------------------------------------------------------------------------------------------------- */

static void ask_runtime(struct worker *worker, const struct allocation *allocation, const char *address)
{
    struct cudaPointerAttributes attributes = {0};
    TRY(worker, cudaPointerGetAttributes(&attributes, address));
    if (attributes.type != cudaMemoryTypeDevice || attributes.device != allocation->device ||
        attributes.devicePointer != address)
        fail(worker, allocation, "%p is memory of type %d on device %d at %p", (const void *)address,
            (int)attributes.type, attributes.device, attributes.devicePointer);
}

static void ask_driver(struct worker *worker, const struct allocation *allocation, const char *address)
{
    CUpointer_attribute names[] = {CU_POINTER_ATTRIBUTE_MEMORY_TYPE, CU_POINTER_ATTRIBUTE_DEVICE_ORDINAL};
    unsigned type = 0;
    int device = -1;
    void *values[] = {&type, &device};
    if (chance(worker, 50)) {
        TRY(worker, cuPointerGetAttributes(2, names, values, (CUdeviceptr)address));
    } else {
        TRY(worker, cuPointerGetAttribute(&type, names[0], (CUdeviceptr)address));
        TRY(worker, cuPointerGetAttribute(&device, names[1], (CUdeviceptr)address));
    }
    if (type != CU_MEMORYTYPE_DEVICE || device != allocation->device)
        fail(worker, allocation, "%p is memory of type %u on device %d", (const void *)address, type, device);
}

/* A pool may round up. */
static void ask_range(struct worker *worker, const struct allocation *allocation, const char *address)
{
    CUdeviceptr base = 0;
    size_t bytes = 0;
    TRY(worker, cuMemGetAddressRange(&base, &bytes, (CUdeviceptr)address));
    if ((char *)base != allocation->address || bytes < allocation->bytes || bytes >= allocation->bytes + 4096)
        fail(worker, allocation, "%p lies in %zu bytes at %p", (const void *)address, bytes, (void *)base);
}

void expect_own_pointer(struct worker *worker, const struct allocation *allocation)
{
    use_device(worker, allocation->device);
    const char *address = allocation->address + below(worker, allocation->bytes);
    switch (below(worker, 3)) {
    case 0:
        ask_runtime(worker, allocation, address);
        break;
    case 1:
        ask_driver(worker, allocation, address);
        break;
    default:
        ask_range(worker, allocation, address);
    }
}

static void ask_for_memory(struct worker *worker)
{
    size_t available = 0, total = 0;
    TRY(worker, cudaMemGetInfo(&available, &total));
    if (available > total || total == 0)
        fail(worker, NULL, "%zu bytes are free of %zu", available, total);
}

void do_ask(struct worker *worker)
{
    struct allocation *allocation = any_owned(worker, -1);
    int device = -1;
    if (allocation)
        expect_own_pointer(worker, allocation);
    if (chance(worker, 20))
        ask_for_memory(worker);
    TRY(worker, cudaGetDevice(&device));
    if (device != worker->device)
        fail(worker, NULL, "the current device is %d, not %d", device, worker->device);
}

/* --- Calls that are refused --------------------------------------------------------------------------------------- */

/* The error of a refused call is the call's and the thread's last one, once; a driver call leaves none. */
static void expect_refusal(struct worker *worker, const struct allocation *allocation, const char *call, int result,
    int expected, bool runtime)
{
    int peeked = (int)cudaPeekAtLastError(), last = (int)cudaGetLastError(), then = (int)cudaGetLastError();
    expected = is_injected(result) ? result : expected;
    int wanted = runtime ? expected : 0;
    if (result != expected || peeked != wanted || last != wanted || then != 0)
        fail(worker, allocation, "%s gave %d instead of %d; the last error was %d, %d, then %d", call, result, expected,
            peeked, last, then);
}

#define REFUSED(call, expected, runtime) expect_refusal(worker, allocation, #call, (int)(call), expected, runtime)

void do_wrong_call(struct worker *worker)
{
    struct allocation *allocation = any_owned(worker, -1);
    if (!allocation || allocation->bytes < 1024)
        return;
    char *address = allocation->address, *inner = address + 512;
    use_device(worker, allocation->device);
    switch (below(worker, 7)) {
    case 0:
        REFUSED(cudaFree(inner), cudaErrorInvalidValue, true);
        break;
    case 1:
        REFUSED(cuMemFree((CUdeviceptr)inner), CUDA_ERROR_INVALID_VALUE, false);
        break;
    case 2:
        REFUSED(
            cudaMemcpy(worker->scratch, address, 16, (enum cudaMemcpyKind)9), cudaErrorInvalidMemcpyDirection, true);
        break;
    case 3:
        REFUSED(cudaMemcpy2D(worker->scratch, 8, address, 16, 16, 2, cudaMemcpyDeviceToHost),
            cudaErrorInvalidPitchValue, true);
        break;
    case 4:
        REFUSED(cudaFreeHost(address), cudaErrorInvalidValue, true);
        break;
    case 5:
        REFUSED(cudaSetDevice(99), cudaErrorInvalidDevice, true);
        break;
    default:
        REFUSED(cudaEventQuery(NULL), cudaErrorInvalidResourceHandle, true);
    }
    check_whole(worker, allocation);
}
